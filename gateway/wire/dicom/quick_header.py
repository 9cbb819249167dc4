"""The header of a file that keeps to the rules, found in a fraction of what reading it all costs.

Most files are in explicit little endian, in order, with a short header: those are walked from one
element to the next in memory. Whatever is unusual is left to pydicom (`dataset`), which bears
everything; what is found here is what it would find. Nothing is decided here about damage.
Clauses: DICOM PS3.10 7.1 (file meta information), PS3.5 7.1 (elements), 7.5 (sequences).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple, cast

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import (
    DataElement,
    RawDataElement,
    convert_raw_data_element,
    empty_value_for_VR,
)
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

# Most headers fit the first; longer ones than the last are those of many frames, or hold a private
# image, and are read the usual way.
QUICK_BYTES: Final = (12 * 1024, 128 * 1024)

_PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_PIXEL_GROUP: Final = 0x7FE00000
_FIRST_OF_META, _FIRST_OF_DATA = 0x00020000, 0x00080000
_SYNTAX: Final = BaseTag(0x00020010)
_SOP_CLASS, _SOP_INSTANCE = BaseTag(0x00080016), BaseTag(0x00080018)
_CHARACTER_SET: Final = 0x00080005
_META: Final = 132  # behind preamble and prefix
_META_LENGTH: Final = b"\2\0\0\0UL\4\0"
_META_START: Final = _META + 12  # what the length of the file meta information is counted from
_UNDEFINED: Final = 0xFFFFFFFF
# Explicit little endian, and what is compressed and has such a header; not what is deflated.
_EXPLICIT: Final = b"1.2.840.10008.1.2.1"
_COMPRESSED: Final = (b"1.2.840.10008.1.2.4.", b"1.2.840.10008.1.2.5")

_VRS: Final = {vr.encode(): str(vr) for vr in STANDARD_VR}
_LONG: Final = frozenset(map(str, EXPLICIT_VR_LENGTH_32))
_HEAD: Final = struct.Struct("<6sH").unpack_from
_LENGTH: Final = struct.Struct("<I").unpack_from

_MAX_KINDS: Final = 8192

_Elements = dict[BaseTag, DataElement | RawDataElement]


@dataclass(frozen=True, slots=True)
class QuickHeader:
    """A header as pydicom reads it, its elements still raw, and where it lies.

    `begin` is its first element in the file, `end` the pixel data after it. `can_stay` is whether
    another file in explicit little endian can take the bytes between as they are.
    """

    dataset: FileDataset
    begin: int
    end: int
    can_stay: bool


def read_quick_header(file: BinaryIO) -> QuickHeader | None:
    """The header of a file with pixel data, which is left standing there; None for unusual ones.

    A file for which it is None may stand anywhere. Call it inside `elements.reading`.
    """
    for size in QUICK_BYTES:
        file.seek(0)
        head = file.read(size)
        if head[_META - 4 : _META] != b"DICM":
            return None
        meta = _walk(head, _META, _FIRST_OF_META, _FIRST_OF_DATA)
        if meta is None or not _is_explicit(meta.elements.get(_SYNTAX)):
            return None
        data = _walk(head, meta.end, _FIRST_OF_DATA, _PIXEL_GROUP)
        if data is not None:
            return _found(file, head, meta, data)
        if len(head) < size:
            return None
    return None


def _found(file: BinaryIO, head: bytes, meta: _Walked, data: _Walked) -> QuickHeader | None:
    if data.next not in _PIXEL_TAGS:
        return None
    if _SOP_CLASS not in data.elements and _SOP_INSTANCE not in data.elements:
        return None
    file_meta = FileMetaDataset(meta.elements)
    file_meta.set_original_encoding(False, True, default_encoding)
    ds = FileDataset(
        file,
        cast(Any, data.elements),
        head[: _META - 4],
        file_meta,
        is_implicit_VR=False,
        is_little_endian=True,
    )
    ds.set_original_encoding(False, True, data.encoding)
    file.seek(data.end)
    told = head[_META : _META + len(_META_LENGTH)] == _META_LENGTH
    is_told = told and _LENGTH(head, _META_START - 4)[0] == meta.end - _META_START
    return QuickHeader(ds, meta.end, data.end, is_told and data.is_even)


def _is_explicit(element: DataElement | RawDataElement | None) -> bool:
    value = element.value if element is not None else None
    if not isinstance(value, bytes):
        return False
    named = value.rstrip(b"\0 ")
    return named == _EXPLICIT or named.startswith(_COMPRESSED)


class _Kind(NamedTuple):
    """A tag as a number and as pydicom's, its VR, "" where there is no such, and its empty value.

    `is_long` is whether a length of 32 bits follows.
    """

    tag: int
    key: BaseTag
    vr: str
    empty: bytes | None
    is_long: bool


# By the first six bytes of an element: the same hundred stand in every file.
_KINDS: Final[dict[bytes, _Kind]] = {}


@dataclass(frozen=True, slots=True)
class _Walked:
    """Elements, where they end, which tag comes then, and whether all had an even length."""

    elements: _Elements
    end: int
    next: int
    is_even: bool
    encoding: str | list[str]


def _walk(head: bytes, at: int, first: int, stop: int) -> _Walked | None:
    """The elements from `first` up to the first one from `stop` on; None for what is unusual."""
    elements: _Elements = {}
    make = tuple.__new__  # half the time of the constructor, which only names the fields
    before, odd, size = first - 1, 0, len(head)
    encoding: str | list[str] = default_encoding
    while at + 8 <= size:
        coded, length = _HEAD(head, at)
        known = _KINDS.get(coded) or _kind(coded)
        if known.tag >= stop:
            return _Walked(elements, at, known.tag, not odd & 1, encoding) if elements else None
        tag, key, vr, empty, is_long = known
        if tag <= before or not vr:
            return None
        before = tag
        begin = at + 8
        if is_long:
            if begin + 4 > size:
                return None
            length = _LENGTH(head, begin)[0]
            begin += 4
            if length == _UNDEFINED:
                element, at = _sequence(head, at, vr, encoding)
                if element is None:
                    return None
                elements[key] = element
                continue
        at = begin + length
        if at > size:
            return None
        odd |= length
        value = head[begin:at] if length else empty
        raw = make(RawDataElement, (key, vr, length, value, begin, False, True, True, False))
        elements[key] = raw
        if tag == _CHARACTER_SET:
            if length & 1 or not length:
                return None
            converted = convert_raw_data_element(raw)  # as pydicom leaves it, too
            elements[key] = converted
            encoding = convert_encodings(converted.value)
    return None


def _kind(coded: bytes) -> _Kind:
    """What tag and VR of an element mean, kept for the next file."""
    group, number = struct.unpack_from("<HH", coded)
    tag, vr = group << 16 | number, _VRS.get(coded[4:], "")
    empty = cast(bytes | None, empty_value_for_VR(vr, raw=True))
    kind = _Kind(tag, BaseTag(tag), vr, empty, vr in _LONG)
    if len(_KINDS) >= _MAX_KINDS:  # more than an archive has are made up
        _KINDS.clear()
    _KINDS[coded] = kind
    return kind


def _sequence(
    head: bytes, at: int, vr: str, encoding: str | list[str]
) -> tuple[DataElement | None, int]:
    """A sequence that ends with a delimiter, and where that is; None where it is not in sight."""
    if vr != "SQ":
        return None, at
    stream = io.BytesIO(head)
    stream.seek(at)
    try:
        found = next(data_element_generator(stream, False, True, encoding=encoding), None)
    except (OSError, EOFError):
        return None, at
    return (found, stream.tell()) if isinstance(found, DataElement) else (None, at)
