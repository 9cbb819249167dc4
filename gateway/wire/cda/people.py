"""People and organisations of a clinical document, both ways.

One shape for all roles: identifiers, speciality, addresses, then a person or device, then the
organisation. Only an author may be a device; `tags` gives a role's names for the rest.
Clause: HL7 CDA Release 2, 4.2.2 (participants of the header).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.domain.people import Address, HumanName, Organisation
from gateway.domain.report_parts import Attestation, Participant, ParticipantKind
from gateway.wire.cda.elements import all_of, attribute, element, one_of, worded, words_at
from gateway.wire.cda.values import (
    UNKNOWN,
    read_concept,
    read_id,
    read_moment,
    write_concept,
    write_id,
    write_moment,
)
from gateway.wire.xml import Element, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTags:
    """How a role, its person and its organisation are called; `coded` if it has a speciality."""

    role: str
    person: str = "assignedPerson"
    organisation: str = "representedOrganization"
    class_code: str = ""
    coded: bool = True


AUTHOR: Final = RoleTags(role="assignedAuthor")
ENTITY: Final = RoleTags(role="assignedEntity")
RECIPIENT: Final = RoleTags(
    role="intendedRecipient",
    person="informationRecipient",
    organisation="receivedOrganization",
    coded=False,
)


def write_name(name: HumanName | None) -> str:
    """A person's name in its parts."""
    if name is None:
        return element("name", {"nullFlavor": "UNK"})
    return element(
        "name",
        {},
        worded("prefix", name.prefix),
        *(worded("given", given) for given in name.given),
        worded("family", name.family),
        worded("suffix", name.suffix),
    )


def read_name(name: Element | None) -> HumanName | None:
    """A name in parts, or all of it as a family name where it has none."""
    if name is None or name.get("nullFlavor"):
        return None
    family = " ".join(text_of(one) for one in all_of(name, "family"))
    given = tuple(text_of(one) for one in all_of(name, "given") if text_of(one))
    if not family and not given:
        plain = text_of(name)
        return HumanName(family=plain) if plain else None
    return HumanName(
        family=family,
        given=given,
        prefix=" ".join(text_of(one) for one in all_of(name, "prefix")),
        suffix=" ".join(text_of(one) for one in all_of(name, "suffix")),
    )


def write_address(address: Address | None) -> str:
    """A postal address; none where nothing is known of it."""
    if address is None or address == Address():
        return ""
    return element(
        "addr",
        {},
        worded("streetAddressLine", address.street),
        worded("city", address.city),
        worded("postalCode", address.postal_code),
        worded("country", address.country),
    )


def read_address(parent: Element | None) -> Address | None:
    """The first address below that says anything."""
    for found in all_of(parent, "addr"):
        lines = [text_of(one) for one in all_of(found, "streetAddressLine")]
        named = [words_at(found, "streetName"), words_at(found, "houseNumber")]
        address = Address(
            street=", ".join(filter(None, lines)) or " ".join(filter(None, named)),
            city=words_at(found, "city"),
            postal_code=words_at(found, "postalCode"),
            country=words_at(found, "country"),
        )
        if address != Address():
            return address
    return None


def write_telecom(telecom: tuple[str, ...]) -> str:
    """Telephone numbers and mail addresses, as URLs."""
    return "".join(element("telecom", {"value": one}) for one in telecom)


def read_telecom(parent: Element | None) -> tuple[str, ...]:
    """Telephone numbers and mail addresses."""
    found = (attribute(one, "value") for one in all_of(parent, "telecom"))
    return tuple(value for value in found if value)


def write_organisation(tag: str, of: Organisation | None) -> str:
    """An organisation, said to be unknown where it is."""
    if of is None:
        return element(tag, {}, element("id", UNKNOWN))
    return element(tag, {}, write_id(of.id, of.authority), worded("name", of.name))


def read_organisation(found: Element | None) -> Organisation | None:
    """An organisation by name or identifier, None where it has neither."""
    value, authority = read_id(one_of(found, "id"))
    read = Organisation(name=words_at(found, "name"), id=value, authority=authority)
    return read if read.name or read.id or read.authority else None


def write_participant(by: Participant | None, tags: RoleTags) -> str:
    """Somebody in a role; "nobody is named" where there is none."""
    by = by or Participant()
    who = ""
    if by.kind is ParticipantKind.DEVICE and tags is AUTHOR:
        name = by.name.family if by.name else ""
        who = element("assignedAuthoringDevice", {}, worded("softwareName", name))
    elif by.name is not None:
        who = element(tags.person, {}, write_name(by.name))
    return element(
        tags.role,
        {"classCode": tags.class_code},
        write_id(by.id, by.authority),
        write_concept("code", by.speciality) if tags.coded and by.speciality else "",
        write_address(by.address),
        write_telecom(by.telecom),
        who,
        write_organisation(tags.organisation, by.organisation) if by.organisation else "",
    )


def read_participant(parent: Element | None, tags: RoleTags) -> Participant:
    """Who is in a role; an empty participant where nobody is named."""
    role = one_of(parent, tags.role)
    value, authority = read_id(one_of(role, "id"))
    name = read_name(one_of(role, f"{tags.person}/name"))
    device = one_of(role, "assignedAuthoringDevice")
    if device is not None:
        called = words_at(device, "softwareName") or words_at(device, "manufacturerModelName")
        name = HumanName(family=called) if called else None
    return Participant(
        kind=ParticipantKind.PROFESSIONAL if device is None else ParticipantKind.DEVICE,
        name=name,
        id=value,
        authority=authority,
        organisation=read_organisation(one_of(role, tags.organisation)),
        speciality=read_concept(one_of(role, "code")) if tags.coded else None,
        address=read_address(role),
        telecom=read_telecom(role),
    )


def write_attestation(tag: str, said: Attestation) -> str:
    """Who has signed or checked a report, and when."""
    when = write_moment("time", said.at) or element("time", UNKNOWN)
    signed = element("signatureCode", {"code": "S"})
    return element(tag, {}, when, signed, write_participant(said.by, ENTITY))


def read_attestation(found: Element) -> Attestation | None:
    """Who has signed or checked a report, None where neither person nor time is known."""
    said = Attestation(by=read_participant(found, ENTITY), at=read_moment(one_of(found, "time")))
    return said if said != Attestation(by=Participant()) else None
