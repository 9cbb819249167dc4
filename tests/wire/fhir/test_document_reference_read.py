"""Foreign DocumentReferences: what is tolerated, what is told, what is refused."""

from __future__ import annotations

import base64
import hashlib
from itertools import islice
from typing import Any

import pytest

from gateway.domain import (
    AssociationKind,
    Code,
    EntryStatus,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Severity,
)
from gateway.domain.codes import CLASS_IMAGES, DCM, LOINC, SCT
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir.document_reference_read import ReadReference, read_document_reference
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_entry
from tests.wire.fhir.rows import REPOSITORY, written
from tests.wire.fhir.spoiling import spoilt

EU = terms.EU_CATEGORIES


def read(resource: Any, **options: Any) -> ReadReference:
    """The rows of a resource that comes from Country A."""
    return read_document_reference(
        resource, **{"community": COUNTRY_A, "repository": REPOSITORY, **options}
    )


def changed(**elements: Any) -> dict[str, Any]:
    """Our own DocumentReference with elements replaced, or taken out by None."""
    resource = {**written(make_entry()), **elements}
    return {key: value for key, value in resource.items() if value is not None}


def with_attachment(**elements: Any) -> dict[str, Any]:
    """Our own DocumentReference with elements of its attachment replaced or taken out."""
    resource = written(make_entry())
    attachment = {**resource["content"][0]["attachment"], **elements}
    kept = {key: value for key, value in attachment.items() if value is not None}
    return {**resource, "content": [{**resource["content"][0], "attachment": kept}]}


def with_context(**elements: Any) -> dict[str, Any]:
    """Our own DocumentReference with elements of its context replaced or taken out."""
    resource = written(make_entry())
    context = {**resource["context"], **elements}
    return {**resource, "context": {key: value for key, value in context.items() if value}}


def test_each_content_is_a_row_of_its_own() -> None:
    """The NCPeH API lists several representations in one resource."""
    first = written(make_entry())["content"][0]
    pdf = {"attachment": {"contentType": "application/pdf", "url": "Binary/2", "title": "PDF"}}

    one, two = read(changed(content=[first, pdf])).found

    assert one.entry.mime_type == "application/dicom"
    assert (two.entry.mime_type, two.entry.title, two.url) == ("application/pdf", "PDF", "Binary/2")
    assert two.entry.sha1 == ""
    assert two.entry.ref.document == f"{one.entry.ref.document}#2"
    assert two.entry.id == f"{one.entry.id}#2"
    assert two.entry.patient == one.entry.patient


@pytest.mark.parametrize(
    ("master", "document"),
    [
        ({"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.5"}, "2.999.5"),
        ({"system": "urn:ietf:rfc:3986", "value": "2.999.5"}, "2.999.5"),
        ({"system": "urn:dicom:uid", "value": "urn:oid:2.999.5"}, "2.999.5"),
        ({"system": "urn:dicom:uid", "value": "2.999.5"}, "2.999.5"),
        ({"value": "urn:oid:2.999.5"}, "2.999.5"),
        ({"system": "urn:oid:2.999", "value": "5"}, "2.999^5"),
        ({"system": "2.999", "value": "5"}, "2.999^5"),
        ({"system": "urn:oid:2.999", "value": "urn:uuid:1"}, "2.999^urn:uuid:1"),
        ({"system": "http://a.example/ids", "value": "5"}, "http://a.example/ids|5"),
        ({"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}, "urn:uuid:1"),
    ],
)
def test_a_unique_id_is_read_in_every_form(master: dict[str, str], document: str) -> None:
    """With and without system, type and urn:oid."""
    (found,) = read(changed(masterIdentifier=master)).found

    assert found.entry.ref.document == document


def test_without_a_master_its_copy_or_the_id_of_the_resource_names_the_document() -> None:
    """MADO's own examples leave all identifiers out; the document is found by its url."""
    copied = read(changed(masterIdentifier=None))
    bare = read(changed(masterIdentifier=None, identifier=None))

    assert copied.found[0].entry.ref.document == "2.999.1.4.1"
    assert bare.found[0].entry.ref.document == "ref-1"
    assert bare.found[0].entry.id == "ref-1"
    assert "masterIdentifier is missing" in bare.issues[0].text
    with pytest.raises(DecodeError, match="masterIdentifier"):
        read(changed(masterIdentifier=None, identifier=None, id=None))


def test_an_untyped_uuid_is_the_id_of_the_entry() -> None:
    """The EU's and HL7's examples leave the type out."""
    uuid = "urn:uuid:6f1d6b1e-0000-4000-8000-0000000000aa"
    identifier = [{"system": "urn:ietf:rfc:3986", "value": uuid}]

    assert read(changed(identifier=identifier)).found[0].entry.id == uuid


def test_the_patient_is_the_identifier_of_the_subject() -> None:
    """Whoever was asked for: another patient's row has to be seen as such."""
    other = PatientId("X", Oid("2.999.9"))

    assert read(changed(), patient=other).found[0].entry.patient == PATIENT


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1"},
        {"reference": "https://a.example/fhir/Patient/p1", "display": "A"},
        {"identifier": {"system": "https://ncez.example/sid/rid", "value": "456"}},
        None,
    ],
)
def test_a_subject_that_names_nobody_is_who_was_asked_for(subject: Any) -> None:
    """The responder searched by that patient; without one the row belongs to nobody."""
    resource = changed(subject=subject)

    assert read(resource, patient=PATIENT).found[0].entry.patient == PATIENT
    with pytest.raises(DecodeError, match="subject"):
        read(resource)


def test_a_contained_subject_is_read() -> None:
    """As IHE's examples with a contained Patient."""
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:oid:2.999.9", "value": "X"}],
    }
    resource = changed(contained=[patient], subject={"reference": "#p"})

    assert read(resource).found[0].entry.patient == PatientId("X", Oid("2.999.9"))


@pytest.mark.parametrize(
    ("codings", "expected"),
    [
        (
            [
                {"system": "http://loinc.org", "code": "18748-4"},
                {"system": EU, "code": "Medical-Imaging"},
                {"system": "urn:oid:1.3.6.1.4.1.19376.1.2.6.1", "code": "IMAGES"},
            ],
            CLASS_IMAGES,
        ),
        ([{"system": EU, "code": "Medical-Imaging"}], Code("Medical-Imaging", EU)),
        ([{"system": "http://loinc.org", "code": "18748-4"}], Code("18748-4", LOINC)),
    ],
)
def test_the_class_is_ihes_coding_or_the_preferred_one(
    codings: list[dict[str, str]], expected: Code
) -> None:
    """Wherever it stands in the concept, and whichever dialect it comes from."""
    (found,) = read(changed(category=[{"coding": codings}])).found

    assert found.entry.class_code == expected


def test_what_was_left_out_is_empty_and_told_in_one_warning() -> None:
    """As for SOAP: a slip never costs a row."""
    resource = changed(type=None, category=None, securityLabel=None, context=None, status=None)

    result = read(resource)

    (issue,) = result.issues
    assert issue.severity is Severity.WARNING
    for element in ("type", "category", "securityLabel", "facilityType", "practiceSetting"):
        assert f"{element} is missing" in issue.text
    assert result.found[0].entry.class_code == Code("", "")
    assert result.found[0].entry.status is EntryStatus.APPROVED


def test_events_and_extensions_are_one_list_without_doubles() -> None:
    """MADO may keep modality and region out of the events."""
    extensions = [
        *written(make_entry())["extension"],
        {
            "url": terms.BODY_SITE_EXTENSION,
            "extension": [
                {
                    "url": "concept",
                    "valueCodeableConcept": {
                        "coding": [{"system": "http://snomed.info/sct", "code": "774007"}]
                    },
                }
            ],
        },
    ]
    event = {"coding": [{"system": "urn:oid:1.2.840.10008.6.1.19", "code": "CT"}]}
    resource = {**with_context(event=[event]), "extension": extensions}

    (found,) = read(resource).found

    assert found.entry.event_codes == (Code("CT", DCM), Code("67734004", SCT), Code("774007", SCT))


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"},
        {"system": "urn:dicom:uid", "value": "1.2.3"},
        {
            "system": "urn:ietf:rfc:3986",
            "value": "urn:oid:1.2.3",
            "type": {"coding": [{"system": f"urn:oid:{DCM}", "code": "110180"}]},
        },
        {
            "value": "1.2.3",
            "type": {
                "coding": [
                    {
                        "system": "urn:ietf:rfc:3986",
                        "code": "urn:ihe:iti:xds:2016:studyInstanceUID",
                    }
                ]
            },
        },
    ],
)
def test_a_study_is_read_in_every_form(identifier: dict[str, Any]) -> None:
    """With and without type and urn:oid."""
    (found,) = read(with_context(related=[{"identifier": identifier}])).found

    assert found.entry.studies == ("1.2.3",)


def test_related_uris_references_and_encounters() -> None:
    """An untyped URI is another document's id; a reference without identifier is none of ours."""
    related = [
        {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.77"}},
        {"reference": "ServiceRequest/1"},
        {"identifier": {"system": "http://a.example", "value": "untyped"}},
    ]
    encounter = [{"identifier": {"system": "urn:oid:2.999.3", "value": "E1"}}]

    result = read(with_context(related=related, encounter=encounter))

    assert result.found[0].entry.references == (
        ReferenceId("2.999.77", ReferenceKind.UNIQUE_ID),
        ReferenceId("E1", ReferenceKind.ENCOUNTER, "2.999.3"),
    )
    assert "untyped" in result.issues[0].text


@pytest.mark.parametrize(
    "elements",
    [
        {"hash": "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"hash": base64.b64encode(b"x" * 32).decode()},
        {"hash": "%%%"},
        {"size": -1},
        {"creation": "yesterday"},
        {"contentType": "no type"},
    ],
)
def test_a_slip_in_an_attachment_is_told_and_left_out(elements: dict[str, Any]) -> None:
    """Hexadecimal hashes, SHA-256, wrong sizes and times cost no row."""
    result = read(with_attachment(**elements))

    assert len(result.found) == 1
    assert next(iter(elements)) in result.issues[0].text


def test_a_hash_is_the_hexadecimal_sha1() -> None:
    """And one that a peer wrote in hexadecimal is still one."""
    expected = "a9993e364706816aba3e25717850c26c9cd0d89d"

    assert read(changed()).found[0].entry.sha1 == expected
    assert read(with_attachment(hash=expected.upper())).found[0].entry.sha1 == expected


def test_inline_data_come_along_when_they_are_what_they_say() -> None:
    """The NCPeH API allows them for PDF: no call is needed then."""
    data = b"%PDF-1.7"
    digest = base64.b64encode(hashlib.sha1(data).digest()).decode()
    text = base64.b64encode(data).decode()
    resource = with_attachment(data=text, size=len(data), hash=digest, url=None)

    (found,) = read(resource).found

    assert (found.inline, found.url) == (data, "")


@pytest.mark.parametrize(
    "elements",
    [
        {"data": "AAAA", "hash": None},
        {"data": "AAAA", "size": None},
        {"data": "not base64!", "size": None, "hash": None},
        {"data": "A" * 400, "size": None, "hash": None},
    ],
)
def test_inline_data_that_are_something_else_are_refused(elements: dict[str, Any]) -> None:
    """Another size or hash, no base64, or beyond the limit."""
    with pytest.raises(DecodeError, match=r"attachment\.data"):
        read(with_attachment(**elements), inline_limit=100)


def test_a_document_nobody_can_fetch_is_listed_and_told() -> None:
    """Neither url nor data."""
    result = read(with_attachment(url=None))

    assert result.found[0].url == ""
    assert "neither url nor data" in result.issues[0].text


def test_a_relative_url_stays_relative() -> None:
    """Whoever knows the address of the answer resolves it."""
    assert read(with_attachment(url="Binary/7")).found[0].url == "Binary/7"


@pytest.mark.parametrize(
    "resource",
    [
        changed(modifierExtension=[{"url": "http://a.example/negated", "valueBoolean": True}]),
        changed(implicitRules="http://a.example/rules"),
        with_context(modifierExtension=[{"url": "x"}]),
        changed(content=[{**written(make_entry())["content"][0], "modifierExtension": [{}]}]),
    ],
)
def test_an_unknown_modifier_is_refused(resource: dict[str, Any]) -> None:
    """It may turn round what the rest means."""
    with pytest.raises(DecodeError, match="modifier"):
        read(resource)


def test_what_was_entered_in_error_is_left_out_and_told() -> None:
    """There is no row to show."""
    result = read(changed(status="entered-in-error"))

    assert result.found == ()
    assert result.issues[0].subject == "ref-1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("current", EntryStatus.APPROVED),
        ("superseded", EntryStatus.DEPRECATED),
        ("invented", EntryStatus.DEPRECATED),
    ],
)
def test_an_unknown_status_is_not_in_force(status: str, expected: EntryStatus) -> None:
    """Better an old version too many than one too new."""
    assert read(changed(status=status)).found[0].entry.status is expected


def test_a_period_without_end_ends_where_it_starts() -> None:
    """By the letter the examination would go on for ever."""
    (found,) = read(with_context(period={"start": "2024-05-01"})).found

    assert found.entry.service_stop == found.entry.service_start


def test_the_home_of_a_row_is_its_own_where_it_says_so() -> None:
    """A federation lists what others hold; a home that is none is told."""
    extension = [{"url": terms.HOME_EXTENSION, "valueOid": "urn:oid:2.999.2.1"}]
    wrong = [{"url": terms.HOME_EXTENSION, "valueOid": "nowhere"}]

    assert read(changed(extension=extension)).found[0].entry.ref.community == COUNTRY_B
    assert read(changed(extension=None)).found[0].entry.ref.community == COUNTRY_A
    assert "homeCommunityId" in read(changed(extension=wrong)).issues[0].text


def test_relations_name_the_twin() -> None:
    """By the address of its DocumentReference."""
    relates = [
        {"code": "transforms", "target": {"reference": "DocumentReference/2"}},
        {"code": "unheard-of", "target": {"reference": "DocumentReference/3"}},
    ]

    (found,) = read(changed(relatesTo=relates)).found

    assert found.relations == ((AssociationKind.TRANSFORMS, "DocumentReference/2"),)


@pytest.mark.parametrize("content", [[], None, [{}] * 51])
def test_no_content_or_far_too_many_are_refused(content: Any) -> None:
    """There is nothing to list, or somebody tries us."""
    with pytest.raises(DecodeError, match="content"):
        read(changed(content=content))


def test_another_resource_is_refused() -> None:
    """The reader is of DocumentReferences."""
    with pytest.raises(DecodeError, match="DocumentReference"):
        read({"resourceType": "List"})


def test_whatever_stands_in_a_resource_only_decode_errors_come_out() -> None:
    """Values of every element replaced by other kinds of values, or removed."""
    places = set()
    for resource in islice(spoilt(written(make_entry())), 0, None, 3):
        try:
            read(resource)
        except DecodeError as error:
            places.add(error.where)

    assert "DocumentReference.content[0].attachment.url" in places
    assert all(place.startswith("DocumentReference") for place in places)
