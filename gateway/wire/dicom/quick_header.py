"""The header of a file that keeps to the rules, found in a fraction of what reading it all costs.

Most files are in explicit little endian, in order, with a short header: those are walked from one
element to the next in memory. Whatever is unusual is left to pydicom (`dataset`), which bears
everything; what is found here is what it would find. Nothing is decided here about damage.
Clauses: DICOM PS3.10 7.1 (file meta information), PS3.5 7.1 (elements), 7.5 (sequences).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, KeysView, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
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

_Element = DataElement | RawDataElement


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
    file_meta = FileMetaDataset(dict(meta.elements))
    file_meta.set_original_encoding(False, True, default_encoding)
    ds = FileDataset(
        file,
        cast(Any, data.elements),
        head[: _META - 4],
        file_meta,
        is_implicit_VR=False,
        is_little_endian=True,
    )
    encoding = data.encoding
    ds.set_original_encoding(False, True, encoding if isinstance(encoding, str) else [*encoding])
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


class _Elements(MutableMapping[BaseTag, _Element]):
    """The elements of a data set, each made when it is looked at: most of them never are."""

    __slots__ = ("_head", "_held")

    def __init__(self, head: bytes, held: dict[BaseTag, int | _Element]) -> None:
        self._head = head
        self._held = held  # an element, or where it begins

    def __getitem__(self, tag: BaseTag) -> _Element:
        """The element, as pydicom leaves it when it has read it."""
        found = self._held[tag]
        if not isinstance(found, int):
            return found
        made = _made(self._head, found)
        self._held[tag] = made
        return made

    def __setitem__(self, tag: BaseTag, element: _Element) -> None:
        """Put another in its place."""
        self._held[tag] = element

    def __delitem__(self, tag: BaseTag) -> None:
        """Take it out."""
        del self._held[tag]

    def __iter__(self) -> Iterator[BaseTag]:
        """The tags in order."""
        return iter(self._held)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def __contains__(self, tag: object) -> bool:
        """Whether there is one, which makes none."""
        return tag in self._held

    def keys(self) -> KeysView[BaseTag]:
        """The tags, without a look at the elements."""
        return self._held.keys()


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
    held: dict[BaseTag, int | _Element] = {}
    before, odd, last = first - 1, 0, len(head) - 8
    encoding: str | list[str] = default_encoding
    while at <= last:
        coded, length = _HEAD(head, at)
        tag, key, vr, _, is_long = _KINDS.get(coded) or _kind(coded)
        if tag >= stop:
            return _Walked(_Elements(head, held), at, tag, not odd & 1, encoding) if held else None
        if tag <= before or not vr:
            return None
        before = tag
        held[key] = at
        begin = at + 8
        if is_long:
            if at > last - 4:
                return None
            (length,) = _LENGTH(head, begin)
            begin += 4
            if length == _UNDEFINED:
                element, at = _sequence(head, at, vr, encoding)
                if element is None:
                    return None
                held[key] = element
                continue
        at = begin + length
        odd |= length
        if tag == _CHARACTER_SET:
            if length & 1 or not length or at > last:
                return None
            encoding = _encoding_of(head[begin - 8 : at])
    return None


def _made(head: bytes, at: int) -> _Element:
    """The element that begins there: `_walk` has been past it."""
    coded, length = _HEAD(head, at)
    tag, key, vr, empty, is_long = _KINDS.get(coded) or _kind(coded)
    begin = at + 8
    if is_long:
        (length,) = _LENGTH(head, begin)
        begin += 4
    value = head[begin : begin + length] if length else empty
    # Half the time that its constructor takes, which only gives the fields their names.
    fields = key, vr, length, value, begin, False, True, True, False
    raw: RawDataElement = tuple.__new__(RawDataElement, fields)
    # What texts are in is looked at while a file is read.
    return convert_raw_data_element(raw) if tag == _CHARACTER_SET else raw


@lru_cache(maxsize=64)
def _encoding_of(element: bytes) -> str | list[str]:
    """The encoding that a Specific Character Set stands for, which is not to be changed."""
    encodings = convert_encodings(cast(Any, _made(element, 0)).value)
    return cast("str | list[str]", encodings)


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
