"""Orders, studies, specimens and insurances as others write them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import (
    Code,
    Concept,
    ImagedSpecimen,
    ImagingOrder,
    Insurance,
    Organisation,
    ReportedStudy,
    Uid,
)
from gateway.domain.codes import DCM, REGIONS
from gateway.wire.fhir.report_bundle import Found
from gateway.wire.fhir.report_order import (
    read_insurances,
    read_order,
    read_problems,
    read_references,
    read_specimen,
    read_study,
)
from gateway.wire.fhir.report_terms import REGION, REQUEST_REASON
from gateway.wire.fhir.report_write import write_report
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import full, least

NOWHERE = Found({}, "Bundle")


def resources(bundle: Any, kind: str) -> list[Any]:
    """The resources of a type that were written."""
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def test_a_reason_is_native_or_the_extension_of_the_guide() -> None:
    """Both count; the reasons of others are never clinical questions."""
    guide = {
        "url": REQUEST_REASON,
        "extension": [{"url": "concept", "valueCodeableConcept": {"text": "cough"}}],
    }

    order = read_order({"reasonCode": [{"text": "fever"}], "extension": [guide]}, NOWHERE, "r")

    assert order == ImagingOrder(reasons=(Concept(text="fever"), Concept(text="cough")))


def test_a_question_is_told_from_a_reason_by_its_id() -> None:
    """And stands where the guide maps both, so that others see a reason."""
    (order,) = resources(write_report(full()), "ServiceRequest")[:1]

    assert [one.get("id", "") for one in order["reasonCode"]] == ["", "question-1"]


def test_the_accession_number_of_one_study_is_its_basis() -> None:
    """Of several studies nobody knows whose it is."""
    one = write_report(full())
    (study, _) = resources(one, "ImagingStudy")
    studies = (
        ReportedStudy(uid=Uid("2.999.10.1")),
        ReportedStudy(uid=Uid("2.999.10.2"), description="x"),
    )
    two = write_report(least(references=full().references, studies=studies))

    assert study["basedOn"][0]["identifier"]["value"] == "ACC-1"
    assert len(resources(two, "ImagingStudy")) == 2
    assert not any("basedOn" in study for study in resources(two, "ImagingStudy"))


def test_a_synonym_of_a_region_is_the_region() -> None:
    """The guide's spine is MADO's; what is of no set stays what it is."""
    spine, other = ({"system": "http://snomed.info/sct", "code": one} for one in ("737561001", "1"))
    extension = [
        {"url": REGION, "valueCodeableConcept": {"coding": [coding]}} for coding in (spine, other)
    ]

    study = read_study({"extension": extension}, "s")

    assert study.regions[0] in REGIONS
    assert study.regions[1].value == "1"


def test_the_modality_of_a_study_may_be_that_of_its_series() -> None:
    """Where the study itself names none."""
    coding = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    series = [{"modality": coding}, {"modality": coding}, {}]

    assert read_study({"series": series}, "s").modalities == (Code("CT", DCM),)
    assert read_study({"modality": [{"display": "x"}]}, "s").modalities == ()


def test_a_uid_that_is_none_is_an_error() -> None:
    """A study that cannot be found again is not a study without a UID."""
    with pytest.raises(DecodeError, match="identifier"):
        read_study({"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:x"}]}, "s")


def test_a_specimen_of_a_patient_has_no_source() -> None:
    """Its subject is the patient, here or elsewhere."""
    patient = {"resourceType": "Patient", "id": "1"}
    found = Found({"entry": [{"resource": patient}]}, "Bundle")

    for subject in ({"reference": "Patient/1"}, {"reference": "Patient/2"}, {}):
        assert read_specimen({"subject": subject}, found, "s") == ImagedSpecimen()


@pytest.mark.parametrize(
    ("coverage", "insurance"),
    [
        ({"subscriberId": "1"}, Insurance(policy="1")),
        ({"identifier": [{"value": "2"}]}, Insurance(policy="2")),
        (
            {"payor": [{}, {"display": "Fund"}]},
            Insurance(provider=Organisation(name="Fund")),
        ),
    ],
)
def test_an_insurance_is_whatever_is_told_of_it(coverage: Any, insurance: Insurance) -> None:
    """A number, or who pays; nothing is none."""
    entries = [{"resource": {"resourceType": "Coverage", **one}} for one in (coverage, {})]

    assert read_insurances(Found({"entry": entries}, "Bundle")) == (insurance,)


def test_a_payor_nobody_knows_is_said_to_be_unknown() -> None:
    """R4 demands one."""
    bundle = write_report(least(insurances=(Insurance(policy="1"),)))

    (coverage,) = resources(bundle, "Coverage")

    assert coverage["payor"][0]["extension"][0]["valueCode"] == "unknown"


def test_what_is_listed_as_a_problem_and_is_none_is_passed_over() -> None:
    """Observations and medicines stand in the same section."""
    condition = {"resourceType": "Condition", "id": "1", "code": {"text": "asthma"}}
    nothing = {"resourceType": "Condition", "id": "2"}
    pulse = {"resourceType": "Observation", "id": "3"}
    found = Found({"entry": [{"resource": one} for one in (condition, nothing, pulse)]}, "Bundle")
    references = tuple(
        {"reference": name} for name in ("Condition/1", "Condition/2", "Observation/3")
    )

    assert read_problems(references, found, "r") == (Concept(text="asthma"),)


def test_identifiers_that_refer_to_nothing_known_are_left_out() -> None:
    """A number without a type may be anything."""
    assert read_references(({"system": "urn:x", "value": "1"},), "r") == ()
