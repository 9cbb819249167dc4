"""A digest taken beside a stream is that of the stream."""

from __future__ import annotations

import hashlib

import pytest

from gateway.transport.digests import LOT_BYTES, DigestBeside


@pytest.mark.parametrize("size", [0, 1, LOT_BYTES - 1, LOT_BYTES, 3 * LOT_BYTES + 5])
@pytest.mark.parametrize("piece", [1000, LOT_BYTES, 10 * LOT_BYTES])
async def test_the_digest_is_that_of_all_pieces_in_order(size: int, piece: int) -> None:
    """However they are cut."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    digest = DigestBeside()
    for start in range(0, size, piece):
        await digest.update(data[start : start + piece])
    assert await digest.hexdigest() == hashlib.sha256(data).hexdigest()
