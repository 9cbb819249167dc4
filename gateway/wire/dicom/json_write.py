"""The header of an instance as DICOM JSON, as metadata of DICOMweb carries it.

Not a filter: every element is written, but for file meta information and group lengths; long
values and pixel data only as the address where they can be had. The conversion is ours rather
than pydicom's, which fails on empty values within a list, loses decimals, and knows no place
within a sequence; tests hold it to pydicom's wherever that has an answer. Reading is in
`json_read`. Clauses: DICOM PS3.18 annex F (the model), PS3.5 6.2 (value representations).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Uid
from gateway.wire.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    PIXEL_TAGS,
    transfer_syntax,
)
from gateway.wire.dicom.elements import PYDICOM_ERRORS, integer, reading
from gateway.wire.dicom.pixel_element import PixelElement
from gateway.wire.dicom.rewrite import swapped
from gateway.wire.problems import DecodeError

Json: TypeAlias = dict[str, Any]
BulkUri: TypeAlias = Callable[[str], str]

MAX_INLINE: Final = 1024  # bytes; longer values go as bulk data
MAX_DEPTH: Final = 64  # sequences within sequences
MAX_EXACT: Final = 2**53  # the largest integer that every reader of JSON numbers keeps exactly

UTF_8: Final = "ISO_IR 192"
_CHARACTER_SET: Final = "00080005"
_AVAILABLE_SYNTAX: Final = "00083002"
_PIXEL_DATA: Final = 0x7FE00010
_NATIVE: Final = frozenset({EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
_NEVER_SENT: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})  # PS3.18 8.7.3
_LEFT_OUT: Final = frozenset({0x0000, 0x0002})

_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_WORDS: Final = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_INTEGERS: Final = {"SS": 2, "US": 2, "SL": 4, "UL": 4, "SV": 8, "UV": 8}
_FLOATS: Final = {"FL": 4, "FD": 8}
# What may go as bulk data beside binary values (PS3.18 table F.2.3-1).
_BULKY_TEXTS: Final = frozenset({"DS", "IS", "LT", "ST", "UC", "UT"})
_GROUPS_OF_NAME: Final = ("Alphabetic", "Ideographic", "Phonetic")


def write_object(
    ds: Dataset,
    bulk_uri: BulkUri,
    *,
    stored: Uid | None = None,
    pixels: PixelElement | None = None,
) -> Json:
    """The header of an instance as a DICOM JSON object, tags in order (PS3.18 F.2).

    `bulk_uri` gives the absolute address of a value by its path: a tag, preceded for a value in a
    sequence by the tag of the sequence and the number of the item from 0, such as
    `00400275/0/0040A160`. `stored` is the transfer syntax the instance is kept in, by default the
    one the data set was read by; (0008,3002) names it, or explicit little endian where it is never
    sent. `pixels` says what pixel data follows the header; without it an image is taken to have
    the usual one. A value that cannot be read goes as the bytes it is, with the representation
    UN. Raises `DecodeError` for what is damaged beyond that.
    """
    with reading("header"):
        big = getattr(ds, "original_encoding", (None, None))[1] is False
        found = _object(ds, bulk_uri, "", 0, big=big)
        syntax = stored or transfer_syntax(ds)
        found[_CHARACTER_SET] = {"vr": "CS", "Value": [UTF_8]}
        available = EXPLICIT_LITTLE_ENDIAN if syntax in _NEVER_SENT else syntax
        found[_AVAILABLE_SYNTAX] = {"vr": "UI", "Value": [str(available)]}
        if not any(f"{tag:08X}" in found for tag in PIXEL_TAGS):
            tag, vr = _pixels(ds, pixels, syntax)
            if tag:
                found[tag] = {"vr": vr, "BulkDataURI": bulk_uri(tag)}
    return dict(sorted(found.items()))


def _pixels(ds: Dataset, pixels: PixelElement | None, syntax: str) -> tuple[str, str]:
    """Tag and representation of the pixel data after a header, "" where there is none."""
    if pixels is not None:
        return f"{pixels.tag:08X}", pixels.vr or "OW"
    has_pixels = all(integer(ds, Tag(0x0028, number)) for number in (0x0010, 0x0011, 0x0100))
    return (f"{_PIXEL_DATA:08X}" if has_pixels else ""), ("OW" if syntax in _NATIVE else "OB")


def _object(ds: Dataset, bulk_uri: BulkUri, path: str, depth: int, *, big: bool) -> Json:
    if depth > MAX_DEPTH:
        raise DecodeError("header", "deeper sequences", f"at most {MAX_DEPTH} levels")
    found: Json = {}
    for tag in sorted(ds.keys()):
        if tag.group in _LEFT_OUT or tag.element == 0:
            continue
        key = f"{tag:08X}"
        place = path + key
        raw = ds.get_item(tag)
        if tag in PIXEL_TAGS:
            vr = str(raw.VR) if raw is not None and raw.VR else "OW"
            found[key] = {"vr": "OW" if " " in vr else vr, "BulkDataURI": bulk_uri(place)}
            continue
        try:
            found[key] = _element(ds[tag], bulk_uri, place, depth, big=big)
        except PYDICOM_ERRORS:
            bare = raw.value if raw is not None else None
            plain = bare.encode("utf-8", "replace") if isinstance(bare, str) else bare
            found[key] = _binary("UN", plain if isinstance(plain, bytes) else b"", bulk_uri, place)
    if _CHARACTER_SET in found:
        found[_CHARACTER_SET] = {"vr": "CS", "Value": [UTF_8]}
    return found


def _element(element: DataElement, bulk_uri: BulkUri, place: str, depth: int, *, big: bool) -> Json:
    value, vr = element.value, str(element.VR)
    if vr == "SQ":
        items = [
            _object(item, bulk_uri, f"{place}/{index}/", depth + 1, big=big)
            for index, item in enumerate(value)
        ]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if isinstance(value, bytes) or vr in _BINARY:
        if " or " in vr or vr not in _BINARY:
            vr = "OW" if vr.endswith("OW") else "UN"
        plain = swapped(value, _WORDS[vr]) if big and value and vr in _WORDS else value
        return _binary(vr, plain or b"", bulk_uri, place)
    if element.is_empty:
        return {"vr": vr.partition(" or ")[0]}
    several = not isinstance(value, str) and hasattr(value, "__len__") and vr != "PN"
    values = list(value) if several or element.VM > 1 else [value]
    if " or " in vr:  # US or SS, of which nothing in the header decided
        vr = "SS" if any(one < 0 for one in values) else "US"
    if _size(vr, values) > MAX_INLINE:
        return {"vr": vr, "BulkDataURI": bulk_uri(place)}
    written = [_value(vr, one) for one in values]
    return {"vr": vr} if written == [None] else {"vr": vr, "Value": written}


def _binary(vr: str, value: bytes, bulk_uri: BulkUri, place: str) -> Json:
    if len(value) > MAX_INLINE:
        return {"vr": vr, "BulkDataURI": bulk_uri(place)}
    if not value:
        return {"vr": vr}
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode("ascii")}


def _size(vr: str, values: list[Any]) -> int:
    """How many bytes values have that may go as bulk data; 0 for those that may not."""
    if vr in _BULKY_TEXTS:
        return sum(len(str(one).encode("utf-8", "replace")) + 1 for one in values) - 1
    return len(values) * (_INTEGERS.get(vr) or _FLOATS.get(vr) or 0)


def _value(vr: str, value: Any) -> Any:
    """One value as JSON has it; None for an empty one within others (F.2.5)."""
    if value is None or value == "":
        return None
    if vr == "PN":
        groups = zip(_GROUPS_OF_NAME, value.components, strict=False)
        return {name: group for name, group in groups if group} or None
    if vr == "AT":
        return f"{BaseTag(value):08X}"
    if vr == "DS":
        return _decimal(value)
    if vr in _FLOATS:
        return _float(float(value))
    if vr == "IS" or vr in _INTEGERS:
        number = int(value)
        return number if abs(number) <= MAX_EXACT else str(number)
    return str(value)


def _decimal(value: Any) -> float | str:
    """A decimal string as a number, or as a string where a number would change it (F.2.3)."""
    text = str(getattr(value, "original_string", "") or value).strip()
    number = float(value)
    return number if math.isfinite(number) and Decimal(repr(number)) == Decimal(text) else text


def _float(number: float) -> float | str:
    """JSON has no numbers for what is none or infinite."""
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")


def write_metadata(objects: Iterable[Json]) -> bytes:
    """The body of an answer: the objects in an array, in UTF-8 (PS3.18 F.2.1)."""
    text = json.dumps(list(objects), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
