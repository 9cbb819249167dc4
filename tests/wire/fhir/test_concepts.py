"""Code systems by OID and by URL, Codings and CodeableConcepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Code, Oid
from gateway.domain import codes as vocabulary
from gateway.wire.fhir import concepts
from gateway.wire.fhir.concepts import CODE_SYSTEMS, CodeSystem, scheme_of, system_of
from gateway.wire.problems import DecodeError
from tests.wire.fhir.spoiling import spoilt

DCM_URL = "http://dicom.nema.org/resources/ontology/DCM"
CT = Code("CT", vocabulary.DCM, "Computed Tomography")


@pytest.mark.parametrize("system", CODE_SYSTEMS, ids=lambda system: system.url)
def test_every_system_is_written_as_its_url_and_read_in_every_spelling(system: CodeSystem) -> None:
    """The URL goes out; URL, OID, URN and synonyms come in as the one OID."""
    spellings = (system.oid, f"urn:oid:{system.oid}", system.url, *system.synonyms)

    assert Oid(system.oid) == system.oid
    assert {system_of(spelling) for spelling in spellings} == {system.url}
    assert {scheme_of(spelling) for spelling in spellings} == {system.oid}


def test_no_spelling_names_two_systems() -> None:
    """A synonym that is another system's URL would change what a code means."""
    names = [name for s in CODE_SYSTEMS for name in {s.oid, s.url, *s.synonyms}]

    assert len(names) == len(set(names))


def test_every_scheme_of_the_vocabularies_is_in_the_table() -> None:
    """What the gateway writes itself, FHIR has a system for."""
    ours = {
        value
        for name, value in vars(vocabulary).items()
        if name.isupper() and isinstance(value, str) and value.startswith(("0.", "1.", "2."))
    }

    assert ours <= {system.oid for system in CODE_SYSTEMS}
    assert len(ours) == 12


@pytest.mark.parametrize(
    ("scheme", "system"),
    [
        ("2.999.7", "urn:oid:2.999.7"),
        ("urn:oid:2.999.7", "urn:oid:2.999.7"),
        ("DCM", DCM_URL),
        ("LN", "http://loinc.org"),
        ("http://example.org/codes", "http://example.org/codes"),
        ("eHDSI formatCodes", "eHDSI formatCodes"),
        ("", ""),
    ],
)
def test_other_schemes_are_written_without_loss(scheme: str, system: str) -> None:
    """An unknown OID as URN, a name DICOM has for a scheme as its URL, the rest as it is."""
    assert system_of(scheme) == system


@pytest.mark.parametrize(
    ("system", "scheme"),
    [
        ("urn:oid:2.999.7", "2.999.7"),
        ("URN:OID:2.999.7", "2.999.7"),
        ("HTTP://LOINC.ORG/", vocabulary.LOINC),
        ("urn:oid:1.2.840.10008.6.1.19", vocabulary.DCM),
        ("http://example.org/Codes/", "http://example.org/Codes/"),
        ("urn:oid:no", "urn:oid:no"),
        ("", ""),
    ],
)
def test_systems_are_read_in_their_normal_form(system: str, scheme: str) -> None:
    """Scheme and host without case, no trailing slash; what is unknown stays as it was."""
    assert scheme_of(system) == scheme


@given(st.text(max_size=30))
def test_any_text_can_be_a_system(text: str) -> None:
    """A round trip through FHIR ends where a second one does."""
    once = scheme_of(system_of(text))

    assert scheme_of(system_of(once)) == once


def test_a_concept_is_written_and_read_in_order() -> None:
    """The preferred coding stays the first."""
    written = concepts.write_concept(CT, Code("77477000", vocabulary.SCT), text="CT")

    assert written == {
        "coding": [
            {"system": DCM_URL, "code": "CT", "display": "Computed Tomography"},
            {"system": "http://snomed.info/sct", "code": "77477000"},
        ],
        "text": "CT",
    }
    assert concepts.read_concept(written, "type")[0].display == "Computed Tomography"
    assert concepts.read_concept(written, "type") == (CT, Code("77477000", vocabulary.SCT))


def test_a_concept_of_nothing_is_empty() -> None:
    """The caller leaves it out."""
    assert concepts.write_concept() == {}


def test_codings_without_a_code_are_passed_over_in_a_concept_only() -> None:
    """A display alone names nothing; asked for by itself it is an error."""
    assert concepts.read_concept({"coding": [{"display": "CT"}], "text": "CT"}, "type") == ()
    with pytest.raises(DecodeError, match=r"^format: found a Coding without code"):
        concepts.read_coding({"display": "CT"}, "format")


def test_too_many_codings_are_refused() -> None:
    """Each costs a look-up."""
    with pytest.raises(DecodeError, match=r"^type\.coding: found 51 codings"):
        concepts.read_concept({"coding": [{"code": "x"}] * 51}, "type")


def test_hostile_concepts_are_refused_with_their_place() -> None:
    """Whatever stands in whichever place, nothing but `DecodeError` is raised."""
    places = []
    for concept in spoilt({"coding": [{"system": "s", "code": "c", "display": "d"}]}):
        try:
            concepts.read_concept(concept, "type")
        except DecodeError as error:
            places.append(error.where)

    assert len(places) > 20
    assert all(place.startswith("type.coding") for place in places)
