"""The frames of a stored instance, one at a time: those that are not asked for are not read.

Finds where a frame lies, by the offset tables where they lead to it and else by walking from
fragment to fragment; decoding is `frames`'. Native frames come in little endian whatever the file
has, and begin at a byte even where single bits do not. Clauses: DICOM PS3.5 8 and annex A.4
(native and encapsulated pixel data), PS3.3 C.7.6.3.1.8 (extended offset table).
"""

from __future__ import annotations

import io
import struct
from functools import cached_property
from itertools import pairwise
from typing import BinaryIO, Final

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.tag import Tag

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, NotFound, Refusal, Uid
from gateway.wire.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    read_to_pixels,
    transfer_syntax,
)
from gateway.wire.dicom.elements import integer, reading, text
from gateway.wire.dicom.frames import MAX_FRAME_BYTES, FrameFormat, decode_frame
from gateway.wire.dicom.instances import can_decode, frame_format
from gateway.wire.dicom.pixel_element import UNDEFINED, PixelElement, read_pixel_element
from gateway.wire.dicom.quick_header import QuickHeader, read_quick_header
from gateway.wire.dicom.rewrite import header_span, swapped
from gateway.wire.problems import DecodeError

# A cine loop of an hour has some hundred thousand; more make the list of them a weapon.
MAX_FRAGMENTS: Final = 1_000_000
MAX_OFFSETS_BYTES: Final = 4 * MAX_FRAGMENTS

NATIVE: Final = frozenset({EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
SUBSAMPLED: Final = "YBR_FULL_422"
_ITEM: Final = 0xFFFEE000
_ITEM_HEAD: Final = 8
_END_OF_IMAGE: Final = b"\xff\xd9"
_TAIL: Final = 10  # how far before the end of a fragment padding lets its last marker stand
_FRAMES: Final = Tag(0x0028, 0x0008)
_PLANAR: Final = Tag(0x0028, 0x0006)
_WIDTH: Final = {0x7FE00008: 4, 0x7FE00009: 8}
_FLOATS: Final = frozenset(_WIDTH)


# What headers say of their frames, by the bytes in which they say it: one series says the same.
_PROMISED: Final[dict[tuple[bytes, Uid], tuple[FrameFormat, int]]] = {}
_MAX_PROMISED, _MAX_MODULE_BYTES = 256, 1024


class NoPixels(NotFound):
    """An instance without pixel data: it has no frames and makes no picture (404)."""

    def __init__(self, text: str) -> None:
        super().__init__(Refusal.UNKNOWN_INSTANCE, text, subject="instance")


class StoredFrames:
    """The frames of an instance, numbered from 1, each read when it is asked for.

    `source` is the DICOM file, as bytes or open and seekable; it must stay open as long as this
    is used. Raises `NoPixels`, and `DecodeError` for what cannot be read.
    """

    def __init__(self, source: bytes | BinaryIO) -> None:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with reading("instance"):
            self.elements, self._file, self._header_span = _read_header(stream)
            """The header for single values."""
            implicit, little = _encoding(self.elements)
            self._element = read_pixel_element(self._file, implicit=implicit, little=little)
            self._little = little
            self._start = self._file.tell()
            self._size = self._file.seek(0, io.SEEK_END)
            self.form, self.count = self._promised()
            """What the header says of every frame, and how many it promises."""

    def _promised(self) -> tuple[FrameFormat, int]:
        quick = isinstance(self.elements, QuickHeader)
        key = (self.elements.pixel_module, self.syntax) if quick else None
        known = _PROMISED.get(key) if key else None
        if known is not None:
            return known
        found = (
            frame_format(self.elements, self.syntax),
            max(1, integer(self.elements, _FRAMES) or 1),
        )
        if key and len(key[0]) <= _MAX_MODULE_BYTES:
            if len(_PROMISED) >= _MAX_PROMISED:
                _PROMISED.clear()
            _PROMISED[key] = found
        return found

    @property
    def header(self) -> FileDataset:
        """The whole header, which takes longer to make than single values to read."""
        return self.elements.dataset if isinstance(self.elements, QuickHeader) else self.elements

    def header_bytes(self) -> bytes | None:
        """The data set up to the pixel data as it stands in the file, for one that is like it.

        None where it cannot stand so in another file in explicit little endian.
        """
        if isinstance(self.elements, QuickHeader):
            return self.elements.kept_bytes
        if self._header_span is None:
            return None
        first, end = self._header_span
        self._file.seek(first)
        return self._file.read(end - first)

    @property
    def element(self) -> PixelElement:
        """The pixel data element."""
        if self._element is None:
            kind = text(self.elements, Tag(0x0008, 0x0060))[:16] or "unnamed"
            raise NoPixels(f"this instance (modality {kind}) has no pixel data")
        return self._element

    @cached_property
    def named_syntax(self) -> Uid:
        """The transfer syntax that the file names."""
        if isinstance(self.elements, QuickHeader):
            return self.elements.transfer_syntax
        return transfer_syntax(self.elements)

    @cached_property
    def syntax(self) -> Uid:
        """The transfer syntax of the frames: what the file names, if its pixel data are like it."""
        named = self.named_syntax
        if self.element.length == UNDEFINED:
            if named in NATIVE:
                raise DecodeError(
                    "pixel data", "fragments", f"native pixels by {named}", "PS3.5 A.4"
                )
            return named
        # A native value in a file that names a compressed syntax is what it looks like.
        return named if named in NATIVE else EXPLICIT_LITTLE_ENDIAN

    @property
    def is_compressed(self) -> bool:
        """Whether the frames are code streams."""
        return self.element.length == UNDEFINED

    @property
    def is_by_pixel(self) -> bool:
        """Whether native samples stand in the file as they are decoded: little endian, by pixel."""
        by_plane = self.form.samples > 1 and integer(self.elements, _PLANAR) == 1
        return not (self.is_compressed or by_plane or self.is_subsampled) and self._little

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point numbers."""
        return self.element.tag in _FLOATS

    @property
    def can_decode(self) -> bool:
        """Whether frames can be had uncompressed."""
        return can_decode(self.syntax)

    @cached_property
    def is_subsampled(self) -> bool:
        """Whether two native pixels share their colour (PS3.3 C.7.6.3.1.2, YBR_FULL_422)."""
        form = self.form
        if self.is_compressed or form.photometric != SUBSAMPLED or form.samples != 3:
            return False
        # Some writers say so of pixels that are all there.
        return self.element.length < form.frame_bytes * self.count

    @property
    def frame_bits(self) -> int:
        """The size of a native frame."""
        per_pixel = 2 if self.is_subsampled else self.form.samples
        return self.form.rows * self.form.columns * per_pixel * self.form.bits_allocated

    def plain(self, number: int) -> tuple[bytes, str]:
        """A frame uncompressed and in little endian, and its photometric interpretation.

        Samples of a code stream are by pixel; those of a native frame stand as they are stored.
        """
        if self.is_compressed:
            return decode_frame(self.stored(number), self.form)
        return self._native(number), self.form.photometric

    def stored(self, number: int) -> bytes:
        """A frame as it is stored: the code stream out of its fragments, or native pixels."""
        if not self.is_compressed:
            return self._native(number)
        return b"".join(self._read(at, size, number) for at, size in self.fragments(number))

    def fragments(self, number: int) -> tuple[tuple[int, int], ...]:
        """Where in the file the fragments of a code stream lie: the place and size of each."""
        pieces = self._by_offset(number - 1) or self._walked[self._place(number)]
        _demand_size(number, sum(size for _, size in pieces))
        return pieces

    def begun(self) -> bytes:
        """What is there of the first code stream in a file that is cut short within it."""
        if not self.is_compressed:
            raise DecodeError("pixel data", "native pixels", "a code stream")
        size = self._item(self._items)
        if size is None:
            raise DecodeError("pixel data", "no fragment", "the first one", "PS3.5 A.4")
        _demand_size(1, size)
        return self._file.read(size)

    def whole(self) -> bytes:
        """All native frames as they stand, in little endian, single bits without gaps."""
        return self._in_little_endian(0, -(-self.frame_bits * self.count // 8), 1)

    def _place(self, number: int) -> int:
        if not 0 < number <= len(self._walked):
            raise DecodeError(
                "pixel data", f"{len(self._walked)} frames", f"frame {number}", "PS3.3 C.7.6.6"
            )
        return number - 1

    def _native(self, number: int) -> bytes:
        bits = self.frame_bits
        _demand_size(number, bits // 8)
        first = (number - 1) * bits
        last = first + bits
        data = self._in_little_endian(first // 8, -(-last // 8), number)
        if first % 8 == 0 and bits % 8 == 0:
            return data
        return _aligned(data, first % 8, bits)

    def _in_little_endian(self, first: int, last: int, number: int) -> bytes:
        element, bits = self.element, self.form.bits_allocated
        width = _WIDTH.get(element.tag, bits // 8 if bits >= 16 else 2)
        if self._little or element.vr == "OB":
            width = 1
        begin, end = first - first % width, last + -last % width
        if end > element.length + element.length % 2:
            raise DecodeError(
                f"frame {number}", f"{element.length} bytes of pixel data", f"at least {end}"
            )
        data = self._read(self._start + begin, end - begin, number)
        plain = data if width == 1 else swapped(data, width)
        return plain[first - begin : last - begin]

    def _read(self, at: int, size: int, number: int) -> bytes:
        self._file.seek(at)
        data = self._file.read(size) if at + size <= self._size else b""
        if len(data) < size:
            left = max(0, self._size - at)
            raise DecodeError(f"frame {number}", f"{left} bytes", f"{size} bytes", "PS3.5 7.1.1")
        return data

    @cached_property
    def _offsets(self) -> tuple[int, ...]:
        """The basic offset table, () where it is empty or cannot be one."""
        size = self._item(self._start)
        if size is None:
            raise DecodeError("pixel data", "no item", "a basic offset table", "PS3.5 A.4")
        if size > MAX_OFFSETS_BYTES:
            raise DecodeError("basic offset table", f"{size} bytes", f"at most {MAX_OFFSETS_BYTES}")
        table = self._read(self._start + _ITEM_HEAD, size - size % 4, 1)
        found = struct.unpack(f"<{len(table) // 4}I", table)
        is_ascending = all(one < after for one, after in pairwise(found))
        return found if found[:1] == (0,) and is_ascending else ()

    @cached_property
    def _items(self) -> int:
        """Where the first fragment stands."""
        return self._start + _ITEM_HEAD + (self._item(self._start) or 0)

    def _item(self, at: int) -> int | None:
        """How long the value of an item is; None where there is none."""
        self._file.seek(at)
        head = self._file.read(_ITEM_HEAD)
        if len(head) < _ITEM_HEAD:
            return None
        group, element, size = struct.unpack("<HHI", head)
        return size if (group << 16 | element) == _ITEM and size != UNDEFINED else None

    def _by_offset(self, index: int) -> tuple[tuple[int, int], ...]:
        """Where a frame lies by the tables; () where they are missing or lead elsewhere."""
        offsets = self._offsets
        extended = self._extended_entry(index)
        if extended is not None:
            at = self._items + extended[0]
            size = self._item(at)
            # The length that is told leaves padding out; one that tells more is no length.
            if size is None or not size - 1 <= extended[1] <= size:
                return ()
            return ((at + _ITEM_HEAD, extended[1]),)
        if len(offsets) != self.count or not 0 <= index < len(offsets):
            return ()
        at = self._items + offsets[index]
        end = self._items + offsets[index + 1] if index + 1 < len(offsets) else None
        return self._between(at, end)

    def _between(self, at: int, end: int | None) -> tuple[tuple[int, int], ...]:
        found: list[tuple[int, int]] = []
        while end is None or at < end:
            size = self._item(at)
            if size is None:
                return tuple(found) if end is None else ()
            found.append((at + _ITEM_HEAD, size))
            _demand_count(len(found))
            at += _ITEM_HEAD + size
        return tuple(found) if at == end else ()

    def _extended_entry(self, index: int) -> tuple[int, int] | None:
        tables = []
        for number in (0x0001, 0x0002):
            element = self.elements.get_item(Tag(0x7FE0, number))
            value = element.value if element is not None else b""
            if not isinstance(value, bytes) or not 0 <= index < len(value) // 8:
                return None
            tables.append(struct.unpack_from("<Q", value, index * 8)[0])
        return tables[0], tables[1]

    @cached_property
    def _walked(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Where every frame lies, by walking over all fragments."""
        fragments: list[tuple[int, int]] = []
        at = self._items
        while (size := self._item(at)) is not None:
            fragments.append((at + _ITEM_HEAD, size))
            _demand_count(len(fragments))
            at += _ITEM_HEAD + size
        if self.count == 1 and fragments:
            return (tuple(fragments),)
        if len(fragments) == self.count:
            return tuple((one,) for one in fragments)
        if len(fragments) > self.count:
            return self._split(fragments)
        raise DecodeError(
            "pixel data", f"{len(fragments)} fragments", f"{self.count} frames", "PS3.5 A.4"
        )

    def _split(self, fragments: list[tuple[int, int]]) -> tuple[tuple[tuple[int, int], ...], ...]:
        """The frames of several fragments each, of which only the end of a code stream tells."""
        found: list[tuple[tuple[int, int], ...]] = []
        current: list[tuple[int, int]] = []
        for at, size in fragments:
            current.append((at, size))
            tail = min(size, _TAIL)
            if _END_OF_IMAGE in self._read(at + size - tail, tail, len(found) + 1):
                found.append(tuple(current))
                current = []
        if current or len(found) != self.count:
            raise DecodeError(
                "pixel data",
                f"{len(fragments)} fragments of which nothing tells whose they are",
                f"{self.count} frames",
                "PS3.5 A.4",
            )
        return tuple(found)


def _read_header(
    stream: BinaryIO,
) -> tuple[FileDataset | QuickHeader, BinaryIO, tuple[int, int] | None]:
    """The header, what stands at the pixel data behind it, and the span that can be kept of it.

    A quick header knows that itself.
    """
    quick = read_quick_header(stream)
    if quick is not None:
        return quick, stream, None
    header, file = read_to_pixels(stream)
    at = file.tell()
    span = header_span(header, file, at)
    file.seek(at)
    return header, file, span


def _encoding(header: FileDataset | QuickHeader) -> tuple[bool, bool]:
    """Whether a header leaves out value representations, and whether it is little endian."""
    if isinstance(header, QuickHeader):
        return False, True
    implicit, little = header.original_encoding
    return bool(implicit), bool(little)


def _demand_size(number: int, size: int) -> None:
    if size > MAX_FRAME_BYTES:
        raise DecodeError(f"frame {number}", f"{size} bytes", f"at most {MAX_FRAME_BYTES}")


def _demand_count(count: int) -> None:
    if count > MAX_FRAGMENTS:
        raise DecodeError("pixel data", "more fragments", f"at most {MAX_FRAGMENTS}")


def _aligned(data: bytes, shift: int, bits: int) -> bytes:
    """Single bits that begin within a byte, from the lowest bit of the first; the rest is zero."""
    cells = np.frombuffer(data + b"\0", np.uint8)
    size = -(-bits // 8)
    moved = (cells[:-1] >> shift) | (cells[1:] << np.uint8(8 - shift) if shift else np.uint8(0))
    moved = moved[:size].copy()
    if bits % 8:
        moved[-1] &= (1 << bits % 8) - 1
    return moved.tobytes()
