"""Files named by their content: what was retrieved lies here, whole or not at all.

Bytes are written beside their place and moved into it when whole, so that a file in `kept/` is
never half of one. What failed a check lies in `quarantine/` and is never handed out as good.
Every byte counts against a quota; a full store is refused in words (`STORE_FULL`), as is a full
disk. Whose the files are is in the index, `kept`. What came in half and can be continued lies in
`partial/` (`partials`).
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from country_b.partials import Partials
from gateway.domain import ExchangeError, Refusal, refuse

# One hop to a thread costs some 50 µs; a piece of 1 MiB makes that nothing beside the writing.
PIECE_BYTES = 1024 * 1024
# As much of a file as names it, mostly.
HEAD_BYTES = 32 * 1024
DEFAULT_QUOTA_BYTES = 8 * 1024 * 1024 * 1024

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PIECES_PER_CALL = 64  # POSIX promises 16, every system of today takes 1024
_MORE = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that came in whole: digests in lower-case hex, size, and what is wrong with them.

    `head` is how they begin, `HEAD_BYTES` of them or all. `held_before` says that the same
    content was here already.
    """

    sha256: str
    sha1: str
    size_bytes: int
    head: bytes
    file: str
    problem: str = ""
    held_before: bool = False

    @property
    def path(self) -> Path:
        """Where they lie."""
        return Path(self.file)


Inspect = Callable[[Blob], str]


def refusal_of(error: OSError) -> ExchangeError:
    """What a failed write means: no room, or a disk that does not work."""
    if error.errno in _NO_ROOM:
        return refuse(Refusal.STORE_FULL, "the disk of this gateway is full; make room and retry")
    return refuse(Refusal.BACK_END_DOWN, "the store of this gateway cannot be written")


class BlobFile:
    """One thing coming in. `take` and `settle` belong to the event loop, the rest to a thread.

    Digests are computed in the loop, of bytes that have just been decrypted: in a thread they
    would have to be fetched from memory once more, and the thread would have to win back the
    interpreter after each piece. End it with `complete` and `settle`, with `drop`, or, where what
    came of it is `lasting` and can be continued, with `put_aside`.
    """

    def __init__(
        self, store: BlobStore, temporary: str, *, sha1: bool, lasting: bool = False
    ) -> None:
        self.lasting = lasting
        self._store = store
        self._temporary = temporary
        self._descriptor = -1
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(usedforsecurity=False) if sha1 else None
        self._size = 0
        self._head = b""
        self._reserved = 0

    @property
    def place(self) -> str:
        """Where it lies as long as it comes in."""
        return self._temporary

    @property
    def head(self) -> bytes:
        """How it begins: `HEAD_BYTES` of it, or what is here."""
        return self._head

    def take(self, data: bytes) -> None:
        """The next bytes, to be given to `write`; `STORE_FULL` if there is no room for them."""
        self._store.reserve(len(data))
        self._reserved += len(data)
        self._size += len(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._sha256.update(data)
        if self._sha1 is not None:
            self._sha1.update(data)

    def resume(self) -> None:
        """Go on behind what was put aside, whose room is counted already. Before anything else."""
        try:
            with open(self._temporary, "rb") as begun:
                while data := begun.read(PIECE_BYTES):
                    self._size += len(data)
                    self._head += data[: HEAD_BYTES - len(self._head)]
                    self._sha256.update(data)
                    if self._sha1 is not None:
                        self._sha1.update(data)
            self._descriptor = os.open(self._temporary, _MORE)
        except OSError as error:
            raise refusal_of(error) from error
        self._reserved = self._size

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces. Raises `ExchangeError` when the disk does not take them."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._temporary, _NEW_FILE, 0o600)
            for start in range(0, len(pieces), _PIECES_PER_CALL):
                self._append(pieces[start : start + _PIECES_PER_CALL])
        except OSError as error:
            raise refusal_of(error) from error

    def _append(self, pieces: Sequence[bytes]) -> None:
        written = os.writev(self._descriptor, pieces)
        if written < sum(map(len, pieces)):  # a disk that is nearly full, or a signal
            view = memoryview(b"".join(pieces))[written:]
            while view:
                view = view[os.write(self._descriptor, view) :]

    def complete(self, inspect: Inspect | None = None) -> Blob:
        """Close, inspect and put in place; what `inspect` says is wrong goes to the quarantine."""
        self.write(())
        self._close()
        sha256 = self._sha256.hexdigest()
        sha1 = self._sha1.hexdigest() if self._sha1 else ""

        def blob(file: str, problem: str = "", *, held_before: bool = False) -> Blob:
            return Blob(
                sha256=sha256,
                sha1=sha1,
                size_bytes=self._size,
                head=self._head,
                file=file,
                problem=problem,
                held_before=held_before,
            )

        problem = inspect(blob(self._temporary)) if inspect else ""
        try:
            file, held_before = self._store.place(self._temporary, sha256, good=not problem)
        except OSError as error:
            raise refusal_of(error) from error
        return blob(file, problem, held_before=held_before)

    def settle(self, blob: Blob) -> None:
        """The file is in its place: give back the room of what was here already."""
        if blob.held_before:
            self._store.release(self._reserved)
        self._reserved = 0

    def put_aside(self) -> None:
        """Leave what was written where it is, to be continued. Does nothing after `settle`."""
        self._close()
        path = Path(self._temporary)
        written = path.stat().st_size if path.exists() else 0
        self._store.release(self._reserved - written)
        self._reserved = 0

    def drop(self) -> None:
        """Forget what came in. Does nothing after `settle`."""
        self._close()
        self._store.release(self._reserved)
        self._reserved = 0
        Path(self._temporary).unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class BlobWriter:
    """Takes in one thing piece by piece, beside the loop. End it with `finish` or `discard`.

    At most twice `PIECE_BYTES` are held, and what one caller gave in one go.
    """

    def __init__(self, file: BlobFile) -> None:
        self._file = file
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._writing: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Take in a piece; waits only while the piece before is still being written."""
        self._file.take(data)
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes < PIECE_BYTES:
            return
        await self._written()
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, self._file.write, pieces)

    async def finish(self, inspect: Inspect | None = None) -> Blob:
        """Close, inspect in a thread and put in place; what is wrong goes to the quarantine."""

        def complete() -> Blob:
            self._file.write(self._gathered)
            return self._file.complete(inspect)

        try:
            await self._written()
        except BaseException:
            await self.discard()
            raise
        completing = asyncio.get_running_loop().run_in_executor(None, complete)
        try:
            blob = await asyncio.shield(completing)
        except BaseException:
            await asyncio.wait([completing])  # the thread must be done with the file
            if completing.exception() is not None:
                await self.discard()
            else:
                self._file.settle(completing.result())
            raise
        self._file.settle(blob)
        return blob

    async def discard(self) -> None:
        """Forget what came in. Does nothing after `finish` has succeeded."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.exception()
            self._writing = None
        self._file.drop()

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing


class BlobStore:
    """The folder of files and its quota. `open` it before use."""

    def __init__(self, folder: Path, *, quota_bytes: int = DEFAULT_QUOTA_BYTES) -> None:
        self._folder = folder
        self.partials = Partials(folder / "partial")
        self._quota = quota_bytes
        self._used = 0
        self._names = 0
        self._placing = threading.Lock()

    async def open(self) -> None:
        """Make the folders, drop what was half written, and count what is there."""

        def prepare() -> int:
            for name in ("kept", "quarantine", "incoming", "partial"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            for left in (self._folder / "incoming").iterdir():
                left.unlink(missing_ok=True)
            return self.partials.size_bytes() + sum(
                file.stat().st_size
                for name in ("kept", "quarantine")
                for file in (self._folder / name).rglob("*")
                if file.is_file()
            )

        self._used = await asyncio.to_thread(prepare)

    @property
    def used_bytes(self) -> int:
        """How much of the quota is taken, what is coming in included."""
        return self._used

    @property
    def quota_bytes(self) -> int:
        """How much may be kept."""
        return self._quota

    def file(self, *, sha1: bool = False, at: Path | None = None) -> BlobFile:
        """A place for one thing to come in; `sha1` when its SHA-1 will be compared.

        `at` is a place among `partials`, for what can be continued when it breaks off.
        """
        if at is not None:
            return BlobFile(self, str(at), sha1=sha1, lasting=True)
        self._names += 1
        return BlobFile(self, f"{self._folder}/incoming/{id(self):x}-{self._names}", sha1=sha1)

    def writer(self, *, sha1: bool = False) -> BlobWriter:
        """A `file` to be written from the event loop."""
        return BlobWriter(self.file(sha1=sha1))

    def reserve(self, size: int) -> None:
        """Take room for bytes that came in; `STORE_FULL` if there is none."""
        if self._used + size > self._quota:
            raise refuse(
                Refusal.STORE_FULL,
                f"the store of this gateway is full ({self._quota} bytes); close visits that "
                "need not be kept, or raise portal.kept_quota_bytes",
            )
        self._used += size

    def release(self, size: int) -> None:
        """Give room back."""
        self._used -= size

    def place(self, temporary: str, sha256: str, *, good: bool) -> tuple[str, bool]:
        """Move a whole file to the place its content names; True if it was there before.

        Runs in a thread.
        """
        target = self._name_of(sha256, good=good)
        with self._placing:  # of two that bring the same, one finds it there
            held_before = os.access(target, os.F_OK)  # needs no exception to say no
            try:
                os.replace(temporary, target)
            except FileNotFoundError:
                Path(target).parent.mkdir(exist_ok=True)
                os.replace(temporary, target)
        return target, held_before

    def path_of(self, sha256: str, *, good: bool = True) -> Path:
        """Where content lies."""
        return Path(self._name_of(sha256, good=good))

    def _name_of(self, sha256: str, *, good: bool) -> str:
        return f"{self._folder}/{'kept' if good else 'quarantine'}/{sha256[:2]}/{sha256}"

    async def drop_partial(self, path: Path) -> None:
        """Remove what came in half: it cannot be continued."""

        def unlink() -> int:
            size = path.stat().st_size if path.exists() else 0
            path.unlink(missing_ok=True)
            return size

        self.release(await asyncio.to_thread(unlink))

    async def drop_partials(self, session: str) -> None:
        """Remove everything of a visit that came in half."""
        self.release(await asyncio.to_thread(self.partials.forget, session))

    async def remove(self, digests: Iterable[str]) -> None:
        """Remove files, good or not, by their content."""

        def unlink() -> int:
            freed = 0
            for sha256 in digests:
                for good in (True, False):
                    path = self.path_of(sha256, good=good)
                    with self._placing:
                        if path.exists():
                            freed += path.stat().st_size
                            path.unlink()
            return freed

        self.release(await asyncio.to_thread(unlink))
