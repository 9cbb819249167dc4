"""Values inside a foreign DocumentReference, one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import Code, EntryStatus, ReferenceId, ReferenceKind
from gateway.domain.codes import DCM, FORMAT_FHIR_MANIFEST, SCT
from gateway.wire.fhir.document_reference_terms import (
    BODY_SITE_EXTENSION,
    MODALITY_EXTENSION,
    VERSION_EXTENSION,
)
from gateway.wire.fhir.document_reference_values import (
    MAX_CODES,
    NO_CODE,
    Notes,
    extension_text,
    read_class_code,
    read_codes,
    read_content,
    read_event_codes,
    read_one_code,
    read_references,
    read_source,
    read_status,
    refuse_modifiers,
)
from gateway.wire.problems import DecodeError

CT = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}
HEAD = {"coding": [{"system": "http://snomed.info/sct", "code": "774007"}]}


def test_notes_quote_little_of_what_is_wrong() -> None:
    """They are shown to people, and a peer may send anything."""
    notes = Notes()

    notes.wrong("hash", "x" * 10_000, "base64")
    notes.missing("type", ", taken to be none")

    assert len(notes.texts[0]) < 500
    assert notes.texts[1] == "type is missing, taken to be none"


def test_a_moment_that_is_none_is_told() -> None:
    """And an absent one is not."""
    notes = Notes()

    assert notes.moment({}, "start", "p") is None
    assert notes.texts == []
    assert notes.moment({"start": "soon"}, "start", "p") is None
    assert "start" in notes.texts[0]


@pytest.mark.parametrize("key", ["modifierExtension", "implicitRules"])
def test_modifiers_are_refused_and_empty_ones_are_none(key: str) -> None:
    """FHIR forbids empty arrays; peers send them."""
    refuse_modifiers({key: []}, "D")
    with pytest.raises(DecodeError, match=key):
        refuse_modifiers({key: [{}]}, "D")


def test_the_first_code_of_a_concept_is_taken_and_a_text_is_none() -> None:
    """A text alone is not a code; that is told."""
    notes = Notes()

    assert read_one_code({"type": HEAD}, "type", "D", notes) == Code("774007", SCT)
    assert read_one_code({"type": {"text": "CT"}}, "type", "D", notes) == NO_CODE
    assert notes.texts == ["type is missing"]


def test_far_too_many_codes_are_refused() -> None:
    """Each is compared with each other."""
    with pytest.raises(DecodeError, match="at most"):
        read_codes({"securityLabel": [CT] * (MAX_CODES + 1)}, "securityLabel", "D")


def test_the_class_is_missing_where_there_is_no_category() -> None:
    """The empty code stands for it."""
    notes = Notes()

    assert read_class_code({"category": [{"text": "Images"}]}, "D", notes) == NO_CODE
    assert notes.texts == ["category is missing"]


def test_events_come_before_extensions_and_each_code_once() -> None:
    """Doubles are told by meaning, not by spelling."""
    resource = {
        "extension": [
            {"url": MODALITY_EXTENSION, "valueCodeableConcept": CT},
            {
                "url": BODY_SITE_EXTENSION,
                "extension": [{"url": "concept", "valueCodeableConcept": HEAD}],
            },
            {"url": "http://a.example/other", "valueCodeableConcept": {"coding": 5}},
        ]
    }
    context = {"event": [{"coding": [{"system": f"urn:oid:{DCM}", "code": "CT"}]}]}

    assert read_event_codes(resource, context, "D") == (Code("CT", DCM), Code("774007", SCT))


def test_an_extension_is_found_by_its_url() -> None:
    """Of two the first counts; of none there is nothing."""
    held = {"extension": [{"url": "x"}, {"url": VERSION_EXTENSION, "valueString": "2"}]}

    assert extension_text(held, VERSION_EXTENSION, "valueString", "D") == "2"
    assert extension_text({}, VERSION_EXTENSION, "valueString", "D") == ""


def test_a_missing_status_is_current_and_said() -> None:
    """It is required, and some leave it out."""
    notes = Notes()

    assert read_status({}, "D", notes) is EntryStatus.APPROVED
    assert notes.texts == ["status is missing, taken to be current"]


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": "urn:dicom:uid", "value": "not a uid"},
        {"system": "urn:oid:2.999", "value": "a^b"},
        {"system": "http://a.example", "value": "of no type"},
    ],
)
def test_a_related_identifier_that_is_none_is_told_and_left_out(identifier: Any) -> None:
    """It costs neither the row nor the other identifiers."""
    notes = Notes()
    typed = {"type": {"coding": [{"system": "urn:ietf:rfc:3986", "code": "urn:x:y"}]}}
    if identifier["system"].startswith("urn:oid"):
        identifier = {**identifier, **typed}
    order = {"system": "urn:oid:2.999", "value": "O1", **typed}
    related = [{"identifier": identifier}, {"identifier": order}]

    found = read_references({"related": related}, "D.context", notes)

    assert found == (ReferenceId("O1", "urn:x:y", "2.999"),)
    assert len(notes.texts) == 1


def test_an_encounter_needs_no_type() -> None:
    """The element says what it is."""
    encounter = [{"identifier": {"system": "urn:oid:2.999", "value": "E1"}}]

    found = read_references({"encounter": encounter}, "D.context", Notes())

    assert found == (ReferenceId("E1", ReferenceKind.ENCOUNTER, "2.999"),)


def test_a_source_patient_elsewhere_is_known_by_its_identifier() -> None:
    """MHD's uncontained form."""
    identifier = {"system": "urn:oid:2.999.1.9", "value": "L-55"}
    context = {"sourcePatientInfo": {"reference": "Patient/1", "identifier": identifier}}

    patient, info = read_source(context, {}, "D.context")

    assert patient is not None
    assert patient.cx == "L-55^^^&2.999.1.9&ISO"
    assert info == ()


def test_a_content_without_anything_is_told_thing_by_thing() -> None:
    """The row is there, and nobody can fetch it."""
    notes = Notes()

    content = read_content({}, 100, "D.content[0]", notes)

    assert content.mime_type == "application/octet-stream"
    assert content.format_code == NO_CODE
    assert notes.texts == [
        "contentType is missing",
        "format is missing",
        "the document is missing: neither url nor data",
    ]


@pytest.mark.parametrize(
    "system",
    [
        "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
        "urn:oid:1.3.6.1.4.1.19376.1.2.3",
        "urn:oid:1.3.6.1.4.1.19376.1.2.7.1",
    ],
)
def test_the_format_of_a_fhir_manifest_is_the_one_of_the_registry(system: str) -> None:
    """So that the row is the same one, whichever wire it came over."""
    coding = {"system": system, "code": FORMAT_FHIR_MANIFEST.value}

    content = read_content({"format": coding}, 100, "D.content[0]", Notes())

    assert content.format_code == FORMAT_FHIR_MANIFEST
