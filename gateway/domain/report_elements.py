"""The guideline's data set of a report, element by element: where each is in the noun.

One row an element, in the guideline's order: its number, what it is called, and the values a
report has for it. From the values follows how it is carried: as codes or other data a machine can
use, in words alone, or not at all. The elements of a manifest are in `manifest_elements`.
Source: eHealth Network, Guideline on imaging studies and reports, release 1.0, data set A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.domain.codes import TYPE_REPORT
from gateway.domain.ids import ReferenceKind
from gateway.domain.report_parts import (
    BodySite,
    Concept,
    ImagingOrder,
    Participant,
    ReportDevice,
)
from gateway.domain.reports import (
    FINDINGS_SECTION,
    IMPRESSION_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    ImagingReport,
)


class Carried(StrEnum):
    """How an element is carried.

    `CODED` is a code, or a date, number, name or identifier in a field of its own; `GAP` an element
    the form has no place for, whatever is known.
    """

    CODED = "coded"
    TEXT = "text only"
    ABSENT = "absent"
    GAP = "gap of the standard"


@dataclass(frozen=True, slots=True)
class Words:
    """A value that is words and was never meant to be more."""

    text: str


Values = Iterable[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportElement:
    """An element of data set A. `values` gives what a report has for it, empty ones among them."""

    id: str
    title: str
    values: Callable[[ImagingReport], Values]

    def carried(self, report: ImagingReport) -> Carried:
        """How the report carries the element."""
        return carried(self.values(report))


def carried(values: Values) -> Carried:
    """The best way in which any of the values is carried."""
    found = {_carried(value) for value in values}
    return next((way for way in (Carried.CODED, Carried.TEXT) if way in found), Carried.ABSENT)


def _carried(value: Any) -> Carried:
    if isinstance(value, Words):
        return Carried.TEXT if value.text.strip() else Carried.ABSENT
    if isinstance(value, Concept):
        if value.codes:
            return Carried.CODED
        return Carried.TEXT if value.text.strip() else Carried.ABSENT
    if isinstance(value, BodySite):
        return _carried(value.location)
    return Carried.CODED if value else Carried.ABSENT


# --- what several rows ask alike ------------------------------------------------------------------


def _of(kind: ReferenceKind) -> Callable[[ImagingReport], Values]:
    return lambda r: (one.value for one in r.references if one.kind == kind)


def _each(people: Callable[[ImagingReport], Iterable[Participant]], field: str) -> Any:
    return lambda r: (getattr(one, field) for one in people(r))


def _recipient(field: str) -> Any:
    return _each(lambda r: r.recipients, field)


def _author(field: str) -> Any:
    return _each(lambda r: r.authors, field)


def _legal(field: str) -> Any:
    return _each(lambda r: (one.by for one in r.legal_authenticators), field)


def _validator(field: str) -> Any:
    return _each(lambda r: (one.by for one in r.validators), field)


def _placer(field: str) -> Any:
    return _each(lambda r: (one.placer for one in r.orders if one.placer), field)


def _performer(field: str) -> Any:
    return _each(lambda r: (by for one in r.procedures for by in one.performers), field)


def _order(read: Callable[[ImagingOrder], Values]) -> Callable[[ImagingReport], Values]:
    return lambda r: (value for one in r.orders for value in read(one))


def _part(parts: str, field: str) -> Callable[[ImagingReport], Values]:
    """A field of every part of a kind; of a field with many values, each."""

    def values(report: ImagingReport) -> Iterator[Any]:
        for part in getattr(report, parts):
            value = getattr(part, field)
            yield from value if isinstance(value, tuple) else (value,)

    return values


def _section(heading: Any) -> Callable[[ImagingReport], Values]:
    return lambda r: (Words(r.text_of(heading)),)


def _device_ids(devices: Iterable[ReportDevice | None]) -> Iterator[Any]:
    for device in devices:
        if device is not None:
            yield device.udi
            yield from device.ids


def _name_of(concept: Concept) -> Words:
    """The full name of what is coded: words by nature."""
    displays = (code.display for code in concept.codes)
    return Words(concept.text or next(filter(None, displays), ""))


_ROWS: Final[tuple[tuple[str, str, Callable[[ImagingReport], Values]], ...]] = (
    ("A.1.1.1", "Family name/surname", lambda r: (r.patient_name.family,)),
    ("A.1.1.2", "Given name", lambda r: r.patient_name.given),
    ("A.1.1.3", "Date of birth", lambda r: (r.birth_date,)),
    ("A.1.1.4", "Personal identifier", lambda r: r.patient_ids),
    ("A.1.1.5", "Gender", lambda r: (r.gender,)),
    ("A.1.2.1", "Address", lambda r: (r.patient_address,)),
    ("A.1.2.2", "Telecom", lambda r: r.patient_telecom),
    ("A.1.3", "Health insurance and payment information", lambda r: r.insurances),
    ("A.1.3.1", "Health insurance information", lambda r: r.insurances),
    (
        "A.1.3.1.1",
        "Health insurance provider code",
        lambda r: (
            one.provider.id or one.provider.authority for one in r.insurances if one.provider
        ),
    ),
    (
        "A.1.3.1.2",
        "Health insurance provider name",
        lambda r: (one.provider.name for one in r.insurances if one.provider),
    ),
    ("A.1.3.1.3", "Health insurance policy number", _part("insurances", "policy")),
    ("A.1.4", "Information recipient", lambda r: r.recipients),
    ("A.1.4.1", "Recipient identifier", _recipient("id")),
    ("A.1.4.2", "Recipient name", _recipient("name")),
    ("A.1.4.3", "Recipient organisation", _recipient("organisation")),
    ("A.1.4.4", "Recipient address", _recipient("address")),
    (
        "A.1.4.5",
        "Recipient country",
        lambda r: (one.address.country for one in r.recipients if one.address),
    ),
    ("A.1.4.6", "Recipient telecom", _recipient("telecom")),
    ("A.1.5.1", "Author identifier", _author("id")),
    ("A.1.5.2", "Author name", _author("name")),
    ("A.1.5.3", "Author organisation", _author("organisation")),
    ("A.1.5.4", "Authoring date and time", lambda r: (r.authored or r.created,)),
    ("A.1.6.1", "Legal authenticator identifier", _legal("id")),
    ("A.1.6.2", "Legal authenticator name", _legal("name")),
    ("A.1.6.3", "Legal authenticator organisation", _legal("organisation")),
    ("A.1.6.4", "Authentication date and time", _part("legal_authenticators", "at")),
    ("A.1.7.1", "Result validator identifier", _validator("id")),
    ("A.1.7.2", "Result validator name", _validator("name")),
    ("A.1.7.3", "Result validator organisation", _validator("organisation")),
    ("A.1.7.4", "Validation date and time", _part("validators", "at")),
    ("A.1.8.0", "Document ID", lambda r: (r.id,)),
    # The type is fixed; `kind` can only say more.
    ("A.1.8.1", "Document type", lambda r: (r.kind, TYPE_REPORT)),
    ("A.1.8.2", "Document status", lambda r: (r.status,)),
    ("A.1.8.3", "Report date and time", lambda r: (r.created,)),
    ("A.1.8.4", "Document title", lambda r: (Words(r.title),)),
    ("A.1.8.5", "Imaging procedure", lambda r: (r.procedure, *(p.what for p in r.procedures))),
    ("A.1.8.6", "Report custodian", lambda r: (r.custodian,)),
    ("A.1.8.7", "Confidentiality", lambda r: (r.confidentiality,)),
    ("A.1.8.8", "Language", lambda r: (r.language,)),
    ("A.1.8.9", "Version", lambda r: (r.version,)),
    ("A.1.8.10", "Study Instance UID", _of(ReferenceKind.STUDY)),
    ("A.1.8.11", "Accession number", _of(ReferenceKind.ACCESSION)),
    ("A.2.1", "Order ID", _of(ReferenceKind.ORDER)),
    ("A.2.2", "Order date and time", _part("orders", "placed")),
    ("A.2.3", "Order placer professional identifier", _placer("id")),
    ("A.2.4", "Order placer name", _placer("name")),
    ("A.2.5", "Order placer specialty", _placer("speciality")),
    (
        "A.2.6",
        "Order placer contact details",
        _order(lambda o: (o.placer.address, o.placer.telecom) if o.placer else ()),
    ),
    ("A.2.7", "Order placer organisation", _placer("organisation")),
    ("A.3.1", "Reason", _part("orders", "reasons")),
    ("A.3.2", "Problem / diagnosis / condition", lambda r: r.problems),
    ("A.3.3", "Clinical question", _part("orders", "questions")),
    ("A.4.1", "Specimen identifier", _part("specimens", "ids")),
    ("A.4.2", "Material", _part("specimens", "material")),
    ("A.4.3", "Collection period", _part("specimens", "collected")),
    ("A.4.4", "Anatomic location", _part("specimens", "site")),
    ("A.4.5", "Morphology", _part("specimens", "morphology")),
    ("A.4.6", "Source device", _part("specimens", "source")),
    ("A.4.7", "Collection procedure/method", _part("specimens", "method")),
    ("A.4.8", "Received date", _part("specimens", "received")),
    ("A.5.1.1", "Modality", _part("studies", "modalities")),
    ("A.5.1.2", "Procedure date", _part("procedures", "performed")),
    (
        "A.5.1.3",
        "Procedure text",
        lambda r: (Words(r.text_of(PROCEDURE_SECTION)), *(Words(p.text) for p in r.procedures)),
    ),
    ("A.5.1.4", "Procedure code", lambda r: (p.what for p in r.procedures)),
    ("A.5.1.5", "Procedure name", lambda r: (_name_of(p.what) for p in r.procedures)),
    ("A.5.1.6", "Anatomical focus", _part("procedures", "sites")),
    ("A.5.1.6.1", "Body location", lambda r: (s.location for p in r.procedures for s in p.sites)),
    ("A.5.1.6.2", "Laterality", lambda r: (s.laterality for p in r.procedures for s in p.sites)),
    ("A.5.1.7", "Device ID", lambda r: _device_ids(d for p in r.procedures for d in p.devices)),
    ("A.5.1.8.1", "Performer Id", _performer("id")),
    ("A.5.1.8.2", "Performer Name", _performer("name")),
    ("A.5.1.8.3", "Performer Organisation", _performer("organisation")),
    ("A.5.1.9", "Additional procedure details", _part("procedures", "details")),
    ("A.5.2", "Medication", lambda r: r.medications),
    ("A.5.2.1", "Brand name", _part("medications", "brand")),
    ("A.5.2.2", "Code", _part("medications", "codes")),
    (
        "A.5.2.3",
        "Active ingredient list",
        lambda r: (one.substance for m in r.medications for one in m.ingredients),
    ),
    (
        "A.5.2.4",
        "Strength",
        lambda r: (one.strength for m in r.medications for one in m.ingredients),
    ),
    ("A.5.2.5", "Pharmaceutical dose form", _part("medications", "form")),
    ("A.5.2.6", "Route of administration", _part("medications", "route")),
    ("A.5.2.7", "Date and time of medication", _part("medications", "given")),
    ("A.5.3", "Adverse reaction", lambda r: r.reactions),
    ("A.5.3.1", "Allergy description", lambda r: (Words(one.description) for one in r.reactions)),
    ("A.5.3.2", "Type of propensity", _part("reactions", "propensity")),
    ("A.5.3.3", "Allergy manifestation", _part("reactions", "manifestations")),
    ("A.5.3.4", "Severity", _part("reactions", "severity")),
    ("A.5.3.5", "Criticality", _part("reactions", "criticality")),
    ("A.5.3.6", "Onset date", _part("reactions", "onset")),
    ("A.5.3.7", "Certainty", _part("reactions", "certainty")),
    ("A.5.3.8", "Agent or allergen", _part("reactions", "agent")),
    ("A.5.4.1", "Date of the observation", _part("observations", "observed")),
    (
        "A.5.4.2",
        "Result text",
        lambda r: (Words(r.text_of(FINDINGS_SECTION)), *(Words(o.note) for o in r.observations)),
    ),
    ("A.5.4.3.1", "Observation code", lambda r: (o.what for o in r.observations)),
    ("A.5.4.3.2", "Observation name", lambda r: (_name_of(o.what) for o in r.observations)),
    ("A.5.4.3.3", "Observation method", _part("observations", "method")),
    ("A.5.4.3.4", "Observation result", _part("observations", "value")),
    ("A.5.5.1", "Impression", _section(IMPRESSION_SECTION)),
    ("A.5.5.2.1", "Condition or finding", _part("conclusions", "finding")),
    (
        "A.5.5.2.2",
        "Staging or grading",
        lambda r: (one.category for c in r.conclusions for one in c.stagings),
    ),
    ("A.5.6.1", "Description of the recommendation", _section(RECOMMENDATION_SECTION)),
    (
        "A.5.6.2",
        "Care plan",
        lambda r: (
            value
            for plan in r.care_plans
            for value in (Words(plan.text), *(action.what for action in plan.actions))
        ),
    ),
    ("A.6", "Key images", lambda r: r.key_images),
    ("A.6.1", "View", _part("key_images", "view")),
    ("A.6.2", "Body location of the image", _part("key_images", "site")),
    ("A.6.3", "Media type", _part("key_images", "kind")),
    ("A.6.4", "Modality of the image", _part("key_images", "modality")),
    (
        "A.6.5",
        "Device of the image",
        lambda r: (
            value
            for one in r.key_images
            if one.device
            for value in (one.device.kind, *_device_ids([one.device]), one.device.name)
        ),
    ),
    (
        "A.6.6",
        "Format",
        lambda r: (
            size for one in r.key_images for size in (one.height, one.width, one.frames) if size
        ),
    ),
    ("A.6.7", "Duration", _part("key_images", "duration")),
    ("A.6.8", "Performer of the image", _part("key_images", "performer")),
    ("A.6.9", "Comment", lambda r: (Words(one.comment) for one in r.key_images)),
    (
        "A.6.10",
        "Content",
        lambda r: (one.content or one.url or one.instance for one in r.key_images),
    ),
    (
        "A.7.1",
        "Comparison study",
        lambda r: (
            value
            for one in r.comparisons
            for value in (one.study, one.report, Words(one.description))
        ),
    ),
    ("A.8.1", "Presented form", lambda r: (r.presented, *(form.content for form in r.other_forms))),
)

REPORT_ELEMENTS: Final[tuple[ReportElement, ...]] = tuple(
    ReportElement(id=number, title=title, values=values) for number, title, values in _ROWS
)
