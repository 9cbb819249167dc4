"""Documents that others might write: read for what they say, refused where they are no reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.domain import (
    Code,
    Concept,
    DocumentId,
    HumanName,
    ImagingReport,
    Organisation,
    Participant,
    ParticipantKind,
    ReferenceId,
    ReferenceKind,
    ReportStatus,
)
from gateway.domain.codes import CONFIDENTIALITY
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_read import decode_report, read_report
from gateway.wire.fhir.report_rules import check_report
from gateway.wire.fhir.report_write import encode_report
from gateway.wire.fhir.resources import Format, read_resource
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import full
from tests.wire.fhir.spoiling import spoilt

LOINC = "http://loinc.org"


def document(*others: Any, diagnostic: Any = None, **changes: Any) -> Any:
    """A document as somebody else might write it: a Composition, and what is given."""
    composition: dict[str, Any] = {
        "resourceType": "Composition",
        "id": "c",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.5"},
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "85430-7"}]},
        "date": "2026-03-01",
        "title": "A report",
        "section": [section("59776-5", "<p>Nothing</p>")],
    }
    composition |= changes
    resources = [{k: v for k, v in composition.items() if v is not None}, *others]
    if diagnostic is not None:
        resources.append({"resourceType": "DiagnosticReport", "id": "d"} | diagnostic)
    return {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {
                "fullUrl": f"http://x.example/fhir/{r['resourceType']}/{r.get('id', i)}",
                "resource": r,
            }
            for i, r in enumerate(resources)
        ],
    }


def section(code: str, div: str = "", **more: Any) -> Any:
    """A section of a LOINC code."""
    made = {"code": {"coding": [{"system": LOINC, "code": code}]}, **more}
    text = f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'
    return made | ({"text": {"status": "generated", "div": text}} if div else {})


def texts(report: ImagingReport) -> list[str]:
    """What the sections say."""
    return [one.text for one in report.sections]


def test_a_composition_alone_is_a_report() -> None:
    """Nobody, nothing, but a title, a date and a text."""
    report = read_report(document())

    assert report.id == "2.999.5"
    assert (report.title, texts(report)) == ("A report", ["Nothing"])
    assert (report.patient_ids, report.authors, report.references) == ((), (), ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": None}, "85430-7"),
        ({"type": {"text": "Report"}, "category": []}, "85430-7"),
        ({"type": {"coding": [{"system": LOINC, "code": "18748-4"}]}}, "18748-4"),
        ({"identifier": None}, "the document's id"),
        ({"date": None}, "when it was made"),
        ({"date": "yesterday"}, "yesterday"),
        ({"status": "entered-in-error"}, "a report in force"),
        ({"status": None}, "found nothing"),
        ({"section": {"title": "x"}}, "an array"),
        ({"section": [section("59776-5", "<b:x/>")]}, "div"),
        ({"author": [{"reference": 7}]}, "a string"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    """Where, what was found, what was expected."""
    with pytest.raises(DecodeError, match=words):
        read_report(document(**changes))


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        ({"resourceType": "Patient"}, "Bundle"),
        ({"resourceType": "Bundle"}, "document"),
        ({"resourceType": "Bundle", "type": "document"}, "a Composition"),
        ({"resourceType": "Bundle", "type": "document", "entry": [{}]}, "a Composition"),
        ({"resourceType": "Bundle", "type": "document", "entry": "x"}, "an array"),
    ],
)
def test_what_is_no_document_is_refused(bundle: Any, words: str) -> None:
    """A document begins with its Composition."""
    with pytest.raises(DecodeError, match=words):
        read_report(bundle)


def test_a_type_of_a_national_list_is_a_report_by_its_category() -> None:
    """The guide has the fixed code among the categories; the type says more."""
    mammography = {"coding": [{"system": "urn:oid:2.999.8", "code": "M1", "display": "MG"}]}
    category = [{"coding": [{"system": "2.16.840.1.113883.6.1", "code": "85430-7"}]}]

    report = read_report(document(type=mammography, category=category))

    assert report.kind == Concept(codes=(Code("M1", "2.999.8"),))


@pytest.mark.parametrize(
    ("composed", "told", "status"),
    [
        ("final", "corrected", ReportStatus.CORRECTED),
        ("amended", "appended", ReportStatus.AMENDED),
        ("preliminary", "registered", ReportStatus.PRELIMINARY),
        ("preliminary", "partial", ReportStatus.PRELIMINARY),
    ],
)
def test_the_diagnostic_report_says_more_of_the_status(
    composed: str, told: str, status: ReportStatus
) -> None:
    """It has more of them than a Composition."""
    report = read_report(document(status=composed, diagnostic={"status": told}))

    assert report.status is status


def test_of_several_diagnostic_reports_the_one_of_the_same_identifier_is_the_reports() -> None:
    """Another may be there as what was compared; without a match nobody knows."""
    own = {
        "resourceType": "DiagnosticReport",
        "id": "1",
        "status": "corrected",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.5"}],
    }
    other = {"resourceType": "DiagnosticReport", "id": "2", "status": "final"}

    report = read_report(document(other, own))

    assert report.status is ReportStatus.CORRECTED
    with pytest.raises(DecodeError, match="2 DiagnosticReports"):
        read_report(document(other, {**other, "id": "3"}))


def test_words_come_from_the_diagnostic_report_where_no_section_has_them() -> None:
    """Conclusion and notes; a section that has words keeps its own."""
    note = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
    told = {
        "status": "final",
        "conclusion": "Healthy.",
        "extension": [{"url": note, "valueAnnotation": {"text": "All well."}}],
    }

    without = read_report(document(diagnostic=told, section=[section("59776-5", title="Findings")]))
    with_words = read_report(document(diagnostic=told))

    assert without.text_of(FINDINGS_SECTION) == "All well."
    assert without.text_of(IMPRESSION_SECTION) == "Healthy."
    assert with_words.text_of(FINDINGS_SECTION) == "Nothing"


def test_an_author_who_is_not_in_the_document_is_who_the_reference_says() -> None:
    """By display or identifier; an organisation by its type; a mere URL is nobody."""
    authors = [
        {"reference": "Practitioner/9"},
        {"display": "Dr. Far"},
        {"type": "Organization", "identifier": {"system": "urn:oid:2.999.3", "value": "H"}},
        {"reference": "Device/7", "display": "CAD"},
    ]

    report = read_report(document(author=authors))

    assert report.authors == (
        Participant(name=HumanName(family="Dr. Far")),
        Participant(organisation=Organisation(name="", id="H", authority="2.999.3")),
        Participant(kind=ParticipantKind.DEVICE, name=HumanName(family="CAD")),
    )


def test_an_organisation_of_an_author_is_no_author_of_its_own() -> None:
    """The guide lists it beside; another organisation is one more."""
    hospital = {"resourceType": "Organization", "id": "h", "name": "Hospital"}
    person = {"resourceType": "Practitioner", "id": "p", "name": [{"text": "Dr. Near"}]}
    role = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "practitioner": {"reference": "Practitioner/p"},
        "organization": {"reference": "Organization/h"},
    }
    other = {"resourceType": "Organization", "id": "o", "name": "Other"}
    authors = [
        {"reference": "Organization/h"},
        {"reference": "http://x.example/fhir/PractitionerRole/r/_history/2"},
        {"reference": "Organization/o"},
    ]

    report = read_report(document(hospital, person, role, other, author=authors))

    assert report.author == HumanName(family="Dr. Near")
    assert report.organisation == Organisation(name="Hospital")
    assert report.other_authors == (Participant(organisation=Organisation(name="Other")),)


def test_an_author_whom_the_first_fields_cannot_hold_is_another_author() -> None:
    """A device, or who has a speciality: nothing of them is lost."""
    device = {"resourceType": "Device", "id": "m", "deviceName": [{"name": "CAD"}]}

    report = read_report(document(device, author=[{"reference": "Device/m"}]))

    assert report.author is None
    assert [one.kind for one in report.authors] == [ParticipantKind.DEVICE]


@pytest.mark.parametrize(
    ("version", "number"), [("3", 3), ("2.0.1", 2), ("draft", 1), ("", 1), ("1" * 10, 1)]
)
def test_a_version_is_the_number_it_begins_with(version: str, number: int) -> None:
    """Of R5, of R4, or of the DiagnosticReport."""
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"
    artifact = "http://hl7.org/fhir/StructureDefinition/artifact-version"
    extension = [{"url": url, "valueString": version}]

    assert read_report(document(extension=extension)).version == number
    told = {"status": "final", "extension": [{"url": artifact, "valueString": version}]}
    assert read_report(document(diagnostic=told)).version == number


def test_confidentiality_is_a_label_or_the_element_of_r4() -> None:
    """Labels of other vocabularies are none."""
    labels = {"security": [{"code": "HTEST"}, {"system": "urn:oid:2.999", "code": "N"}]}

    plain = read_report(document(confidentiality="R", meta=labels))

    assert plain.confidentiality == Code("R", CONFIDENTIALITY)
    assert read_report(document(meta=labels)).confidentiality is None


def test_what_a_report_is_based_on_is_told_in_three_places() -> None:
    """By the DiagnosticReport, by the Composition, by the order; each once."""

    def accession(value: str) -> Any:
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
        return {"type": {"coding": [coding]}, "system": "urn:oid:2.999.4", "value": value}

    order = {"resourceType": "ServiceRequest", "id": "s", "identifier": [accession("3")]}
    based = "http://hl7.org/fhir/StructureDefinition/event-basedOn"
    bundle = document(
        order,
        diagnostic={
            "status": "final",
            "basedOn": [{"identifier": accession("1")}, {"reference": "ServiceRequest/s"}],
            "imagingStudy": [
                {"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:2.999.9"}}
            ],
        },
        extension=[{"url": based, "valueReference": {"identifier": accession("2")}}],
        section=[section("55115-0", entry=[{"reference": "ServiceRequest/s"}])],
    )

    report = read_report(bundle)

    assert report.references == (
        ReferenceId("2.999.9", ReferenceKind.STUDY),
        ReferenceId("1", ReferenceKind.ACCESSION, "2.999.4"),
        ReferenceId("2", ReferenceKind.ACCESSION, "2.999.4"),
        ReferenceId("3", ReferenceKind.ACCESSION, "2.999.4"),
    )


def test_what_it_replaces_is_told_by_an_identifier() -> None:
    """Other relations, and targets by URL, replace nothing."""
    target = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.4"}
    relations = [
        {"code": "appends", "targetIdentifier": target},
        {"code": "replaces", "targetReference": {"reference": "Composition/1"}},
        {"code": "replaces", "targetIdentifier": target},
    ]

    assert read_report(document(relatesTo=relations)).replaces == DocumentId("2.999.4")
    assert read_report(document(relatesTo=relations[:2])).replaces is None


def test_a_form_whose_content_is_elsewhere_is_not_there() -> None:
    """Within, in a Binary, or nowhere; broken base64 is an error."""
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/html", "data": "PHAvPg=="}
    forms = [
        {"contentType": "application/pdf", "url": "http://elsewhere.example/report.pdf"},
        {"contentType": "text/html", "url": "Binary/b", "title": "Page"},
        {"contentType": "application/pdf", "data": "JVBE Rg==\n"},
    ]
    diagnostic = {"status": "final", "presentedForm": forms}

    report = read_report(document(binary, diagnostic=diagnostic))

    assert report.presented == b"%PDF"
    assert [(form.media_type, form.content, form.title) for form in report.other_forms] == [
        ("text/html", b"<p/>", "Page")
    ]
    forms[2]["data"] = "=="
    with pytest.raises(DecodeError, match="base64"):
        read_report(document(binary, diagnostic=diagnostic))


def test_a_spoilt_document_is_read_or_refused() -> None:
    """Every value of a short one in turn of every other kind; nothing but `DecodeError` comes."""
    refused = 0
    for bundle in spoilt(document(author=[{"display": "A"}])):
        try:
            read_report(bundle)
        except DecodeError:
            refused += 1

    assert refused > 100


@pytest.mark.parametrize("release", Release)
def test_a_value_of_another_kind_anywhere_is_read_over_or_refused(release: Release) -> None:
    """In the whole document, every 37th value in turn; rules look at it too."""
    bundle = read_resource(encode_report(full(), release=release), Format.JSON)
    refused = 0
    for holder, key in list(places(bundle))[::37]:
        kept = holder[key]
        holder[key] = 7 if isinstance(kept, str | dict | list) else "x"
        try:
            read_report(bundle)
        except DecodeError:
            refused += 1
        with suppress(DecodeError):
            check_report(bundle)
        holder[key] = kept

    assert refused > 5


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key of a document."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield value, key
        yield from places(inner)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"\x89PNG", Format.JSON),
        (b"<Bundle/>", Format.XML),
        (b'<Bundle xmlns="http://hl7.org/fhir"><entry value="1"/></Bundle>', Format.XML),
        (b"[]", Format.JSON),
    ],
)
def test_bytes_that_are_no_resource_are_refused(data: bytes, format: Format) -> None:
    """By the parser of the format, with the tables of R4 where there are two."""
    with pytest.raises(DecodeError):
        decode_report(data, format)
