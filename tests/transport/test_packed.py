"""Compressed bodies are unpacked piece by piece, never all at once."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.transport.packed import PIECE_BYTES, packed, takes_gzip, unpacked
from gateway.wire.problems import DecodeError

TEXT = b"<soap:Envelope/>" * 100_000


async def _in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _read(data: bytes, encoding: str, size: int = 1000) -> bytes:
    return b"".join([piece async for piece in unpacked(_in_pieces(data, size), encoding)])


@pytest.mark.parametrize("size", [1, 7, 1000, 10**7])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        (" X-GZip ", gzip.compress),
        ("deflate", zlib.compress),
    ],
)
async def test_a_body_is_what_it_was_before_packing(
    encoding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    """However it is cut on its way."""
    text = TEXT[: 5000 if size < 100 else None]
    assert await _read(pack(text), encoding, size) == text


async def test_several_members_are_one_body() -> None:
    """As gzip allows."""
    packed = gzip.compress(b"one ", mtime=0) + gzip.compress(b"") + gzip.compress(b"two")
    assert await _read(packed, "gzip", 3) == b"one two"


async def test_a_bomb_comes_in_pieces_that_fit() -> None:
    """A megabyte of zeros per kilobyte, and the reader may stop at the first."""
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    sizes = [len(piece) async for piece in unpacked(_in_pieces(bomb, len(bomb)), "gzip")]

    assert max(sizes) <= PIECE_BYTES
    assert sum(sizes) == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"no gzip at all", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip"),
        (gzip.compress(b"x", mtime=0) + b"trailing", "gzip"),
        (zlib.compress(TEXT), "gzip"),
        (TEXT, "br"),
    ],
)
async def test_what_is_not_of_its_encoding_is_refused(data: bytes, encoding: str) -> None:
    """Broken, cut short, followed by something else, or unknown."""
    with pytest.raises(DecodeError):
        await _read(data, encoding)


async def test_nothing_at_all_is_an_empty_body() -> None:
    """Some stacks name an encoding of a body they do not send."""
    assert await _read(b"", "gzip") == b""


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("X-GZIP", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("", False),
        ("gzip;level=9", False),
        (";;,,", False),
    ],
)
def test_gzip_is_sent_to_who_names_it(accept: str, takes: bool) -> None:
    """By name or by a star, unless ruled out (RFC 9110, 12.5.3)."""
    assert takes_gzip(accept) is takes


async def test_what_is_packed_is_unpacked_again() -> None:
    """The same bytes every time, and fewer of them."""
    assert packed(TEXT) == packed(TEXT)
    assert len(packed(TEXT)) < len(TEXT) // 16
    assert await _read(packed(TEXT), "gzip") == TEXT
