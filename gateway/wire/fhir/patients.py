"""Patient: a confirmed identity as a resource, and traits as the resource of a question.

An identity is written so that it fits IHE.PDQm.Patient and Patient-minimal-myhealtheu both: what
these demand and nobody knows is said to be unknown by data-absent-reason instead of being left
out. Read is any Patient with an identifier from a domain that has an OID; only such a one can be
used in a later request, over SOAP too. Clauses: FHIR R4 patient.html; ITI PDQm 2:3.78.4.2, 3.119.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.domain import CommunityId, HumanName, PatientId, PatientIdentity, PatientTraits
from gateway.wire.fhir.elements import (
    read_address,
    read_date,
    read_gender,
    read_name,
    read_telecom,
    write_address,
    write_date,
    write_gender,
    write_name,
    write_telecom,
)
from gateway.wire.fhir.identifiers import (
    as_patient_id,
    read_identifier,
    write_patient_id,
)
from gateway.wire.fhir.resources import (
    Json,
    boolean_at,
    expect_type,
    object_at,
    objects_at,
    text_at,
)
from gateway.wire.problems import DecodeError, EncodeError

PDQM_PATIENT: Final = "https://profiles.ihe.net/ITI/PDQm/StructureDefinition/IHE.PDQm.Patient"
_EXTENSIONS: Final = "http://hl7.org/fhir/StructureDefinition/"
MOTHERS_MAIDEN_NAME: Final = f"{_EXTENSIONS}patient-mothersMaidenName"
BIRTH_PLACE: Final = f"{_EXTENSIONS}patient-birthPlace"

MAX_REPEATS: Final = 200  # of one element; people have few names and few identifiers

_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ABSENT: Final = {
    "extension": [{"url": f"{_EXTENSIONS}data-absent-reason", "valueCode": "unknown"}]
}
# The name people are known by comes first; what they were once called comes last.
_USES: Final = {"official": 0, "usual": 1, "": 2, "old": 4}
_OTHER_USE: Final = 3


def write_patient(identity: PatientIdentity, *, patient_id: str) -> Json:
    """The identity as a Patient; the identifier to use in later requests stands first.

    `patient_id` is the resource's own id, which must not tell the identifier. Raises `EncodeError`
    when it is none.
    """
    if not _ID.fullmatch(patient_id):
        raise EncodeError("a Patient.id that is not 1 to 64 letters, digits, hyphens and dots")
    names = [name for name in identity.names if name.family or name.given]
    patient: Json = {
        "resourceType": "Patient",
        "id": patient_id,
        "meta": {"profile": [PDQM_PATIENT]},
        "identifier": [write_patient_id(i) for i in (identity.id, *identity.other_ids)],
        "active": True,
        "name": [_full_name(name) for name in names or [HumanName(family="")]],
        "telecom": write_telecom(identity.telecom),
        "gender": "unknown" if identity.gender is None else write_gender(identity.gender),
        "birthDate": write_date(identity.birth_date) if identity.birth_date else "",
        "_birthDate": {} if identity.birth_date else _ABSENT,
        "address": [write_address(identity.address)] if identity.address else [],
    }
    return _filled(patient)


def _full_name(name: HumanName) -> Json:
    """A name with both its parts, one of them perhaps said to be unknown."""
    written = write_name(name)
    if "family" not in written:
        written["_family"] = _ABSENT
    if "given" not in written:
        written["_given"] = [_ABSENT]
    return written


def _filled(resource: Json) -> Json:
    """Without what is empty, which FHIR does not write; an array of one empty object is empty."""
    return {name: value for name, value in resource.items() if value not in ("", {}, [], [{}])}


def read_patient(
    resource: Json, community: CommunityId, where: str = "Patient"
) -> PatientIdentity | None:
    """The identity that a Patient describes; None when it is inactive or replaced by another.

    The first identifier with an OID as its system is the one to use; one that is out of use, or
    none, does not cost the patient. Raises `DecodeError` when there is no such identifier, and for
    modifier extensions, which say that the rest is meant otherwise.
    """
    expect_type(resource, "Patient", where=where)
    if objects_at(resource, "modifierExtension", where):
        raise DecodeError(f"{where}.modifierExtension", "one unknown", "none", "IHE.PDQm.Patient")
    links = _limited(objects_at(resource, "link", where), f"{where}.link")
    replaced = any(
        text_at(link, "type", f"{where}.link[{i}]") == "replaced-by" for i, link in enumerate(links)
    )
    if boolean_at(resource, "active", where) is False or replaced:
        return None
    ids, _ = read_ids(resource, where)
    if not ids:
        raise DecodeError(
            f"{where}.identifier", "none with an OID as system", "one", "IHE.PDQm.Patient"
        )
    traits = _demographics(resource, where)
    return PatientIdentity(
        id=ids[0],
        community=community,
        names=_names(resource, where),
        birth_date=traits.birth_date,
        gender=traits.gender,
        address=traits.address,
        telecom=traits.telecom,
        other_ids=ids[1:],
    )


def read_ids(patient: Json, where: str) -> tuple[tuple[PatientId, ...], int]:
    """The identifiers in use from domains with an OID, each once; and how many others there are."""
    found: dict[PatientId, None] = {}
    others = 0
    identifiers = _limited(objects_at(patient, "identifier", where), f"{where}.identifier")
    for i, json in enumerate(identifiers):
        place = f"{where}.identifier[{i}]"
        identifier = read_identifier(json, place)
        try:
            patient_id = None if identifier.use == "old" else as_patient_id(identifier, place)
        except DecodeError:
            patient_id = None  # counted: who asks by it is told
        if patient_id is None:
            others += 1
        else:
            found[patient_id] = None
    return tuple(found), others


def write_traits(traits: PatientTraits) -> Json:
    """The traits as the Patient of a question; `minimum_match` is no part of a patient."""
    extensions: list[Json] = []
    if traits.mothers_maiden_name:
        extensions.append({"url": MOTHERS_MAIDEN_NAME, "valueString": traits.mothers_maiden_name})
    if traits.birth_place:
        extensions.append({"url": BIRTH_PLACE, "valueAddress": {"city": traits.birth_place}})
    patient: Json = {
        "resourceType": "Patient",
        "extension": extensions,
        "identifier": [write_patient_id(i) for i in traits.ids],
        "name": [write_name(traits.name)] if traits.name else [],
        "telecom": write_telecom(traits.telecom),
        "gender": write_gender(traits.gender) if traits.gender else "",
        "birthDate": write_date(traits.birth_date) if traits.birth_date else "",
        "address": [write_address(traits.address)] if traits.address else [],
    }
    return _filled(patient)


def read_traits(patient: Json, where: str) -> PatientTraits:
    """What a Patient tells of a person who is looked for; perhaps nothing.

    Of several names the official one is meant. Identifiers from domains without an OID, and a date
    of birth that is not known to the day, have no noun and are left out.
    """
    expect_type(patient, "Patient", where=where)
    demographics = _demographics(patient, where)
    names = _names(patient, where)
    maiden, place = "", ""
    extensions = _limited(objects_at(patient, "extension", where), f"{where}.extension")
    for i, extension in enumerate(extensions):
        at = f"{where}.extension[{i}]"
        url = text_at(extension, "url", at)
        if url == MOTHERS_MAIDEN_NAME:
            maiden = " ".join(text_at(extension, "valueString", at).split())
        elif url == BIRTH_PLACE:
            born = read_address(object_at(extension, "valueAddress", at), f"{at}.valueAddress")
            place = (born.city or born.country or born.street) if born else ""
    return PatientTraits(
        ids=read_ids(patient, where)[0],
        name=names[0] if names else None,
        birth_date=demographics.birth_date,
        gender=demographics.gender,
        address=demographics.address,
        telecom=demographics.telecom,
        birth_place=place,
        mothers_maiden_name=maiden,
    )


def _demographics(patient: Json, where: str) -> PatientTraits:
    """What identity and traits have alike."""
    addresses = _limited(objects_at(patient, "address", where), f"{where}.address")
    read = (read_address(json, f"{where}.address[{i}]") for i, json in enumerate(addresses))
    return PatientTraits(
        birth_date=read_date(text_at(patient, "birthDate", where), f"{where}.birthDate"),
        gender=read_gender(text_at(patient, "gender", where), f"{where}.gender"),
        address=next((address for address in read if address is not None), None),
        telecom=read_telecom(
            _limited(objects_at(patient, "telecom", where), f"{where}.telecom"), f"{where}.telecom"
        ),
    )


def _names(patient: Json, where: str) -> tuple[HumanName, ...]:
    names = _limited(objects_at(patient, "name", where), f"{where}.name")
    ranked = [
        (_USES.get(text_at(json, "use", f"{where}.name[{i}]"), _OTHER_USE), name)
        for i, json in enumerate(names)
        if (name := read_name(json, f"{where}.name[{i}]")) is not None
    ]
    return tuple(name for _, name in sorted(ranked, key=lambda pair: pair[0]))


def _limited(values: tuple[Json, ...], where: str) -> tuple[Json, ...]:
    if len(values) > MAX_REPEATS:
        raise DecodeError(where, f"{len(values)} repetitions", f"at most {MAX_REPEATS}")
    return values
