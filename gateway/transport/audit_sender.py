"""Audit events on their way to a FHIR audit repository (ITI-20, option ATX: FHIR Feed).

The audit trail is the spool: events are read from it in order, from a kept mark on, and each is
posted until it is settled. Nothing here is waited for by an exchange, and nothing is lost when the
repository or this process is down; an event whose answer was lost is sent again, so that a
repository may see it twice. What the repository refuses for good goes to a list of dead letters,
by number and with its reason: the event itself stays in the trail.

Rendering events and keeping them are the trail's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import aiohttp
import structlog

from gateway.config import LimitSection, SettingsError
from gateway.transport.audit_store import AuditRecord, AuditStore
from gateway.wire.fhir.resources import Format

MARK_FILE = "audit-sent"
DEAD_LETTER_FILE = "audit-refused.jsonl"
# How often the trail is asked whether it grew; asking costs a comparison of two numbers.
POLL_SECONDS = 1.0
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 300.0
BATCH = 20  # events in memory; one may hold a query of some megabytes
MAX_REASON_BYTES = 2000
# A client error says that the event will never be taken, but for these: who asks, too slow, too
# many (soap.md 10.5 has them from ITI-20; RFC 9110 15.5, RFC 6585 4).
WORTH_TRYING_AGAIN = frozenset({401, 408, 429})

_log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a post: a status, 0 where there was none, and words."""

    status: int
    reason: str = ""
    retry_after: float = 0.0

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return 400 <= self.status < 500 and self.status not in WORTH_TRYING_AGAIN


class AuditSender:
    """Sends what a trail holds to the repository at `url`, a FHIR base.

    `session` carries our TLS certificate; mark and dead letters lie in `folder`. `pause` waits for
    some seconds.
    """

    def __init__(
        self,
        store: AuditStore,
        url: str,
        *,
        session: aiohttp.ClientSession,
        folder: Path,
        limits: LimitSection,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._url = f"{url.rstrip('/')}/AuditEvent"
        self._session = session
        self._mark = folder / MARK_FILE
        self._dead_letters = folder / DEAD_LETTER_FILE
        self._pause = pause
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
        )
        self._settled = self._read_mark()

    @property
    def settled(self) -> int:
        """The number of the last event that was taken, or refused for good."""
        return self._settled

    async def run(self) -> None:
        """Send what there is and what comes, for ever."""
        while True:
            try:
                await self.send_new()
            except OSError as error:
                _log.warning("audit.not-sent", number=self._settled + 1, why=error.strerror)
                await self._pause(LONGEST_DELAY_SECONDS)
            await self._pause(POLL_SECONDS)

    async def send_new(self) -> None:
        """Send everything after the mark; returns when all of it is settled.

        OSError where the trail, the mark or the dead letters cannot be read or written.
        """
        if self._store.last <= self._settled:
            return
        records = self._store.events(self._settled)
        while batch := await asyncio.to_thread(lambda: list(islice(records, BATCH))):
            for record in batch:
                await self._settle(record)

    async def _settle(self, record: AuditRecord) -> None:
        # Records of before there were AuditEvents have nothing to send.
        answer = await self._deliver(record) if record.fhir else None
        await asyncio.to_thread(self._note, record, answer)
        self._settled = record.number

    async def _deliver(self, record: AuditRecord) -> _Answer:
        """Post an event until the repository has decided about it."""
        delay = FIRST_DELAY_SECONDS
        while True:
            answer = await self._post(record.fhir)
            if answer.taken or answer.refused:
                return answer
            wait = min(max(delay, answer.retry_after), LONGEST_DELAY_SECONDS)
            _log.warning(
                "audit.not-sent", number=record.number, status=answer.status, again_in=wait
            )
            await self._pause(wait)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    async def _post(self, resource: bytes) -> _Answer:
        media_type = Format.JSON.media_type
        headers = {"Content-Type": f"{media_type}; charset=utf-8", "Accept": media_type}
        try:
            async with self._session.post(
                self._url,
                data=resource,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                reason = await response.content.read(MAX_REASON_BYTES)
                return _Answer(
                    response.status,
                    reason.decode("utf-8", "replace"),
                    _seconds(response.headers.get("Retry-After", "")),
                )
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            return _Answer(0, type(error).__name__)

    def _note(self, record: AuditRecord, answer: _Answer | None) -> None:
        if answer is not None and answer.refused:
            letter = {
                "number": record.number,
                "id": record.index["id"],
                "status": answer.status,
                "reason": answer.reason,
            }
            _append(self._dead_letters, json.dumps(letter).encode() + b"\n")
            _log.error("audit.refused", number=record.number, status=answer.status)
        fresh = self._mark.with_name(f"{MARK_FILE}.new")
        fresh.write_bytes(b"%d\n" % record.number)
        fresh.replace(self._mark)

    def _read_mark(self) -> int:
        """The kept mark; 0 where there is none, or where the trail was begun anew since."""
        if not self._mark.exists():
            return 0
        text = self._mark.read_bytes().strip()
        if not text.isdigit():
            raise SettingsError(f"{self._mark}: found {text[:40]!r}, expected a number")
        return int(text) if int(text) <= self._store.last else 0


@asynccontextmanager
async def sending(sender: AuditSender) -> AsyncIterator[None]:
    """The sender at work beside whatever else runs, until left."""
    task = asyncio.get_running_loop().create_task(sender.run())
    task.add_done_callback(_ended)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("audit.sender-ended", exc_info=error)


def _seconds(text: str) -> float:
    """A Retry-After in seconds; 0 for a date, or none."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0.0


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(f"{path.name} takes no more bytes")
    finally:
        os.close(descriptor)
