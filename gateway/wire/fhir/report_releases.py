"""The two releases of FHIR a report travels in, and what the same element is called in the other.

Reports are written and read in the shape of R4. A table of shifts says where R5 has an element
under another name, in another shape, or as an element of its own where R4 needs an extension; the
table is applied in one direction to write R5 and in the other to read it. What neither side of the
table names stays as it is. Clauses: FHIR R5 resource pages, "differences from R4"; HL7 Europe
imaging report, R4 and R5 editions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_terms import (
    ABSENT,
    ATTACHMENT,
    COMPOSITION_VERSION,
    CONTENT_PROFILE,
    DEVICE_CATEGORY,
    EU,
    EU_R5,
    PROPENSITY,
    REPORT_COMPOSITION,
    REPORT_NOTE,
    XVER,
)
from gateway.wire.fhir.resources import Json

_Convert = Callable[[Any], Any]  # the value in the other release, None when it is another kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one value is shaped in R4 and in R5."""

    up: _Convert
    down: _Convert


def _under(name: str) -> Shape:
    """R5 puts the value under a name of its own, as a CodeableReference does."""
    return Shape(
        up=lambda value: {name: value},
        down=lambda value: value.get(name) if isinstance(value, dict) else None,
    )


SAME: Final = Shape(up=lambda value: value, down=lambda value: value)
CONCEPT: Final = _under("concept")
REFERENCE: Final = _under("reference")
# A Coding became a CodeableConcept.
CODING: Final = Shape(
    up=lambda value: {"coding": [value]},
    down=lambda value: next(iter(_codings(value)), None),
)
CODING_IN_REFERENCE: Final = Shape(
    up=lambda value: {"concept": {"coding": [value]}},
    down=lambda value: next(
        iter(_codings(value.get("concept") if isinstance(value, dict) else None)), None
    ),
)
ATTESTATION_MODE: Final = Shape(
    up=lambda value: {
        "coding": [{"system": "http://hl7.org/fhir/composition-attestation-mode", "code": value}]
    },
    down=lambda value: next((c.get("code") for c in _codings(value)), None),
)


def _codings(value: Any) -> Iterator[Json]:
    codings = value.get("coding") if isinstance(value, dict) else None
    if isinstance(codings, list):
        yield from (coding for coding in codings if isinstance(coding, dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One element that R5 has elsewhere or otherwise.

    `at` is the path to what holds it, through arrays, "" for the resource itself. `many_r4` and
    `many_r5` tell where it repeats. Two shifts may meet in one element of R5; it holds both then.
    """

    at: str = ""
    r4: str
    r5: str
    shape: Shape = SAME
    many_r4: bool = False
    many_r5: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """An extension of R4 that is an element in R5; `part` is the inner one of a complex one."""

    at: str = ""
    url: str
    value: str
    r5: str
    shape: Shape = SAME
    many: bool = False
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An element that only R5 has, and demands, with the one value that R4 means."""

    r5: str
    value: Any


def _listed(name: str) -> Shift:
    return Shift(r4=name, r5=name, many_r5=True)


SHIFTS: Final[dict[str, tuple[Shift, ...]]] = {
    "Composition": (
        _listed("identifier"),
        _listed("subject"),
        Shift(at="attester", r4="mode", r5="mode", shape=ATTESTATION_MODE),
        Shift(at="relatesTo", r4="code", r5="type"),
        Shift(
            at="relatesTo",
            r4="targetIdentifier",
            r5="resourceReference",
            shape=_under("identifier"),
        ),
        # In this order: read in reverse, the references keep the name that both releases have.
        Shift(at="event", r4="detail", r5="detail", shape=REFERENCE, many_r4=True, many_r5=True),
        Shift(at="event", r4="code", r5="detail", shape=CONCEPT, many_r4=True, many_r5=True),
    ),
    "DiagnosticReport": (Shift(r4="imagingStudy", r5="study", many_r4=True, many_r5=True),),
    "ImagingStudy": (
        Shift(r4="modality", r5="modality", shape=CODING, many_r4=True, many_r5=True),
        Shift(r4="procedureCode", r5="procedure", shape=CONCEPT, many_r4=True, many_r5=True),
        Shift(r4="procedureReference", r5="procedure", shape=REFERENCE, many_r5=True),
        Shift(at="series", r4="modality", r5="modality", shape=CODING),
        Shift(at="series", r4="bodySite", r5="bodySite", shape=CODING_IN_REFERENCE),
        Shift(at="series", r4="laterality", r5="laterality", shape=CODING),
    ),
    "ServiceRequest": (
        Shift(r4="code", r5="code", shape=CONCEPT),
        Shift(r4="reasonCode", r5="reason", shape=CONCEPT, many_r4=True, many_r5=True),
        Shift(r4="reasonReference", r5="reason", shape=REFERENCE, many_r4=True, many_r5=True),
    ),
    "Procedure": (
        Shift(r4="performedDateTime", r5="occurrenceDateTime"),
        Shift(r4="performedPeriod", r5="occurrencePeriod"),
        Shift(r4="usedCode", r5="used", shape=CONCEPT, many_r4=True, many_r5=True),
    ),
    "Device": (
        Shift(r4="type", r5="type", many_r5=True),
        Shift(at="deviceName", r4="name", r5="value"),
        Shift(r4="deviceName", r5="name", many_r4=True, many_r5=True),
    ),
    "Specimen": (Shift(at="collection", r4="bodySite", r5="bodySite", shape=CONCEPT),),
    "BodyStructure": (
        Shift(
            r4="location",
            r5="includedStructure",
            shape=_under("structure"),
            many_r5=True,
        ),
    ),
    "Medication": (
        Shift(r4="form", r5="doseForm"),
        Shift(at="ingredient", r4="itemCodeableConcept", r5="item", shape=CONCEPT),
        Shift(at="ingredient", r4="strength", r5="strengthRatio"),
    ),
    "MedicationAdministration": (
        Shift(r4="medicationReference", r5="medication", shape=REFERENCE),
        Shift(r4="medicationCodeableConcept", r5="medication", shape=CONCEPT),
        # R5 spells it with one r.
        Shift(r4="effectiveDateTime", r5="occurenceDateTime"),
        Shift(r4="_effectiveDateTime", r5="_occurenceDateTime"),
        Shift(r4="effectivePeriod", r5="occurencePeriod"),
    ),
    "AllergyIntolerance": (
        Shift(
            at="reaction",
            r4="manifestation",
            r5="manifestation",
            shape=CONCEPT,
            many_r4=True,
            many_r5=True,
        ),
    ),
    "AdverseEvent": (
        Shift(r4="event", r5="code"),
        Shift(r4="date", r5="occurrenceDateTime"),
        Shift(at="suspectEntity", r4="instance", r5="instanceReference"),
        Shift(
            r4="subjectMedicalHistory",
            r5="supportingInfo",
            shape=_under("itemReference"),
            many_r4=True,
            many_r5=True,
        ),
    ),
    "CarePlan": (Shift(at="activity", r4="reference", r5="plannedActivityReference"),),
    "Coverage": (
        Shift(r4="payor", r5="insurer", many_r4=True),
        Shift(r4="subscriberId", r5="subscriberId", shape=_under("value"), many_r5=True),
    ),
}


def _attachment(at: str) -> tuple[Native, ...]:
    """What R5 says of an attachment beyond R4."""
    counts = ("width", "height", "frames", "pages")
    return (
        *(
            Native(at=at, url=f"{ATTACHMENT}{name}", value="valuePositiveInt", r5=name)
            for name in counts
        ),
        Native(at=at, url=f"{ATTACHMENT}duration", value="valueDecimal", r5="duration"),
    )


NATIVE: Final[dict[str, tuple[Native, ...]]] = {
    "Composition": (Native(url=COMPOSITION_VERSION, value="valueString", r5="version"),),
    "DiagnosticReport": (
        Native(url=REPORT_COMPOSITION, value="valueReference", r5="composition"),
        Native(url=REPORT_NOTE, value="valueAnnotation", r5="note", many=True),
        *_attachment("presentedForm"),
    ),
    "Device": (
        Native(url=DEVICE_CATEGORY, value="valueCodeableConcept", r5="category", many=True),
    ),
    "AllergyIntolerance": (Native(url=PROPENSITY, value="valueCodeableConcept", r5="type"),),
    "DocumentReference": (
        Native(
            url=f"{XVER}DocumentReference.modality",
            value="valueCodeableConcept",
            r5="modality",
            many=True,
        ),
        Native(
            url=f"{XVER}DocumentReference.bodySite",
            value="valueCodeableConcept",
            part="concept",
            r5="bodySite",
            shape=CONCEPT,
            many=True,
        ),
        Native(
            at="content",
            url=CONTENT_PROFILE,
            value="valueCanonical",
            r5="profile",
            shape=_under("valueCanonical"),
            many=True,
        ),
        *_attachment("content.attachment"),
    ),
}

ADDED: Final[dict[str, Added]] = {
    "AdverseEvent": Added(r5="status", value="completed"),
    "Coverage": Added(r5="kind", value="insurance"),
}

# What R5 has no element for and is told elsewhere too, in the order of this table: among the
# security labels, as the concept R4 has in an extension, of the allergy the event showed.
_R4_ONLY: Final[dict[str, tuple[str, ...]]] = {
    "Composition": ("confidentiality",),
    "AllergyIntolerance": ("type",),
    "AdverseEvent": ("severity",),
}


def release_of(bundle: Json) -> Release:
    """In which release a document is written, by what its Composition can only be in one of them.

    In doubt it is R4: a Bundle says nothing of it itself.
    """
    for resource in _resources(bundle):
        if resource.get("resourceType") == "Composition":
            listed = isinstance(resource.get("subject"), list)
            return (
                Release.R5 if listed or isinstance(resource.get("identifier"), list) else Release.R4
            )
    return Release.R4


def to_r5(bundle: Json) -> Json:
    """A document of R4 as one of R5; the given one stays as it is."""
    made: Json = _renamed(bundle, EU, EU_R5)
    for resource in _resources(made):
        kind = str(resource.get("resourceType"))
        for name in _R4_ONLY.get(kind, ()):
            resource.pop(name, None)
        for native in NATIVE.get(kind, ()):
            for holder in _holders(resource, native.at):
                _raise_extension(holder, native)
        for shift in SHIFTS.get(kind, ()):
            for holder in _holders(resource, shift.at):
                _raise(holder, shift)
        if kind == "BodyStructure":
            _raise_laterality(resource)
        if kind in ADDED:
            resource.setdefault(ADDED[kind].r5, ADDED[kind].value)
    return made


def to_r4(bundle: Json) -> Json:
    """A document of R5 as one of R4.

    What R4 has no place for stays under the name of R5, unless R4 needs that name for itself.
    """
    made: Json = _renamed(bundle, EU_R5, EU)
    for resource in _resources(made):
        kind = str(resource.get("resourceType"))
        if kind == "BodyStructure":
            _lower_laterality(resource)
        for shift in reversed(SHIFTS.get(kind, ())):
            for holder in _holders(resource, shift.at):
                _lower(holder, shift)
        for native in NATIVE.get(kind, ()):
            for holder in _holders(resource, native.at):
                _lower_extension(holder, native)
        if kind in ADDED:
            resource.pop(ADDED[kind].r5, None)
    return made


def _resources(bundle: Json) -> Iterator[Json]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource


def _holders(holder: Any, path: str) -> Iterator[Json]:
    """The objects at the end of a path, each member of an array on the way."""
    if isinstance(holder, list):
        for one in holder:
            yield from _holders(one, path)
    elif isinstance(holder, dict):
        name, _, rest = path.partition(".")
        if not name:
            yield holder
        else:
            yield from _holders(holder.get(name), rest)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _raise(holder: Json, shift: Shift) -> None:
    if shift.r4 not in holder:
        return
    items = [shift.shape.up(item) for item in _items(holder.pop(shift.r4))]
    if not shift.many_r5:
        holder[shift.r5] = items[0]
    else:
        before = holder.get(shift.r5)
        holder[shift.r5] = (before if isinstance(before, list) else []) + items


def _lower(holder: Json, shift: Shift) -> None:
    if shift.r5 not in holder:
        return
    taken: list[Any] = []
    left: list[Any] = []
    for item in _items(holder.pop(shift.r5)):
        lowered = shift.shape.down(item)
        if lowered is None or (not shift.many_r4 and taken):
            left.append(item)
        else:
            taken.append(lowered)
    if left:
        holder[shift.r5] = left if shift.many_r5 else left[0]
    if taken:
        holder[shift.r4] = taken if shift.many_r4 else taken[0]


def _raise_extension(holder: Json, native: Native) -> None:
    kept, found = [], []
    for extension in _items(holder.get("extension", [])):
        value = _extension_value(extension, native)
        if value is None:
            kept.append(extension)
        else:
            found.append(native.shape.up(value))
    if found:
        holder[native.r5] = found if native.many else found[0]
        holder["extension"] = kept
        if not kept:
            del holder["extension"]


def _extension_value(extension: Any, native: Native) -> Any:
    if not isinstance(extension, dict) or extension.get("url") != native.url:
        return None
    if not native.part:
        return extension.get(native.value)
    inner = extension.get("extension")
    for part in inner if isinstance(inner, list) else ():
        if isinstance(part, dict) and part.get("url") == native.part:
            return part.get(native.value)
    return None


def _lower_extension(holder: Json, native: Native) -> None:
    if native.r5 not in holder:
        return
    made = []
    for item in _items(holder.pop(native.r5)):
        value = native.shape.down(item)
        if value is None:
            continue
        inner = {native.value: value}
        if native.part:
            inner = {"extension": [{"url": native.part, **inner}]}
        made.append({"url": native.url, **inner})
    before = holder.get("extension")
    if made:
        holder["extension"] = (before if isinstance(before, list) else []) + made


def _raise_laterality(structure: Json) -> None:
    """The qualifier of the one location became the laterality of the one structure."""
    qualifiers = structure.pop("locationQualifier", None)
    if not qualifiers:
        return
    if "includedStructure" not in structure:
        # A side of something nobody named: R5 wants the structure.
        absent = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        structure["includedStructure"] = [{"structure": absent}]
    structure["includedStructure"][0]["laterality"] = qualifiers[0]


def _lower_laterality(structure: Json) -> None:
    for included in _items(structure.get("includedStructure", [])):
        if isinstance(included, dict) and "laterality" in included:
            structure.setdefault("locationQualifier", []).append(included["laterality"])


def _renamed(value: Any, old: str, new: str) -> Any:
    """With the canonicals of one edition of the guide in the place of the other's."""
    if isinstance(value, dict):
        return {key: _renamed(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, old, new) for one in value]
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old) :]
    return value
