"""The index of what was retrieved: whose it is, and what the law of Country B says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_b.blobs import BlobStore
from country_b.database import create_tables, database_url, make_engine
from country_b.kept import KeptDocument, KeptStore
from gateway.domain import DocumentId, DocumentRef
from tests.fakes import COUNTRY_A, REPOSITORY

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KeptStore]:
    """An empty store of 10 MiB, its database elsewhere."""
    (tmp_path / "sql").mkdir()
    engine = make_engine(database_url(tmp_path / "sql"))
    await create_tables(engine)
    made = KeptStore(engine, BlobStore(tmp_path / "store", quota_bytes=10 * 1024 * 1024))
    await made.open()
    yield made
    await engine.dispose()


def kept_document(sha256: str, name: str = "2.999.1") -> KeptDocument:
    """An index entry."""
    return KeptDocument(
        ref=DocumentRef(COUNTRY_A, REPOSITORY, DocumentId(name)),
        mime_type="application/pdf",
        sha256=sha256,
        size_bytes=3,
        at=NOON,
    )


async def test_forgetting_spares_what_another_visit_holds(store: KeptStore) -> None:
    """Content that two visits hold goes with the second one."""
    writer = store.blobs.writer()
    await writer.write(b"abc")
    blob = await writer.finish()
    for visit in ("one", "two"):
        await store.add_documents(visit, [kept_document(blob.sha256)])

    await store.forget("one")
    still = store.blobs.path_of(blob.sha256).exists()
    await store.forget("two")

    assert still
    assert not store.blobs.path_of(blob.sha256).exists()
    assert store.blobs.used_bytes == 0


async def test_retention_note_is_written_on_everything(store: KeptStore) -> None:
    """The note of a visit stands on what it kept and on nothing else."""
    await store.add_documents("one", [kept_document("a" * 64), kept_document("b" * 64, "2.999.2")])
    await store.add_documents("two", [kept_document("c" * 64)])

    await store.retain("one", "ten years")

    assert {item.retention for item in await store.documents("one")} == {"ten years"}
    assert {item.retention for item in await store.documents("two")} == {""}
