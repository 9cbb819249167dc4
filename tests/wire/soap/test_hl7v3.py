"""HL7 v3 data types, both ways."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gateway.domain import Address, CommunityId, Gender, HumanName, Oid, PatientId
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import hl7v3
from gateway.wire.xml import HL7, Element, parse_xml


def element(inside: str) -> Element:
    """The first child of an HL7 v3 element made of this text."""
    root = parse_xml(f'<r xmlns="{HL7}" xmlns:x="urn:x">{inside}</r>'.encode())
    return root[0]


def test_elements_are_found_by_qualified_name() -> None:
    """The same local name in another namespace is another element."""
    tree = element('<a><x:b/><b v="1"/><b v="2"/></a>')

    assert hl7v3.attribute(hl7v3.child(tree, "b"), "v") == "1"
    assert len(list(hl7v3.children(tree, "b"))) == 2
    assert hl7v3.child(tree, "b", "c") is None
    assert list(hl7v3.children(None, "b")) == []
    assert hl7v3.attribute(None, "v") == ""


def test_a_needed_element_that_is_missing_says_where() -> None:
    """The error names the parent and the child."""
    with pytest.raises(DecodeError) as caught:
        hl7v3.need(element("<a><b/></a>"), "b", "c")

    assert caught.value.where.endswith("/hl7:a/hl7:b")
    assert "c" in caught.value.expected


def test_repetitions_are_limited() -> None:
    """A peer may not make us hold ten thousand of anything."""
    tree = element("<a>" + "<b/>" * 10 + "</a>")

    assert len(hl7v3.limited(hl7v3.children(tree, "b"), tree, 10)) == 10
    with pytest.raises(DecodeError):
        hl7v3.limited(hl7v3.children(tree, "b"), tree, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<i root="2.999" extension="A 1"/>', PatientId("A 1", Oid("2.999"))),
        ('<i root=" urn:oid:2.999 " extension=" A "/>', PatientId("A", Oid("2.999"))),
        ('<i root="0.2.216.1" extension="Ä"/>', PatientId("Ä", Oid("0.2.216.1"))),
    ],
)
def test_identifiers_are_read(text: str, expected: PatientId) -> None:
    """Bare or as urn:oid:, with white space around."""
    assert hl7v3.read_patient_id(element(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<i/>",
        '<i root="2.999"/>',
        '<i extension="1"/>',
        '<i root="2.999" extension="a^b"/>',
        '<i root="f302e153-f4c3-4586-a003-557b2150e7c2" extension="1"/>',
        '<i root="2.0999" extension="1"/>',
    ],
)
def test_what_is_no_patient_identifier_is_refused(text: str) -> None:
    """A patient needs a value and the OID of who gave it."""
    with pytest.raises(DecodeError):
        hl7v3.read_patient_id(element(text))


def test_an_oid_that_is_none_is_none() -> None:
    """For claims in a wrapper that nobody relies on."""
    assert hl7v3.read_oid(element('<i root="2.999.1"/>'), CommunityId) == CommunityId("2.999.1")
    assert hl7v3.read_oid(element('<i root="HOME"/>'), CommunityId) is None
    assert hl7v3.read_oid(element("<i/>"), Oid) is None
    assert hl7v3.read_oid(None, Oid) is None


DAY = date(1980, 2, 29)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<t value="19800229"/>', DAY),
        ('<t value=" 1980-02-29 "/>', DAY),
        ('<t value="198002292359"/>', DAY),
        ('<t value="19800229235959.9999-1100"/>', DAY),
        ('<t value="19800229000000+14"/>', DAY),
        ('<t value="1980-02-29T12:00:00.000+01:00"/>', DAY),
        ('<t><center value="19800229"/></t>', DAY),
        ('<t><low value="19800229"/><high value="19800229"/></t>', DAY),
        ('<t><low value="19800101"/><high value="19801231"/></t>', None),
        ('<t><low value="19800229"/></t>', None),
        ('<t value="198002"/>', None),
        ('<t value="1980"/>', None),
        ("<t/>", None),
        ('<t nullFlavor="UNK"/>', None),
    ],
)
def test_dates_are_read_as_peers_write_them(text: str, expected: date | None) -> None:
    """The day is the one written, in whatever zone; what is left open stays open."""
    assert hl7v3.read_date(element(text), demand=True) == expected


@pytest.mark.parametrize("value", ["19849711", "19800230", "80", "29.02.1980", "x", "٢٠٢٠٠١٠١"])
def test_what_is_no_date_is_refused_where_it_is_asked_for(value: str) -> None:
    """A criterion may not be dropped; a fact of an answer is merely unknown."""
    text = f'<t value="{value}"/>'

    with pytest.raises(DecodeError):
        hl7v3.read_date(element(text), demand=True)
    assert hl7v3.read_date(element(text), demand=False) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [("M", Gender.MALE), ("female", Gender.FEMALE), ("un", Gender.UNDIFFERENTIATED), ("U", None)],
)
def test_genders_are_read(code: str, expected: Gender | None) -> None:
    """Codes in either case."""
    assert hl7v3.read_gender(element(f'<g code="{code}"/>'), demand=True) is expected


def test_an_unknown_gender_is_refused_where_it_is_asked_for() -> None:
    """As for dates."""
    with pytest.raises(DecodeError):
        hl7v3.read_gender(element('<g code="$gender$"/>'), demand=True)
    assert hl7v3.read_gender(element('<g code="$gender$"/>'), demand=False) is None
    assert hl7v3.read_gender(element("<g/>"), demand=True) is None
    assert hl7v3.read_gender(None, demand=True) is None


@pytest.mark.parametrize("value", ["101", "-1", "1.5", "", "9" * 5000, "１０"])
def test_what_is_no_percentage_is_refused_where_it_is_asked_for(value: str) -> None:
    """A degree of match is a whole number from 0 to 100."""
    text = f'<v value="{value}"/>'

    with pytest.raises(DecodeError):
        hl7v3.read_percent(element(text), demand=True)
    assert hl7v3.read_percent(element(text), demand=False) is None


def test_percentages_are_read() -> None:
    """The bounds belong to it."""
    assert [
        hl7v3.read_percent(element(f'<v value="{n}"/>'), demand=True) for n in (0, 75, 100)
    ] == [
        0,
        75,
        100,
    ]
    assert hl7v3.read_percent(None, demand=True) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<n><family>B</family><given>A</given><given/></n>",
            HumanName(family="B", given=("A",)),
        ),
        (
            "<n><prefix>Dr.</prefix><prefix>Prof.</prefix><given> A </given>"
            "<family>van\n der</family><family>B</family><suffix>Jr</suffix></n>",
            HumanName(family="van der B", given=("A",), prefix="Dr. Prof.", suffix="Jr"),
        ),
        ("<n> Jean  Example </n>", HumanName(family="Jean Example")),
        ("<n><given>A</given></n>", HumanName(family="", given=("A",))),
        ('<n nullFlavor="NA"/>', None),
        ("<n/>", None),
    ],
)
def test_names_are_read(text: str, expected: HumanName | None) -> None:
    """Parts in any order, or no parts at all."""
    assert hl7v3.read_name(element(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<a><streetAddressLine>1 High St</streetAddressLine><streetAddressLine>Flat 2"
            "</streetAddressLine><city>C</city><state>S</state><postalCode>P</postalCode></a>",
            Address(street="1 High St, Flat 2", city="C", postal_code="P"),
        ),
        (
            "<a><country>XA</country><streetName>Kerkstraat</streetName>"
            "<houseNumber>1</houseNumber></a>",
            Address(street="Kerkstraat 1", country="XA"),
        ),
        ("<a><city> </city></a>", None),
        ('<a nullFlavor="UNK"/>', None),
    ],
)
def test_addresses_are_read(text: str, expected: Address | None) -> None:
    """As lines, or as street and house number."""
    assert hl7v3.read_address(element(text)) == expected


@pytest.mark.parametrize("read", [hl7v3.read_name, hl7v3.read_address])
def test_absurdly_long_parts_are_refused(read: Callable[[Element], object]) -> None:
    """Nobody's name has ten thousand characters, nor ten thousand parts."""
    for part in ("family", "streetName"):
        for text in (f"<{part}>{'x' * 10_000}</{part}>", f"<{part}>x</{part}>" * 10_000):
            tree = element(f"<n>{text}</n>")
            if (part == "family") == (read is hl7v3.read_name):
                with pytest.raises(DecodeError):
                    read(tree)


def test_markup_and_scripts_are_written_safely() -> None:
    """What is written is read back alike."""
    name = HumanName(family="<&\"'> Παπαδόπουλος", given=("Ångström", "Олена"))
    address = Address(street='"A" & <B>', city="Łódź", postal_code="1", country="XA")

    assert hl7v3.read_name(element(hl7v3.write_name("n", name))) == name
    assert hl7v3.read_address(element(hl7v3.write_address("a", address))) == address
    written = element(hl7v3.write_ii("i", "2.999", "a\"<&>'b"))
    assert written.get("extension") == "a\"<&>'b"


def test_empty_attributes_and_texts_are_left_out() -> None:
    """An empty string is nothing to say."""
    assert hl7v3.node("a", b="", c="1") == '<a c="1"/>'
    assert hl7v3.text_node("a", "") == ""
    assert hl7v3.node("v", xsi_type="INT", value="1") == '<v xsi:type="INT" value="1"/>'
    assert hl7v3.write_ii("i") == '<i nullFlavor="NI"/>'


def test_characters_xml_cannot_carry_are_refused() -> None:
    """A control character has no place in XML 1.0."""
    with pytest.raises(EncodeError):
        hl7v3.text_node("a", "\x00")
    with pytest.raises(EncodeError):
        hl7v3.node("a", b="\x1f")


def test_moments_and_days_are_written() -> None:
    """A moment in UTC with its zone, a day as it is."""
    moment = datetime(2026, 11, 22, 13, 0, 5, 999, tzinfo=timezone(timedelta(hours=1)))

    assert hl7v3.write_time(moment) == "20261122120005+0000"
    assert hl7v3.write_time(datetime(999, 1, 2, tzinfo=UTC)) == "09990102000000+0000"
    assert hl7v3.write_date(date(980, 1, 2)) == "09800102"
    assert hl7v3.write_gender("g", Gender.FEMALE) == (
        '<g code="F" codeSystem="2.16.840.1.113883.5.1"/>'
    )
