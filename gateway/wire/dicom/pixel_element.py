"""The pixel data element as it stands in a file: its header, and its bytes moved unread.

Not a decoder (`frames`). Clauses: DICOM PS3.5 7.1 (element headers), 8 and A.4 (native and
encapsulated pixel data).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from gateway.wire.dicom.dataset import PIXEL_TAGS
from gateway.wire.problems import DecodeError

UNDEFINED = 0xFFFFFFFF
_CHUNK = 1024 * 1024
_ITEM = 0xFFFEE000
_DELIMITER = 0xFFFEE0DD
_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN")


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Tag, value representation ("" when implicit) and length of the element, UNDEFINED too."""

    tag: int
    vr: str
    length: int


def read_pixel_element(stream: BinaryIO, *, implicit: bool, little: bool) -> PixelElement | None:
    """The header of the pixel data the stream stands at, and the stream behind it; else None."""
    order = "<" if little else ">"
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, number = struct.unpack(order + "HH", head[:4])
    tag = group << 16 | number
    if tag not in PIXEL_TAGS:
        return None
    # Some writers end an explicit file with an implicit element; letters tell them apart.
    if implicit or not head[4:6].isalpha():
        return PixelElement(tag, "", struct.unpack(order + "I", head[4:])[0])
    if head[4:6] not in _LONG_VRS:
        raise DecodeError("pixel data", repr(head[4:6]), "OB, OW, OF or OD", "PS3.5 A.2")
    size = stream.read(4)
    if len(size) < 4:
        raise DecodeError("pixel data", "the end of the file", "its length", "PS3.5 7.1.2")
    return PixelElement(tag, head[4:6].decode("ascii"), struct.unpack(order + "I", size)[0])


def write_pixel_element(
    destination: BinaryIO, element: PixelElement, *, implicit: bool, little: bool
) -> None:
    """Write the header of a pixel data element."""
    order = "<" if little else ">"
    tag = struct.pack(order + "HH", element.tag >> 16, element.tag & 0xFFFF)
    if implicit:
        destination.write(tag + struct.pack(order + "I", element.length))
    else:
        vr = (element.vr or "OW").encode("ascii")
        destination.write(tag + vr + struct.pack(order + "HI", 0, element.length))


def mend_length(stream: BinaryIO, element: PixelElement) -> tuple[PixelElement, str]:
    """The element with no more than the seekable stream still holds, and what was cut, "" if whole.

    An odd rest gets its padding byte from `copy_pixels`.
    """
    if element.length == UNDEFINED:
        return element, ""
    left = _left(stream)
    if left >= element.length:
        return element, ""
    said = f"the pixel data ends after {left} of {element.length} bytes"
    return PixelElement(element.tag, element.vr, left + left % 2), said


def _left(stream: BinaryIO) -> int:
    here = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return end - here


def copy_mended(stream: BinaryIO, destination: BinaryIO, element: PixelElement) -> str:
    """Move the value of a mended element as far as it goes; what was cut, "" if whole.

    Where fragments end early, or something else follows them, the sequence is ended there: every
    byte that is there is kept, and what is written is well-formed.
    """
    if element.length != UNDEFINED:
        available = min(_left(stream), element.length)
        _copy(stream, destination, available)
        destination.write(b"\0" * (element.length - available))
        return ""
    end = struct.pack("<HHI", _DELIMITER >> 16, _DELIMITER & 0xFFFF, 0)
    while True:
        head = stream.read(8)
        group, number, length = struct.unpack("<HHI", head) if len(head) == 8 else (0, 0, 0)
        tag = group << 16 | number
        if tag != _ITEM:
            destination.write(end)
            return "" if tag == _DELIMITER else "the fragments of the pixel data have no end"
        available = min(_left(stream), length)
        destination.write(head[:4] + struct.pack("<I", available + available % 2))
        _copy(stream, destination, available)
        destination.write(b"\0" * (available % 2))
        if available < length:
            destination.write(end)
            return f"a fragment of the pixel data ends after {available} of {length} bytes"


def copy_pixels(stream: BinaryIO, destination: BinaryIO, element: PixelElement) -> None:
    """Move the value of the element byte for byte; what follows it in the file is left.

    Raises `DecodeError` when the value ends early.
    """
    if element.length != UNDEFINED:
        _copy(stream, destination, element.length)
        return
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise DecodeError("pixel data", "the end of the file", "a delimiter", "PS3.5 A.4")
        group, number, length = struct.unpack("<HHI", head)
        tag = group << 16 | number
        destination.write(head)
        if tag == _DELIMITER:
            return
        if tag != _ITEM:
            raise DecodeError("pixel data", f"({tag:08x})", "an item or the delimiter", "PS3.5 A.4")
        _copy(stream, destination, length)


def _copy(stream: BinaryIO, destination: BinaryIO, size: int) -> None:
    left = size
    while left:
        chunk = stream.read(min(_CHUNK, left))
        if not chunk:
            raise DecodeError("pixel data", f"{size - left} bytes", f"{size} bytes", "PS3.5 7.1.1")
        destination.write(chunk)
        left -= len(chunk)
