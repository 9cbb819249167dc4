"""What the models of fhir.resources know of R4B: the elements of each type, and whether one fits.

Two uses of one library. `elements_of` reads order, kind and cardinality off a model class once and
keeps them as a table, from which FHIR XML is written and read. `judge` puts a resource to the
model itself. R4B (4.3.0) has the structure of R4 (4.0.1) in all resources used here. The top level
of the library is R5: only imaging reports travel in it. A model is loaded when its type is met.

Not judged by the models, and so not here: required value sets, invariants, targets of references,
length of ids, and a resource inside another that does not say its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from fhir.resources import get_fhir_model_class as _r5_class
from fhir.resources.R4B import get_fhir_model_class

from gateway.wire.fhir.json_format import check_depth, kind_of
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

_RULE: Final = "FHIR R4B models"
_ABSTRACT: Final = ("Resource", "DomainResource")


class Release(StrEnum):
    """Which release of FHIR; the value is `fhirVersion`."""

    R4 = "4.0.1"
    R5 = "5.0.0"


_CLASS_OF: Final[Mapping[Release, Callable[[str], Any]]] = {
    Release.R4: get_fhir_model_class,
    Release.R5: _r5_class,
}


class Kind(StrEnum):
    """What stands under a name: one of the primitives as JSON has them, or something with parts."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    XHTML = "xhtml"
    RESOURCE = "resource"
    COMPLEX = "complex"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRule:
    """One element of a type: its name in JSON, its place, whether it repeats, what it holds.

    `type` names the type of a complex element, "" for every other kind. `attribute` tells the two
    names that FHIR XML writes as attributes: `id` of what is no resource, `url` of an extension.
    `release` is where `type` is to be looked up.
    """

    name: str
    order: int
    kind: Kind
    type: str = ""
    many: bool = False
    attribute: bool = False
    release: Release = Release.R4


_PRIMITIVES: Final[dict[str, Kind]] = {
    "bool": Kind.BOOLEAN,
    "int": Kind.INTEGER,
    "Decimal": Kind.DECIMAL,
}


def is_resource_type(name: str, release: Release = Release.R4) -> bool:
    """Whether a name is that of a resource R4B or R5 knows; abstract ones are none."""
    if name in _ABSTRACT:
        return False
    try:
        model = _CLASS_OF[release](name)
    except (ValueError, KeyError):
        return False
    return any(base.__name__ == "Resource" for base in model.__mro__)


@cache
def elements_of(type_name: str, release: Release = Release.R4) -> Mapping[str, ElementRule]:
    """The elements of a type of R4B or R5 in the order of its StructureDefinition, by name.

    `type_name` is ours or was taken from such a table, never a peer's word: see
    `is_resource_type`. `ValueError` for a type that is not there.
    """
    model: Any = _CLASS_OF[release](type_name)
    annotations = {
        field.alias or name: field.annotation
        for name, field in model.model_fields.items()
        if not name.endswith("__ext")
    }
    resource = any(base.__name__ == "Resource" for base in model.__mro__)
    table: dict[str, ElementRule] = {}
    for order, name in enumerate(model.elements_sequence()):
        kind, held, many = _read_annotation(annotations[name])
        attribute = (name == "id" and not resource) or (name == "url" and type_name == "Extension")
        table[name] = ElementRule(
            name=name,
            order=order,
            kind=kind,
            type=held,
            many=many,
            attribute=attribute,
            release=release,
        )
    return MappingProxyType(table)


def judge(resource: Mapping[str, Any]) -> None:
    """Nothing when R4B's model of its type accepts the resource; else `DecodeError`.

    The error names the first place only, and a type R4B does not know, on top or within.
    """
    name = resource.get("resourceType")
    if not isinstance(name, str):
        found = kind_of(name) if "resourceType" in resource else "nothing"
        raise DecodeError("resourceType", found, "the name of a resource", _RULE)
    if not is_resource_type(name):
        raise DecodeError("resourceType", quoted(name), "a resource of R4B", _RULE)
    check_depth(resource, name)
    _check_types_within(resource, name)
    try:
        get_fhir_model_class(name).model_validate(resource)
    except KeyError as error:
        # The library's own way to say that a resource within is of a type it does not know.
        inner = str(error.args[0]).removeprefix("R4.").removesuffix("Type")
        raise DecodeError(name, f"a resource {quoted(inner)}", "one of R4B", _RULE) from error
    except ValueError as error:
        where, message = _first_error(error)
        place = name + where
        raise DecodeError(place, quoted(message), "what R4B allows", _RULE) from error


def _check_types_within(resource: Mapping[str, Any], where: str) -> None:
    """The library takes the type of a resource within for a string without looking."""
    waiting: list[tuple[str, object]] = [(where, resource)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, Mapping):
            found = value.get("resourceType", "")
            if not isinstance(found, str):
                place = f"{place}.resourceType"
                raise DecodeError(place, kind_of(found), "the name of a resource", _RULE)
            waiting += [(f"{place}.{key}", below) for key, below in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}[{i}]", below) for i, below in enumerate(value)]


def _first_error(error: ValueError) -> tuple[str, str]:
    """Place and message of the first complaint; pydantic's error is known by its method alone."""
    errors = getattr(error, "errors", None)
    found: list[dict[str, Any]] = errors(include_url=False, include_input=False) if errors else []
    if not found:
        return "", str(error)
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in found[0]["loc"])
    return "".join(steps), str(found[0]["msg"])


def _read_annotation(annotation: Any) -> tuple[Kind, str, bool]:
    """Kind, type of a complex one, and whether it repeats, off what a model's field declares."""
    many = False
    marks: tuple[Any, ...] = ()
    while (origin := get_origin(annotation)) is not None:
        marks = getattr(annotation, "__metadata__", marks)
        if origin in (Union, UnionType):
            rest = [part for part in get_args(annotation) if part is not type(None)]
            annotation = rest[0]
        elif origin is list:
            many = True
            annotation = get_args(annotation)[0]
        else:  # Annotated
            annotation = annotation.__origin__
    if hasattr(annotation, "get_model_klass"):
        if annotation.__name__ == "ResourceType":
            return Kind.RESOURCE, "", many
        return Kind.COMPLEX, str(annotation.get_model_klass().__name__), many
    if any(type(mark).__name__ == "Xhtml" for mark in marks):
        return Kind.XHTML, "", many
    return _PRIMITIVES.get(annotation.__name__, Kind.TEXT), "", many
