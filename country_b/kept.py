"""What was retrieved and is kept here: files named by their content, and an index in SQL.

Bytes are written beside their place and moved into it when whole, so that a file in `kept/` is
never half of one. What failed a check lies in `quarantine/` and is never handed out as good.
Every byte counts against a quota; a full store is refused in words (`STORE_FULL`), as is a full
disk. Memory per writer is bounded by `PIECE_BYTES`, twice.

Guideline, table 1: storage of what was retrieved follows the law of Country B; the retention
note of a visit is written on everything it kept.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from country_b.database import METADATA
from gateway.domain import (
    DocumentId,
    DocumentRef,
    ExchangeError,
    InstanceRef,
    Refusal,
    Uid,
    refuse,
)
from gateway.domain.ids import CommunityId, Oid

# One hop to a thread costs some 50 µs; a piece of 1 MiB makes that nothing beside the writing.
PIECE_BYTES = 1024 * 1024
DEFAULT_QUOTA_BYTES = 8 * 1024 * 1024 * 1024

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

KEPT_DOCUMENTS = Table(
    "kept_documents",
    METADATA,
    Column("session", String(64), primary_key=True),
    Column("document", String(256), primary_key=True),
    Column("community", String(64), nullable=False),
    Column("repository", String(64), nullable=False),
    Column("mime_type", String(255), nullable=False),
    Column("study", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("problem", Text, nullable=False),
    Column("retention", Text, nullable=False),
)
KEPT_INSTANCES = Table(
    "kept_instances",
    METADATA,
    Column("session", String(64), primary_key=True),
    Column("instance", String(64), primary_key=True),
    Column("study", String(64), nullable=False, index=True),
    Column("series", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("problem", Text, nullable=False),
    Column("retention", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that came in whole: digests in lower-case hex, size, and what is wrong with them."""

    sha256: str
    sha1: str
    size_bytes: int
    path: Path
    problem: str = ""


Inspect = Callable[[Blob], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """A document in the store; `problem` is "" for one that may be presented.

    `study` is the study whose manifest it is, "" for any other document.
    """

    ref: DocumentRef
    mime_type: str
    study: str = ""
    sha256: str
    size_bytes: int
    at: datetime
    problem: str = ""
    retention: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptInstance:
    """An image in the store; `problem` is "" for one that may be presented."""

    ref: InstanceRef
    transfer_syntax: str
    sha256: str
    size_bytes: int
    at: datetime
    problem: str = ""
    retention: str = ""


def refusal_of(error: OSError) -> ExchangeError:
    """What a failed write means: no room, or a disk that does not work."""
    if error.errno in _NO_ROOM:
        return refuse(Refusal.STORE_FULL, "the disk of this gateway is full; make room and retry")
    return refuse(Refusal.BACK_END_DOWN, "the store of this gateway cannot be written")


class KeptWriter:
    """Takes in the bytes of one thing. End it with `finish` or `discard`, exactly once."""

    def __init__(self, store: KeptStore, temporary: Path, *, sha1: bool, sha256: bool) -> None:
        self._store = store
        self._temporary = temporary
        self._file: BinaryIO | None = None
        self._sha256 = hashlib.sha256() if sha256 else None
        self._sha1 = hashlib.sha1(usedforsecurity=False) if sha1 else None
        self._size = 0
        self._reserved = 0
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._writing: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Take in a piece; waits only while the piece before is still being written."""
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes < PIECE_BYTES:
            return
        self._reserve()
        await self._written()
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._put, pieces)

    async def finish(self, inspect: Inspect | None = None, *, sha256: str = "") -> Blob:
        """Close, inspect in a thread and put in place; what is wrong goes to the quarantine.

        `inspect` says what is wrong; `sha256` is told to a writer that takes none itself.
        """
        try:
            self._reserve()
            await self._written()
        except BaseException:
            await self.discard()
            raise
        loop = asyncio.get_running_loop()
        completing = loop.run_in_executor(None, self._complete, inspect, sha256)
        try:
            blob, held_already = await asyncio.shield(completing)
        except BaseException:
            await asyncio.wait([completing])  # the thread must be done with the file
            if completing.exception() is not None:
                await self.discard()
            raise
        if held_already:
            self._store.release(self._reserved)
        self._reserved = 0
        return blob

    async def discard(self) -> None:
        """Forget what came in. Does nothing after `finish` has succeeded."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.exception()
            self._writing = None
        if self._file is not None:
            self._file.close()
            self._file = None
        self._temporary.unlink(missing_ok=True)
        self._store.release(self._reserved)
        self._reserved = 0

    def _reserve(self) -> None:
        self._store.reserve(self._gathered_bytes)
        self._reserved += self._gathered_bytes

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    def _put(self, pieces: Sequence[bytes]) -> None:
        try:
            if self._file is None:
                self._file = self._temporary.open("xb", buffering=0)
            for piece in pieces:
                self._size += len(piece)
                for digest in filter(None, (self._sha256, self._sha1)):
                    digest.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[self._file.write(view) :]
        except OSError as error:
            raise refusal_of(error) from error

    def _complete(self, inspect: Inspect | None, sha256: str) -> tuple[Blob, bool]:
        self._put(self._gathered)
        self._gathered = []
        if self._file is not None:
            self._file.close()
            self._file = None
        blob = Blob(
            sha256=self._sha256.hexdigest() if self._sha256 else sha256,
            sha1=self._sha1.hexdigest() if self._sha1 else "",
            size_bytes=self._size,
            path=self._temporary,
        )
        problem = inspect(blob) if inspect else ""
        try:
            path, held = self._store.place(self._temporary, blob.sha256, good=not problem)
        except OSError as error:
            raise refusal_of(error) from error
        return replace(blob, path=path, problem=problem), held


class KeptStore:
    """The folder and its index. `open` it before use."""

    def __init__(
        self,
        engine: AsyncEngine,
        folder: Path,
        *,
        now: Callable[[], datetime],
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._now = now
        self._quota = quota_bytes
        self._used = 0
        self._names = 0

    async def open(self) -> None:
        """Make the folders, drop what was half written, and count what is there."""

        def prepare() -> int:
            for name in ("kept", "quarantine", "incoming"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            for left in (self._folder / "incoming").iterdir():
                left.unlink(missing_ok=True)
            return sum(
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

    def writer(self, *, sha1: bool = False, sha256: bool = True) -> KeptWriter:
        """A place for one thing to come in; `sha1` when its SHA-1 will be compared."""
        self._names += 1
        name = f"{id(self):x}-{self._names}"
        return KeptWriter(self, self._folder / "incoming" / name, sha1=sha1, sha256=sha256)

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

    def place(self, temporary: Path, sha256: str, *, good: bool) -> tuple[Path, bool]:
        """Move a whole file to the place its content names; True if it was there before.

        Runs in a thread.
        """
        target = self.path_of(sha256, good=good)
        target.parent.mkdir(exist_ok=True)
        held_already = target.exists()
        temporary.replace(target)
        return target, held_already

    def path_of(self, sha256: str, *, good: bool = True) -> Path:
        """Where content lies."""
        return self._folder / ("kept" if good else "quarantine") / sha256[:2] / sha256

    async def add_documents(self, session: str, documents: Sequence[KeptDocument]) -> None:
        """Enter documents in the index; one retrieved again takes the place of the first."""
        rows = [
            {
                "session": session,
                "document": str(item.ref.document),
                "community": str(item.ref.community),
                "repository": str(item.ref.repository),
                "mime_type": item.mime_type,
                "study": item.study,
                "sha256": item.sha256,
                "size_bytes": item.size_bytes,
                "at": item.at,
                "problem": item.problem,
                "retention": item.retention,
            }
            for item in documents
        ]
        await self._replace(KEPT_DOCUMENTS, session, "document", rows)

    async def add_instances(self, session: str, instances: Sequence[KeptInstance]) -> None:
        """Enter images in the index; one retrieved again takes the place of the first."""
        rows = [
            {
                "session": session,
                "instance": str(item.ref.instance),
                "study": str(item.ref.study),
                "series": str(item.ref.series),
                "transfer_syntax": item.transfer_syntax,
                "sha256": item.sha256,
                "size_bytes": item.size_bytes,
                "at": item.at,
                "problem": item.problem,
                "retention": item.retention,
            }
            for item in instances
        ]
        await self._replace(KEPT_INSTANCES, session, "instance", rows)

    async def _replace(
        self, table: Table, session: str, key: str, rows: Sequence[dict[str, Any]]
    ) -> None:
        if not rows:
            return
        async with self._engine.begin() as connection:
            for start in range(0, len(rows), 500):  # within SQLite's limit of bound values
                some = rows[start : start + 500]
                await connection.execute(
                    delete(table).where(
                        table.c.session == session, table.c[key].in_([row[key] for row in some])
                    )
                )
                await connection.execute(insert(table), some)

    async def documents(self, session: str) -> tuple[KeptDocument, ...]:
        """The documents of a visit, in the order they came."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(KEPT_DOCUMENTS)
                .where(KEPT_DOCUMENTS.c.session == session)
                .order_by(KEPT_DOCUMENTS.c.at, KEPT_DOCUMENTS.c.document)
            )
            return tuple(_document(row) for row in rows)

    async def document(self, session: str, document: DocumentId) -> KeptDocument | None:
        """One document of a visit, None if it was never retrieved."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(KEPT_DOCUMENTS).where(
                    KEPT_DOCUMENTS.c.session == session,
                    KEPT_DOCUMENTS.c.document == str(document),
                )
            )
            row = rows.one_or_none()
        return None if row is None else _document(row)

    async def instances(self, session: str, study: Uid | None = None) -> tuple[KeptInstance, ...]:
        """The images of a visit, or of one study in it."""
        query = select(KEPT_INSTANCES).where(KEPT_INSTANCES.c.session == session)
        if study is not None:
            query = query.where(KEPT_INSTANCES.c.study == str(study))
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                query.order_by(KEPT_INSTANCES.c.at, KEPT_INSTANCES.c.instance)
            )
            return tuple(_instance(row) for row in rows)

    async def instance(self, session: str, instance: Uid) -> KeptInstance | None:
        """One image of a visit, None if it was never retrieved."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(KEPT_INSTANCES).where(
                    KEPT_INSTANCES.c.session == session,
                    KEPT_INSTANCES.c.instance == str(instance),
                )
            )
            row = rows.one_or_none()
        return None if row is None else _instance(row)

    async def retain(self, session: str, note: str) -> None:
        """Write the retention note on everything a visit kept."""
        async with self._engine.begin() as connection:
            for table in (KEPT_DOCUMENTS, KEPT_INSTANCES):
                await connection.execute(
                    update(table).where(table.c.session == session).values(retention=note)
                )

    async def forget(self, session: str) -> None:
        """Remove what a visit kept, files that no other visit holds included."""
        async with self._engine.begin() as connection:
            held = await _digests(connection, session)
            for table in (KEPT_DOCUMENTS, KEPT_INSTANCES):
                await connection.execute(delete(table).where(table.c.session == session))
            gone = held - await _digests(connection, None)
        self.release(await asyncio.to_thread(self._remove, gone))

    def _remove(self, digests: Iterable[str]) -> int:
        freed = 0
        for sha256 in digests:
            for good in (True, False):
                path = self.path_of(sha256, good=good)
                if path.exists():
                    freed += path.stat().st_size
                    path.unlink()
        return freed

    async def ping(self) -> dict[str, int]:
        """How full the store is; raises if the index cannot be read."""
        async with self._engine.connect() as connection:
            documents = await connection.scalar(select(func.count()).select_from(KEPT_DOCUMENTS))
            instances = await connection.scalar(select(func.count()).select_from(KEPT_INSTANCES))
        return {
            "documents": int(documents or 0),
            "instances": int(instances or 0),
            "used_bytes": self._used,
            "quota_bytes": self._quota,
        }


async def _digests(connection: AsyncConnection, session: str | None) -> set[str]:
    queries = []
    for table in (KEPT_DOCUMENTS, KEPT_INSTANCES):
        query = select(table.c.sha256)
        queries.append(query if session is None else query.where(table.c.session == session))
    return {str(sha256) for (sha256,) in await connection.execute(union_all(*queries))}


def _aware(at: datetime) -> datetime:
    # SQLite gives back what was written without its zone; what was written is UTC.
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _document(row: Any) -> KeptDocument:
    return KeptDocument(
        ref=DocumentRef(CommunityId(row.community), Oid(row.repository), DocumentId(row.document)),
        mime_type=row.mime_type,
        study=row.study,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        at=_aware(row.at),
        problem=row.problem,
        retention=row.retention,
    )


def _instance(row: Any) -> KeptInstance:
    return KeptInstance(
        ref=InstanceRef(study=Uid(row.study), series=Uid(row.series), instance=Uid(row.instance)),
        transfer_syntax=row.transfer_syntax,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        at=_aware(row.at),
        problem=row.problem,
        retention=row.retention,
    )
