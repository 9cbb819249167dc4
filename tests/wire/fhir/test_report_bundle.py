"""References within a document: each resource put in once, each found by the names it has."""

from __future__ import annotations

import pytest

from gateway.wire.fhir.json_format import MAX_ENTRIES
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.problems import DecodeError

PATIENT = {"resourceType": "Patient", "gender": "female"}


def test_the_same_resource_is_put_in_once() -> None:
    """By its content; another type of the same content is another."""
    made = Made("2.999.1")

    references = [made.refer(PATIENT), made.refer(dict(PATIENT))]
    other = made.refer({"resourceType": "RelatedPerson", "gender": "female"})

    assert references[0] == references[1] != other
    assert len(made.entries) == 2
    assert made.resource(other)["resourceType"] == "RelatedPerson"
    assert made.resource({"reference": "urn:uuid:none"}) == {}


def test_names_depend_on_document_and_content_alone() -> None:
    """Two documents never share the name of an entry."""
    one, same, other = Made("2.999.1"), Made("2.999.1"), Made("2.999.2")

    assert one.refer(PATIENT) == same.refer(PATIENT) != other.refer(PATIENT)
    assert one.url_of("Composition") == same.url_of("Composition")
    assert one.put({"resourceType": "Composition"}, "Composition") == one.url_of("Composition")


@pytest.mark.parametrize(
    "reference",
    [
        "urn:uuid:1",
        "Patient/p",
        "http://a.example/fhir/Patient/p",
        "http://a.example/fhir/Patient/p/_history/3",
    ],
)
def test_a_reference_is_followed_in_every_spelling(reference: str) -> None:
    """The URL of the entry, type and id, an absolute URL, a version of it."""
    patient = {**PATIENT, "id": "p"}
    found = Found({"entry": [{"fullUrl": "urn:uuid:1", "resource": patient}]}, "Bundle")

    assert found.resolve({"reference": reference}, "x") is patient
    assert found.place(patient) == "Bundle.entry[0].Patient"


def test_a_reference_to_elsewhere_leads_nowhere() -> None:
    """Another id, another type, an id alone, nothing."""
    found = Found({"entry": [{"resource": {**PATIENT, "id": "p"}}, {}]}, "Bundle")

    for reference in ("Patient/q", "Group/p", "p", "", "#p"):
        assert found.resolve({"reference": reference}, "x") is None
    assert [one["id"] for one in found.of_type("Patient")] == ["p"]
    assert found.place({"resourceType": "Basic"}) == "Basic"


def test_a_document_of_too_many_entries_is_refused() -> None:
    """Whoever parsed it."""
    with pytest.raises(DecodeError, match="entries"):
        Found({"entry": [{}] * (MAX_ENTRIES + 1)}, "Bundle")
