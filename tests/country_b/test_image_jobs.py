"""Image jobs through the API: watched, cancelled, one at a time, and after a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from country_b.database import database_url, make_engine
from country_b.image_intake import ImageIntake
from country_b.image_jobs import JOBS, ImageJobs
from country_b.session import Action, OutOfOrder, SessionStore, State
from gateway.domain import Uid
from tests.country_b.portal import STUDY, Visit, portal
from tests.fakes import make_house


async def test_a_running_job_shows_its_counters(tmp_path: Path) -> None:
    """While images come, the job says how many are here and which are not."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]

        running = await visit.get(f"/images/{job}")
        exchange.gate.set()
        ended = await visit.ended(job)

        assert (running["state"], running["received"], len(running["missing"])) == ("running", 0, 6)
        assert (ended["state"], ended["received"], ended["missing"]) == ("complete", 6, [])


async def test_a_job_has_ended_when_the_journal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told that it is complete finds that in the journal of the visit."""
    go_on, asked = asyncio.Event(), asyncio.Event()
    record = SessionStore.record

    async def slow(self: SessionStore, *args: Any, **words: Any) -> None:
        asked.set()
        await go_on.wait()
        await record(self, *args, **words)

    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        monkeypatch.setattr(SessionStore, "record", slow)
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]
        await asked.wait()

        before = await visit.get(f"/images/{job}")
        go_on.set()
        after = await visit.ended(job)

        assert (before["state"], before["received"]) == ("running", 6)
        assert after["state"] == "complete"
        steps = (await visit.get())["steps"]
        assert [line["outcome"] for line in steps if line["action"] == "images"][-1] == "complete"


async def test_the_journal_tells_the_beginning_of_a_job_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few images there are, and however slow the journal is."""
    came = asyncio.Event()
    run, advance = ImageIntake.run, SessionStore.advance

    async def quick(self: ImageIntake) -> None:
        await run(self)
        came.set()

    async def slow(self: SessionStore, session_id: str, action: Action, *args: Any, **words: Any):  # type: ignore[no-untyped-def]
        if action is Action.IMAGES:
            await came.wait()
            await asyncio.sleep(0)  # the job goes on with what it does at its end
        return await advance(self, session_id, action, *args, **words)

    monkeypatch.setattr(ImageIntake, "run", quick)
    monkeypatch.setattr(SessionStore, "advance", slow)
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        await visit.images()

        steps = (await visit.get())["steps"]

        told = [line["outcome"] for line in steps if line["action"] == "images"]
        assert told == ["done", "complete"]


async def test_a_job_that_could_not_be_journalled_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows its id: it would fetch for nobody."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()

        async def closed(*_: Any, **__: Any) -> None:
            raise OutOfOrder(State.CLOSED, Action.IMAGES)

        with monkeypatch.context() as patched:
            patched.setattr(SessionStore, "advance", closed)
            await visit.post("images", {"study": STUDY}, status=409)
        exchange.gate.set()

        assert (await visit.images())["received"] == 6


async def test_a_job_that_ends_while_it_is_looked_up_does_not_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters never go back to those of the beginning."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    looked, go_on = asyncio.Event(), asyncio.Event()
    execute = AsyncConnection.execute

    async def slow(self: AsyncConnection, statement: Any, *args: Any, **words: Any) -> Any:
        result = await execute(self, statement, *args, **words)
        if not looked.is_set() and str(statement).startswith("SELECT image_jobs.body"):
            looked.set()
            await go_on.wait()
        return result

    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]
        monkeypatch.setattr(AsyncConnection, "execute", slow)
        looking = asyncio.ensure_future(visit.get(f"/images/{job}"))
        await looked.wait()

        exchange.gate.set()
        await visit.ended(job)
        go_on.set()

        assert (await looking)["received"] == 6


async def test_one_job_a_study_at_a_time(tmp_path: Path) -> None:
    """A second request for the same study while the first runs is told to wait."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]

        busy = await visit.post("images", {"study": STUDY}, status=503)
        exchange.gate.set()
        await visit.ended(job)
        again = await visit.images()

        assert (busy["refusal"], busy["subject"]) == ("busy", job)
        assert (again["state"], again["already_kept"], again["bytes"]) == ("complete", 6, 0)


async def test_a_cancelled_job_says_so_and_can_be_continued(tmp_path: Path) -> None:
    """Cancelling is a state of its own; asking again brings the rest."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]

        cancelled = await visit.post(f"images/{job}/cancel")
        exchange.gate.set()
        again = await visit.images()

        assert cancelled["state"] == "cancelled"
        assert again["state"] == "complete"


async def test_cancelling_twice_is_cancelling_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An impatient second press does not cut short what puts the job in order."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    go_on, asked = asyncio.Event(), asyncio.Event()
    record = SessionStore.record

    async def slow(self: SessionStore, *args: Any, **words: Any) -> None:
        asked.set()
        await go_on.wait()
        await record(self, *args, **words)

    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]
        monkeypatch.setattr(SessionStore, "record", slow)

        first = asyncio.ensure_future(visit.post(f"images/{job}/cancel"))
        await asked.wait()
        second = asyncio.ensure_future(visit.post(f"images/{job}/cancel"))
        await asyncio.wait([second], timeout=0.05)
        go_on.set()

        assert (await first)["state"] == (await second)["state"] == "cancelled"
        steps = (await visit.get())["steps"]
        assert [line["outcome"] for line in steps if line["action"] == "images"][-1] == "cancelled"


async def test_closing_ends_running_jobs(tmp_path: Path) -> None:
    """A visit that closes leaves no transfer behind."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]

        await visit.post("close", {"retention_note": "none kept", "keep": False})

        assert (await visit.get(f"/images/{job}"))["state"] == "cancelled"


async def test_stopping_the_portal_ends_running_jobs(tmp_path: Path) -> None:
    """A portal that stops waits for its jobs, and their end is remembered."""
    exchange = make_house()
    exchange.gate = asyncio.Event()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.post("images", {"study": STUDY}, status=202))["job"]
    async with portal(exchange, tmp_path) as client:
        again = Visit(client)
        again.path = visit.path

        assert (await again.get(f"/images/{job}"))["state"] == "cancelled"


async def test_a_job_of_another_visit_is_not_shown(tmp_path: Path) -> None:
    """Jobs belong to their visit."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.images())["job"]
        other = await Visit(client).open()

        answer = await other.get(f"/images/{job}", status=404)

        assert answer["refusal"] == "not-found"


async def test_a_job_left_by_a_killed_process_is_interrupted(tmp_path: Path) -> None:
    """What was running when a process died is shown as interrupted."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = (await visit.images())["job"]
    engine = make_engine(database_url(tmp_path))
    async with engine.begin() as connection:
        body = json.dumps({"state": "running", "received": 2})
        await connection.execute(update(JOBS).values(state="running", body=body))

    jobs = ImageJobs(engine)
    await jobs.open()
    view = await jobs.view(visit.path.rpartition("/")[2], job)
    await engine.dispose()

    assert view is not None
    assert (view["state"], view["received"], view["study"]) == ("interrupted", 2, str(Uid(STUDY)))
