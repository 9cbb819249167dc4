"""Procedures, medicines and reactions as others write them."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4b_model

from gateway.domain import (
    AdverseReaction,
    BodySite,
    Certainty,
    Code,
    Concept,
    Criticality,
    ImagingProcedure,
    MedicationGiven,
    Participant,
    Propensity,
    ReactionSeverity,
    ReportDevice,
)
from gateway.domain.codes import SCT
from gateway.domain.people import HumanName
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_bundle import Found
from gateway.wire.fhir.report_procedure import (
    read_from_studies,
    read_medications,
    read_procedures,
    read_reactions,
)
from gateway.wire.fhir.report_read import read_report
from gateway.wire.fhir.report_terms import PROPENSITY
from gateway.wire.fhir.report_values import UNKNOWN
from gateway.wire.fhir.report_write import write_report
from tests.wire.fhir.report_nouns import least

SNOMED = "http://snomed.info/sct"
MODELS = {Release.R4: r4b_model, Release.R5: r5_model}


def held(*resources: Any) -> tuple[Found, tuple[Any, ...]]:
    """A document of resources, and references to all of them."""
    numbered = [{"id": str(i), **one} for i, one in enumerate(resources)]
    references = tuple({"reference": f"{one['resourceType']}/{one['id']}"} for one in numbered)
    return Found({"entry": [{"resource": one} for one in numbered]}, "Bundle"), references


def procedure(**elements: Any) -> Any:
    """A Procedure."""
    return {"resourceType": "Procedure", **elements}


def allergy(**elements: Any) -> Any:
    """An AllergyIntolerance."""
    return {"resourceType": "AllergyIntolerance", **elements}


def test_a_part_with_but_a_code_is_a_detail_of_its_whole() -> None:
    """A part of which more is told is a procedure of its own."""
    part_of = [{"reference": "Procedure/0"}]
    found, references = held(
        procedure(code={"text": "CT"}),
        procedure(code={"text": "arterial phase"}, partOf=part_of),
        procedure(code={"text": "biopsy"}, partOf=part_of, performedDateTime="2026"),
        procedure(code={"text": "lost"}, partOf=[{"reference": "Procedure/9"}]),
    )

    whole, biopsy, lost = read_procedures(references, found, "r")

    assert whole == ImagingProcedure(
        what=Concept(text="CT"), details=(Concept(text="arterial phase"),)
    )
    assert (biopsy.what.text, lost.what.text) == ("biopsy", "lost")


def test_studies_tell_of_a_procedure_nobody_describes() -> None:
    """Their codes, places with sides, equipment and people; who keeps them has no part."""

    def performer(function: str, **actor: Any) -> Any:
        return {"function": {"coding": [{"code": function}]}, "actor": actor}

    device = {"resourceType": "Device", "id": "m", "deviceName": [{"name": "MG-2"}]}
    found, references = held(
        {
            "resourceType": "ImagingStudy",
            "procedureCode": [{"coding": [{"system": SNOMED, "code": "71651007"}]}],
            "series": [
                {
                    "bodySite": {"system": SNOMED, "code": "76752008"},
                    "laterality": {"system": SNOMED, "code": "7771000"},
                    "performer": [
                        performer("PRF", display="A. Fox"),
                        performer("DEV", reference="Device/m"),
                        performer("CST", display="Archive"),
                        performer("LOC", display="Ward"),
                    ],
                }
            ],
        },
        device,
    )

    (told,) = read_from_studies(references[:1], found, "r", performed=None)

    assert told == ImagingProcedure(
        what=Concept(codes=(Code("71651007", SCT),)),
        sites=(
            BodySite(
                location=Concept(codes=(Code("76752008", SCT),)),
                laterality=Concept(codes=(Code("7771000", SCT),)),
            ),
        ),
        devices=(ReportDevice(name="MG-2"),),
        performers=(Participant(name=HumanName(family="A. Fox")),),
    )
    assert read_from_studies((), found, "r", performed=None) == ()


def test_a_medicine_may_be_but_a_concept() -> None:
    """R4 lets it be named in place; a reference that leads nowhere names nothing."""
    found, references = held(
        {
            "resourceType": "MedicationAdministration",
            "medicationCodeableConcept": {"text": "Contrast"},
            "effectiveDateTime": "2026-03-01",
        },
        {
            "resourceType": "MedicationAdministration",
            "medicationReference": {"reference": "Medication/9"},
        },
    )

    named, unnamed = read_medications(references, found, "r")

    assert named.brand == "Contrast"
    assert named.given is not None
    assert unnamed == MedicationGiven()


def test_a_way_in_without_a_dose_says_that_the_dose_is_unknown() -> None:
    """Invariant mad-1: a dosage has a dose or a rate; B.1 knows the way in alone."""
    given = MedicationGiven(brand="Gadolinium", route=Concept(text="vein"))

    bundle = write_report(least(medications=(given, MedicationGiven(brand="Water"))))

    first, second = [
        entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "MedicationAdministration"
    ]
    assert first["dosage"] == {"route": {"text": "vein"}, "dose": UNKNOWN}
    assert "dosage" not in second


@pytest.mark.parametrize("release", Release)
def test_a_medicine_given_nobody_knows_when_is_valid(release: Release) -> None:
    """A time is demanded; one that is unknown is said where the models look for one."""
    report = least(medications=(MedicationGiven(brand="Water"),))

    bundle = write_report(report, release=release)

    MODELS[release]("Bundle").model_validate(bundle)
    assert read_report(bundle).medications == report.medications


def test_an_ingredient_without_a_substance_is_none() -> None:
    """A strength of nothing."""
    medicine = {
        "resourceType": "Medication",
        "ingredient": [{"strength": {}}, {"itemCodeableConcept": {"text": "iodine"}}],
    }
    given = {
        "resourceType": "MedicationAdministration",
        "medicationReference": {"reference": "Medication/1"},
    }
    found, references = held(given, medicine)

    (read,) = read_medications(references, found, "r")

    assert [one.substance.text for one in read.ingredients] == ["iodine"]


def test_a_reaction_is_an_event_or_the_allergy_behind_it() -> None:
    """The allergy says more; an event without one says what it can."""
    event = {
        "resourceType": "AdverseEvent",
        "event": {"text": "rash"},
        "date": "2026-03-01",
        "severity": {"coding": [{"code": "severe"}]},
    }
    behind = event | {"subjectMedicalHistory": [{"reference": "AllergyIntolerance/1"}]}
    found, references = held(behind, allergy(code={"text": "latex"}), event)

    reactions = read_reactions((references[0], references[2]), found, "r")

    assert reactions[0] == AdverseReaction(agent=Concept(text="latex"))
    assert reactions[1].manifestations == (Concept(text="rash"),)
    assert reactions[1].severity is ReactionSeverity.SEVERE
    assert reactions[1].onset is not None


@pytest.mark.parametrize(
    ("elements", "field", "value"),
    [
        ({"type": "intolerance"}, "propensity", Propensity.INTOLERANCE),
        (
            {
                "type": "intolerance",
                "extension": [
                    {
                        "url": PROPENSITY,
                        "valueCodeableConcept": {
                            "coding": [{"system": SNOMED, "code": "609328004"}]
                        },
                    }
                ],
            },
            "propensity",
            Propensity.ALLERGY,
        ),
        ({"criticality": "unable-to-assess"}, "criticality", Criticality.UNKNOWN),
        ({"criticality": "odd"}, "criticality", None),
        (
            {"verificationStatus": {"coding": [{"code": "refuted"}]}},
            "certainty",
            Certainty.REFUTED,
        ),
        (
            {
                "verificationStatus": {
                    "coding": [{"code": "unconfirmed"}, {"system": SNOMED, "code": "410592001"}]
                }
            },
            "certainty",
            Certainty.LIKELY,
        ),
        ({"reaction": [{"severity": "mild"}]}, "severity", ReactionSeverity.MILD),
        ({"reaction": [{"substance": {"text": "latex"}}]}, "agent", Concept(text="latex")),
        ({"note": [{"text": "a"}, {"text": "b"}]}, "description", "a\nb"),
    ],
)
def test_an_allergy_says_each_thing_in_its_own_place(elements: Any, field: str, value: Any) -> None:
    """By SNOMED CT where both codes are there; what no vocabulary has is unknown."""
    found, references = held(allergy(**elements))

    (reaction,) = read_reactions(references, found, "r")

    assert getattr(reaction, field) == value


def test_likely_is_unconfirmed_in_r4_and_its_own_code_beside() -> None:
    """R4 has no word for it."""
    reaction = AdverseReaction(certainty=Certainty.LIKELY, severity=ReactionSeverity.MILD)

    bundle = write_report(least(reactions=(reaction,)))

    (written,) = (
        e["resource"]
        for e in bundle["entry"]
        if e["resource"]["resourceType"] == "AllergyIntolerance"
    )
    assert [c["code"] for c in written["verificationStatus"]["coding"]] == [
        "unconfirmed",
        "410592001",
    ]
    assert written["reaction"][0]["manifestation"][0]["extension"][0]["valueCode"] == "unknown"
