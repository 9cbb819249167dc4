"""FHIR XML: the same plain objects as FHIR JSON, driven by the tables of `models` (R4, xml.html).

Written in the order of the StructureDefinitions, read in any order. Values keep their text: a
decimal `1.50` stays so, booleans and integers are such in the object. What the tables do not know
is refused with its place, in both directions; there is nothing in FHIR XML to tell an unknown
element's kind by.

A narrative is XHTML with its own namespace, kept as a tree: what another writer of the same tree
may choose (`<br />`, `&#160;`, comments) is not kept. It is not made safe to show either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from gateway.wire.fhir.json_format import (
    MAX_DEPTH,
    MAX_ENTRIES,
    Json,
    check_depth,
    kind_of,
    read_number,
)
from gateway.wire.fhir.models import ElementRule, Kind, Release, elements_of, is_resource_type
from gateway.wire.fhir.xhtml import DIV, read_div, write_div
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import XSI, Element, escape_attr, parse_xml, quoted, tag_of

FHIR: Final = "http://hl7.org/fhir"

_RULE: Final = "FHIR R4 xml"
# Whose tables they are, for errors.
_NAMES: Final = {Release.R4: "R4B", Release.R5: "R5"}
_PREFIX: Final = f"{{{FHIR}}}"
# Where a schema lies is a hint for editors, which writers like to leave on the root.
_HINTS: Final = (f"{{{XSI}}}schemaLocation", f"{{{XSI}}}noNamespaceSchemaLocation")
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_ORDER: Final = attrgetter("order")
_BOOLEANS: Final[dict[str, bool]] = {"true": True, "false": False}


# --- reading --------------------------------------------------------------------------------------


def read_xml(data: bytes, where: str = "body", release: Release = Release.R4) -> Json:
    """The resource that is the root of an XML document; `DecodeError` for anything else."""
    root = parse_xml(data, where=where, large_text=True)
    resource = _read_resource(root, _local(root, where), 1, release)
    check_depth(resource, where)
    return resource


def _read_resource(element: Element, where: str, depth: int, release: Release) -> Json:
    name = _local(element, where)
    if not is_resource_type(name, release):
        raise DecodeError(where, f"<{quoted(name)}>", f"a resource of {_NAMES[release]}", _RULE)
    for attribute in element.attrib:
        if attribute not in _HINTS:
            raise DecodeError(where, f"an attribute {quoted(str(attribute))}", "none", _RULE)
    rules = elements_of(name, release)
    return {"resourceType": name} | _read_children(element, rules, where, depth)


def _read_complex(element: Element, rule: ElementRule, where: str, depth: int) -> Json:
    type_name = rule.type
    rules = elements_of(type_name, rule.release)
    made: Json = {}
    for attribute, value in element.attrib.items():
        name = str(attribute)
        if name not in rules or not rules[name].attribute:
            raise DecodeError(where, f"an attribute {quoted(name)}", f"those of {type_name}", _RULE)
        made[name] = str(value)
    made |= _read_children(element, rules, where, depth)
    if not made:
        raise DecodeError(where, "nothing in it", "an element with a value or parts", "ele-1")
    return made


def _read_children(
    element: Element, rules: Mapping[str, ElementRule], where: str, depth: int
) -> Json:
    if depth > MAX_DEPTH:
        raise DecodeError(where, f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}", _RULE)
    _refuse_text(element, where)
    found: dict[str, list[Element]] = {}
    for child in element:
        _refuse_text_after(child, where)
        tag = tag_of(child)
        name = "div" if tag == DIV else tag[len(_PREFIX) :] if tag.startswith(_PREFIX) else ""
        rule = rules.get(name)
        if rule is None or rule.attribute or (rule.kind is Kind.XHTML) != (tag == DIV):
            raise DecodeError(where, f"<{quoted(tag)}>", "an element R4B has there", _RULE)
        found.setdefault(name, []).append(child)
    made: Json = {}
    for name, elements in found.items():
        _read_element(made, rules[name], elements, f"{where}.{name}", depth)
    return made


def _read_element(
    made: Json, rule: ElementRule, elements: list[Element], where: str, depth: int
) -> None:
    """Put one element and what extends it, or all of its repetitions, into the object."""
    if len(elements) > 1 and not rule.many:
        raise DecodeError(where, f"{len(elements)} of it", "one", _RULE)
    if rule.name == "entry" and len(elements) > MAX_ENTRIES:
        raise DecodeError(where, f"{len(elements)} entries", f"at most {MAX_ENTRIES}")
    places = [f"{where}[{i}]" for i in range(len(elements))] if rule.many else [where]
    if rule.kind is Kind.COMPLEX:
        values = [
            _read_complex(element, rule, place, depth + 1)
            for element, place in zip(elements, places, strict=True)
        ]
    elif rule.kind is Kind.RESOURCE:
        values = [
            _read_inner(element, place, depth + 1, rule.release)
            for element, place in zip(elements, places, strict=True)
        ]
    elif rule.kind is Kind.XHTML:
        made[rule.name] = read_div(elements[0], where)
        return
    else:
        _read_primitives(made, rule, list(zip(elements, places, strict=True)), depth)
        return
    made[rule.name] = values if rule.many else values[0]


def _read_inner(element: Element, where: str, depth: int, release: Release) -> Json:
    """The resource within `contained`, `entry.resource` or `parameter.resource`."""
    _refuse_text(element, where)
    if len(element) != 1 or element.attrib:
        raise DecodeError(where, f"{len(element)} resources", "one and no attribute", _RULE)
    _refuse_text_after(element[0], where)
    return _read_resource(element[0], where, depth, release)


def _read_primitives(
    made: Json, rule: ElementRule, elements: list[tuple[Element, str]], depth: int
) -> None:
    values: list[Any] = []
    extras: list[Json | None] = []
    for element, where in elements:
        text: str | None = None
        extra: Json = {}
        for attribute, found in element.attrib.items():
            if attribute == "value":
                text = str(found)
            elif attribute == "id":
                extra["id"] = str(found)
            else:
                raise DecodeError(where, f"an attribute {quoted(str(attribute))}", "value", _RULE)
        extra |= _read_children(element, _PRIMITIVE_PARTS[rule.release], where, depth + 1)
        if text is None and not extra:
            raise DecodeError(where, "nothing in it", "a value or an extension", "ele-1")
        values.append(None if text is None else _read_value(text, rule.kind, where))
        extras.append(extra or None)
    if any(value is not None for value in values):
        made[rule.name] = values if rule.many else values[0]
    if any(extras):
        made[f"_{rule.name}"] = extras if rule.many else extras[0]


def _read_value(text: str, kind: Kind, where: str) -> Any:
    if kind is Kind.TEXT:
        return text
    if kind is Kind.BOOLEAN:
        if text not in _BOOLEANS:
            raise DecodeError(where, quoted(text), "true or false", _RULE)
        return _BOOLEANS[text]
    form = _INTEGER if kind is Kind.INTEGER else _DECIMAL
    if not form.fullmatch(text):
        raise DecodeError(where, quoted(text), f"a number of kind {kind.value}", _RULE)
    return read_number(text, where)


def _local(element: Element, where: str) -> str:
    tag = tag_of(element)
    if not tag.startswith(_PREFIX):
        raise DecodeError(where, f"<{quoted(tag)}>", f"an element of {FHIR}", _RULE)
    return tag.removeprefix(_PREFIX)


def _refuse_text(element: Element, where: str) -> None:
    if element.text and element.text.strip():
        raise DecodeError(where, "text between elements", "attributes called value", _RULE)


def _refuse_text_after(element: Element, where: str) -> None:
    if element.tail and element.tail.strip():
        raise DecodeError(where, "text between elements", "attributes called value", _RULE)


_PRIMITIVE_PARTS: Final[dict[Release, dict[str, ElementRule]]] = {
    release: {
        "id": ElementRule(name="id", order=0, kind=Kind.TEXT, attribute=True),
        "extension": ElementRule(
            name="extension",
            order=1,
            kind=Kind.COMPLEX,
            type="Extension",
            many=True,
            release=release,
        ),
    }
    for release in Release
}


# --- writing --------------------------------------------------------------------------------------


def write_xml(resource: Json, release: Release = Release.R4) -> bytes:
    """The resource as an XML document; `EncodeError` for what the tables do not allow."""
    try:
        check_depth(resource, "resource")
    except DecodeError as error:
        raise EncodeError(str(error)) from error
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write_resource(out, resource, "", release, f' xmlns="{FHIR}"')
    try:
        return "".join(out).encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"text that is not Unicode: {error.reason}") from error


def _write_resource(
    out: list[str], resource: Any, where: str, release: Release, namespace: str = ""
) -> None:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(name, str) or not is_resource_type(name, release):
        raise EncodeError(f"{where or 'resource'}: no resource of {_NAMES[release]}")
    parts = {key: value for key, value in resource.items() if key != "resourceType"}
    out.append(f"<{name}{namespace}")
    _write_parts(out, parts, elements_of(name, release), name, where or name)


def _write_parts(
    out: list[str], parts: Json, rules: Mapping[str, ElementRule], tag: str, where: str
) -> None:
    """The attributes, the children and the end of an element whose start is written already."""
    inner: list[str] = []
    names = {key.removeprefix("_") for key in parts}
    for name in names - rules.keys():
        raise EncodeError(f"{where}: R4B has no element {quoted(name)} there")
    for rule in sorted((rules[name] for name in names), key=_ORDER):
        name = rule.name
        value, extra = parts.get(name), parts.get(f"_{name}")
        if value is None and (extra is None or name in parts):
            raise EncodeError(f"{where}.{name}: a null, which FHIR has only in arrays")
        if rule.attribute:
            if not isinstance(value, str) or extra is not None:
                raise EncodeError(f"{where}.{name}: FHIR XML carries a string here, nothing else")
            out.append(f' {name}="{escape_attr(value)}"')
        else:
            _write_element(inner, rule, value, extra, f"{where}.{name}")
    if inner:
        out.append(">")
        out += inner
        out.append(f"</{tag}>")
    else:
        out.append("/>")


def _write_element(out: list[str], rule: ElementRule, value: Any, extra: Any, where: str) -> None:
    if rule.kind in (Kind.COMPLEX, Kind.RESOURCE, Kind.XHTML):
        if extra is not None:
            raise EncodeError(f"{where}: only a primitive is extended by a second name")
        for part in _repetitions(value, rule, where):
            _write_one(out, rule, part, where)
        return
    values = _repetitions(value, rule, where) if value is not None else []
    extras = _repetitions(extra, rule, where) if extra is not None else []
    for i in range(max(len(values), len(extras))):
        one = values[i] if i < len(values) else None
        beside = extras[i] if i < len(extras) else None
        if one is None and beside is None:
            raise EncodeError(f"{where}[{i}]: neither a value nor an extension")
        out.append(f"<{rule.name}")
        parts = dict(_object(beside, where)) if beside is not None else {}
        if "id" in parts:
            out.append(f' id="{escape_attr(_text(parts.pop("id"), where))}"')
        if one is not None:
            out.append(f' value="{escape_attr(_value_text(one, rule.kind, where))}"')
        _write_parts(out, parts, _PRIMITIVE_PARTS[rule.release], rule.name, where)


def _write_one(out: list[str], rule: ElementRule, part: Any, where: str) -> None:
    if rule.kind is Kind.XHTML:
        out.append(write_div(_text(part, where), where))
    elif rule.kind is Kind.RESOURCE:
        out.append(f"<{rule.name}>")
        _write_resource(out, part, where, rule.release)
        out.append(f"</{rule.name}>")
    else:
        out.append(f"<{rule.name}")
        rules = elements_of(rule.type, rule.release)
        _write_parts(out, _object(part, where), rules, rule.name, where)


def _repetitions(value: Any, rule: ElementRule, where: str) -> list[Any]:
    if rule.many != isinstance(value, list):
        expected = "an array" if rule.many else "a single value"
        raise EncodeError(f"{where}: {kind_of(value)}, where R4B has {expected}")
    if value == []:
        raise EncodeError(f"{where}: an empty array, which FHIR does not have")
    return value if rule.many else [value]


def _object(value: Any, where: str) -> Json:
    if not isinstance(value, dict) or not value:
        raise EncodeError(f"{where}: {kind_of(value)}, where R4B has an object with parts")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise EncodeError(f"{where}: {kind_of(value)}, where R4B has a string")
    return value


def _value_text(value: Any, kind: Kind, where: str) -> str:
    if kind is Kind.TEXT:
        return _text(value, where)
    if kind is Kind.BOOLEAN and isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, bool):
        if kind is Kind.INTEGER and isinstance(value, int):
            return str(value)
        if kind is Kind.DECIMAL and isinstance(value, int | float | Decimal):
            text = repr(value) if isinstance(value, float) else str(value)
            if _DECIMAL.fullmatch(text):
                return text
    raise EncodeError(f"{where}: {kind_of(value)}, where R4B has one of kind {kind.value}")
