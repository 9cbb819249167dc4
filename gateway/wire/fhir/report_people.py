"""Those who took part in a report, as resources: authors, signers, recipients, placers, performers.

A professional is a Practitioner, within a PractitionerRole where organisation or speciality are
known; an organisation alone an Organization; a device a Device with its owner; any other person a
RelatedPerson. Clauses: FHIR R4 of these resources; HL7 Europe imaging report, Composition.author,
.attester and information-recipient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.domain import (
    Attestation,
    HumanName,
    LocalId,
    Organisation,
    Participant,
    ParticipantKind,
)
from gateway.wire.fhir.concepts import OID_URN, is_oid
from gateway.wire.fhir.contained_people import read_organisation
from gateway.wire.fhir.elements import (
    read_address,
    read_name,
    read_telecom,
    write_address,
    write_name,
    write_telecom,
)
from gateway.wire.fhir.identifiers import URIS, Identifier, write_identifier
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_values import (
    concept_json,
    concepts_at,
    device_name,
    filled,
    local_id_json,
    local_ids_at,
    moment_at,
    moment_json,
    read_device_name,
)
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at
from gateway.wire.problems import EncodeError

# Who can take part, by the resource that tells of them.
PARTICIPANTS: Final = (
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Device",
    "RelatedPerson",
    "Patient",
)


# --- writing --------------------------------------------------------------------------------------


def organisation_json(organisation: Organisation) -> Json:
    """An Organization; an OID without a number below it identifies by itself."""
    authority = organisation.authority
    identifier: list[Json] = []
    if organisation.id:
        identifier = [local_id_json(LocalId(value=organisation.id, authority=authority))]
    elif authority:
        value = f"{OID_URN}{authority}" if is_oid(authority) else authority
        identifier = [write_identifier(Identifier(value=value, system=URIS))]
    return filled(
        {"resourceType": "Organization", "identifier": identifier, "name": organisation.name}
    )


def refer_organisation(organisation: Organisation | None, made: Made) -> Json:
    """A Reference to an organisation, {} of none and of one that has nothing."""
    if organisation is None or organisation == Organisation(name=""):
        return {}
    return made.refer(organisation_json(organisation))


def refer_participant(who: Participant | None, made: Made, *, subject: Json) -> Json:
    """A Reference to somebody who took part, {} of nobody. `subject` is the patient's."""
    if who is None or who == Participant(kind=who.kind):
        return {}
    if who.kind is ParticipantKind.DEVICE:
        return made.refer(_device(who, made))
    if who.kind is ParticipantKind.PERSON:
        if who.organisation or who.speciality:
            raise EncodeError("a person outside the profession with organisation or speciality")
        return made.refer(_person("RelatedPerson", who) | {"patient": subject})
    person = _person("Practitioner", who)
    has_person = len(person) > 1
    place = refer_organisation(who.organisation, made)
    if not who.speciality and not (place and has_person):
        return made.refer(person) if has_person else place
    return made.refer(
        filled(
            {
                "resourceType": "PractitionerRole",
                "practitioner": made.refer(person) if has_person else {},
                "organization": place,
                "specialty": [concept_json(who.speciality)],
            }
        )
    )


def _person(kind: str, who: Participant) -> Json:
    return filled(
        {
            "resourceType": kind,
            "identifier": _ids(who),
            "name": [write_name(who.name) if who.name else {}],
            "telecom": write_telecom(who.telecom),
            "address": [write_address(who.address) if who.address else {}],
        }
    )


def _device(who: Participant, made: Made) -> Json:
    if who.speciality or who.address or who.telecom:
        raise EncodeError("a device with speciality, address or telecom")
    return filled(
        {
            "resourceType": "Device",
            "identifier": _ids(who),
            "status": "active",
            "deviceName": device_name(who.name.full if who.name else ""),
            "owner": refer_organisation(who.organisation, made),
        }
    )


def _ids(who: Participant) -> list[Json]:
    return [local_id_json(LocalId(value=who.id, authority=who.authority))] if who.id else []


def organisations_of(people: Iterable[Participant]) -> tuple[Organisation, ...]:
    """The organisations of some people, each once."""
    found = (one.organisation for one in people if one.organisation)
    return tuple(dict.fromkeys(found))


def attester_json(mode: str, attestation: Attestation, made: Made, *, subject: Json) -> Json:
    """An attester of the Composition."""
    return filled(
        {
            "mode": mode,
            "time": moment_json(attestation.at),
            "party": refer_participant(attestation.by, made, subject=subject),
        }
    )


# --- reading --------------------------------------------------------------------------------------


def participant_at(holder: Json, key: str, found: Found, where: str) -> Participant | None:
    """Who stands under a name."""
    return participant_of(object_at(holder, key, where), found, f"{where}.{key}")


def participants_at(holder: Json, key: str, found: Found, where: str) -> list[Participant]:
    """Those who stand under a name that repeats."""
    read = (
        participant_of(one, found, f"{where}.{key}[{i}]")
        for i, one in enumerate(objects_at(holder, key, where))
    )
    return [one for one in read if one is not None]


def participant_of(reference: Json, found: Found, where: str) -> Participant | None:
    """Whom a Reference means; of a resource that is not here, what the Reference says itself."""
    if not reference:
        return None
    resource = found.resolve(reference, where)
    if resource is None:
        return _elsewhere(reference, where)
    return read_participant(resource, found, found.place(resource))


def read_participant(resource: Json, found: Found, where: str) -> Participant | None:
    """Who a resource tells of; None of one that says nothing, or of a resource of another kind."""
    kind = resource.get("resourceType")
    if kind == "Organization":
        made = Participant(organisation=_organisation(resource, where))
    elif kind == "Device":
        name = read_device_name(resource, where)
        value, authority = _first_id(resource, where)
        made = Participant(
            kind=ParticipantKind.DEVICE,
            name=HumanName(family=name) if name else None,
            id=value,
            authority=authority,
            organisation=organisation_at(resource, "owner", found, where),
        )
    elif kind == "PractitionerRole":
        made = _role(resource, found, where)
    elif kind in PARTICIPANTS:
        professional = kind == "Practitioner"
        made = _read_person(
            resource,
            where,
            ParticipantKind.PROFESSIONAL if professional else ParticipantKind.PERSON,
        )
    else:
        return None
    return None if made == Participant(kind=made.kind) else made


def organisation_at(holder: Json, key: str, found: Found, where: str) -> Organisation | None:
    """The organisation under a name; of one that is not here, what its Reference says."""
    reference = object_at(holder, key, where)
    meant = {"type": "Organization", **reference} if reference else {}
    who = participant_of(meant, found, f"{where}.{key}")
    return who.organisation if who else None


def _organisation(resource: Json, where: str) -> Organisation | None:
    organisation = read_organisation(resource, where)
    return None if organisation == Organisation(name="") else organisation


def _role(role: Json, found: Found, where: str) -> Participant:
    place = f"{where}.practitioner"
    practitioner = found.resolve(object_at(role, "practitioner", where), place)
    if practitioner is not None and practitioner.get("resourceType") == "Practitioner":
        person = _read_person(practitioner, found.place(practitioner), ParticipantKind.PROFESSIONAL)
    else:
        person = _elsewhere(object_at(role, "practitioner", where), place) or Participant()
    value, authority = _first_id(role, where)
    return Participant(
        name=person.name,
        id=person.id or value,
        authority=person.authority if person.id else authority,
        organisation=organisation_at(role, "organization", found, where),
        speciality=next(iter(concepts_at(role, "specialty", where)), None),
        address=person.address,
        telecom=(
            *person.telecom,
            *read_telecom(objects_at(role, "telecom", where), f"{where}.telecom"),
        ),
    )


def _read_person(resource: Json, where: str, kind: ParticipantKind) -> Participant:
    value, authority = _first_id(resource, where)
    names = (
        read_name(one, f"{where}.name[{i}]")
        for i, one in enumerate(objects_at(resource, "name", where))
    )
    addresses = (
        read_address(one, f"{where}.address[{i}]")
        for i, one in enumerate(objects_at(resource, "address", where))
    )
    return Participant(
        kind=kind,
        name=next((name for name in names if name is not None), None),
        id=value,
        authority=authority,
        address=next((address for address in addresses if address is not None), None),
        telecom=read_telecom(objects_at(resource, "telecom", where), f"{where}.telecom"),
    )


def _first_id(resource: Json, where: str) -> tuple[str, str]:
    for one, _ in local_ids_at(resource, where):
        return one.value, one.authority
    return "", ""


def _elsewhere(reference: Json, where: str) -> Participant | None:
    identifier = object_at(reference, "identifier", where)
    value, authority = _first_id({"identifier": [identifier]} if identifier else {}, where)
    display = text_at(reference, "display", where)
    if not (value or display):
        return None
    steps = text_at(reference, "reference", where).split("/")
    kind = text_at(reference, "type", where) or (steps[-2] if len(steps) > 1 else "")
    if kind == "Organization":
        return Participant(organisation=Organisation(name=display, id=value, authority=authority))
    name = HumanName(family=display) if display else None
    device = kind == "Device"
    return Participant(
        kind=ParticipantKind.DEVICE if device else ParticipantKind.PROFESSIONAL,
        name=name,
        id=value,
        authority=authority,
    )


def read_attesters(
    composition: Json, modes: tuple[str, ...], found: Found, where: str
) -> tuple[Attestation, ...]:
    """The attestations of some modes; one without a party attests nothing."""
    made = []
    for i, json in enumerate(objects_at(composition, "attester", where)):
        place = f"{where}.attester[{i}]"
        if text_at(json, "mode", place) not in modes:
            continue
        party = participant_at(json, "party", found, place)
        if party is not None:
            made.append(Attestation(by=party, at=moment_at(json, "time", place)))
    return tuple(made)
