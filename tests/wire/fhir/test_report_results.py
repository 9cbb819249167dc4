"""Observations, conclusions, plans and comparisons as others write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.domain import (
    CarePlan,
    Comparison,
    Concept,
    Conclusion,
    DocumentId,
    PlannedAction,
    Quantity,
    Timestamp,
    Uid,
)
from gateway.wire.fhir.report_read import read_report
from gateway.wire.fhir.report_results import (
    read_care_plans,
    read_comparisons,
    read_conclusions,
    read_observations,
)
from gateway.wire.fhir.report_write import write_report
from gateway.wire.fhir.resources import validated
from tests.wire.fhir.report_nouns import least
from tests.wire.fhir.test_report_procedure import held


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"valueString": "clear"}, Concept(text="clear")),
        ({"valueInteger": 3}, Quantity(value=Decimal(3))),
        ({"valueBoolean": False}, Concept(text="false")),
        ({"valueCodeableConcept": {"text": "dense"}}, Concept(text="dense")),
        ({"valueQuantity": {"value": Decimal("2.50")}}, Quantity(value=Decimal("2.50"))),
        ({"valueQuantity": {"unit": "mm"}}, None),
        ({"valueRange": {}}, None),
        ({}, None),
    ],
)
def test_a_result_is_a_number_a_concept_or_words(element: Any, value: Any) -> None:
    """Other types of value have no place in the noun."""
    found, references = held({"resourceType": "Observation", "code": {"text": "x"}, **element})

    (observation,) = read_observations(references, found, "r")

    assert observation.value == value


def test_a_stage_that_says_nothing_is_none() -> None:
    """A condition without a code is a finding without words."""
    found, references = held({"resourceType": "Condition", "stage": [{"assessment": []}]})

    assert read_conclusions(references, found, "r") == (Conclusion(finding=Concept()),)


def test_a_request_of_its_own_is_a_plan() -> None:
    """As the guide allows; those of a CarePlan belong to it, in words or as requests."""
    request = {"resourceType": "ServiceRequest", "code": {"text": "MR"}}
    plan = {
        "resourceType": "CarePlan",
        "description": "Wait",
        "activity": [
            {"detail": {"code": {"text": "rest"}}},
            {"reference": {"reference": "ServiceRequest/0"}},
            {"reference": {"reference": "ServiceRequest/9"}},
        ],
    }
    found, references = held(request, plan)
    resonance = PlannedAction(what=Concept(text="MR"))

    assert read_care_plans(references, found, "r") == (
        CarePlan(actions=(resonance,)),
        CarePlan(text="Wait", actions=(PlannedAction(what=Concept(text="rest")), resonance)),
    )


STUDY = {"system": "urn:dicom:uid", "value": "urn:oid:2.999.9"}


@pytest.mark.parametrize(
    ("resource", "comparison"),
    [
        (
            {"resourceType": "ImagingStudy", "identifier": [STUDY], "description": "x"},
            Comparison(study=Uid("2.999.9"), description="x"),
        ),
        (
            {
                "resourceType": "DocumentReference",
                "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.5"},
                "identifier": [STUDY, {"value": "other"}],
            },
            Comparison(study=Uid("2.999.9"), report=DocumentId("2.999.5")),
        ),
        ({"resourceType": "DocumentReference"}, None),
    ],
)
def test_a_comparison_is_a_study_or_a_report(resource: Any, comparison: Comparison | None) -> None:
    """The id of a document and the UID of its study are told apart."""
    found, references = held(resource)

    assert read_comparisons(references, found, "r") == ((comparison,) if comparison else ())


@pytest.mark.parametrize("performed", ["2024", "20240501", "20240501103000"])
def test_a_compared_report_may_be_of_a_day(performed: str) -> None:
    """DocumentReference.date is an instant, which a day is not; the document's own date may be."""
    moment = Timestamp.parse(performed)
    compared = Comparison(report=DocumentId("2.999.5"), performed=moment)

    bundle = write_report(least(comparisons=(compared,)))

    [row] = [
        entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "DocumentReference"
    ]
    validated(bundle)
    assert "date" not in row
    assert read_report(bundle).comparisons == (compared,)


def test_a_date_of_the_reference_is_the_next_best() -> None:
    """Where the document's own is not told, as others may write it."""
    found, references = held({"resourceType": "DocumentReference", "date": "2024-05-01T10:30:00Z"})

    [compared] = read_comparisons(references, found, "r")

    assert compared.performed == Timestamp.parse("20240501103000")


def test_a_comparison_may_be_an_identifier_alone() -> None:
    """The study is held elsewhere."""
    found, _ = held()
    references = ({"identifier": STUDY}, {"identifier": {"value": "?"}}, {"display": "x"})

    assert read_comparisons(references, found, "r") == (Comparison(study=Uid("2.999.9")),)
