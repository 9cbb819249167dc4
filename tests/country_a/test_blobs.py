"""Documents in the object store come back as they were put, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from country_a.national.blobs import PIECE_BYTES, BlobRepository, open_store
from gateway.domain import DocumentId, InternalFault, read_content

NAME = DocumentId("2.999.1.9.1^../../etc/passwd")


async def test_a_document_is_streamed_back_in_pieces(tmp_path: Path) -> None:
    """What was put is read, more than once, in pieces; an unknown id gives nothing."""
    repository = BlobRepository(open_store(tmp_path))
    data = bytes(range(256)) * (PIECE_BYTES // 128)

    await repository.put(NAME, data, sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest())

    content = await repository.get(NAME)
    assert content is not None
    assert content.size_bytes == len(data)
    assert [await read_content(content, 1 << 30) for _ in range(2)] == [data, data]
    assert len([piece async for piece in content.chunks()]) > 1
    assert await repository.get(DocumentId("2.999.1.9.2")) is None
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*"))


async def test_other_bytes_under_a_held_id_are_refused(tmp_path: Path) -> None:
    """The same bytes may come again, other ones may not; nor bytes of another hash."""
    repository = BlobRepository(open_store(tmp_path))
    await repository.put(NAME, b"one")
    await repository.put(NAME, b"one")

    with pytest.raises(ValueError, match="other bytes"):
        await repository.put(NAME, b"two")
    with pytest.raises(ValueError, match="SHA-1"):
        await repository.put(DocumentId("2.999.3"), b"x", sha1="00")
    assert await repository.get(DocumentId("2.999.3")) is None


async def test_a_document_damaged_on_disk_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    """Bytes that changed since they were put end in a fault of ours, not in silence."""
    repository = BlobRepository(open_store(tmp_path))
    await repository.put(NAME, b"one")
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(b"two")
    content = await repository.get(NAME)
    assert content is not None

    with pytest.raises(InternalFault, match="damaged"):
        await read_content(content, 100)


async def test_an_emptied_repository_holds_nothing(tmp_path: Path) -> None:
    """Clearing takes every document away and the id may be used again."""
    repository = BlobRepository(open_store(tmp_path))
    await repository.put(NAME, b"one")

    await repository.clear()

    assert await repository.get(NAME) is None
    await repository.put(NAME, b"two")
    await repository.ping()
