"""Values of clinical documents: what is written reads back, what cannot be read is left out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from lxml import etree

from gateway.domain import BodySite, Code, Concept, Period, Precision, Quantity, Timestamp
from gateway.domain.codes import SCT
from gateway.wire.cda.elements import element, one_of
from gateway.wire.cda.values import (
    UCUM,
    read_concept,
    read_id,
    read_period,
    read_site,
    read_value,
    write_concept,
    write_id,
    write_period,
    write_quantity,
    write_site,
)
from gateway.wire.xml import HL7, XSI, Element, parse_xml
from tests.shared import shared

LEFT = Concept(text="lewa", codes=(Code("7771000", SCT),))
BREAST = Concept(text="pierś", codes=(Code("76752008", SCT), Code("T", "Local & more")))


def parsed(xml: str) -> Element:
    """The element, inside one that declares the namespaces."""
    root = parse_xml(element("a", {"xmlns": HL7, "xmlns:xsi": XSI}, xml).encode())
    return root[0]


@pytest.mark.parametrize(
    ("value", "authority"),
    [("X", "2.999.1"), ("X", "A name"), ("", "2.999.1"), ("X", ""), ("", "")],
)
def test_identifiers_read_back(value: str, authority: str) -> None:
    """Whether who assigned them has an OID, a name or neither."""
    assert read_id(parsed(write_id(value, authority))) == (value, authority)


@pytest.mark.parametrize("concept", [LEFT, BREAST, Concept(text="words alone")])
def test_concepts_read_back(concept: Concept) -> None:
    """With their words and every code."""
    assert read_concept(parsed(write_concept("value", concept, kind="CD"))) == concept


@pytest.mark.parametrize(
    "site", [BodySite(location=BREAST, laterality=LEFT), BodySite(location=Concept(text="x"))]
)
def test_places_of_the_body_read_back(site: BodySite) -> None:
    """The side qualifies the place."""
    assert read_site(parsed(write_site(site))) == site


@pytest.mark.parametrize(
    "quantity",
    [
        Quantity(value=Decimal("24.0"), unit="mm", code=Code("mm", UCUM)),
        Quantity(value=Decimal("1"), unit="ml", code=Code("mL", UCUM)),
        Quantity(value=Decimal("-0.50"), unit="HU"),
        Quantity(value=Decimal("3"), uncertainty=Decimal("0.25")),
    ],
)
def test_quantities_read_back(quantity: Quantity) -> None:
    """To the digit, with what was printed and what is its code."""
    assert read_value(parsed(write_quantity("value", quantity))) == quantity


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "1e999999999", "12 mm", "9" * 50, "<", "0x1"]
)
def test_what_is_no_number_is_no_quantity(text: str) -> None:
    """Nor is it guessed at."""
    assert read_value(parsed(element("value", {"value": text}))) is None


def test_words_of_a_value_are_a_concept() -> None:
    """A foreign document may say a value in plain text."""
    assert read_value(parsed('<value xsi:type="ST">none  seen</value>')) == Concept(
        text="none seen"
    )


AT = Timestamp(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
DAY = Timestamp(datetime(2026, 3, 1, tzinfo=UTC), Precision.DAY)


@pytest.mark.parametrize(
    "period",
    [Period(start=AT, end=AT), Period(start=DAY, end=AT), Period(start=DAY), Period(end=AT)],
)
def test_periods_read_back(period: Period) -> None:
    """With the precision of each end."""
    assert read_period(parsed(f"<act>{write_period(period)}</act>")) == period


def test_written_values_are_of_the_published_data_types() -> None:
    """Judged by the schema of HL7's data types, each value as the type the class has for it."""
    folder = shared("schemas/hl7v3/HL7V3/NE2008/coreschemas")
    types = {
        "id": "II",
        "code": "CE",
        "value": "ANY",
        "effectiveTime": "IVL_TS",
        "targetSiteCode": "CD",
    }
    declared = "".join(f'<xs:element name="{n}" type="{t}"/>' for n, t in types.items())
    schema = etree.XMLSchema(
        etree.fromstring(
            f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{HL7}" '
            f'targetNamespace="{HL7}" elementFormDefault="qualified">'
            f'<xs:include schemaLocation="{(folder / "datatypes.xsd").as_uri()}"/>{declared}'
            "</xs:schema>",
            base_url=(folder / "mine.xsd").as_uri(),
        )
    )
    written = [
        write_id("X", "2.999.1"),
        write_id("X", "A name"),
        write_id(""),
        write_concept("code", BREAST),
        write_concept("code", None),
        write_concept("value", BREAST, kind="CD"),
        write_concept("value", Concept(text="words"), kind="CD"),
        write_site(BodySite(location=BREAST, laterality=LEFT)),
        write_quantity("value", Quantity(value=Decimal("1.5"), unit="ml", code=Code("mL", UCUM))),
        write_quantity("value", Quantity(value=Decimal(1), uncertainty=Decimal("0.5"))),
        write_period(Period(start=AT, end=AT)),
        write_period(Period(start=DAY, end=AT)),
    ]
    for xml in written:
        one = etree.fromstring(etree.tostring(parsed(xml)))
        schema.validate(one)
        assert not list(schema.error_log), (xml, schema.error_log)


def test_nothing_is_read_of_nothing() -> None:
    """Missing elements are missing values."""
    assert read_concept(one_of(None, "code")) is None
    assert read_id(None) == ("", "")
