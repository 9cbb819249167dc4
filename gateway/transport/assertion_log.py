"""Which assertions were used, by whom: a stolen one is worth nothing (SAML profiles 4.1.4.5).

A professional's assertion serves many requests within its validity, so presenting it again is
not an offence by itself. Accepted again is what comes from the TLS client that presented it
first, for the same user; refused is the same assertion from another client or for another user,
and any second use by a peer whose assertions are single-use.

The log survives a restart. It holds digests only: no identifier of an assertion, a user or a
client can be read from it. Whether an assertion is genuine and in force is decided before.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.domain.refusals import InternalFault, NotAllowed, NotNow, Refusal

# An assertion may be accepted a little after it expired (clock skew): remember it longer than
# any skew a policy allows, or it could be replayed in between.
KEPT_AFTER_EXPIRY = timedelta(minutes=10)
# About 60 MB in memory. Assertions live four hours at most, so this is seven new ones a second.
MAX_ASSERTIONS = 100_000
# The file is written anew when so many of its lines are of no use any more.
DEAD_LINES_ALLOWED = 1_000


@dataclass(frozen=True, slots=True)
class _Use:
    """The first use of an assertion: who (client and user, digested), until when, how often."""

    owner: str
    forget_at: float
    single_use: bool


class AssertionLog:
    """Remembers assertions in force. One per gateway; safe to call from several threads.

    Raises `InternalFault` where the file cannot be read or written, and `NotNow` when more than
    `max_assertions` are in force: forgetting one that is still in force would let it be replayed.
    """

    def __init__(self, path: Path, *, max_assertions: int = MAX_ASSERTIONS) -> None:
        self._path = path
        self._max = max_assertions
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}
        self._expiries: list[tuple[float, str]] = []
        self._lines = 0
        self._compacted = False
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._load()
        except OSError as error:
            raise _unusable() from error

    def accept(
        self,
        assertion_id: str,
        *,
        fingerprint: str,
        subject: str,
        expires: datetime,
        single_use: bool,
        now: datetime,
    ) -> None:
        """Note this use, or raise `NotAllowed` (ASSERTION_REUSED).

        `fingerprint` is the SHA-256 of the TLS client's certificate, `subject` the user the
        assertion is about. A use that cannot be noted is not accepted.
        """
        key = _digest(assertion_id)
        owner = _digest(fingerprint, subject)
        with self._lock:
            self._forget(now.timestamp())
            first = self._uses.get(key)
            if first is None:
                self._note(key, _Use(owner, (expires + KEPT_AFTER_EXPIRY).timestamp(), single_use))
            elif single_use or first.single_use:
                raise NotAllowed(
                    Refusal.ASSERTION_REUSED, "this assertion may be used once and has been used"
                )
            elif first.owner != owner:
                raise NotAllowed(
                    Refusal.ASSERTION_REUSED,
                    "this assertion was presented before by another client or for another user",
                )

    def __len__(self) -> int:
        return len(self._uses)

    def _note(self, key: str, use: _Use) -> None:
        if len(self._uses) >= self._max:
            raise NotNow(Refusal.BUSY, "too many assertions are in force at the same time")
        try:
            # After a write cut short, the next line must not join what is left of it.
            _append(self._path, (b"\n" if self._torn else b"") + _line(key, use))
        except OSError as error:
            self._torn = True
            raise _unusable() from error
        self._torn = False
        self._lines += 1
        self._remember(key, use)

    def _remember(self, key: str, use: _Use) -> None:
        self._uses[key] = use
        heapq.heappush(self._expiries, (use.forget_at, key))

    def _forget(self, now: float) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            _, key = heapq.heappop(self._expiries)
            self._uses.pop(key, None)
        dead = self._lines - len(self._uses)
        # The first call after a start tidies up what the last run left, whatever it is.
        if dead > (DEAD_LINES_ALLOWED if self._compacted else 0):
            try:
                self._compact()
            except OSError as error:
                raise _unusable() from error
        self._compacted = True

    def _compact(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(_line(key, use) for key, use in self._uses.items())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self._lines = len(self._uses)

    def _load(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                self._lines += 1
                read = _read(line)
                if read is not None and read[0] not in self._uses:
                    self._remember(*read)
        # A line cut short by a crash is of a use that was never accepted; the next must not join.
        if not _line_ended(self._path):
            _append(self._path, b"\n")


def _line_ended(path: Path) -> bool:
    """Whether a file is empty or ends with a line break."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _digest(*parts: str) -> str:
    whole = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).hexdigest()


def _line(key: str, use: _Use) -> bytes:
    return json.dumps([key, use.owner, use.forget_at, use.single_use]).encode() + b"\n"


def _read(line: bytes) -> tuple[str, _Use] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    match found:
        case [str(key), str(owner), float() | int() as forget_at, bool(single_use)]:
            return key, _Use(owner, float(forget_at), single_use)
    return None


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(f"{path.name} takes no more bytes")
    finally:
        os.close(descriptor)


def _unusable() -> InternalFault:
    return InternalFault(Refusal.INTERNAL, "the log of used assertions cannot be used")
