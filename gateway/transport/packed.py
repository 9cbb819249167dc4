"""Bodies that travel compressed: packed whole, unpacked in pieces of a bounded size.

The HTTP library would unpack whatever arrived in one go: a quarter of a megabyte of nothing but
zeros becomes a quarter of a gigabyte at once. Here no more exists at a time than `PIECE_BYTES`,
and whoever reads may stop after any of them. RFC 9110, 8.4.1.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import AsyncIterator
from typing import Final

from gateway.wire.problems import DecodeError

CONTENT_ENCODING: Final = "Content-Encoding"
PIECE_BYTES: Final = 256 * 1024
# Below, the headers of gzip and the work take more than what is saved.
MIN_PACKED_BYTES: Final = 1024
# The quickest: half a megabyte of JSON in 4 ms, to a sixteenth; the best takes ten times as long.
LEVEL: Final = 1
GZIP: Final = "gzip"
# Window bits by which zlib knows the format: gzip, and deflate in its zlib wrapping.
_FORMATS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


_ITEM: Final = re.compile(r"\s*([^\s;,]+)\s*(?:;\s*q\s*=\s*([0-9.]{1,5}))?\s*")


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip, or anything, and does not rule it out.

    No header at all would allow any encoding too (RFC 9110, 12.5.3); who says nothing gets what
    everybody can read.
    """
    weights: dict[str, bool] = {}
    for item in accept_encoding.lower().split(","):
        match = _ITEM.fullmatch(item)
        if match is not None:
            weights[match[1]] = match[2] is None or match[2].strip("0.") != ""
    for name in (GZIP, "x-gzip", "*"):
        if name in weights:
            return weights[name]
    return False


def packed(body: bytes) -> bytes:
    """The body in gzip, the same bytes every time."""
    return gzip.compress(body, LEVEL, mtime=0)


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
        raise DecodeError(CONTENT_ENCODING, name[:80], known, "RFC 9110, 8.4")
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
