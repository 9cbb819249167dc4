"""Bytes that wait: in memory or on disk, read as often as wanted, never more than allowed."""

from __future__ import annotations

import asyncio
import errno
import hashlib

import pytest

from gateway.domain import ExchangeError, Refusal, read_content
from gateway.transport import spool
from gateway.transport.spool import SpooledContent, TooLarge


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few kilobytes show what megabytes would."""
    monkeypatch.setattr(spool, "SPOOL_BYTES", 1_000)
    monkeypatch.setattr(spool, "CHUNK_BYTES", 300)


@pytest.mark.parametrize("size", [0, 1, 300, 999, 1_000, 1_001, 5_000])
async def test_what_was_written_comes_back(size: int) -> None:
    """In memory and on disk alike, with its size and digest."""
    data = bytes(n % 251 for n in range(size))
    content = SpooledContent(5_000)

    for start in range(0, size, 7):
        content.write(data[start : start + 7])

    assert content.size_bytes == size
    assert content.sha1 == hashlib.sha1(data).hexdigest()
    assert await read_content(content, 5_000) == data
    assert await read_content(content, 5_000) == data


async def test_readers_at_the_same_time_do_not_disturb_each_other() -> None:
    """Each has its own place in the one file."""
    data = bytes(n % 251 for n in range(20_000))
    content = SpooledContent(20_000)
    content.write(data)

    together = await asyncio.gather(*(read_content(content, 20_000) for _ in range(4)))

    assert together == [data] * 4


def test_one_byte_more_than_allowed_is_refused() -> None:
    """The limit is on everything written, not on one piece."""
    content = SpooledContent(10)
    content.write(b"12345")
    content.write(b"12345")

    with pytest.raises(TooLarge, match="over 10 bytes"):
        content.write(b"6")


@pytest.mark.parametrize(
    ("number", "refusal"), [(errno.ENOSPC, Refusal.STORE_FULL), (errno.EIO, Refusal.INTERNAL)]
)
def test_a_disk_that_fails_is_a_refusal(
    number: int, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full is worth trying again; broken is our fault."""

    def failing(_: bytes) -> int:
        raise OSError(number, "disk")

    content = SpooledContent(100)
    monkeypatch.setattr(content._file, "write", failing)
    with pytest.raises(ExchangeError) as caught:
        content.write(b"x")
    assert caught.value.refusal is refusal
