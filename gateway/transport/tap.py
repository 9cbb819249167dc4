"""The tap: keeps what passed between two gateways, raw and decoded, one folder an exchange.

    <directory>/<id>/journal.jsonl      what happened, a line an event, in order
                     request.body       the root part of the request as it was on the wire
                     answer.body        the same of the answer
                     answer-0001.part   an attachment whose bytes are kept

The journal is only ever appended to, so an exchange that died is readable up to its last event;
the ends of attachments that follow each other quickly are written a few together.
Ids are a counter and a time: they sort in the order of opening. Reading back is in
`transcripts`; this module writes.

What is kept: with `Keep.SMALL`, bodies and attachments up to `MAX_SMALL_BYTES`; larger ones as
size, SHA-256 and a reference to where the instance lies. With `Keep.ALL`, every byte. Headers
that carry credentials are redacted. Bodies hold personal data: the folder is private to its
owner, and nothing of it goes to a log.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from gateway.domain.refusals import ExchangeError, NotNow, Refusal
from gateway.transport.failures import on_disk
from gateway.transport.part_recorder import MAX_SMALL_BYTES, Headers, PartRecorder
from gateway.transport.plain import to_plain
from gateway.transport.redaction import REDACTED, redacted_form, without_secrets
from gateway.transport.transcripts import (
    JOURNAL,
    RawMessage,
    raw_message,
    read_summary,
    read_transcript,
    transcript_ids,
)
from gateway.wire.message import Message, PartRecord

# What one exchange may need for journal and root parts: set aside before it begins.
RESERVED_BYTES = 2 * MAX_SMALL_BYTES + 256 * 1024
MAX_NOUN_BYTES = 1024 * 1024
# A study has thousands of attachments: to write the end of each on its own would cost as much as
# to encrypt it.
GATHERED_EVENTS = 64
GATHER_SECONDS = 0.25
FORM = "application/x-www-form-urlencoded"
SENSITIVE_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


def wall_clock() -> datetime:
    """The time now, where no other clock is given."""
    return datetime.now(UTC)


class Keep(StrEnum):
    """How much of what passes is kept as bytes."""

    SMALL = "small"
    ALL = "all"


class Direction(StrEnum):
    """Whether the exchange came to this gateway or went out from it."""

    IN = "in"
    OUT = "out"


class Role(StrEnum):
    """Which message of an exchange."""

    REQUEST = "request"
    ANSWER = "answer"


class Tap:
    """Opens transcripts and finds them again; one per gateway process and folder.

    `quota_bytes` bounds the folder. `now` is the clock. The folder may hold the transcripts of
    earlier runs: they count, stay readable, and new ids go on from them.
    """

    def __init__(
        self,
        directory: Path,
        *,
        quota_bytes: int,
        keep: Keep | str = Keep.SMALL,
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.directory = directory
        self.keep = Keep(keep)
        self._quota = quota_bytes
        self._now = now
        self._lock = threading.Lock()
        self._reserved = 0
        self._live: dict[str, Transcript] = {}
        with on_disk():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
            self._ids = transcript_ids(directory)
            self._used = sum(
                entry.stat().st_size for name in self._ids for entry in os.scandir(directory / name)
            )
        self._counter = int(self._ids[-1].split("-")[0]) if self._ids else 0

    def open(
        self,
        *,
        direction: Direction | str,
        transaction: str = "",
        correlation_id: str = "",
        message_id: str = "",
        peer: str = "",
        caller: str = "",
    ) -> Transcript:
        """A transcript for an exchange about to begin.

        What is not known yet (a server learns the transaction from the message) is told later
        with `identify`. Raises `NotNow` (STORE_FULL) where the quota leaves no room for it.
        """
        direction = Direction(direction)
        with self._lock:
            if self._used + self._reserved + RESERVED_BYTES > self._quota:
                raise NotNow(Refusal.STORE_FULL, "the store of transcripts is full")
            self._reserved += RESERVED_BYTES
            self._counter += 1
            moment = self._now().astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
            name = f"{self._counter:08d}-{moment}Z"
        try:
            with on_disk():
                transcript = Transcript(self, name, direction)
        except ExchangeError:
            self._release(name)
            raise
        with self._lock:
            self._live[name] = transcript
            self._ids.append(name)
        known = {"transaction": transaction, "correlation_id": correlation_id}
        known |= {"message_id": message_id, "peer": peer, "caller": caller}
        try:
            transcript.identify(**known)
        except ExchangeError:
            with suppress(ExchangeError):  # the disk failed once; what counts is the first word
                transcript.close()
            raise
        return transcript

    @property
    def used_bytes(self) -> int:
        """How much of the quota is taken, without what running exchanges have set aside."""
        return self._used

    def summaries(
        self, *, since: str = "", limit: int = 100, correlation_id: str = ""
    ) -> list[dict[str, Any]]:
        """Summaries of the transcripts after the id `since`, oldest first."""
        with self._lock:
            names = [name for name in self._ids if name > since]
        found: list[dict[str, Any]] = []
        for name in names:
            if len(found) >= limit:
                break
            summary = read_summary(self.directory / name, live=name in self._live)
            if summary and correlation_id in ("", summary["correlation_id"]):
                found.append(summary)
        return found

    def transcript(self, name: str) -> dict[str, Any] | None:
        """Everything kept of one exchange but attachments, as JSON values; None if unknown."""
        if name not in self._ids:
            return None
        return read_transcript(self.directory / name, live=name in self._live)

    def raw(self, name: str, role: Role | str) -> RawMessage | None:
        """A message as it was on the wire; None if the exchange or the message is unknown."""
        if name not in self._ids:
            return None
        return raw_message(self.directory / name, Role(role).value)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes fit beside what is kept and what is set aside."""
        return self._used + self._reserved + size <= self._quota

    def now(self) -> datetime:
        """The time by this tap's clock."""
        return self._now()

    def took(self, size: int) -> None:
        """Count bytes written."""
        with self._lock:
            self._used += size

    def _release(self, name: str) -> None:
        with self._lock:
            self._reserved -= RESERVED_BYTES
            self._live.pop(name, None)


class Transcript:
    """One exchange as it happens. A context manager: leaving it closes what is still open.

    Every method may raise `NotNow` (STORE_FULL) or `InternalFault` when the disk fails.
    """

    def __init__(self, tap: Tap, name: str, direction: Direction) -> None:
        self.id = name
        self._tap = tap
        self._folder = tap.directory / name
        self._folder.mkdir(mode=0o700)
        self._journal = (self._folder / JOURNAL).open("ab", buffering=0)
        self._sizes = {Role.REQUEST: 0, Role.ANSWER: 0}
        self._parts = {Role.REQUEST: 0, Role.ANSWER: 0}
        self._open_parts: dict[int, PartRecorder] = {}
        self._status: int | None = None
        self._closed = False
        # Events told but not yet written as JSON, and JSON the disk has not taken yet. A part of
        # an answer that streams is told between two pieces of it: what can wait is done later.
        self._told: list[tuple[str, datetime, dict[str, Any]]] = []
        self._lines = bytearray()
        self._written = 0.0
        self._tell("open", direction=direction, id=name)

    def identify(self, **known: str) -> None:
        """Tell what became known: transaction, correlation_id, message_id, peer, caller."""
        if told := {key: value for key, value in known.items() if value}:
            self._tell("identified", **told)

    def request(self, message: Message) -> None:
        """Keep the request; its attachments are told to `part`."""
        self._message(Role.REQUEST, message)

    def answer(self, message: Message) -> None:
        """Keep the answer; its HTTP status is read from the start line."""
        self._status = _status_of(message.start_line)
        self._message(Role.ANSWER, message)

    def part(
        self, role: Role | str, headers: Headers, *, stored: str = "", sha256: str = "",
        digest: bool = True,
    ) -> PartRecorder:  # fmt: skip
        """A recorder for an attachment that streams through.

        `stored` refers to where its bytes lie anyway: then they are not kept here. A `sha256`
        known beforehand spares computing it; without `digest` it is told at the end.
        """
        role = Role(role)
        self._parts[role] += 1
        number = self._parts[role]
        if not stored:  # else its end tells everything, and its bytes are safe elsewhere
            self._tell("part", of=role, number=number, headers=_redacted(headers))
        recorder = PartRecorder(
            self, role, number, tuple(headers), stored=stored, sha256=sha256, digest=digest
        )
        self._open_parts[id(recorder)] = recorder
        return recorder

    def decoded(self, *, request_noun: object = None, answer_noun: object = None) -> None:
        """Keep what the messages meant."""
        for role, noun in ((Role.REQUEST, request_noun), (Role.ANSWER, answer_noun)):
            if noun is not None:
                plain = to_plain(noun)
                if (size := len(orjson.dumps(plain))) > MAX_NOUN_BYTES:
                    plain = {"kind": type(noun).__name__, "left_out": f"{size} bytes of JSON"}
                self._tell("decoded", of=role, noun=plain)

    def note(self, name: str, value: object) -> None:
        """Keep a fact beside the messages, such as `signed_by`."""
        self._tell("note", name=name, value=to_plain(value))

    def close(
        self,
        *,
        outcome: str = "",
        status: int | None = None,
        refusal: Refusal | None = None,
        text: str = "",
        request_bytes: int | None = None,
        answer_bytes: int | None = None,
    ) -> None:
        """End the exchange; more calls do nothing.

        `outcome` is one word, "success" or "refused" by default as `refusal` says. Byte counts
        default to what root parts and attachments add up to.
        """
        if self._closed:
            return
        try:
            for recorder in list(self._open_parts.values()):
                recorder.cut_off()
            self._tell(
                "close",
                outcome=outcome or ("refused" if refusal else "success"),
                status=self._status if status is None else status,
                refusal=refusal or "",
                text=text,
                request_bytes=self._sizes[Role.REQUEST] if request_bytes is None else request_bytes,
                answer_bytes=self._sizes[Role.ANSWER] if answer_bytes is None else answer_bytes,
            )
        finally:
            self._closed = True
            self._journal.close()
            self._tap._release(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, ExchangeError):
            self.close(outcome="refused", refusal=error.refusal, text=error.text)
        elif kind is not None:
            self.close(outcome="failed", text=kind.__name__)
        else:
            self.close()

    def _message(self, role: Role, message: Message) -> None:
        body = message.body
        if any(name.lower() == "content-type" and FORM in value for name, value in message.headers):
            body = redacted_form(body)
        kept = body if self.keeps_all else body[:MAX_SMALL_BYTES]
        with on_disk():
            self.save(f"{role}.body", kept)
        self._tell(
            role,
            start_line=without_secrets(message.start_line),
            headers=_redacted(message.headers),
            size_bytes=len(body),
            kept_bytes=len(kept),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        self._sizes[role] += len(body)

    def told_part(
        self, role: Role, number: int, record: PartRecord, *, complete: bool, file: str = "",
        why: str = "",
    ) -> None:  # fmt: skip
        """Tell the end of an attachment; for its recorder."""
        self._sizes[role] += record.size_bytes
        self._gather(
            "part-end", of=role, number=number, headers=_redacted(record.headers),
            size_bytes=record.size_bytes, sha256=record.sha256, stored=record.stored,
            file=file, why=why, complete=complete,
        )  # fmt: skip
        if monotonic() - self._written >= GATHER_SECONDS or len(self._told) >= GATHERED_EVENTS:
            self._write()

    def forget_part(self, recorder: PartRecorder) -> None:
        """A recorder has ended."""
        self._open_parts.pop(id(recorder), None)

    def save(self, name: str, data: bytes) -> None:
        """Write a whole file of this exchange."""
        (self._folder / name).write_bytes(data)
        self._tap.took(len(data))

    def stream(self, name: str) -> BinaryIO:
        """A file of this exchange to be written piece by piece."""
        return (self._folder / name).open("wb")

    @property
    def keeps_all(self) -> bool:
        """Whether every byte is kept."""
        return self._tap.keep is Keep.ALL

    @property
    def tap(self) -> Tap:
        """The tap this transcript belongs to."""
        return self._tap

    def _tell(self, event: str, **facts: Any) -> None:
        self._gather(event, **facts)
        self._write()

    def _gather(self, event: str, **facts: Any) -> None:
        self._told.append((event, self._tap.now(), facts))

    def _write(self) -> None:
        self._written = monotonic()
        told, self._told = self._told, []
        for event, at, facts in told:
            self._lines += _line({"event": event, "at": _moment(at), **facts})
        with on_disk():
            count = self._journal.write(self._lines) or 0
            self._tap.took(count)
            del self._lines[:count]  # the rest goes first, should there be room again
            if self._lines:
                raise OSError(errno.ENOSPC, "the journal takes no more bytes")


def _line(told: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # such as text with a lone surrogate
        return orjson.dumps(to_plain(told), option=orjson.OPT_APPEND_NEWLINE)


def _moment(at: datetime) -> str:
    """A time as transcripts write it."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")


def _redacted(headers: Headers) -> list[list[str]]:
    return [
        [name, REDACTED if name.lower() in SENSITIVE_HEADERS else value] for name, value in headers
    ]


def _status_of(start_line: str) -> int | None:
    words = start_line.split(" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
