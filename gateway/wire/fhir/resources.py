"""Resources as plain objects: read and written in either format, looked into without surprises.

A resource on the wire is a `Json`, a dict as JSON has it, in FHIR XML too. The accessors give what
stands under a name, or raise `DecodeError` with its place when a peer put another kind of value
there. They judge no content: codes, dates and references are for whoever asks for them.

`validated` is the judgement of fhir.resources on a whole resource. Its models are R4B (4.3.0),
which has the structure of R4 (4.0.1) in every resource used here; it costs ten times the parse and
belongs into tests and a strict mode.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from gateway.wire.fhir.json_format import (
    MAX_DEPTH,
    MAX_ENTRIES,
    Json,
    kind_of,
    read_json,
    write_json,
)
from gateway.wire.fhir.models import Release, judge
from gateway.wire.fhir.xml_format import read_xml, write_xml
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

__all__ = [
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "Format",
    "Json",
    "boolean_at",
    "expect_type",
    "integer_at",
    "object_at",
    "objects_at",
    "read_resource",
    "text_at",
    "texts_at",
    "validated",
    "write_resource",
]

_NOTHING = object()  # what stands under a name that is not there; a null does not


class Format(StrEnum):
    """How a resource is written down; the value is the short form of `_format`."""

    JSON = "json"
    XML = "xml"

    @property
    def media_type(self) -> str:
        """The MIME type without parameters (FHIR R4, http.html#mime-type)."""
        return f"application/fhir+{self.value}"


def read_resource(
    data: bytes, format: Format, where: str = "body", release: Release = Release.R4
) -> Json:
    """The resource in a body; `DecodeError` when it is none, is unsafe, or has too many entries.

    JSON is read alike in every release; XML by the tables of the one given.
    """
    resource = read_json(data, where) if format is Format.JSON else read_xml(data, where, release)
    if not isinstance(resource.get("resourceType"), str):
        raise DecodeError(where, "no resourceType", "the name of a resource", "FHIR R4 json")
    entries = resource.get("entry")
    if isinstance(entries, list) and len(entries) > MAX_ENTRIES:
        raise DecodeError(f"{where}.entry", f"{len(entries)} entries", f"at most {MAX_ENTRIES}")
    return resource


def write_resource(resource: Json, format: Format, release: Release = Release.R4) -> bytes:
    """A resource as bytes in UTF-8; `EncodeError` for what the format cannot carry."""
    if not isinstance(resource.get("resourceType"), str):
        raise EncodeError("a resource without resourceType")
    return write_json(resource) if format is Format.JSON else write_xml(resource, release)


def validated(resource: Json) -> None:
    """Nothing when the models of R4B accept the resource; else `DecodeError` at the first place.

    Blocks for a fifth of a second on a Bundle of half a megabyte: call it in a worker thread.
    """
    judge(resource)


def expect_type(resource: Json, *types: str, where: str) -> Json:
    """The resource itself when it is of one of the types; else `DecodeError`."""
    found = resource.get("resourceType")
    if isinstance(found, str) and found in types:
        return resource
    name = quoted(found) if isinstance(found, str) else kind_of(found)
    raise DecodeError(f"{where}.resourceType", name, " or ".join(types))


def text_at(obj: Json, key: str, where: str) -> str:
    """The string under a name as it stands, "" when there is none."""
    value = obj.get(key, "")
    if not isinstance(value, str):
        raise _wrong(value, f"{where}.{key}", "a string")
    return value


def object_at(obj: Json, key: str, where: str) -> Json:
    """The object under a name, an empty one when there is none."""
    value = obj.get(key, _NOTHING)
    if value is _NOTHING:
        return {}
    if not isinstance(value, dict):
        raise _wrong(value, f"{where}.{key}", "an object")
    return value


def objects_at(obj: Json, key: str, where: str) -> tuple[Json, ...]:
    """The array of objects under a name, empty when there is none."""
    if key not in obj:
        return ()
    values = tuple(_array(obj, key, where))
    for i, value in enumerate(values):
        if not isinstance(value, dict):
            raise _wrong(value, f"{where}.{key}[{i}]", "an object")
    return values


def texts_at(obj: Json, key: str, where: str) -> tuple[str, ...]:
    """The array of strings under a name, empty when there is none."""
    values = _array(obj, key, where)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise _wrong(value, f"{where}.{key}[{i}]", "a string")
    return tuple(values)


def integer_at(obj: Json, key: str, where: str) -> int | None:
    """The whole number under a name, None when there is none; a boolean is no number."""
    if key not in obj:
        return None
    value = obj[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, f"{where}.{key}", "an integer")
    return value


def boolean_at(obj: Json, key: str, where: str) -> bool | None:
    """The boolean under a name, None when there is none; the string "true" is none."""
    if key not in obj:
        return None
    value = obj[key]
    if not isinstance(value, bool):
        raise _wrong(value, f"{where}.{key}", "a boolean")
    return value


def _array(obj: Json, key: str, where: str) -> list[Any]:
    value = obj.get(key, [])
    if not isinstance(value, list):
        raise _wrong(value, f"{where}.{key}", "an array")
    return value


def _wrong(value: object, where: str, expected: str) -> DecodeError:
    return DecodeError(where, kind_of(value), expected, "FHIR R4 json")
