"""How large a JPEG XL image says it is, read before any of its pixels are allocated.

Not a decoder (`frames`). A bare code stream and one in boxes are understood; bits are read from the
lowest of each byte. Clauses: ISO/IEC 18181-1 D.2 (size header), 18181-2 9 (boxes).
"""

from __future__ import annotations

import struct
from typing import Final

_CODE_STREAM: Final = b"\xff\x0a"
_CONTAINER: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_WHOLE, _PART = b"jxlc", b"jxlp"
_SIZE_HEADER_BYTES: Final = 12  # two numbers of 32 bits, a ratio and a flag
_MAX_BOXES: Final = 64  # a file has half a dozen
_WIDTHS: Final = (9, 13, 18, 30)
# Columns to rows where they need not be written.
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def jpegxl_size(data: bytes) -> tuple[int, int]:
    """Rows and columns as coded, before any orientation; `ValueError` for what is no JPEG XL."""
    head = _head(data)
    bits = int.from_bytes(head, "little")
    is_small, bits = bits & 1, bits >> 1
    rows, bits = _side(bits, is_small=bool(is_small))
    ratio, bits = bits & 7, bits >> 3
    if ratio:
        wide, high = _RATIOS[ratio - 1]
        return rows, rows * wide // high
    return rows, _side(bits, is_small=bool(is_small))[0]


def _side(bits: int, *, is_small: bool) -> tuple[int, int]:
    """A side, and the bits behind it."""
    if is_small:
        return ((bits & 31) + 1) * 8, bits >> 5
    width = _WIDTHS[bits & 3]
    return ((bits >> 2) & ((1 << width) - 1)) + 1, bits >> (2 + width)


def _head(data: bytes) -> bytes:
    """The first bytes of the code stream behind its signature."""
    if data.startswith(_CONTAINER):
        data = _in_boxes(data)
    if not data.startswith(_CODE_STREAM):
        raise ValueError("no JPEG XL code stream")
    return data[2 : 2 + _SIZE_HEADER_BYTES]


def _in_boxes(data: bytes) -> bytes:
    at = len(_CONTAINER)
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            break
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and start + 8 <= len(data):
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        if kind in (_WHOLE, _PART):
            start += 4 if kind == _PART else 0
            return data[start : start + 2 + _SIZE_HEADER_BYTES]
        if size < 8:
            break
        at += size
    raise ValueError("no code stream in the boxes of the JPEG XL file")
