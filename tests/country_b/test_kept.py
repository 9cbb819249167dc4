"""The store of what was retrieved: whole files only, a quota, a disk that may be full."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_b.blobs import PIECE_BYTES, BlobStore, refusal_of
from country_b.database import create_tables, database_url, make_engine
from country_b.kept import KeptDocument, KeptStore
from gateway.domain import DocumentId, DocumentRef, ExchangeError, Refusal
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


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
async def test_bytes_lie_under_their_digest(store: KeptStore, size: int) -> None:
    """Whatever the size, what was written is found under its SHA-256, and counted."""
    data = bytes(i % 251 for i in range(size))
    writer = store.blobs.writer(sha1=True)
    for at in range(0, size, 100_003):
        await writer.write(data[at : at + 100_003])

    blob = await writer.finish()

    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    assert blob.sha1 == hashlib.sha1(data).hexdigest()
    assert blob.size_bytes == size
    assert store.blobs.path_of(blob.sha256).read_bytes() == data
    assert store.blobs.used_bytes == size


async def test_same_content_is_kept_once(store: KeptStore) -> None:
    """The same bytes a second time take no more room."""
    for _ in range(2):
        writer = store.blobs.writer()
        await writer.write(b"abc")
        await writer.finish()

    assert store.blobs.used_bytes == 3


async def test_discarded_bytes_leave_nothing(store: KeptStore, tmp_path: Path) -> None:
    """What was not finished leaves no file and gives its room back."""
    writer = store.blobs.writer()
    await writer.write(bytes(2 * PIECE_BYTES))

    await writer.discard()

    assert store.blobs.used_bytes == 0
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_what_fails_inspection_is_in_quarantine(store: KeptStore) -> None:
    """A problem found in the whole file sends it to the quarantine, and counts."""
    writer = store.blobs.writer()
    await writer.write(b"bad")

    blob = await writer.finish(lambda _: "not what was asked for")

    assert blob.problem == "not what was asked for"
    assert not store.blobs.path_of(blob.sha256).exists()
    assert store.blobs.path_of(blob.sha256, good=False).read_bytes() == b"bad"
    assert store.blobs.used_bytes == 3


async def test_quota_is_refused_in_words(store: KeptStore) -> None:
    """More than the quota is refused as a full store, and the room is given back."""
    writer = store.blobs.writer()

    with pytest.raises(ExchangeError) as caught:
        for _ in range(11):
            await writer.write(bytes(PIECE_BYTES))
    await writer.discard()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert "kept_quota_bytes" in caught.value.text
    assert store.blobs.used_bytes == 0


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        (errno.ENOSPC, Refusal.STORE_FULL),
        (errno.EDQUOT, Refusal.STORE_FULL),
        (errno.EIO, Refusal.BACK_END_DOWN),
    ],
)
def test_disk_errors_become_refusals(number: int, refusal: Refusal) -> None:
    """A full disk is a full store; any other error is a store that is down."""
    assert refusal_of(OSError(number, "x")).refusal is refusal


async def test_full_disk_while_finishing_leaves_nothing(
    store: KeptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up at the last write refuses and cleans up."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "replace", full)
    writer = store.blobs.writer()
    await writer.write(b"abc")

    with pytest.raises(ExchangeError) as caught:
        await writer.finish()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert store.blobs.used_bytes == 0


async def test_half_written_files_are_swept_at_start(store: KeptStore, tmp_path: Path) -> None:
    """What a stopped process left half written is gone when the store opens, and is not counted."""
    (tmp_path / "store" / "incoming" / "left").write_bytes(b"half")

    await store.open()

    assert store.blobs.used_bytes == 0
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


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


async def test_cancelling_while_finishing_waits_for_the_thread(
    store: KeptStore, tmp_path: Path
) -> None:
    """Whoever is cancelled leaves the file whole in its place, and nothing half written."""
    writer = store.blobs.writer()
    await writer.write(b"abc")
    entered, go_on = threading.Event(), threading.Event()

    def inspect(_: object) -> str:
        entered.set()
        go_on.wait(10)
        return ""

    task = asyncio.get_running_loop().create_task(writer.finish(inspect))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    go_on.set()
    await asyncio.wait([task])

    assert task.cancelled()
    assert store.blobs.path_of(hashlib.sha256(b"abc").hexdigest()).exists()
    assert list((tmp_path / "store" / "incoming").iterdir()) == []
    assert store.blobs.used_bytes == 3
