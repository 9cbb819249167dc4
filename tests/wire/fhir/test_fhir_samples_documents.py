"""What the documents of other guides must be read as: DocumentReferences, lists of them, Binaries.

Rows are written from the files and their profiles, not from our output; what a file does not say
is not in its row. `test_fhir_samples` demands a row for every file. DocumentReferences of MADO and
of HL7 Europe's imaging guide are read in `test_document_reference_samples`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from gateway.domain import AssociationKind, CommunityId, DocumentEntry
from gateway.wire.fhir.document_reference_read import FoundDocument, read_document_reference
from gateway.wire.fhir.mhd_find import decode_response
from gateway.wire.fhir.mhd_retrieve import unwrap_binary
from gateway.wire.fhir.resources import Format, Json, read_resource, validated
from tests.builders import COUNTRY_A, PATIENT
from tests.shared import shared
from tests.wire.fhir.rows import REPOSITORY
from tests.wire.snapshots import problems

EU = "eu-health-data-api/DocumentReference-Example"
URL = "http://example.com/nowhere.txt"
MINIMAL = "1.2.840.113556.1.8000.2554.53432.348.12973.17740.34205.4355"
FULL = "1.2.840.113556.1.8000.2554.58783.21864.3474.19410.44358.58254"
# What the comprehensive profile wants and the minimal one leaves open.
CODES = "securityLabel category type facilityType practiceSetting format"
EU_CODES = "securityLabel facilityType practiceSetting"
BARE = f"masterIdentifier {CODES}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A DocumentReference: what stands in the file, by the name our noun has for it.

    `hash` is as in the file, base64; `missing` are the elements a warning names; "" or None is
    what the file does not say.
    """

    document: str
    mime: str
    entry: str = ""
    url: str = ""
    type: str = ""
    category: str = ""
    format: str = ""
    confidentiality: str = ""
    language: str = ""
    created: str = ""
    started: str = ""
    title: str = ""
    comments: str = ""
    hash: str = ""
    size: int | None = None
    events: tuple[str, ...] = ()
    facility: str = ""
    practice: str = ""
    relates: tuple[tuple[str, str], ...] = ()
    references: tuple[str, ...] = ()
    patient: str = PATIENT.cx
    source_patient: str = ""
    home: CommunityId = COUNTRY_A
    authors: tuple[str, ...] = ()
    inline: bytes | None = None
    missing: str = ""


def comprehensive(**told: Any) -> Row:
    """What all comprehensive examples of MHD say alike."""
    alike = {
        "mime": "text/plain",
        "category": "11369-6",
        "format": "urn:ihe:iti:xds-sd:text:2008",
        "confidentiality": "N",
        "language": "en",
        "created": "2020-12-31T23:50:50-05:00",
        "facility": "82242000",
        "practice": "408467006",
    }
    return Row(**{**alike, **told})


def filled(**told: Any) -> Row:
    """What the fully filled ones of them add."""
    alike = {
        "url": URL,
        "type": "55107-7",
        "started": "2020-12-31T23:50:50-05:00",
        "title": "DocumentReference for Comprehensive fully filled metadata",
        "comments": "Example of a Comprehensive DocumentReference resource. This is fully filled"
        " for all mandatory elements and all optional elements.",
        "events": ("ACCTRECEIVABLE",),
        "relates": (("APPENDS", "DocumentReference/ex-documentreference"),),
        "references": (
            "1.2.840.113556.1.8000.2554.17917.46600.21181.17878.33419.62048.57128.2759",
        ),
    }
    return comprehensive(**{**alike, **told})


def european(**told: Any) -> Row:
    """What all examples of the EU Health Data API have in common: who they are of is a link."""
    alike = {"mime": "application/fhir+json", "missing": EU_CODES}
    told["document"] = f"2.999.3.4.5.6.7.8.9^urn:uuid:{told['document']}"
    return Row(**{**alike, **told})


def for_all_dialects(**told: Any) -> Row:
    """What the two descriptions of one manifest have in common."""
    alike = {
        "document": "2.25.319000000000000000000000000000000001",
        "entry": "urn:uuid:7f2c3f57-2b3e-4c9e-9a14-6f1b8a0d0001",
        "type": "18748-4",
        "category": "IMAGES",  # beside LOINC's and the EU's, which are for searching
        "confidentiality": "N",
        "language": "en",
        "created": "2026-01-02T09:59:00Z",
        "started": "2026-01-01T08:00:00+01:00",
        "title": "Imaging manifest",
        "comments": "CT head, manifest (DICOM)",
        "hash": "BjFFcmT/f41fse3CwCEZkqZ8c+Y=",
        "size": 8192,
        "events": ("CT", "774007"),
        "facility": "79491001",
        "practice": "394914008",
        "references": ("2.25.319000000000000000000000000000000002", "ACC-1", "ORD-1"),
        "patient": "P-123^^^&2.999.1.4&ISO",
        "source_patient": "A-77^^^&2.999.1.2&ISO",
        "home": CommunityId("2.999.1"),
        "authors": ("Test Hospital A", "Manifest maker"),
    }
    return Row(**{**alike, **told})


REFERENCES: dict[str, Row] = {
    # Of no profile: examples for audit events to point at. The id is all there is to know them by.
    "balp/DocumentReference-Dr-SAML-QDI.json": Row(
        document="Dr-SAML-QDI", mime="application/xml", missing=f"{BARE} document"
    ),
    "balp/DocumentReference-ex-documentreference.json": Row(
        document="ex-documentreference",
        mime="application/octet-stream",  # not said: FHIR lets contentType be absent
        title="Hello World",
        language="en",
        missing=f"{BARE} contentType document",
    ),
    "balp/DocumentReference-ex-documentreference2.json": Row(
        document="ex-documentreference2",
        mime="application/octet-stream",
        title="Hello World",
        language="en",
        missing=f"{BARE} contentType document",
    ),
    "mhd/DocumentReference-ex-documentreference.json": Row(
        document="ex-documentreference",
        mime="text/plain",
        title="Hello World",
        missing=f"{BARE} document",
    ),
    "mhd/DocumentReference-ex-documentreference2.json": Row(
        document="ex-documentreference2",
        mime="text/plain",
        title="Hello World",
        missing=f"{BARE} document",
    ),
    "constructed/documentreference_fhir_all_dialects.json": for_all_dialects(
        mime="application/fhir+json",
        url="https://ncp-a.example/fhir/Bundle/mado-0001",
        format="urn:ihe:rad:MADO:fhir-manifest:2026",
        relates=(("TRANSFORMS", "DocumentReference/kos-0001"),),
    ),
    "constructed/documentreference_kos_all_dialects.json": for_all_dialects(
        mime="application/dicom",
        url="https://ncp-a.example/fhir/Binary/kos-0001",
        format="1.2.840.10008.5.1.4.1.1.88.59",
        relates=(("TRANSFORMS", "DocumentReference/fhir-0001"),),
    ),
    f"{EU}DocumentReferenceEPS.json": european(
        document="7d5bb8ac-68ee-4926-85e7-b8aac8e1f09d",
        url="http://example.org/fhir/Bundle/eps-jan-jansen",
        type="60591-5",
        category="Patient-Summaries",
        format="http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips",
        language="en",
        title="European Patient Summary",
        created="2026-01-15T10:30:00+01:00",
        comments="International Patient Summary for Jan Jansen",
    ),
    f"{EU}DocumentReferenceHDR.json": european(
        document="d4e5f6a7-b8c9-0123-def0-234567890123",
        url="http://example.org/fhir/Bundle/hdr-jan-jansen",
        type="18842-5",
        category="Discharge-Reports",
        format="http://hl7.eu/fhir/hdr/StructureDefinition/bundle-eu-hdr",
        created="2026-02-28T16:00:00+01:00",
    ),
    f"{EU}DocumentReferenceImagingManifestFHIR.json": european(
        document="a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        url="http://example.org/fhir/ImagingStudy/ct-chest-study",
        type="18748-4",
        category="Medical-Imaging",
        format="http://hl7.eu/fhir/imaging-r5/StructureDefinition/ImagingStudyEu",
        title="CT Chest - FHIR Manifest",
        comments="FHIR ImagingStudy manifest for CT Chest study",
        created="2026-02-20T14:00:00+01:00",
        relates=(("TRANSFORMS", "DocumentReference/ExampleDocumentReferenceImagingManifestKOS"),),
    ),
    f"{EU}DocumentReferenceImagingManifestKOS.json": european(
        document="b2c3d4e5-f6a7-8901-bcde-f12345678901",
        mime="application/dicom",
        url="http://example.org/wado-rs/studies/1.2.840.113619.2.55.3.604688119.969.1234567890.123"
        "/series/1.2.840.113619.2.55.3.604688119.969.1234567890.124"
        "/instances/1.2.840.113619.2.55.3.604688119.969.1234567890.125",
        type="18748-4",
        category="Medical-Imaging",
        format="1.2.840.10008.5.1.4.1.1.88.59",
        title="CT Chest - DICOM KOS",
        comments="DICOM KOS manifest for CT Chest study",
        created="2026-02-20T14:00:00+01:00",
        relates=(("TRANSFORMS", "DocumentReference/ExampleDocumentReferenceImagingManifestFHIR"),),
    ),
    f"{EU}DocumentReferenceImagingReport.json": european(
        document="e5f6a7b8-c9d0-1234-ef01-345678901234",
        url="http://example.org/fhir/Bundle/imaging-report-jan-jansen",
        type="85430-7",
        category="Medical-Imaging",
        format="http://hl7.eu/fhir/imaging-r5/StructureDefinition/BundleReportEuImaging",
        created="2026-02-20T15:30:00+01:00",
    ),
    f"{EU}DocumentReferenceLaboratory.json": european(
        document="c3d4e5f6-a7b8-9012-cdef-123456789012",
        url="http://example.org/fhir/Bundle/lab-report-jan-jansen",
        type="11502-2",
        category="Laboratory-Reports",
        format="http://hl7.eu/fhir/laboratory/StructureDefinition/Bundle-eu-lab",
        created="2026-03-01T09:15:00+01:00",
    ),
    "mhd/DocumentReference-ex-DocumentReferenceComprehensive.json": filled(
        document=f"{FULL}.41281.46340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-9fcc9404eb21",
        hash="ijjyYzAG/VNRScRKOnPzEkN7NHg=",
        size=190,
    ),
    # Size 0 and the hash of nothing: assembled when it is asked for (MHD, delayed assembly).
    "mhd/DocumentReference-ex-DocumentReferenceComprehensiveDelayedAssembly.json": filled(
        document=f"{FULL}.41281.47340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-9fcc9407eb21",
        hash="2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        size=0,
    ),
    "mhd/DocumentReference-ex-DocumentReferenceComprehensiveOnDemand.json": comprehensive(
        document=f"{FULL}.41281.57340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-9fc59407eb21",
        url=URL,
        type="60591-5",
    ),
    "mhd/DocumentReference-ex-DocumentReferenceComprehensiveWithBinary.json": comprehensive(
        document=f"{FULL}.41381.57340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-91c59407eb21",
        url="Binary/ex-b-binary",
        type="60591-5",
        created="2020-02-01T23:50:50-05:00",
        title="Hello World",
        confidentiality="R",
        hash="Ck1VqNd45QIvq3AZd8XYQLvEhtA=",
        size=11,
    ),
    "mhd/DocumentReference-ex-DocumentReferenceMinimal.json": Row(
        document=f"{MINIMAL}.50220.62012",
        entry="urn:uuid:7d5bb8ac-68ee-4926-85e7-b8aac8e1f09d",
        mime="text/plain",
        url=URL,
        missing=CODES,
    ),
    "mhd/DocumentReference-ex-DocumentReferenceMinimalEncounter.json": Row(
        document=f"{MINIMAL}.50220.62012",
        entry="urn:uuid:7d5bb8ac-68ee-4926-85e7-b8aac8e1f09d",
        mime="text/plain",
        url=URL,
        missing=CODES,
    ),
    # Published with the document inside.
    "mhd/DocumentReference-ex-DocumentReferenceSimplifiedPublish.json": Row(
        document=f"{MINIMAL}.60220.62012",
        mime="text/plain",
        inline=b"Hello World",
        missing=CODES,
    ),
    # Uncontained: author and patient are links, so that nothing is known of either.
    "mhd/DocumentReference-ex-DocumentReferenceUnContained.json": comprehensive(
        document=f"{FULL}.41281.46340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-9fcc9404eb21",
        url=URL,
        type="55107-7",
    ),
    "mhd/DocumentReference-ex-DocumentReferenceUnContainedFully.json": filled(
        document=f"{FULL}.41281.46340",
        entry="urn:uuid:0c287d32-01e3-4d87-9953-9fcc9404eb21",
        title="DocumentReference for Comprehensive minimally filled metadata",
        comments="Example of a Comprehensive DocumentReference resource. This is minimally filled"
        " for all mandatory elements.",
        hash="2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        size=0,
    ),
}

# Answers of ITI-67: the rows in their order, and the total.
ANSWERS: dict[str, tuple[Row, ...]] = {
    "mhd/Bundle-FindDocumentReferences.json": (
        Row(
            document="1.3.6.1.4.1.12559.11.13.2.1.2951",
            entry="urn:uuid:50383ae5-49e5-4dea-b0e6-660cb9e7b91f",
            mime="text/xml",
            url="http://example.com/xdsretrieve?uniqueId=urn:uuid:413eb0f7-aa72-4405-86a4"
            "-7793a23fcc27&repositoryUniqueId=2.999.756.42.1",
            type="721912009",
            category="422735006",
            format="urn:ihe:pharm:pml:2013",
            confidentiality="N",
            language="de-CH",
            created="2020-06-29T11:58:00+00:00",
            comments="2-7-MedicationCard",
            facility="264358009",
            practice="394802001",
            source_patient="8734^^^&2.16.756.888888.3.1&ISO",
        ),
    ),
    "mhd/Bundle-ex-findDocumentReferencesResponse.json": (
        Row(
            document=f"{MINIMAL}.50220.62012",
            entry="urn:uuid:7d5bb8ac-68ee-4926-85e7-b8aac8e1f09d",
            mime="text/plain",
            url=URL,
            missing=CODES,
        ),
        Row(
            document=f"{MINIMAL}.50220.62013",
            entry="urn:uuid:7d5bb8ac-68ee-4926-85e7-b8aac8e1f09e",
            mime="text/plain",
            url="http://example.com/nowhere2.txt",
            home=CommunityId("2.999.123.1740.205.55.20.13"),
            missing=CODES,
        ),
    ),
    # An answer of ITI-66: its only match is a List, which is no row of ours.
    "mhd/Bundle-ex-findDocumentListsResponse.json": (),
}

# A document in FHIR's own envelope.
BINARIES: dict[str, tuple[str, bytes]] = {
    "balp/Binary-ex-b-binary.json": ("text/plain", b"Hello World"),
    "mhd/Binary-ex-b-binary.json": ("text/plain", b"Hello World"),
    "mhd/Binary-ex-binary.json": ("text/plain", b"Hello World"),
}


def sample(name: str) -> Json:
    """A sample as our reader of bytes gives it."""
    return read_resource(shared(f"samples/fhir/{name}").read_bytes(), Format.JSON)


def facts(found: FoundDocument) -> dict[str, Any]:
    """What was read, in the words of a row."""
    entry: DocumentEntry = found.entry
    return {
        "document": str(entry.ref.document),
        "mime": entry.mime_type,
        "url": found.url,
        "type": entry.type_code.value,
        "category": entry.class_code.value,
        "format": entry.format_code.value,
        "confidentiality": " ".join(code.value for code in entry.confidentiality),
        "language": entry.language,
        "created": entry.created.at if entry.created else None,
        "started": entry.service_start.at if entry.service_start else None,
        "title": entry.title,
        "comments": entry.comments,
        "hash": entry.sha1,
        "size": entry.size_bytes,
        "events": tuple(code.value for code in entry.event_codes),
        "facility": entry.facility_type.value,
        "practice": entry.practice_setting.value,
        "relates": tuple((kind.name, target) for kind, target in found.relations),
        "references": tuple(each.value for each in entry.references),
        "patient": entry.patient.cx,
        "source_patient": entry.source_patient.cx if entry.source_patient else "",
        "home": entry.ref.community,
        "inline": found.inline,
    }


def expected(row: Row) -> dict[str, Any]:
    """The row in the types of our noun."""
    told = {name: getattr(row, name) for name in facts_named()}
    for name in ("created", "started"):
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    told["hash"] = b64decode(row.hash).hex()
    return told


def facts_named() -> tuple[str, ...]:
    """The facts of a row that are compared one by one."""
    apart = ("entry", "missing", "authors")
    return tuple(name for name in Row.__dataclass_fields__ if name not in apart)


def judge(found: FoundDocument, row: Row, said: str) -> None:
    """Everything of a row, and nothing that it does not say."""
    assert facts(found) == expected(row)
    if row.entry:
        assert found.entry.id == row.entry
    for name in row.authors:
        assert any(name in repr(author) for author in found.entry.authors), name
    for name in row.missing.split():
        assert f"{name} is missing" in said, name
    assert said.count("is missing") == len(row.missing.split()), said


@pytest.mark.parametrize("name", REFERENCES)
def test_a_document_reference_is_read_as_its_row_says(name: str) -> None:
    """One row each, with what the file says and a warning of what it does not."""
    resource = sample(name)

    read = read_document_reference(
        resource, community=COUNTRY_A, repository=REPOSITORY, patient=PATIENT
    )

    validated(resource)
    (found,) = read.found
    judge(found, REFERENCES[name], " ".join(issue.text for issue in read.issues))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_list_of_documents_is_read_as_its_rows_say(name: str) -> None:
    """As many as it says there are, in their order."""
    resource = sample(name)

    page = decode_response(resource, community=COUNTRY_A, repository=REPOSITORY, patient=PATIENT)

    validated(resource)
    rows = ANSWERS[name]
    assert page.total == (len(rows) or 1)
    assert (page.outcome.errors, page.next_url) == ((), "")
    said = [issue.text for issue in page.outcome.issues]
    if not rows:
        assert said == ["a List among the documents is passed over"]
    for found, row in zip(page.found, rows, strict=True):
        judge(found, row, said.pop(0) if row.missing else "")


@pytest.mark.parametrize("name", BINARIES)
def test_a_binary_is_unwrapped(name: str) -> None:
    """Its type and its bytes."""
    resource = sample(name)

    validated(resource)
    assert unwrap_binary(resource) == BINARIES[name]


@cache
def profiles() -> dict[str, Any]:
    """The profiles at hand, by their canonical; those of MADO tell slices by other profiles."""
    folder = shared("samples/fhir/profiles")
    found = [json.loads(path.read_bytes()) for path in folder.glob("*.json")]
    return {each["url"]: each for each in found if "RAD/MADO" not in each["url"]}


@pytest.mark.parametrize("name", [*REFERENCES, *ANSWERS])
def test_examples_meet_the_profiles_they_claim(name: str) -> None:
    """So that what is read of them is what the guides mean."""
    resource = json.loads(shared(f"samples/fhir/{name}").read_bytes())

    for held in [resource, *(entry["resource"] for entry in resource.get("entry", []))]:
        for url in held.get("meta", {}).get("profile", []):
            if url in profiles():
                assert problems(held, profiles()[url]) == set(), url


def test_the_twins_are_twins() -> None:
    """Each of the constructed pair names the other, and relates to it as its transformation."""
    kinds = {AssociationKind.TRANSFORMS.name}
    pair = [row for name, row in REFERENCES.items() if name.startswith("constructed/")]

    assert {kind for row in pair for kind, _ in row.relates} == kinds
    assert len({row.document for row in pair}) == 1
