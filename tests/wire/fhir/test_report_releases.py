"""R4 and R5: the table of what differs, applied in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.fhir.models import Release, elements_of
from gateway.wire.fhir.report_releases import ADDED, NATIVE, SHIFTS, release_of, to_r4, to_r5
from gateway.wire.fhir.report_write import encode_report
from tests.wire.fhir.report_nouns import full

PLACES = [
    (kind, shift.at, shift.r4, shift.r5) for kind, shifts in SHIFTS.items() for shift in shifts
]


def document(**resource: Any) -> Any:
    """A document of one resource."""
    return {"resourceType": "Bundle", "entry": [{"resource": resource}]}


def only(bundle: Any) -> Any:
    """Its resource."""
    return bundle["entry"][0]["resource"]


def type_at(kind: str, path: str, release: Release) -> str:
    """The type of what stands at the end of a path in a release."""
    for name in filter(None, path.split(".")):
        kind = elements_of(kind, release)[name].type
    return kind


def test_a_shift_names_elements_of_both_releases() -> None:
    """And says truly where they repeat: the models of fhir.resources know."""
    for place in PLACES:
        kind, at, r4, r5 = place
        before = elements_of(type_at(kind, at, Release.R4), Release.R4)[r4.removeprefix("_")]
        # Where the holder was renamed too, it is looked up by the name it has in R5.
        holder = {"deviceName": "name"}.get(at, at)
        after = elements_of(type_at(kind, holder, Release.R5), Release.R5)[r5.removeprefix("_")]

        (shift,) = (s for s in SHIFTS[kind] if (s.at, s.r4, s.r5) == (at, r4, r5))
        assert (before.many, after.many) == (shift.many_r4, shift.many_r5), place


@pytest.mark.parametrize("kind", NATIVE)
def test_what_needs_an_extension_in_r4_is_an_element_of_r5(kind: str) -> None:
    """And is none of R4, but for one that has another type there."""
    for native in NATIVE[kind]:
        after = elements_of(type_at(kind, native.at, Release.R5), Release.R5)
        before = elements_of(type_at(kind, native.at, Release.R4), Release.R4)

        assert after[native.r5].many is native.many
        assert native.r5 not in before or (kind, native.r5) == ("AllergyIntolerance", "type")


@pytest.mark.parametrize("kind", ADDED)
def test_what_only_r5_has_is_no_element_of_r4(kind: str) -> None:
    """It is added on the way up and removed on the way down."""
    name = ADDED[kind].r5

    assert name in elements_of(kind, Release.R5)
    assert name not in elements_of(kind)
    assert name in only(to_r5(document(resourceType=kind)))
    assert name not in only(to_r4(to_r5(document(resourceType=kind))))


def test_a_document_goes_up_and_comes_back() -> None:
    """But for what R5 has no place for and says elsewhere."""
    bundle = json.loads(encode_report(full()))
    there_and_back = to_r4(to_r5(bundle))

    for before, after in zip(bundle["entry"], there_and_back["entry"], strict=True):
        for name in ("confidentiality", "severity"):
            if before["resource"]["resourceType"] in ("Composition", "AdverseEvent"):
                before["resource"].pop(name, None)
        if before["resource"]["resourceType"] == "AllergyIntolerance":
            before["resource"].pop("type")
        assert sorted_extensions(after["resource"]) == sorted_extensions(before["resource"])


def sorted_extensions(value: Any) -> Any:
    """With extensions in an order of their own: an element that becomes one comes last."""
    if isinstance(value, list):
        return [sorted_extensions(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: sorted_extensions(one) for key, one in value.items()}
    if isinstance(made.get("extension"), list):
        made["extension"] = sorted(made["extension"], key=json.dumps)
    return made


def test_the_given_document_is_not_changed() -> None:
    """Each direction makes another one."""
    bundle = json.loads(encode_report(full()))
    text = json.dumps(bundle)

    to_r4(to_r5(bundle))

    assert json.dumps(bundle) == text


@pytest.mark.parametrize(
    ("composition", "release"),
    [
        ({"subject": [{}]}, Release.R5),
        ({"identifier": [{}]}, Release.R5),
        ({"subject": {}, "identifier": {}}, Release.R4),
        ({}, Release.R4),
    ],
)
def test_a_release_is_told_by_what_only_one_of_them_has(composition: Any, release: Release) -> None:
    """A Bundle does not say it; in doubt it is R4."""
    assert release_of(document(resourceType="Composition", **composition)) is release
    assert release_of({"entry": "none"}) is Release.R4
    assert release_of({"entry": [{}, "x", {"resource": {"resourceType": "Patient"}}]}) is Release.R4


def test_canonicals_of_one_edition_become_those_of_the_other() -> None:
    """Profiles and extensions alike, and back."""
    url = "http://hl7.eu/fhir/imaging/StructureDefinition/X"

    raised = to_r5(document(resourceType="Basic", meta={"profile": [url]}))

    assert only(raised)["meta"]["profile"] == [
        "http://hl7.eu/fhir/imaging-r5/StructureDefinition/X"
    ]
    assert only(to_r4(raised))["meta"]["profile"] == [url]


def test_one_element_of_r5_is_two_of_r4() -> None:
    """A reason by concept and one by reference share a list there."""
    order = document(
        resourceType="ServiceRequest",
        reasonCode=[{"text": "cough"}],
        reasonReference=[{"reference": "Condition/1"}],
    )

    raised = to_r5(order)

    assert only(raised)["reason"] == [
        {"concept": {"text": "cough"}},
        {"reference": {"reference": "Condition/1"}},
    ]
    assert to_r4(raised) == order


def test_what_r4_has_no_place_for_stays_under_its_own_name() -> None:
    """A second type of a device, a value of another kind."""
    device = document(resourceType="Device", type=[{"text": "a"}, {"text": "b"}])
    study = document(resourceType="ImagingStudy", modality=["CT"])

    assert only(to_r4(device))["type"] == {"text": "a"}
    assert only(to_r4(study))["modality"] == ["CT"]


def test_a_side_without_a_structure_has_one_that_is_unknown() -> None:
    """R5 demands it."""
    side = {"text": "left"}
    structure = document(resourceType="BodyStructure", locationQualifier=[side])

    (included,) = only(to_r5(structure))["includedStructure"]

    assert included["laterality"] == side
    assert included["structure"]["extension"][0]["valueCode"] == "unknown"
