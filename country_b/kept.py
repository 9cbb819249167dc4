"""What was retrieved and is kept here: whose it is, in SQL, and the files themselves (`blobs`).

Guideline, table 1: storage of what was retrieved follows the law of Country B; the retention
note of a visit is written on everything it kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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

from country_b.blobs import BlobStore
from country_b.database import METADATA
from gateway.domain import DocumentId, DocumentRef, InstanceRef, Uid
from gateway.domain.ids import CommunityId, Oid

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
    Column("derived", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("problem", Text, nullable=False),
    Column("retention", Text, nullable=False),
)


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
    """An image in the store; `problem` is "" for one that may be presented.

    `derived` is the UID of the lossy form that is kept of it, "" for the image itself.
    """

    ref: InstanceRef
    transfer_syntax: str
    derived: str = ""
    sha256: str
    size_bytes: int
    at: datetime
    problem: str = ""
    retention: str = ""


class KeptStore:
    """The index, and `blobs`, the files it is about. `open` it before use."""

    def __init__(self, engine: AsyncEngine, blobs: BlobStore) -> None:
        self._engine = engine
        self.blobs = blobs

    async def open(self) -> None:
        """Make the files ready; the index is made with the database."""
        await self.blobs.open()

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
                "derived": item.derived,
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
        await self.blobs.remove(gone)
        await self.blobs.drop_partials(session)

    async def ping(self) -> dict[str, int]:
        """How full the store is; raises if the index cannot be read."""
        async with self._engine.connect() as connection:
            documents = await connection.scalar(select(func.count()).select_from(KEPT_DOCUMENTS))
            instances = await connection.scalar(select(func.count()).select_from(KEPT_INSTANCES))
        return {
            "documents": int(documents or 0),
            "instances": int(instances or 0),
            "used_bytes": self.blobs.used_bytes,
            "quota_bytes": self.blobs.quota_bytes,
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
        derived=row.derived,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        at=_aware(row.at),
        problem=row.problem,
        retention=row.retention,
    )
