"""Authors and authenticators as contained resources, ours and those of others."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import Author, HumanName, Organisation
from gateway.wire.fhir.contained_people import (
    Contained,
    read_authenticator,
    read_authors,
    read_contained,
    write_authenticator,
    write_authors,
)
from gateway.wire.fhir.resources import object_at, objects_at, validated
from gateway.wire.problems import DecodeError
from tests.wire.fhir.spoiling import spoilt

NAME = HumanName(family="Papadaki", given=("Eleni", "Maria"), prefix="Dr")
CITY = Organisation(name="City Hospital", id="77", authority="2.999.1.6")
COUNTY = Organisation(name="County Hospital", authority="2.999.1.7")


def document(*authors: Author, signed: str = "") -> dict[str, Any]:
    """A resource with these authors, and the people in it."""
    contained = Contained()
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"url": "x"}}],
        "author": write_authors(authors, contained),
        "authenticator": write_authenticator(signed, contained),
        "contained": contained.resources,
    }
    return {key: value for key, value in resource.items() if value}


def authors_of(resource: dict[str, Any]) -> tuple[Author, ...]:
    """The authors as they are read."""
    contained = read_contained(resource, "D")
    return read_authors(tuple(resource.get("author", ())), contained, "D.author")


@pytest.mark.parametrize(
    "author",
    [
        Author(name=NAME),
        Author(id="7", id_authority="2.999.1"),
        Author(id="7", id_authority="RPPS"),
        Author(id="7"),
        Author(name=NAME, telecom=("mailto:a@b.example", "tel:+48123")),
        Author(telecom=("mailto:a@b.example",)),
        Author(institutions=(CITY,)),
        Author(institutions=(COUNTY,), telecom=("tel:+48123",)),
        Author(roles=("Radiologist",)),
        Author(institutions=(CITY,), specialities=("Radiology",), telecom=("tel:+48123",)),
        Author(name=NAME, institutions=(CITY, COUNTY), roles=("a", "b"), specialities=("c",)),
        Author(name=HumanName(family="Only")),
    ],
)
def test_an_author_comes_back(author: Author) -> None:
    """Persons, organisations, roles without a person, several hospitals of one person."""
    resource = document(author)

    validated(resource)
    assert authors_of(resource) == (author,)


def test_an_author_who_is_nobody_is_left_out() -> None:
    """There is no empty resource."""
    assert "contained" not in document(Author(), Author(institutions=(Organisation(name=""),)))


def test_several_institutions_without_a_person_become_several_authors() -> None:
    """An Organization is one."""
    resource = document(Author(institutions=(CITY, COUNTY)))

    assert authors_of(resource) == (Author(institutions=(CITY,)), Author(institutions=(COUNTY,)))


def test_two_people_of_one_name_stay_two() -> None:
    """Their ids tell them apart, and one hospital is contained once."""
    one, two = (Author(name=NAME, id=i, institutions=(CITY,)) for i in "12")
    resource = document(one, two)

    assert authors_of(resource) == (one, two)
    kinds = [each["resourceType"] for each in resource["contained"]]
    assert kinds.count("Organization") == 1


@pytest.mark.parametrize(
    "person",
    [
        "rad-1^Moreau^Luc^Jean^Jr^Dr^^^&2.999.1.5&ISO",
        "rad-1",
        "^Moreau^Luc",
        "rad-1^^^^^^^^&2.999.1.5&ISO",
        "^O\\T\\Neill",
        "Dr Luc Moreau of the house",
        "rad-1^Moreau^Luc^^^Dr^^^RPPS",
        "^^^^^Dr",
    ],
)
def test_an_authenticator_comes_back_letter_by_letter(person: str) -> None:
    """In parts where it is an XCN as we write it, as a text where it is not."""
    resource = document(signed=person)

    validated(resource)
    contained = read_contained(resource, "D")
    assert read_authenticator(resource["authenticator"], contained, "D") == person


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            {"reference": "http://a.example/fhir/Organization/1", "display": "Radiology"},
            Author(institutions=(Organisation(name="Radiology"),)),
        ),
        (
            {"reference": "Practitioner/1", "display": "Dr A"},
            Author(name=HumanName(family="Dr A")),
        ),
        (
            {
                "type": "Organization",
                "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.1"},
            },
            Author(institutions=(Organisation(name="", authority="2.999.1"),)),
        ),
        (
            {"type": "Practitioner", "identifier": {"system": "urn:oid:2.999.1", "value": "7"}},
            Author(id="7", id_authority="2.999.1"),
        ),
    ],
)
def test_of_an_author_elsewhere_the_reference_tells(
    reference: dict[str, Any], expected: Author
) -> None:
    """Its type, its display, its identifier."""
    assert authors_of({"author": [reference]}) == (expected,)


def test_a_reference_that_tells_nothing_is_no_author() -> None:
    """It leads to a resource that is not here."""
    assert authors_of({"author": [{"reference": "Practitioner/1"}, {"reference": "#gone"}]}) == ()


def test_a_device_is_read_by_its_name() -> None:
    """As a person whose family name it is, for the noun tells no device from one."""
    device = {
        "resourceType": "Device",
        "id": "d",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.8"}],
        "deviceName": [{"name": "Manifest maker", "type": "user-friendly-name"}],
    }

    (author,) = authors_of({"contained": [device], "author": [{"reference": "#d"}]})

    assert author == Author(name=HumanName(family="Manifest maker"), id="2.999.8")


def test_an_organisation_that_signed_is_named() -> None:
    """IHE's example: the authenticator is an Organization."""
    organisation = {"resourceType": "Organization", "id": "o", "name": "City"}
    contained = read_contained({"contained": [organisation]}, "D")

    assert read_authenticator({"reference": "#o"}, contained, "D") == "^City"
    assert read_authenticator({}, contained, "D") == ""
    assert read_authenticator({"reference": "Organization/2"}, contained, "D") == ""


def test_roles_that_refer_to_each_other_do_not_go_round() -> None:
    """One step is followed, and no more."""
    loop = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#r"}}

    assert authors_of({"contained": [loop], "author": [{"reference": "#r"}]}) == ()


def test_whatever_stands_in_a_person_only_decode_errors_come_out() -> None:
    """Every value replaced by every other kind of value, or removed."""
    whole = document(
        Author(name=NAME, id="7", id_authority="2.999.1", institutions=(CITY,), roles=("a",)),
        signed="rad-1^Moreau",
    )
    for resource in spoilt(whole):
        try:
            contained = read_contained(resource, "D")
            authors = read_authors(objects_at(resource, "author", "D"), contained, "D.author")
            signed = object_at(resource, "authenticator", "D")
            read_authenticator(signed, contained, "D.authenticator")
        except DecodeError:
            continue
        assert len(authors) <= 1
