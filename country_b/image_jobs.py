"""Image jobs: intakes that run in the background, and what became of every one there ever was.

Tasks are kept here and awaited by `close`. Counters of a running job are read from memory, of any
other from SQL; a job that a stopped process left behind is shown as interrupted, and asking for
the same images again fetches only what is missing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Column, String, Table, Text, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from country_b.database import METADATA
from country_b.image_intake import ImageIntake
from country_b.image_progress import JobState, Progress
from gateway.domain import Issue, Refusal, Uid, refuse

JOBS = Table(
    "image_jobs",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("session", String(64), nullable=False, index=True),
    Column("study", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("timeline", Text, nullable=False),
)

Ended = Callable[[Progress], Awaitable[None]]


class ImageJobs:
    """The jobs of this process and the record of all of them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._running: dict[str, tuple[ImageIntake, asyncio.Task[None]]] = {}
        self._studies: dict[tuple[str, Uid], str] = {}

    async def open(self) -> None:
        """Mark what an earlier process left running."""
        async with self._engine.begin() as connection:
            rows = await connection.execute(
                select(JOBS.c.id, JOBS.c.body).where(JOBS.c.state == JobState.RUNNING.value)
            )
            for row in rows.all():
                body = {**json.loads(row.body), "state": JobState.INTERRUPTED.value}
                await connection.execute(
                    update(JOBS)
                    .where(JOBS.c.id == row.id)
                    .values(state=JobState.INTERRUPTED.value, body=json.dumps(body))
                )

    async def start(
        self,
        job: str,
        session: str,
        study: Uid,
        intake: ImageIntake,
        ended: Ended,
        *,
        check: Ended | None = None,
    ) -> None:
        """Run an intake; `ended` is awaited with its counters at the end.

        `check` is awaited with them before that: what it finds may change how the job ended.
        One job a study and visit: a second one would fetch the same images, and is `BUSY`.
        """
        key = (session, study)
        if key in self._studies:
            raise refuse(
                Refusal.BUSY,
                "images of this study are being fetched for this visit already",
                subject=self._studies[key],
            )
        self._studies[key] = job
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    insert(JOBS).values(
                        id=job,
                        session=session,
                        study=str(study),
                        state=JobState.RUNNING.value,
                        body=json.dumps(intake.progress.view()),
                        timeline="[]",
                    )
                )
        except BaseException:
            del self._studies[key]
            raise
        task = asyncio.get_running_loop().create_task(self._run(job, key, intake, ended, check))
        self._running[job] = (intake, task)
        await asyncio.sleep(0)  # a task that has not begun cannot clean up when it is cancelled

    async def _run(
        self,
        job: str,
        key: tuple[str, Uid],
        intake: ImageIntake,
        ended: Ended,
        check: Ended | None,
    ) -> None:
        progress = intake.progress
        try:
            await intake.run()
            if check is not None:
                await check(progress)
        finally:
            if progress.state is JobState.RUNNING:
                # A fault of ours ends the task with its exception; the counters must not lie.
                progress.state = JobState.FAILED
                progress.stopped_by = Issue(
                    refusal=Refusal.INTERNAL, text="the job ended by a fault of this gateway"
                )
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(
                        update(JOBS)
                        .where(JOBS.c.id == job)
                        .values(
                            state=progress.state.value,
                            body=json.dumps(progress.view()),
                            timeline=json.dumps(progress.timeline_view()),
                        )
                    )
                await ended(progress)
            finally:
                self._studies.pop(key, None)
                self._running.pop(job, None)

    async def view(self, session: str, job: str) -> dict[str, Any] | None:
        """The counters of a job of a visit, None if there is no such job."""
        running = self._running.get(job)  # before its row is read: it may end meanwhile
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(
                    select(JOBS.c.body, JOBS.c.study).where(
                        JOBS.c.id == job, JOBS.c.session == session
                    )
                )
            ).one_or_none()
        if row is None:
            return None
        if running is None:
            body = json.loads(row.body)
        else:
            # It has ended when its end is on record, not before: who is told so looks it up.
            body = {**running[0].progress.view(), "state": JobState.RUNNING.value}
        return {"job": job, "study": row.study, **body}

    async def timeline(self, session: str, job: str) -> list[list[float]] | None:
        """Seconds and bytes of a job of a visit, None if there is no such job."""
        running = self._running.get(job)
        async with self._engine.connect() as connection:
            kept = await connection.scalar(
                select(JOBS.c.timeline).where(JOBS.c.id == job, JOBS.c.session == session)
            )
        if kept is None:
            return None
        found: list[list[float]] = json.loads(kept)
        return found if running is None else running[0].progress.timeline_view()

    async def cancel(self, job: str) -> None:
        """End a job; what is whole stays. Nothing happens to one that has ended."""
        running = self._running.get(job)
        if running is not None:
            _cancel(running[1])
            await asyncio.wait([running[1]])

    async def cancel_all(self, session: str) -> None:
        """End every job of a visit."""
        for (holder, _), job in list(self._studies.items()):
            if holder == session:
                await self.cancel(job)

    async def close(self) -> None:
        """End every job and wait for it."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            _cancel(task)
        if tasks:
            await asyncio.wait(tasks)


def _cancel(task: asyncio.Task[None]) -> None:
    """Once: a second time would interrupt it putting things in order."""
    if not task.cancelling():
        task.cancel()
