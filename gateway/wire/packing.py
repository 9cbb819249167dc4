"""Files of images in a gzip body: their headers deflated, their pixels as they are.

Header and pixels of an image have nothing in common for a compressor: the private elements of a
scanner shrink to a fifth and may be half of a file, code streams do not shrink at all and are most
of the bytes. So what comes before the pixels is deflated and the rest goes in stored blocks, which
cost a checksum and nothing else; any reader of gzip takes the one like the other. Clauses: RFC 1951
3.2.4 (stored blocks), RFC 1952, RFC 9110 8.4.1.3.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

# More than nearly all headers have; what comes after is stored, so that no one waits long for it.
MAX_HEADER_BYTES: Final = 256 * 1024
LEVEL: Final = 6
# (7FE0,0010) and the first letter of OB, OW or OF: (0008) and (0009) are not compressed by anybody.
_PIXELS: Final = b"\xe0\x7f\x10\x00O"
_GZIP: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, an unknown system
_MAX_STORED: Final = 0xFFFF


def header_of(data: bytes) -> int:
    """Where the pixels of a DICOM file begin, as far as packing goes: all of it without any."""
    at = data.find(_PIXELS, 0, MAX_HEADER_BYTES)
    return min(len(data), MAX_HEADER_BYTES) if at < 0 else at


def spared_bytes(data: bytes) -> int:
    """How many bytes packing spares of a file; `data` is its beginning, header and all."""
    header = data[: header_of(data)]
    packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    packed = len(packer.compress(header)) + len(packer.flush(zlib.Z_FULL_FLUSH))
    return max(0, len(header) - packed)


class InstancePacker:
    """One gzip body, written as its files come: `begin` each, give its bytes to `data`, `end`."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
        self._sum = 0
        self._size = 0
        self._due = _GZIP
        self._waiting = b""
        self._left = 0

    def begin(self, before: bytes) -> None:
        """A file follows; `before` is what stands between it and the one before."""
        self._waiting += before
        self._left = MAX_HEADER_BYTES

    def data(self, data: bytes) -> bytes:
        """The next bytes of the file, as they go over the line."""
        header = 0
        if self._left:
            header = min(header_of(data), self._left)
            self._left = self._left - header if header == len(data) else 0
        packed = self._packed(self._waiting + data[:header])
        self._waiting = b""
        return packed + self._stored(data[header:])

    def end(self, after: bytes) -> bytes:
        """What ends the body, `after` before it."""
        last = self._waiting + after
        self._told(last)
        begun, self._due = self._due, b""
        closing = struct.pack("<II", self._sum, self._size & 0xFFFFFFFF)
        return begun + self._deflate.compress(last) + self._deflate.flush() + closing

    def _packed(self, plain: bytes) -> bytes:
        if not plain:
            return b""
        self._told(plain)
        begun, self._due = self._due, b""
        # Nothing behind a full flush refers to what was before it: stored blocks may stand between.
        return begun + self._deflate.compress(plain) + self._deflate.flush(zlib.Z_FULL_FLUSH)

    def _stored(self, plain: bytes) -> bytes:
        if not plain:
            return b""
        self._told(plain)
        pieces = [self._due]
        self._due = b""
        for start in range(0, len(plain), _MAX_STORED):
            block = plain[start : start + _MAX_STORED]
            pieces += (struct.pack("<BHH", 0, len(block), len(block) ^ _MAX_STORED), block)
        return b"".join(pieces)

    def _told(self, plain: bytes) -> None:
        self._sum = zlib.crc32(plain, self._sum)
        self._size += len(plain)
