"""Small values of a report: what others write in their place, and what cannot be one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain import (
    BodySite,
    Code,
    Concept,
    LocalId,
    Period,
    Precision,
    Quantity,
    ReportDevice,
    Timestamp,
)
from gateway.domain.codes import SCT
from gateway.wire.fhir.concepts import UCUM
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_terms import BODY_STRUCTURE
from gateway.wire.fhir.report_values import (
    concept_at,
    concepts_at,
    decimal_at,
    device_json,
    each,
    quantity_at,
    quantity_json,
    read_device,
    site_json,
    site_of,
    when_at,
    when_json,
)
from gateway.wire.problems import DecodeError, EncodeError

NOON = Timestamp(datetime(2026, 3, 1, 12, tzinfo=UTC))
LEFT = Concept(codes=(Code("7771000", SCT, "Left"),))


@pytest.mark.parametrize(
    ("json", "concept"),
    [
        ({}, None),
        ({"coding": [{}]}, None),
        ({"text": " "}, None),
        ({"text": "a"}, Concept(text="a")),
        ({"coding": [{"display": "a"}]}, Concept(text="a")),
        (
            {"coding": [{"code": "1", "system": "http://snomed.info/sct"}], "text": "a"},
            Concept(text="a", codes=(Code("1", SCT),)),
        ),
    ],
)
def test_a_concept_is_what_it_says(json: Any, concept: Concept | None) -> None:
    """A coding without a code is but its words; nothing said is none."""
    assert concept_at({"x": json}, "x", "r") == concept
    assert concepts_at({"x": [json]}, "x", "r") == ((concept,) if concept else ())


@pytest.mark.parametrize(
    ("json", "period"),
    [
        ({}, None),
        ({"xPeriod": {}}, None),
        ({"xInstant": "2026-03-01T13:00:00+01:00"}, Period(start=NOON, end=NOON)),
        ({"xPeriod": {"end": "2026-03-01T12:00:00Z"}}, Period(end=NOON)),
        (
            {"xDateTime": "2026"},
            Period(
                start=Timestamp(datetime(2026, 1, 1, tzinfo=UTC), Precision.YEAR),
                end=Timestamp(datetime(2026, 1, 1, tzinfo=UTC), Precision.YEAR),
            ),
        ),
    ],
)
def test_when_is_a_moment_or_a_period(json: Any, period: Period | None) -> None:
    """In any of its three spellings; an empty one is none."""
    assert when_at(json, "x", "r") == period


def test_a_moment_is_written_as_one() -> None:
    """A period of no length is a dateTime."""
    assert when_json("x", Period(start=NOON, end=NOON)) == {"xDateTime": "2026-03-01T12:00:00Z"}
    assert when_json("x", Period(start=NOON)) == {"xPeriod": {"start": "2026-03-01T12:00:00Z"}}
    assert when_json("x", Period()) == when_json("x", None) == {}


def test_a_unit_without_a_system_is_of_ucum() -> None:
    """As everybody means it; a quantity without a value is none."""
    assert quantity_at({"q": {"value": 5, "code": "mm"}}, "q", "r") == Quantity(
        value=Decimal(5), code=Code("mm", UCUM)
    )
    assert quantity_at({"q": {"unit": "mm"}}, "q", "r") is None


@pytest.mark.parametrize(
    "value", ["5", True, None, Decimal("1E1000"), Decimal("1" * 41), Decimal("NaN")]
)
def test_what_is_no_decimal_is_refused(value: Any) -> None:
    """Strings, truths, and numbers nobody measures."""
    with pytest.raises(DecodeError, match=r"r\.q"):
        decimal_at({"q": value}, "q", "r")


def test_a_quantity_that_is_no_number_is_not_written() -> None:
    """FHIR has no NaN."""
    with pytest.raises(EncodeError, match="number"):
        quantity_json(Quantity(value=Decimal("NaN")))


def test_a_side_is_told_by_a_structure_and_read_from_it() -> None:
    """With its morphology; a site without either is but a concept."""
    made = Made("2.999.1")
    breast = BodySite(location=Concept(text="breast"), laterality=LEFT)
    lump = Concept(text="lump")

    json = site_json(breast, made, subject={"reference": "urn:x"}, morphology=lump)
    plain = site_json(BodySite(location=Concept(text="breast")), made, subject={})

    found = Found({"entry": made.entries}, "Bundle")
    assert site_of(json, found, "r") == (breast, lump)
    assert plain == {"text": "breast"}
    assert site_json(None, made, subject={}) == {}
    assert len(made.entries) == 1


def test_a_structure_that_is_not_there_tells_nothing() -> None:
    """The concept beside it does."""
    reference = {"url": BODY_STRUCTURE, "valueReference": {"reference": "BodyStructure/1"}}

    site, morphology = site_of({"text": "breast", "extension": [reference]}, Found({}, "B"), "r")

    assert site == BodySite(location=Concept(text="breast"))
    assert morphology is None
    assert site_of({}, Found({}, "B"), "r") == (None, None)


def test_a_device_identifier_is_typed_or_on_its_carrier() -> None:
    """Ours is an identifier of its own type; others print the carrier."""
    device = ReportDevice(name="MG-2", udi="(01)1", ids=(LocalId(value="2"),))

    assert read_device(device_json(device), "Device") == device
    carried = {"udiCarrier": [{"deviceIdentifier": "0"}, {"carrierHRF": "(01)2"}]}
    assert read_device(carried, "Device") == ReportDevice(udi="0")


def test_references_are_followed_once_and_by_type() -> None:
    """What two lists name is one; other types are passed over."""
    one = {"resourceType": "Condition", "id": "1"}
    found = Found({"entry": [{"resource": one}]}, "Bundle")
    references = ({"reference": "Condition/1"}, {"reference": "Condition/1"}, {"display": "x"})

    assert each(references, found, "r", "Condition") == [(one, "Bundle.entry[0].Condition")]
    assert each(references, found, "r", "Observation") == []
