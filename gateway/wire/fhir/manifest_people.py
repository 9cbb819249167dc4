"""Whom a manifest is of, under which orders, and who answers for it, as FHIR resources.

Patient, ServiceRequest and Organization of the FHIR manifest, each written and read here. A
manifest's patient is as an image header names one: perhaps without any authority, and then not
the Patient of PDQm (`patients`). Clauses: IHE MADO, MadoPatient, MadoRequestedProcedure,
MadoAccessionNumberIdentifier and MadoCreatorOrganization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.domain import (
    Code,
    HumanName,
    ImagingRequest,
    ManifestPatient,
    Organisation,
    PatientId,
)
from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import OID_URN, is_oid, read_concept, write_concept
from gateway.wire.fhir.contained_people import organisation_resource
from gateway.wire.fhir.departures import Departures
from gateway.wire.fhir.elements import (
    read_date,
    read_gender,
    read_name,
    write_date,
    write_gender,
    write_name,
)
from gateway.wire.fhir.identifiers import (
    ACCESSION,
    ACCESSION_ISSUER,
    PLACER,
    Identifier,
    as_patient_id,
    read_identifier,
    write_identifier,
    write_patient_id,
)
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError

MAX_REPEATS: Final = 200  # identifiers and names of one patient, identifiers of one order

# --- the patient ----------------------------------------------------------------------------------


def write_patient(patient: ManifestPatient) -> Json:
    """A MadoPatient; an identifier of no authority has no system."""
    identifiers = [write_patient_id(one) for one in patient.ids]
    if patient.bare_id:
        identifiers.insert(0, write_identifier(Identifier(value=patient.bare_id)))
    written: Json = {
        "resourceType": "Patient",
        "meta": {"profile": [terms.PATIENT]},
        "identifier": identifiers,
        "name": [write_name(patient.name)] if patient.name else [],
        "gender": "unknown" if patient.gender is None else write_gender(patient.gender),
        "birthDate": write_date(patient.birth_date) if patient.birth_date else "",
        "_birthDate": {} if patient.birth_date else terms.ABSENT,
    }
    return {name: value for name, value in written.items() if value not in ("", {}, [], [{}])}


def read_patient(patient: Json, where: str, departures: Departures) -> ManifestPatient:
    """A Patient; an identifier of a domain without an OID is kept without its domain, and told."""
    found: dict[PatientId, None] = {}
    bare = ""
    listed = objects_at(patient, "identifier", where)[:MAX_REPEATS]
    for i, each in enumerate(listed):
        identifier = read_identifier(each, f"{where}.identifier[{i}]")
        if identifier.use == "old" or not identifier.value:
            continue
        try:
            known = as_patient_id(identifier, where)
        except DecodeError:
            departures.add("an identifier of the patient is none", where)
            continue
        if known is not None:
            found[known] = None
            continue
        if identifier.system:
            departures.add("an identifier of the patient is of a domain without an OID", where)
        bare = bare or identifier.value
    return ManifestPatient(
        ids=tuple(found),
        bare_id=bare,
        name=_name(patient, where),
        birth_date=read_date(text_at(patient, "birthDate", where), f"{where}.birthDate"),
        gender=read_gender(text_at(patient, "gender", where), f"{where}.gender"),
    )


def _name(patient: Json, where: str) -> HumanName | None:
    listed = objects_at(patient, "name", where)[:MAX_REPEATS]
    # The name people are known by before those they once had.
    ranked = sorted(listed, key=lambda one: one.get("use") == "old")
    read = (read_name(one, f"{where}.name") for one in ranked)
    return next((name for name in read if name is not None), None)


# --- the orders -----------------------------------------------------------------------------------


def accession_identifier(accession: str, authority: str) -> Json:
    """A MadoAccessionNumberIdentifier."""
    return _identifier(accession, authority, ACCESSION, ACCESSION_ISSUER)


def read_accession(identifiers: Sequence[Json], where: str) -> tuple[str, str]:
    """The first accession number among identifiers and its authority; "" and "" without one."""
    return _first(identifiers, where, ACCESSION, ACCESSION_ISSUER)


def write_request(request: ImagingRequest, subject: Json) -> Json:
    """A MadoRequestedProcedure; `subject` refers to the patient."""
    identifiers = [
        _identifier(value, authority, *types)
        for value, authority, types in (
            (request.accession, request.accession_authority, (ACCESSION, ACCESSION_ISSUER)),
            (request.placer_order, request.placer_authority, (PLACER,)),
            (request.filler_order, request.filler_authority, (terms.FILLER,)),
        )
        if value
    ]
    if request.procedure_id:
        identifiers.append({"type": {"text": terms.PROCEDURE_ID}, "value": request.procedure_id})
    codes = (request.code,) if request.code else ()
    written: Json = {
        "resourceType": "ServiceRequest",
        "meta": {"profile": [terms.REQUESTED_PROCEDURE]},
        "identifier": identifiers,
        "status": "completed",
        "intent": "order",
        "category": [write_concept(terms.IMAGING)],
        "code": write_concept(*codes, text=request.description),
        "subject": subject,
    }
    return {name: value for name, value in written.items() if value}


def read_request(request: Json, where: str) -> ImagingRequest:
    """A ServiceRequest: its numbers, and what was asked for in code and words."""
    identifiers = objects_at(request, "identifier", where)[:MAX_REPEATS]
    accession, authority = read_accession(identifiers, where)
    placer, placer_authority = _first(identifiers, where, PLACER)
    filler, filler_authority = _first(identifiers, where, terms.FILLER)
    procedure = next(
        (
            text_at(each, "value", where).strip()
            for each in identifiers
            if text_at(object_at(each, "type", where), "text", where) == terms.PROCEDURE_ID
        ),
        "",
    )
    concept = object_at(request, "code", where)
    codes = read_concept(concept, f"{where}.code")
    return ImagingRequest(
        accession=accession,
        accession_authority=authority,
        placer_order=placer,
        placer_authority=placer_authority,
        filler_order=filler,
        filler_authority=filler_authority,
        procedure_id=procedure,
        description=text_at(concept, "text", f"{where}.code"),
        code=codes[0] if codes else None,
    )


def _identifier(value: str, authority: str, *types: Code) -> Json:
    system = OID_URN + authority if is_oid(authority) else authority
    return write_identifier(Identifier(value=value, system=system, types=types))


def _first(identifiers: Sequence[Json], where: str, *types: Code) -> tuple[str, str]:
    for each in identifiers:
        found = read_identifier(each, f"{where}.identifier")
        if found.value and any(one in types for one in found.types):
            bare = found.system.removeprefix(OID_URN)
            return found.value, bare if is_oid(bare) else found.system
    return "", ""


# --- who answers ----------------------------------------------------------------------------------


def write_creator_organisation(institution: Organisation | None) -> Json:
    """A MadoCreatorOrganization; of one nobody knows, the name is said to be unknown."""
    organisation = organisation_resource(institution) if institution else {}
    if len(organisation) < 2:
        organisation = {"resourceType": "Organization", "_name": terms.ABSENT}
    return organisation | {"meta": {"profile": [terms.CREATOR_ORGANIZATION]}}
