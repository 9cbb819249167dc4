"""Persons, organisations and addresses as HL7 v2 writes them."""

from __future__ import annotations

import pytest

from gateway.domain import HumanName, Organisation
from gateway.wire.soap import hl7v2


@pytest.mark.parametrize(
    ("text", "name", "local_id", "authority"),
    [
        (
            "D-9^Doe^Dana^^^Dr^^^&2.999.4&ISO",
            HumanName(family="Doe", given=("Dana",), prefix="Dr"),
            "D-9",
            "2.999.4",
        ),
        (
            "^Smitty^Gerald^Anna Maria^Jr",
            HumanName(family="Smitty", given=("Gerald", "Anna", "Maria"), suffix="Jr"),
            "",
            "",
        ),
        ("77^^^^^^^^&2.999.4&ISO", None, "77", "2.999.4"),
        ("77", None, "77", ""),
        (r"1^A\T\B\S\C\E\ ", HumanName(family="A&B^C\\"), "1", ""),
    ],
)
def test_persons_are_read_and_written(
    text: str, name: HumanName | None, local_id: str, authority: str
) -> None:
    """XCN, with the further given names in one component and separators escaped."""
    assert hl7v2.read_person(text) == (name, local_id, authority)
    assert hl7v2.write_person(name, local_id, authority) == text.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Manfred Lapp", (HumanName(family="Manfred Lapp"), "", "")),
        ("1^van Dam&van&Dam^Jan", (HumanName(family="van Dam", given=("Jan",)), "1", "")),
        ("1^Doe^^^^^^^2.999.4", (HumanName(family="Doe"), "1", "2.999.4")),
        ("", (None, "", "")),
    ],
)
def test_other_spellings_of_persons_are_read(
    text: str, expected: tuple[HumanName | None, str, str]
) -> None:
    """A plain name, a family name in parts, an authority without its type."""
    assert hl7v2.read_person(text) == expected


@pytest.mark.parametrize(
    ("text", "organisation"),
    [
        (
            "Test Hospital^^^^^&2.999.4&ISO^^^^77",
            Organisation(name="Test Hospital", id="77", authority="2.999.4"),
        ),
        (
            "Some Hospital^^^^^^^^^2.999.4.77",
            Organisation(name="Some Hospital", authority="2.999.4.77"),
        ),
        ("Cleveland Clinic", Organisation(name="Cleveland Clinic")),
        (r"Smith \T\ Sons", Organisation(name="Smith & Sons")),
    ],
)
def test_organisations_are_read_and_written(text: str, organisation: Organisation) -> None:
    """XON; an OID alone is the id and needs no authority."""
    assert hl7v2.read_organisation(text) == organisation
    assert hl7v2.write_organisation(organisation) == text


def test_an_ampersand_a_peer_forgot_to_escape_stays_in_the_name() -> None:
    """It is far more often meant than a subcomponent."""
    assert hl7v2.read_organisation("Smith & Sons").name == "Smith & Sons"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("^^Internet^a@a.example", "mailto:a@a.example"),
        ("^^PH^^^^^^^^^+32 9 1", "tel:+32 9 1"),
        ("^PRN^PH^^32^9^1234567", "^PRN^PH^^32^9^1234567"),
    ],
)
def test_telecom_addresses_are_read_and_written(text: str, address: str) -> None:
    """Simple ones as URLs, the others as they are."""
    assert hl7v2.read_telecom(text) == address
    assert hl7v2.write_telecom(address) == text


@pytest.mark.parametrize("text", ["a^b", "a&b", "a\\b", r"a\T\b", "\\", "^&\\"])
def test_escaping_is_undone(text: str) -> None:
    """Whatever the text, also one that looks escaped already."""
    assert hl7v2.unescape(hl7v2.escape(text)) == text
    assert "^" not in hl7v2.escape(text)
    assert "&" not in hl7v2.escape(text)
