"""The head of a report read from its Composition: ids, moments, status, patient, authors, version.

What DiagnosticReport and Composition both say is taken from the one that says more. Both stand in
the shape of R4. Clauses: HL7 Europe imaging report, CompositionEuImaging; FHIR R4 composition.html.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from gateway.domain import (
    Code,
    DocumentId,
    HumanName,
    Participant,
    ParticipantKind,
    ReportStatus,
)
from gateway.domain.codes import CONFIDENTIALITY
from gateway.wire.fhir.concepts import read_coding
from gateway.wire.fhir.document_identifiers import as_document_id
from gateway.wire.fhir.elements import read_datetime
from gateway.wire.fhir.identifiers import read_identifier
from gateway.wire.fhir.patients import read_traits
from gateway.wire.fhir.report_bundle import Found
from gateway.wire.fhir.report_people import participant_of, participants_at
from gateway.wire.fhir.report_terms import ARTIFACT_VERSION, COMPOSITION_VERSION, RECIPIENT
from gateway.wire.fhir.report_values import extensions_of, moment_at
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

_RULE: Final = "HL7 Europe imaging report"
_MAX_VERSION: Final = 9  # digits
_STATUSES: Final = {status.value: status for status in ReportStatus} | {
    "registered": ReportStatus.PRELIMINARY,
    "partial": ReportStatus.PRELIMINARY,
    "appended": ReportStatus.AMENDED,
}


def read_ids(
    bundle: Json, composition: Json, where: str, place: str
) -> tuple[DocumentId, DocumentId | None]:
    """The id of this version and what all versions share, None where that is the same."""
    own = read_identifier(object_at(bundle, "identifier", where), f"{where}.identifier")
    every = read_identifier(object_at(composition, "identifier", place), f"{place}.identifier")
    if not own.value and not every.value:
        raise DecodeError(f"{where}.identifier", "nothing", "the document's id", _RULE)
    shared = as_document_id(every, f"{place}.identifier") if every.value else None
    document = as_document_id(own, f"{where}.identifier") if own.value else shared
    return document or DocumentId(own.value), None if shared == document else shared


def read_times(
    composition: Json, diagnostic: Json, place: str, at: str
) -> tuple[datetime, datetime | None]:
    """When the report was issued, and when it was last changed where that is another moment."""
    date = moment_at(composition, "date", place)
    issued = moment_at(diagnostic, "issued", at) or date
    if issued is None:
        raise DecodeError(f"{place}.date", "nothing", "when it was made", "FHIR R4 Composition")
    updated = text_at(object_at(composition, "meta", place), "lastUpdated", place)
    changed = read_datetime(updated, f"{place}.meta.lastUpdated") if updated else date
    if changed is None or changed.at == issued.at:
        return issued.at.astimezone(UTC), None
    return issued.at.astimezone(UTC), changed.at


def read_status(composition: Json, diagnostic: Json, place: str, at: str) -> ReportStatus:
    """The status of the DiagnosticReport, which says more, else that of the Composition.

    One of a withdrawn report, entered in error or cancelled, is refused: there is nothing to read.
    """
    said = text_at(diagnostic, "status", at) or text_at(composition, "status", place)
    if said not in _STATUSES:
        raise DecodeError(
            f"{at if diagnostic else place}.status",
            quoted(said) or "nothing",
            "a report in force",
            "FHIR R4 DiagnosticReport",
        )
    return _STATUSES[said]


def read_patient(composition: Json, found: Found, place: str) -> dict[str, Any]:
    """What the report says of the patient, by the names of its fields."""
    subject = found.resolve(object_at(composition, "subject", place), f"{place}.subject")
    patients = [subject] if subject is not None else found.of_type("Patient")
    patient = next((one for one in patients if one.get("resourceType") == "Patient"), None)
    if patient is None:
        return {"patient_ids": (), "patient_name": HumanName(family="")}
    traits = read_traits(patient, found.place(patient))
    return {
        "patient_ids": traits.ids,
        "patient_name": traits.name or HumanName(family=""),
        "birth_date": traits.birth_date,
        "gender": traits.gender,
        "patient_address": traits.address,
        "patient_telecom": traits.telecom,
    }


def read_authors(
    composition: Json, found: Found, place: str
) -> tuple[Participant, tuple[Participant, ...]]:
    """The first author and the others; an organisation that another belongs to is not one more.

    What comes first must be somebody the noun has a place for: a device never does.
    """
    read = participants_at(composition, "author", found, place)
    belonging = {
        one.organisation for one in read if one != Participant(organisation=one.organisation)
    }
    people = [
        one
        for one in read
        if one != Participant(organisation=one.organisation) or one.organisation not in belonging
    ]
    for i, one in enumerate(people):
        plain = Participant(
            name=one.name, id=one.id, authority=one.authority, organisation=one.organisation
        )
        if one == plain and one.kind is ParticipantKind.PROFESSIONAL:
            return one, (*people[:i], *people[i + 1 :])
    return Participant(), tuple(people)


def read_recipients(
    composition: Json, diagnostic: Json, found: Found, place: str, at: str
) -> tuple[Participant, ...]:
    """For whom the report is meant."""
    for resource, where in ((composition, place), (diagnostic, at)):
        read = (
            participant_of(object_at(one, "valueReference", spot), found, spot)
            for one, spot in extensions_of(resource, RECIPIENT, where)
        )
        recipients = tuple(one for one in read if one is not None)
        if recipients:
            return recipients
    return ()


def read_confidentiality(composition: Json, place: str) -> Code | None:
    """The security label of the vocabulary of confidentiality, else the element of R4."""
    meta = object_at(composition, "meta", place)
    for i, one in enumerate(objects_at(meta, "security", f"{place}.meta")):
        if text_at(one, "code", f"{place}.meta.security[{i}]"):
            code = read_coding(one, f"{place}.meta.security[{i}]")
            if code.scheme == CONFIDENTIALITY:
                return code
    value = text_at(composition, "confidentiality", place)
    return Code(value, CONFIDENTIALITY) if value else None


def read_version(composition: Json, diagnostic: Json, place: str, at: str) -> int:
    """The number a version begins with, 1 where it has none: "2.0.0" is the second."""
    said = [
        text_at(one, "valueString", spot)
        for resource, url, where in (
            (composition, COMPOSITION_VERSION, place),
            (diagnostic, ARTIFACT_VERSION, at),
        )
        for one, spot in extensions_of(resource, url, where)
    ]
    first = next(filter(None, said), "").partition(".")[0]
    return int(first) if first.isascii() and first.isdigit() and len(first) <= _MAX_VERSION else 1


def read_replaced(composition: Json, place: str) -> DocumentId | None:
    """The document that this one replaces."""
    for i, one in enumerate(objects_at(composition, "relatesTo", place)):
        spot = f"{place}.relatesTo[{i}]"
        if text_at(one, "code", spot) != "replaces":
            continue
        identifier = read_identifier(
            object_at(one, "targetIdentifier", spot), f"{spot}.targetIdentifier"
        )
        if identifier.value:
            return as_document_id(identifier, f"{spot}.targetIdentifier")
    return None
