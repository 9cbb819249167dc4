"""Metadata of a DICOMweb answer, DICOM JSON, as pydicom data sets.

Tolerant of what servers send: tags in lower case, no representation, empty lists, names that are
plain texts, numbers that are texts and texts that are numbers, an object without its array. What
cannot be meant is a `DecodeError` with its place. Writing is in `json_write`. Clauses: DICOM
PS3.18 annex F (the model), PS3.5 6.2 (value representations).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import (
    DataElement,
    RawDataElement,
    convert_raw_data_element,
    empty_value_for_VR,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import format_number_as_ds

from gateway.wire.dicom.elements import PYDICOM_ERRORS, complaint, reading
from gateway.wire.problems import DecodeError

Bulk: TypeAlias = Callable[[str, str], bytes | None]

MAX_OBJECTS: Final = 20_000  # twice the instances of the largest study we expect in one answer
MAX_DEPTH: Final = 64  # sequences within sequences

_RULE: Final = "PS3.18 F.2"
_CHARACTER_SET: Final = 0x00080005
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]*+={0,2}\s*+")
_INTEGER: Final = re.compile(r"\s*+[+-]?[0-9]{1,20}(?:\.0*)?\s*+")
_NUMBER: Final = re.compile(r"\s*+[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*+")
_FLOAT: Final = re.compile(_NUMBER.pattern + r"|\s*+[+-]?(?:nan|inf(?:inity)?)\s*+", re.IGNORECASE)
_HALF: Final = re.compile("[\ud800-\udfff]")
_KEYS: Final = ("Value", "InlineBinary", "BulkDataURI")
_GROUPS_OF_NAME: Final = ("Alphabetic", "Ideographic", "Phonetic")

_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_TEXTS: Final = frozenset(
    ["AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
_UNDIVIDED: Final = frozenset({"LT", "ST", "UR", "UT"})
_FLOATS: Final = frozenset({"FL", "FD"})
_RANGES: Final = {
    "IS": (-(2**31), 2**31 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "US": (0, 2**16 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "UL": (0, 2**32 - 1),
    "SV": (-(2**63), 2**63 - 1),
    "UV": (0, 2**64 - 1),
}
_KNOWN: Final = frozenset({*_BINARY, *_TEXTS, *_FLOATS, *_RANGES, "AT", "DS", "PN", "SQ"})


def read_metadata(
    data: bytes, *, where: str = "body", bulk: Bulk | None = None
) -> tuple[Dataset, ...]:
    """The data sets of an answer; () for an empty body, as servers answer when nothing is there.

    `bulk` is as in `read_object`. Raises `DecodeError`.
    """
    if not data.strip():
        return ()
    try:
        root = json.loads(data, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise DecodeError(where, "a deeper nesting", f"at most {MAX_DEPTH} sequences") from error
    except ValueError as error:
        raise DecodeError(where, str(error)[:200], "DICOM JSON", _RULE) from error
    objects = [root] if isinstance(root, dict) else root
    if not isinstance(objects, list):
        raise _wrong(where, root, "an array of objects")
    if len(objects) > MAX_OBJECTS:
        raise DecodeError(where, f"{len(objects)} objects", f"at most {MAX_OBJECTS}")
    return tuple(
        read_object(one, where=f"{where}[{index}]", bulk=bulk) for index, one in enumerate(objects)
    )


def read_object(found: object, *, where: str = "object", bulk: Bulk | None = None) -> Dataset:
    """One DICOM JSON object as a data set whose texts are in UTF-8 (PS3.18 F.2.2).

    `bulk` is called with the path of each bulk value, as `json_write.write_object` has it, and
    with its address; the bytes it returns become the value where the representation is binary.
    Without them the element is empty. Group lengths, command and file meta elements are passed
    over. Raises `DecodeError` with the place.
    """
    with reading(where):
        ds = _dataset(found, where, "", 0, bulk)
    ds.add(DataElement(_CHARACTER_SET, "CS", "ISO_IR 192"))
    return ds


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _wrong(where: str, found: object, expected: str) -> DecodeError:
    shown = f"{type(found).__name__} {str(found)[:60]!r}" if found is not None else "null"
    return DecodeError(where, shown, expected, _RULE)


def _dataset(found: object, where: str, path: str, depth: int, bulk: Bulk | None) -> Dataset:
    if not isinstance(found, dict):
        raise _wrong(where, found, "an object")
    if depth > MAX_DEPTH:
        raise DecodeError(where, "deeper sequences", f"at most {MAX_DEPTH} levels")
    ds = Dataset()
    for key, body in found.items():
        if not _TAG.fullmatch(key):
            raise DecodeError(where, repr(key[:40]), "a tag of eight hexadecimal digits", _RULE)
        tag, place = Tag(int(key, 16)), f"{where}.{key.upper()}"
        if tag.group in (0x0000, 0x0002) or tag.element == 0:
            continue
        if tag in ds:
            raise DecodeError(place, "the tag twice", "once", _RULE)
        if not isinstance(body, dict):
            raise _wrong(place, body, "an object")
        try:
            ds.add(_element(tag, body, place, path, depth, bulk))
        except PYDICOM_ERRORS as error:
            raise DecodeError(place, complaint(error), "a value of its kind", _RULE) from error
    if _CHARACTER_SET in ds:
        ds.add(DataElement(_CHARACTER_SET, "CS", "ISO_IR 192"))
    return ds


def _element(
    tag: BaseTag, body: dict[str, Any], place: str, path: str, depth: int, bulk: Bulk | None
) -> DataElement:
    values = body.get("Value")
    if values is None:
        values = []
    if not isinstance(values, list):
        raise _wrong(f"{place}.Value", values, "an array")
    vr = _representation(tag, body, values, place)
    given = {key: body[key] for key in _KEYS if body.get(key) not in (None, "", [])}
    if len(given) > 1:
        raise DecodeError(place, " and ".join(given), "one of them", _RULE)
    here = f"{path}{tag:08X}"
    if vr == "SQ":
        items = [
            _dataset({} if one is None else one, f"{place}[{at}]", f"{here}/{at}/", depth + 1, bulk)
            for at, one in enumerate(values)
        ]
        return DataElement(tag, vr, Sequence(items))
    if "BulkDataURI" in given:
        uri = _text_of(given["BulkDataURI"], f"{place}.BulkDataURI")
        content = bulk(here, uri) if bulk else None
        return DataElement(tag, vr, content if vr in _BINARY else empty_value_for_VR(vr))
    if "InlineBinary" in given:
        return _inline(tag, vr, _text_of(given["InlineBinary"], f"{place}.InlineBinary"), place)
    if vr in _BINARY and values:
        raise DecodeError(place, "Value", f"InlineBinary or BulkDataURI for {vr}", _RULE)
    read = [_value(vr, one, f"{place}.Value[{at}]") for at, one in enumerate(values)]
    if not read:
        return DataElement(tag, vr, empty_value_for_VR(vr))
    if vr in _UNDIVIDED:
        return DataElement(tag, vr, "\\".join(read))
    return DataElement(tag, vr, read[0] if len(read) == 1 else read)


def _representation(tag: BaseTag, body: dict[str, Any], values: list[Any], place: str) -> str:
    """The representation that is named, else the one of the dictionary, else a fitting one."""
    named = body.get("vr")
    if named is not None and not isinstance(named, str):
        raise _wrong(f"{place}.vr", named, "a value representation")
    if named in _KNOWN:
        return str(named)
    try:
        vr = str(dictionary_VR(tag)).rpartition(" or ")[2]
    except KeyError:
        vr = "LO" if tag.is_private_creator else ""
    if "InlineBinary" in body:
        return vr if vr in _BINARY else "UN"
    if vr == "OW" and values:
        return "US"  # of what the dictionary leaves open, the one that has values
    if vr in _KNOWN:
        return "US" if vr == "SS" and not _has_negative(values) else vr
    return next((_FITTING[type(one)] for one in values if type(one) in _FITTING), "UN")


_FITTING: Final[dict[type, str]] = {str: "UC", int: "SV", float: "FD", dict: "SQ"}


def _has_negative(values: list[Any]) -> bool:
    return any(isinstance(one, int) and one < 0 for one in values)


def _text_of(found: object, place: str) -> str:
    """A text that may stand in an array, as an example of the standard has it."""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, str):
        raise _wrong(place, found, "a text")
    return found


def _inline(tag: BaseTag, vr: str, text: str, place: str) -> DataElement:
    if vr not in _BINARY:
        raise DecodeError(place, f"InlineBinary for {vr}", "Value", _RULE)
    if not _BASE64.fullmatch(text):
        raise DecodeError(f"{place}.InlineBinary", repr(text[:40]), "base64", _RULE)
    value = base64.b64decode(text)
    if vr != "UN":
        return DataElement(tag, vr, value)
    try:
        # An unknown representation gives way to that of the dictionary where the bytes allow it.
        return convert_raw_data_element(RawDataElement(tag, vr, len(value), value, 0, True, True))
    except PYDICOM_ERRORS:
        # pydicom lets no known tag begin as unknown bytes.
        element = DataElement(tag, "OB", value)
        element.VR = vr
        return element


def _value(vr: str, found: object, place: str) -> Any:
    """One value as pydicom takes it; what is empty within others is "" or None."""
    if vr == "PN":
        return _name(found, place)
    if isinstance(found, bool) or not isinstance(found, str | int | float | None):
        raise _wrong(place, found, f"a value of {vr}")
    if vr in _TEXTS:
        return "" if found is None else _plain(str(found), place)
    if found is None or (isinstance(found, str) and not found.strip()):
        return "" if vr == "DS" else None
    if vr == "AT":
        if not isinstance(found, str) or not _TAG.fullmatch(found):
            raise _wrong(place, found, "a tag of eight hexadecimal digits")
        return int(found, 16)
    if vr in _RANGES:
        return _integer(vr, found, place)
    if isinstance(found, str) and not (_NUMBER if vr == "DS" else _FLOAT).fullmatch(found):
        raise _wrong(place, found, f"a number of {vr}")
    return _decimal(found, place) if vr == "DS" else float(found)


def _decimal(found: str | float, place: str) -> str:
    """A decimal string: as it was written, or a number in the 16 characters it may have."""
    if isinstance(found, str):
        return found
    if not math.isfinite(found):
        raise _wrong(place, found, "a finite number")
    return str(found) if len(str(found)) <= 16 else format_number_as_ds(float(found))


def _integer(vr: str, found: str | float, place: str) -> int:
    if isinstance(found, str):
        if not _INTEGER.fullmatch(found):
            raise _wrong(place, found, f"an integer of {vr}")
        number = int(found.partition(".")[0])
    else:
        number = int(found)
    low, high = _RANGES[vr]
    if not (isinstance(found, str) or number == found) or not low <= number <= high:
        raise _wrong(place, found, f"an integer of {vr} from {low} to {high}")
    return number


def _name(found: object, place: str) -> str:
    """A person name: its groups in an object, or the whole as a plain text."""
    if found is None or isinstance(found, str):
        return _plain(found or "", place)
    if not isinstance(found, dict):
        raise _wrong(place, found, "a person name")
    groups = [found.get(name) or "" for name in _GROUPS_OF_NAME]
    for group in groups:
        if not isinstance(group, str):
            raise _wrong(place, group, "a text")
    return _plain("=".join(groups).rstrip("="), place)


def _plain(text: str, place: str) -> str:
    """A text that can be encoded: JSON can name halves of a character, which nothing can hold."""
    if _HALF.search(text):
        raise DecodeError(place, "half of a surrogate pair", "whole characters", "RFC 8259, 8.2")
    return text
