"""Those who took part: what becomes which resource, and whom foreign resources mean."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import (
    Address,
    Attestation,
    Concept,
    HumanName,
    Organisation,
    Participant,
    ParticipantKind,
)
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_people import (
    attester_json,
    organisations_of,
    participant_of,
    read_attesters,
    refer_participant,
)
from gateway.wire.problems import EncodeError

HOSPITAL = Organisation(name="Hospital", id="H", authority="2.999.3")
NAMED = Participant(name=HumanName(family="Near"), id="1", authority="2.999.2")
SUBJECT = {"reference": "urn:uuid:patient"}


@pytest.mark.parametrize(
    ("who", "kinds"),
    [
        (NAMED, ["Practitioner"]),
        (Participant(organisation=HOSPITAL), ["Organization"]),
        (
            Participant(name=HumanName(family="N"), organisation=HOSPITAL),
            ["Organization", "Practitioner", "PractitionerRole"],
        ),
        (Participant(speciality=Concept(text="radiology")), ["PractitionerRole"]),
        (Participant(kind=ParticipantKind.DEVICE, id="1"), ["Device"]),
        (Participant(kind=ParticipantKind.PERSON, id="1"), ["RelatedPerson"]),
        (Participant(kind=ParticipantKind.PERSON), []),
        (None, []),
    ],
)
def test_who_it_is_decides_the_resources(who: Participant | None, kinds: list[str]) -> None:
    """As few as there is to say; of nobody there is no reference."""
    made = Made("2.999.1")

    reference = refer_participant(who, made, subject=SUBJECT)

    assert sorted(one["resource"]["resourceType"] for one in made.entries) == kinds
    assert bool(reference) is bool(kinds)


@pytest.mark.parametrize(
    "who",
    [
        Participant(kind=ParticipantKind.PERSON, id="1", organisation=HOSPITAL),
        Participant(kind=ParticipantKind.PERSON, id="1", speciality=Concept(text="x")),
        Participant(kind=ParticipantKind.DEVICE, id="1", address=Address(city="x")),
    ],
)
def test_what_a_resource_has_no_place_for_is_refused(who: Participant) -> None:
    """Rather than lost."""
    with pytest.raises(EncodeError):
        refer_participant(who, Made("2.999.1"), subject=SUBJECT)


ROLE = {
    "resourceType": "PractitionerRole",
    "id": "1",
    "practitioner": {"display": "Dr. Far"},
    "identifier": [{"system": "urn:oid:2.999.2", "value": "7"}],
    "organization": {"display": "Clinic"},
    "telecom": [{"system": "phone", "value": "1"}],
}


@pytest.mark.parametrize(
    ("resource", "who"),
    [
        (
            ROLE,
            Participant(
                name=HumanName(family="Dr. Far"),
                id="7",
                authority="2.999.2",
                organisation=Organisation(name="Clinic"),
                telecom=("tel:1",),
            ),
        ),
        (
            {"resourceType": "Patient", "id": "1", "name": [{"text": "Anna"}]},
            Participant(kind=ParticipantKind.PERSON, name=HumanName(family="Anna")),
        ),
        ({"resourceType": "Organization", "id": "1"}, None),
        ({"resourceType": "Group", "id": "1"}, None),
    ],
)
def test_resources_of_others_are_who_they_say(resource: Any, who: Participant | None) -> None:
    """A role without its person, a patient who is meant, nobody at all."""
    found = Found({"entry": [{"resource": resource}]}, "Bundle")
    reference = {"reference": f"{resource['resourceType']}/1"}

    assert participant_of(reference, found, "r") == who


def test_attesters_are_told_apart_by_mode() -> None:
    """One without a party attests nothing; a time may be missing."""
    made = Made("2.999.1")
    legal = attester_json("legal", Attestation(by=NAMED), made, subject=SUBJECT)
    checked = attester_json("professional", Attestation(by=NAMED), made, subject=SUBJECT)
    composition = {"attester": [checked, legal, {"mode": "legal"}]}
    found = Found({"entry": made.entries}, "Bundle")

    assert read_attesters(composition, ("legal",), found, "c") == (Attestation(by=NAMED),)
    assert read_attesters(composition, ("personal",), found, "c") == ()


def test_organisations_are_named_once() -> None:
    """In the order of their people."""
    other = Organisation(name="Other")
    people = [Participant(organisation=one) for one in (HOSPITAL, other, HOSPITAL, None)]

    assert organisations_of(people) == (HOSPITAL, other)
