"""Where the elements of a header lie: walked once for all files that are laid out alike.

The images of a series say the same things at the same places, but for a value now and then that is
a letter longer. So what was found for one is kept, with the heads of its elements (tag, value
representation and length) and the few values that decide how the rest is read; a file whose heads
are the same, byte for byte, is laid out the same. Nothing is taken for granted, and nothing that
is unusual is found here: that is left to pydicom (`quick_header`). Clauses: DICOM PS3.10 7.1 (file
meta information), PS3.5 7.1 (elements), 7.5 (sequences).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import (
    DataElement,
    RawDataElement,
    convert_raw_data_element,
    empty_value_for_VR,
)
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from gateway.domain.ids import InvalidIdentifier, Uid

META: Final = 132  # behind preamble and prefix

_PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_PIXEL_GROUP: Final = 0x7FE00000
_PIXEL_DATA: Final = b"\xe0\x7f\x10\0O"  # and how its value representation begins
_FIRST_OF_META, _BEHIND_META, _FIRST_OF_DATA = 0x00020000, 0x00030000, 0x00080000
_SYNTAX: Final = 0x00020010
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_CHARACTER_SET: Final = 0x00080005
_SAMPLES, _BEHIND_SIGN = 0x00280002, 0x00280104
_META_LENGTH: Final = b"\2\0\0\0UL\4\0"
_META_START: Final = META + 12  # what the length of the file meta information is counted from
_UNDEFINED: Final = 0xFFFFFFFF
# Explicit little endian, and what is compressed and has such a header; not what is deflated.
_EXPLICIT: Final = b"1.2.840.10008.1.2.1"
_COMPRESSED: Final = (b"1.2.840.10008.1.2.4.", b"1.2.840.10008.1.2.5")

_VRS: Final = {vr.encode(): str(vr) for vr in STANDARD_VR}
_LONG: Final = frozenset(map(str, EXPLICIT_VR_LENGTH_32))
_HEAD: Final = struct.Struct("<6sH").unpack_from
_LENGTH: Final = struct.Struct("<I").unpack_from

_MAX_KINDS: Final = 8192
# What a peer's files can make us keep: some MiB.
_MAX_LAYOUTS, _MAX_ELEMENTS = 128, 512

Element = DataElement | RawDataElement


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


class _Walked(NamedTuple):
    """Elements by their tags, where they end, and which tag comes then.

    `places` are those of elements that are still to be made, by plain numbers, which are found
    faster than pydicom's tags. `is_even` is whether all lengths were.
    """

    held: dict[BaseTag, int | Element]
    places: dict[int, int]
    end: int
    next: int
    is_even: bool
    encoding: str | list[str]


class Layout:
    """Where the file meta information and the data set of a file have their elements.

    `meta` and `data` hold each element that is made already, else the place of its first byte;
    `begin` is the first element of the data set, `end` the pixel data after it. `can_stay` is
    whether another file in explicit little endian can take the bytes between as they are.
    `pixel_module` is the span of Samples per Pixel to Pixel Representation.
    """

    __slots__ = (
        "_heads", "_places", "_struct", "begin", "can_stay", "data", "encoding", "end", "meta",
        "pixel_module", "transfer_syntax",
    )  # fmt: skip

    def __init__(self, head: bytes, meta: _Walked, data: _Walked, transfer_syntax: Uid) -> None:
        self.meta: Mapping[BaseTag, int | Element] = meta.held
        self.data: Mapping[BaseTag, int | Element] = data.held
        self._places = data.places
        self.begin, self.end = meta.end, data.end
        self.encoding = data.encoding
        self.transfer_syntax = transfer_syntax
        told = head[META : META + len(_META_LENGTH)] == _META_LENGTH
        is_told = told and _LENGTH(head, _META_START - 4)[0] == meta.end - _META_START
        self.can_stay = is_told and data.is_even
        self.pixel_module = _span(data)
        self._struct: struct.Struct | None = None
        self._heads: tuple[bytes, ...] = ()

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins so is laid out like this; only asked of what is kept."""
        known = self._struct
        return (
            known is not None
            and len(head) >= known.size
            and known.unpack_from(head) == (self._heads)
        )

    def keep(self, head: bytes, meta: _Walked, data: _Walked) -> bool:
        """Remember the heads of all elements, if they are such that they can be."""
        places = [*meta.places.items(), *data.places.items()]
        if len(places) != len(meta.held) + len(data.held) or len(places) > _MAX_ELEMENTS:
            return False
        form, at = ["<"], 0
        for tag, place in places:
            until = place + 12 if _KINDS[head[place : place + 6]].is_long else place + 8
            if tag in (_FIRST_OF_META, _SYNTAX, _CHARACTER_SET):
                until += _HEAD(head, place)[1]  # what is made of these values is kept as well
            form.append(f"{place - at}x{until - place}s")
            at = until
        form.append(f"{self.end - at}x4s")
        self._struct = struct.Struct("".join(form))
        self._heads = self._struct.unpack_from(head)
        return True

    def place(self, tag: int) -> int | None:
        """Where an element of the data set begins, None where there is none or it is made."""
        return self._places.get(tag)


# By where the pixel data seem to begin: good enough to try one, as `fits` is sure.
_LAYOUTS: Final[dict[int, Layout]] = {}


def layout_of(head: bytes) -> Layout | None:
    """The layout of a file that begins so; None for unusual ones and those cut within the header.

    Call it inside `elements.reading`.
    """
    seen = head.find(_PIXEL_DATA, META)
    known = _LAYOUTS.get(seen)
    if known is not None and known.fits(head):
        return known
    meta = _walk(head, META, _FIRST_OF_META, _BEHIND_META)
    syntax = None if meta is None else _syntax(head, meta)
    if meta is None or syntax is None:
        return None
    data = _walk(head, meta.end, _FIRST_OF_DATA, _PIXEL_GROUP)
    if data is None or data.next not in _PIXEL_TAGS:
        return None
    if _SOP_CLASS not in data.places and _SOP_INSTANCE not in data.places:
        return None
    found = Layout(head, meta, data, syntax)
    if found.keep(head, meta, data):
        if len(_LAYOUTS) >= _MAX_LAYOUTS and seen not in _LAYOUTS:
            _LAYOUTS.clear()
        _LAYOUTS[seen] = found
    return found


def _syntax(head: bytes, meta: _Walked) -> Uid | None:
    """The transfer syntax, of those that are usual."""
    place = meta.places.get(_SYNTAX)
    value = element_at(head, place).value if place is not None else None
    if not isinstance(value, bytes):
        return None
    named = value.rstrip(b"\0 ")
    if named != _EXPLICIT and not named.startswith(_COMPRESSED):
        return None
    try:
        return Uid.parse(str(named, "ascii"))
    except (InvalidIdentifier, UnicodeDecodeError):
        return None


def _span(data: _Walked) -> tuple[int, int]:
    begin = next((at for tag, at in data.places.items() if tag >= _SAMPLES), data.end)
    end = next((at for tag, at in data.places.items() if tag >= _BEHIND_SIGN), data.end)
    return begin, end


def _walk(head: bytes, at: int, first: int, stop: int) -> _Walked | None:
    """The elements from `first` up to the first one from `stop` on; None for what is unusual."""
    held: dict[BaseTag, int | Element] = {}
    places: dict[int, int] = {}
    before, odd, last = first - 1, 0, len(head) - 8
    encoding: str | list[str] = default_encoding
    while at <= last:
        coded, length = _HEAD(head, at)
        tag, key, vr, _, is_long = _KINDS.get(coded) or _kind(coded)
        if tag >= stop:
            return _Walked(held, places, at, tag, not odd & 1, encoding) if held else None
        if tag <= before or not vr:
            return None
        before = tag
        held[key] = places[tag] = at
        begin = at + 8
        if is_long:
            if at > last - 4:
                return None
            (length,) = _LENGTH(head, begin)
            begin += 4
            if length == _UNDEFINED:
                del places[tag]
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


def element_at(head: bytes, at: int) -> Element:
    """The element that begins there, as pydicom leaves it when it has read it.

    A layout says that there is one.
    """
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
    encodings = convert_encodings(cast(Any, element_at(element, 0)).value)
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
