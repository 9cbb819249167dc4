"""Small values of a report: concepts, periods, quantities, identifiers, body sites, devices.

Pairs of pure functions between a part of the noun and an element in the shape of R4. Reading gives
None or nothing for what is not there, and raises `DecodeError` only for values that cannot be what
they stand for. Clauses: FHIR R4 datatypes.html; Device, BodyStructure; bodySite extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.domain import (
    BodySite,
    Code,
    Concept,
    LocalId,
    Period,
    Quantity,
    ReportDevice,
    Timestamp,
)
from gateway.wire.fhir.concepts import (
    OID_URN,
    UCUM,
    is_oid,
    read_concept,
    scheme_of,
    system_of,
    write_concept,
)
from gateway.wire.fhir.elements import read_datetime, read_period, write_datetime, write_period
from gateway.wire.fhir.identifiers import Identifier, read_identifier, write_identifier
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_terms import (
    ABSENT,
    BODY_STRUCTURE,
    DEVICE_CATEGORY,
    DEVICE_PROFILE,
    IMAGING_DEVICE,
    UDI,
    UNCERTAINTY,
)
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

# Of a quantity: more digits than any device measures are a mistake or an attack.
MAX_DIGITS: Final = 40
_RULE: Final = "FHIR R4 datatypes"
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def filled(elements: Mapping[str, Any]) -> Json:
    """The elements without those that are empty, which FHIR does not write."""
    return {
        name: value for name, value in elements.items() if value not in ("", None, {}, [], (), [{}])
    }


# --- concepts -------------------------------------------------------------------------------------


def concept_json(concept: Concept | None) -> Json:
    """A CodeableConcept; {} of none."""
    return write_concept(*concept.codes, text=concept.text) if concept else {}


def concepts_json(concepts: tuple[Concept, ...]) -> list[Json]:
    """A CodeableConcept of each that says anything."""
    return [json for one in concepts if (json := concept_json(one))]


def concept_of(json: Json, where: str) -> Concept | None:
    """The concept of a CodeableConcept; None when it says nothing."""
    found = Concept(text=text_at(json, "text", where).strip(), codes=read_concept(json, where))
    if found == Concept():
        # A Coding that is but words.
        displays = (text_at(one, "display", where) for one in objects_at(json, "coding", where))
        found = Concept(text=next(filter(None, displays), ""))
    return None if found == Concept() else found


def concept_at(holder: Json, key: str, where: str) -> Concept | None:
    """The concept under a name."""
    return concept_of(object_at(holder, key, where), f"{where}.{key}")


def concepts_at(holder: Json, key: str, where: str) -> tuple[Concept, ...]:
    """The concepts under a name that repeats, empty ones left out."""
    found = (
        concept_of(json, f"{where}.{key}[{i}]")
        for i, json in enumerate(objects_at(holder, key, where))
    )
    return tuple(one for one in found if one is not None)


# --- extensions -----------------------------------------------------------------------------------


def extension(url: str, name: str, value: Any) -> Json:
    """An extension with a value; {} where there is none."""
    return {"url": url, f"value{name}": value} if value not in ("", None, {}, []) else {}


def extensions_of(holder: Json, url: str, where: str) -> list[tuple[Json, str]]:
    """The extensions of a name, each with its place."""
    return [
        (one, f"{where}.extension[{i}]")
        for i, one in enumerate(objects_at(holder, "extension", where))
        if text_at(one, "url", f"{where}.extension[{i}]") == url
    ]


# What must be there and nobody knows.
UNKNOWN: Final = {"extension": [extension(ABSENT, "Code", "unknown")]}


# --- time -----------------------------------------------------------------------------------------


def moment_json(moment: Timestamp | None) -> str:
    """A dateTime, "" of none."""
    return write_datetime(moment) if moment else ""


def moment_at(holder: Json, key: str, where: str) -> Timestamp | None:
    """The moment under a name; None when there is none."""
    text = text_at(holder, key, where)
    return read_datetime(text, f"{where}.{key}") if text else None


def when_json(name: str, period: Period | None) -> Json:
    """The element `nameDateTime` of a moment, `namePeriod` of what lasted."""
    if period is None:
        return {}
    if period.start is not None and period.start == period.end:
        return {f"{name}DateTime": write_datetime(period.start)}
    return filled({f"{name}Period": write_period(period.start, period.end)})


def when_at(holder: Json, name: str, where: str) -> Period | None:
    """What `nameDateTime`, `nameInstant` or `namePeriod` says."""
    for key in (f"{name}DateTime", f"{name}Instant"):
        moment = moment_at(holder, key, where)
        if moment is not None:
            return Period(start=moment, end=moment)
    key = f"{name}Period"
    start, end = read_period(object_at(holder, key, where), f"{where}.{key}")
    return Period(start=start, end=end) if start or end else None


# --- numbers --------------------------------------------------------------------------------------


def quantity_json(quantity: Quantity | None) -> Json:
    """A Quantity; {} of none."""
    if quantity is None:
        return {}
    if not quantity.value.is_finite():
        raise EncodeError("a quantity without a number")
    code = quantity.code
    return filled(
        {
            "extension": [extension(UNCERTAINTY, "Decimal", quantity.uncertainty)]
            if quantity.uncertainty is not None
            else [],
            "value": quantity.value,
            "unit": quantity.unit,
            "system": system_of(code.scheme) if code else "",
            "code": code.value if code else "",
        }
    )


def quantity_at(holder: Json, key: str, where: str) -> Quantity | None:
    """The Quantity under a name; None without a value."""
    json, place = object_at(holder, key, where), f"{where}.{key}"
    value = decimal_at(json, "value", place)
    if value is None:
        return None
    code, system = text_at(json, "code", place), text_at(json, "system", place)
    uncertainty = (
        decimal_at(one, "valueDecimal", at) for one, at in extensions_of(json, UNCERTAINTY, place)
    )
    return Quantity(
        value=value,
        unit=text_at(json, "unit", place),
        code=Code(code, scheme_of(system) if system else UCUM) if code else None,
        uncertainty=next(uncertainty, None),
    )


def decimal_at(holder: Json, key: str, where: str) -> Decimal | None:
    """The number under a name; None when there is none. A number in a string is none."""
    if key not in holder:
        return None
    value = holder[key]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise DecodeError(f"{where}.{key}", quoted(str(value)), "a decimal", _RULE)
    if not _DECIMAL.fullmatch(str(value)) or len(str(value)) > MAX_DIGITS:
        raise DecodeError(f"{where}.{key}", quoted(str(value)), "a decimal of 40 digits", _RULE)
    return Decimal(value)


# --- identifiers ----------------------------------------------------------------------------------


def local_id_json(one: LocalId, *types: Code) -> Json:
    """An Identifier of a value and its authority."""
    authority = f"{OID_URN}{one.authority}" if is_oid(one.authority) else one.authority
    return write_identifier(Identifier(value=one.value, system=authority, types=types))


def local_ids_at(holder: Json, where: str) -> tuple[tuple[LocalId, tuple[Code, ...]], ...]:
    """The identifiers of a resource, with their types; those without a value left out."""
    read = (
        read_identifier(json, f"{where}.identifier[{i}]")
        for i, json in enumerate(objects_at(holder, "identifier", where))
    )
    return tuple(
        (LocalId(value=one.value, authority=one.system.removeprefix(OID_URN)), one.types)
        for one in read
        if one.value
    )


# --- places of the body ---------------------------------------------------------------------------


def site_json(
    site: BodySite | None, made: Made, *, subject: Json, morphology: Concept | None = None
) -> Json:
    """A place as a CodeableConcept; its side and its morphology are told by a BodyStructure."""
    if site is None and morphology is None:
        return {}
    located = concept_json(site.location) if site else {}
    side = site.laterality if site else None
    if side is None and morphology is None:
        return located
    structure = filled(
        {
            "resourceType": "BodyStructure",
            "morphology": concept_json(morphology),
            "location": located,
            "locationQualifier": concepts_json((side,)) if side else [],
            "patient": subject,
        }
    )
    return {
        "extension": [{"url": BODY_STRUCTURE, "valueReference": made.refer(structure)}],
        **located,
    }


def site_of(json: Json, found: Found, where: str) -> tuple[BodySite | None, Concept | None]:
    """The place a CodeableConcept names, with its side; and the morphology there."""
    location = concept_of(json, where)
    side: Concept | None = None
    morphology: Concept | None = None
    for one, at in extensions_of(json, BODY_STRUCTURE, where):
        structure = found.resolve(object_at(one, "valueReference", at), at)
        if structure is None:
            continue
        place = f"{at}.valueReference"
        side = next(iter(concepts_at(structure, "locationQualifier", place)), side)
        morphology = concept_at(structure, "morphology", place) or morphology
        location = location or concept_at(structure, "location", place)
    if location is None and side is None:
        return None, morphology
    return BodySite(location=location or Concept(), laterality=side), morphology


# --- devices --------------------------------------------------------------------------------------


def device_json(device: ReportDevice) -> Json:
    """A Device of imaging equipment."""
    udi = [LocalId(value=device.udi)] if device.udi else []
    return filled(
        {
            "resourceType": "Device",
            "meta": {"profile": [DEVICE_PROFILE]},
            "extension": [
                extension(DEVICE_CATEGORY, "CodeableConcept", write_concept(IMAGING_DEVICE))
            ],
            "identifier": [
                *(local_id_json(one, UDI) for one in udi),
                *(local_id_json(one) for one in device.ids),
            ],
            "status": "active",
            "deviceName": device_name(device.name),
            "type": concept_json(device.kind),
        }
    )


def device_name(name: str) -> list[Json]:
    """What people call a device."""
    return [{"name": name, "type": "user-friendly-name"}] if name else []


def read_device(resource: Json, where: str) -> ReportDevice:
    """The equipment a Device tells of."""
    ids = local_ids_at(resource, where)
    udis = [one.value for one, types in ids if UDI in types]
    carriers = objects_at(resource, "udiCarrier", where)
    for i, carrier in enumerate(carriers):
        place = f"{where}.udiCarrier[{i}]"
        udis += [text_at(carrier, key, place) for key in ("carrierHRF", "deviceIdentifier")]
    return ReportDevice(
        kind=concept_at(resource, "type", where),
        name=read_device_name(resource, where),
        udi=next(filter(None, udis), ""),
        ids=tuple(one for one, types in ids if UDI not in types),
    )


def read_device_name(resource: Json, where: str) -> str:
    """The first name of a Device, "" where it has none."""
    names = objects_at(resource, "deviceName", where)
    return next(
        filter(
            None, (text_at(one, "name", f"{where}.deviceName[{i}]") for i, one in enumerate(names))
        ),
        "",
    )


# --- several of a kind ----------------------------------------------------------------------------


def each(
    references: tuple[Json, ...], found: Found, where: str, *types: str
) -> list[tuple[Json, str]]:
    """The resources of some types that references lead to, each once, with its place."""
    seen: dict[int, tuple[Json, str]] = {}
    for i, reference in enumerate(references):
        place = f"{where}[{i}]"
        resource = found.resolve(reference, place)
        if resource is not None and resource.get("resourceType") in types:
            seen.setdefault(id(resource), (resource, found.place(resource)))
    return list(seen.values())
