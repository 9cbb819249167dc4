"""Bodies that travel compressed, unpacked in pieces of a bounded size (RFC 9110, 8.4.1).

The HTTP library would unpack whatever arrived in one go: a quarter of a megabyte of nothing but
zeros becomes a quarter of a gigabyte at once. Here no more exists at a time than `PIECE_BYTES`,
and whoever reads may stop after any of them.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

from gateway.wire.problems import DecodeError

PIECE_BYTES: Final = 256 * 1024
# Window bits by which zlib knows the format: gzip, and deflate in its zlib wrapping.
_FORMATS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def unpacked(source: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """What a body says, by its Content-Encoding; "" and `identity` pass as they are.

    Raises `DecodeError` for an encoding we do not know; reading it, for bytes that are not of it,
    and for a body that ends before its compressed content does.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return source
    if name not in _FORMATS:
        known = ", ".join(sorted(_FORMATS))
        raise DecodeError("Content-Encoding", name[:80], known, "RFC 9110, 8.4")
    return _unpacked(source, name)


async def _unpacked(source: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    engine, begun = zlib.decompressobj(_FORMATS[name]), False
    async for data in source:
        while data:
            if engine.eof:  # several members follow each other (RFC 1952, 2.2)
                engine = zlib.decompressobj(_FORMATS[name])
            begun = True
            try:
                piece = engine.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise DecodeError("body", f"bytes that are not {name}", name) from error
            data = engine.unused_data if engine.eof else engine.unconsumed_tail
            if piece:
                yield piece
    if begun and not engine.eof:
        raise DecodeError("body", f"{name} that breaks off", f"whole {name}")
