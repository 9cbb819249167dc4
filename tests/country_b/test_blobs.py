"""The files of what was retrieved: whole ones only, a quota, a disk that may be full."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from country_b import blobs
from country_b.blobs import HEAD_BYTES, PIECE_BYTES, BlobStore, refusal_of
from gateway.domain import ExchangeError, Refusal


@pytest.fixture
async def store(tmp_path: Path) -> BlobStore:
    """An empty store of 10 MiB."""
    made = BlobStore(tmp_path / "store", quota_bytes=10 * 1024 * 1024)
    await made.open()
    return made


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
async def test_bytes_lie_under_their_digest(store: BlobStore, size: int) -> None:
    """Whatever the size, what was written is found under its SHA-256, and counted."""
    data = bytes(i % 251 for i in range(size))
    writer = store.writer(sha1=True)
    for at in range(0, size, 100_003):
        await writer.write(data[at : at + 100_003])

    blob = await writer.finish()

    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    assert blob.sha1 == hashlib.sha1(data).hexdigest()
    assert blob.size_bytes == size
    assert store.path_of(blob.sha256).read_bytes() == data
    assert store.used_bytes == size


async def test_same_content_is_kept_once(store: BlobStore) -> None:
    """The same bytes a second time take no more room."""
    for _ in range(2):
        writer = store.writer()
        await writer.write(b"abc")
        await writer.finish()

    assert store.used_bytes == 3


async def test_discarded_bytes_leave_nothing(store: BlobStore, tmp_path: Path) -> None:
    """What was not finished leaves no file and gives its room back."""
    writer = store.writer()
    await writer.write(bytes(2 * PIECE_BYTES))

    await writer.discard()

    assert store.used_bytes == 0
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_what_fails_inspection_is_in_quarantine(store: BlobStore) -> None:
    """A problem found in the whole file sends it to the quarantine, and counts."""
    writer = store.writer()
    await writer.write(b"bad")

    blob = await writer.finish(lambda _: "not what was asked for")

    assert blob.problem == "not what was asked for"
    assert not store.path_of(blob.sha256).exists()
    assert store.path_of(blob.sha256, good=False).read_bytes() == b"bad"
    assert store.used_bytes == 3


async def test_quota_is_refused_in_words(store: BlobStore) -> None:
    """More than the quota is refused as a full store, and the room is given back."""
    writer = store.writer()

    with pytest.raises(ExchangeError) as caught:
        for _ in range(11):
            await writer.write(bytes(PIECE_BYTES))
    await writer.discard()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert "kept_quota_bytes" in caught.value.text
    assert store.used_bytes == 0


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
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up at the last write refuses and cleans up."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "replace", full)
    writer = store.writer()
    await writer.write(b"abc")

    with pytest.raises(ExchangeError) as caught:
        await writer.finish()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert store.used_bytes == 0


async def test_half_written_files_are_swept_at_start(store: BlobStore, tmp_path: Path) -> None:
    """What a stopped process left half written is gone when the store opens, and is not counted."""
    (tmp_path / "store" / "incoming" / "left").write_bytes(b"half")

    await store.open()

    assert store.used_bytes == 0
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


async def test_cancelling_while_finishing_waits_for_the_thread(
    store: BlobStore, tmp_path: Path
) -> None:
    """Whoever is cancelled leaves the file whole in its place, and nothing half written."""
    writer = store.writer()
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
    assert store.path_of(hashlib.sha256(b"abc").hexdigest()).exists()
    assert list((tmp_path / "store" / "incoming").iterdir()) == []
    assert store.used_bytes == 3


async def test_inspection_is_shown_how_the_bytes_begin(store: BlobStore) -> None:
    """Much of a file says what it is at its beginning: no need to open it again."""
    data = os.urandom(2 * HEAD_BYTES)
    writer = store.writer()
    for at in range(0, len(data), 1000):
        await writer.write(data[at : at + 1000])
    heads: list[bytes] = []

    await writer.finish(lambda blob: heads.append(blob.head) or "")

    assert heads == [data[:HEAD_BYTES]]


async def test_a_disk_that_takes_a_part_at_a_time_gets_everything(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may take fewer bytes than it was given, and say no word."""
    real = os.writev

    def some(descriptor: int, pieces: list[bytes]) -> int:
        return real(descriptor, [pieces[0][:3]])

    monkeypatch.setattr(blobs.os, "writev", some)
    file = store.file()
    pieces = [b"abcd", b"", b"efgh"]
    for piece in pieces:
        file.take(piece)
    file.write(pieces)
    blob = file.complete()

    assert blob.path.read_bytes() == b"abcdefgh"
    assert blob.sha256 == hashlib.sha256(b"abcdefgh").hexdigest()


async def test_content_that_comes_twice_at_once_counts_once(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two visits may fetch the same images at the same time."""
    replace, found = os.replace, []
    names = [str(tmp_path / "one"), str(tmp_path / "two")]
    for name in names:
        Path(name).write_bytes(b"same")

    def place(name: str) -> None:
        found.append(store.place(name, "ab" * 32, good=True)[1])

    second = threading.Thread(target=place, args=(names[1],))

    def overtaken(old: str, new: str) -> None:
        if second.ident is None:
            second.start()
            second.join(timeout=0.05)
        replace(old, new)

    monkeypatch.setattr(os, "replace", overtaken)
    place(names[0])
    second.join()

    assert sorted(found) == [False, True]
