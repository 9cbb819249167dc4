"""Queries of other projects, and answers: what each must be read as, or refused with.

One row a file, written from the file and from ITI TF-2 3.18 and 3.38, not from what our readers
make of it. Files with `$name$` are templates of a test tool, read as they lie: a placeholder is no
id, and what it stands for decides the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from gateway.domain import (
    Association,
    AssociationKind,
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    EntryId,
    EntryStatus,
    ExchangeError,
    HumanName,
    Oid,
    Organisation,
    PatientId,
    ReferenceId,
    Refusal,
    ReturnType,
    TimeRange,
    Timestamp,
)
from gateway.domain.codes import DCM, DICOM_UID, ISO_COUNTRY, LOINC, SCT
from gateway.wire.soap import xca_query
from tests.shared import shared
from tests.wire.soap.samples import (
    ASKED,
    ERROR,
    GERMANY,
    WARNING,
    Refused,
    Said,
    assert_refused,
    assert_said,
    body_of,
)

KVNR = Oid("1.2.276.0.76.3.1.580.147")
GERMAN_PATIENT = PatientId("X110571344|ABC123", KVNR)
FINLAND = CommunityId("1.2.246.556.12001.4.1000.990.1")
CONNECTATHON = PatientId("c4d77e21d0dd487", Oid("1.3.6.1.4.1.21367.2005.3.7"))


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An answer to a query: facts of each entry, by field, then associations, then issues."""

    entries: tuple[dict[str, Any], ...] = ()
    associations: tuple[Association, ...] = ()
    said: tuple[Said, ...] = ()


NOT_A_PATIENT = Refused(
    refusal=Refusal.MALFORMED_REQUEST,
    subject="$XDSDocumentEntryPatientId",
    words="value^^^&oid&ISO",
)
NOT_A_HOME = Refused(refusal=Refusal.UNKNOWN_COMMUNITY, subject="home")


def connectathon_query(**changes: Any) -> DocumentQuery:
    """FindDocuments of the patient of the connectathon's samples."""
    return DocumentQuery(patient=CONNECTATHON, class_codes=(Code("value", "scheme"),), **changes)


def german_query(class_code: str) -> DocumentQuery:
    """FindDocuments of a class; the alternative of identity and access code is one identifier."""
    return DocumentQuery(patient=GERMAN_PATIENT, class_codes=(Code(class_code, LOINC),))


def connectathon_author(family: str, given: str, second: str, role: str) -> Author:
    """An author of the connectathon's samples: two institutions, known by name only."""
    return Author(
        name=HumanName(family=family, given=(given,)),
        institutions=(Organisation(name="Cleveland Clinic"), Organisation(name=second)),
        roles=(role,),
        specialities=("Orthopedic",),
    )


def connectathon_entry(number: str, title: str, entry_id: str, *events: str) -> dict[str, Any]:
    """A row of toolkit2's answer; the two differ in little."""
    return {
        "id": entry_id,
        "ref": DocumentRef(
            CommunityId("2.3.4"),
            Oid("1.19.6.24.109.42.1"),
            DocumentId(f"1.42.20100312104638.{number}"),
        ),
        "patient": CONNECTATHON,
        "status": EntryStatus.APPROVED,
        "logical_id": entry_id,
        "version": "1.1",
        "mime_type": "text/xml",
        "title": title,
        "comments": "",
        "class_code": Code("History and Physical", "Connect-a-thon classCodes"),
        "type_code": Code("34108-1", "LOINC"),
        "format_code": Code("CDAR2/IHE 1.0", "Connect-a-thon formatCodes"),
        "confidentiality": (
            Code("1.3.6.1.4.1.21367.2006.7.102", "Connect-a-thon confidentialityCodes"),
        ),
        "event_codes": tuple(Code(event, "SNM3") for event in events),
        "authors": (
            connectathon_author("Smitty", "Gerald", "Parma Community", "Attending"),
            connectathon_author("Dopplemeyer", "Sherry", "Berea Community", "Primary Surgon"),
        ),
        "created": Timestamp.parse("20061224"),
        "service_start": Timestamp.parse("200612230800"),
        "service_stop": Timestamp.parse("200612230900"),
        "language": "en-us",
        "sha1": "e543712c0e10501972de13a5bfcbe826c49feb75",
        "size_bytes": 36,
        "source_patient": None,  # its authority is 3.4.5, and no OID begins with 3
        "source_patient_info": (
            "PID-3|pid1^^^&1.2.3&ISO",
            "PID-5|Doe^John^^^",
            "PID-7|19560527",
            "PID-8|M",
            "PID-11|100 Main St^^Metropolis^Il^44130^USA",
        ),
        "uri": "http://129.6.24.109:9080/XdsDocs/testdata/my_document.txt",
    }


CONNECTATHON_ROWS = (
    connectathon_entry(
        "15", "DocA", "urn:uuid:974330cc-26ff-4ef8-aca5-f71efc3f1fb0", "T-D4909", "T-62002"
    ),
    connectathon_entry("26", "DocF", "urn:uuid:0bb95d7b-14cb-4da5-896f-af3be8707c03", "T-62002"),
)
SOURCE_PATIENT_IS_NONE = tuple(
    Said(severity=WARNING, subject=f"1.42.20100312104638.{number}", words="sourcePatientId")
    for number in ("15", "26")
)


def prescription(
    suffix: str, title: str, format_code: Code, confidentiality: str
) -> dict[str, Any]:
    """A row of the Finnish prescription in gematik's answer."""
    return {
        "ref": DocumentRef(FINLAND, KVNR, DocumentId(f"160.000.000.000.123.76^eP.{suffix}")),
        "patient": PatientId("B123456789|A2C4E6", KVNR),
        "source_patient": PatientId("B123456789|A2C4E6", KVNR),
        "title": title,
        "comments": "Lercanidipin Omniapharm, 10 mg, tablet",
        "class_code": Code("57833-6", LOINC),
        "format_code": format_code,
        "facility_type": Code("DE", ISO_COUNTRY),
        "confidentiality": (Code(confidentiality, "2.16.840.1.113883.5.25"),),
        "authors": (Author(name=HumanName(family="Manfred Lapp")),),
        "created": Timestamp.parse("20230717"),
        "size_bytes": 0,
        "sha1": "",
        "language": "",
    }


def summary(suffix: str, mime_type: str, language: str, size: int) -> dict[str, Any]:
    """A row of the patient summary in gematik's answer."""
    document = DocumentId(f"2.16.17.710.813.1000.990.1.1^PS.{suffix}")
    return {
        "ref": DocumentRef(GERMANY, Oid("2.16.620.1.101.10.3.29.54290"), document),
        "patient": PatientId("X114428538", KVNR),
        "source_patient": GERMAN_PATIENT,  # not the patient the row is filed under
        "mime_type": mime_type,
        "language": language,
        "size_bytes": size,
        "class_code": Code("60591-5", LOINC),
        "type_code": Code("60591-5", LOINC),
        "practice_setting": Code("Not Used", "epSOS Practice Setting Codes-Not Used"),
        "created": Timestamp.parse("20170914133309"),
        "authors": (),
        "event_codes": (),
    }


def transformed(own_id: str, source: str, target: str) -> Association:
    """The PDF is made of the XML; the file names no community for it, so it is the one asked."""
    return Association(
        id=EntryId(own_id),
        kind=AssociationKind.TRANSFORMS,
        source=EntryId(source),
        target=EntryId(target),
        community=ASKED,
    )


CONSTRUCTED_ROW = {
    "id": "urn:uuid:7ba7a4a0-1111-4a6b-9a2e-000000000001",
    "ref": DocumentRef(CommunityId("2.999.1"), Oid("2.999.1.5"), DocumentId("2.999.1.6.1")),
    "patient": PatientId("P-1", Oid("2.999.1.7")),
    "source_patient": PatientId("L-55", Oid("2.999.1.8")),
    "mime_type": "application/dicom",
    "title": "CT chest manifest",
    "version": "1",
    "format_code": Code("1.2.840.10008.5.1.4.1.1.88.59", DICOM_UID),
    "event_codes": (Code("CT", DCM),),
    "practice_setting": Code("394914008", SCT),
    "authors": (
        Author(
            name=HumanName(family="Doe", given=("Dana",), prefix="Dr"),
            id="D-9",
            id_authority="2.999.1.4",
            institutions=(Organisation(name="Test Hospital", id="77", authority="2.999.1.4"),),
        ),
    ),
    "studies": ("1.2.3.4.5",),
    "references": (
        ReferenceId(value="A123", kind="urn:ihe:iti:xds:2013:accession", authority="2.999.1.9"),
        ReferenceId(value="1.2.3.4.5", kind="urn:ihe:iti:xds:2016:studyInstanceUID"),
    ),
    "size_bytes": 35612,
    "service_start": Timestamp.parse("20251119090000"),
}

QUERIES: dict[str, DocumentQuery | Refused] = {
    "iti-38/gematik-AdhocQueryRequestEPED.xml": german_query("57833-6"),
    "iti-38/gematik-AdhocQueryRequestPSA.xml": german_query("60591-5"),
    # The quote is opened and never closed: an attempt at injection, which must find nothing.
    "iti-38/ipf-iti18request.xml": Refused(
        refusal=Refusal.MALFORMED_REQUEST,
        subject="$XDSDocumentEntryPatientId",
        words="neither a quoted value",
    ),
    "iti-38/toolkit2-12300-finddocs-AdhocQueryRequest-1.xml": NOT_A_PATIENT,
    "iti-38/toolkit2-12306-12306-AdhocQueryRequest-1.xml": NOT_A_PATIENT,
    "iti-38/toolkit2-12306-finddocs-AdhocQueryRequest-2.xml": NOT_A_PATIENT,
    "iti-38/toolkit2-12307-12307-AdhocQueryRequest-1.xml": NOT_A_HOME,
    "iti-38/toolkit2-12307-getdocs-AdhocQueryRequest-2.xml": NOT_A_HOME,
    "iti-38/toolkit2-12309-finddocs-AdhocQueryRequest-2.xml": NOT_A_PATIENT,
    "iti-38/toolkit2-12310-finddocs-AdhocQueryRequest-2.xml": NOT_A_PATIENT,
    "iti-38/toolkit2-soap-sq-req.xml": connectathon_query(),
    "iti-38/toolkit2-soap-xcq-req.xml": connectathon_query(),
    "constructed/iti38-request-article10.xml": DocumentQuery(
        patient=PatientId("P-1", Oid("2.999.1.7")),
        community=CommunityId("2.999.1"),
        # one slot is one group of alternatives, the second slot a further condition
        event_codes=((Code("CT", DCM), Code("MR", DCM)), (Code("51185008", SCT),)),
        references=(CONSTRUCTED_ROW["references"],),
        service_start=TimeRange(
            start=Timestamp.parse("20250101").at, end=Timestamp.parse("20260101").at
        ),
    ),
}

ROWS: dict[str, Rows | Refused] = {
    "iti-38/gematik-AdhocQueryResponseEPED.xml": Rows(
        entries=(
            {
                **prescription(
                    "XML",
                    "ePrescription coded document",
                    Code("urn:epsos:ep:pre:2010", "eHDSI formatCodes"),
                    "R",
                ),
                "type_code": Code("", ""),
            },
            {
                **prescription(
                    "PDF",
                    "ePrescription source coded PDF/A",
                    Code("urn:ihe:iti:xds-sd:pdf:2008", "IHE PCC"),
                    "N",
                ),
                "type_code": Code("57833-6", LOINC),
            },
        ),
        associations=(
            transformed(
                "urn:uuid:3bbf0de6-e186-4b18-b3ad-302790ef7c1c",
                "urn:uuid:740c850d-67c3-4481-bb0b-8bf32a17e034",
                "urn:uuid:cb804da7-407c-4590-b394-ad3d7617995d",
            ),
        ),
        said=(
            Said(
                severity=WARNING,
                subject="160.000.000.000.123.76^eP.XML",
                words="typeCode is missing",
            ),
        ),
    ),
    "iti-38/gematik-AdhocQueryResponsePSA.xml": Rows(
        entries=(
            summary("XML", "text/xml", "de-DE", 54321),
            summary("PDF", "application/pdf", "en-GB", 12345),
        ),
        associations=(
            transformed(
                "urn:uuid:a0a2a0a8-4c91-46dd-9aa7-e43b5b9bb645",
                "urn:uuid:5e099a45-ff39-41bb-857a-506c0b9a5ca7",
                "urn:uuid:7bea8a52-9fdc-4b81-b47f-736e79df164b",
            ),
        ),
    ),
    "iti-38/gematik-AdhocQueryResponse_010.xml": Refused(
        refusal=Refusal.UNKNOWN_DOCUMENT, code="ERROR_GENERIC_DOCUMENT_MISSING", words="any text"
    ),
    "iti-38/gematik-AdhocQueryResponse_031.xml": Refused(
        refusal=Refusal.NO_CONSENT, code="ERROR_NO_CONSENT", words="any text"
    ),
    "iti-38/toolkit2-soap-xcq-resp.xml": Rows(
        entries=CONNECTATHON_ROWS, said=SOURCE_PATIENT_IS_NONE
    ),
    # A failure that brings rows: they are shown, with the error beside them.
    "iti-38/toolkit2-soap-xcq-resp-error.xml": Rows(
        entries=CONNECTATHON_ROWS,
        said=(Said(severity=ERROR, code="MyBigError", words="My Prog"), *SOURCE_PATIENT_IS_NONE),
    ),
    "constructed/iti38-response-leafclass.xml": Rows(
        entries=(CONSTRUCTED_ROW,), said=(Said(severity=WARNING, code="1104", words="example"),)
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_ask_what_their_text_says(name: str) -> None:
    """Each query of another project asks what its row says, or is refused as it says."""
    body, expected = body_of(shared(f"samples/soap/{name}")), QUERIES[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_query.decode_request(body)
        assert_refused(refused.value, expected)
    else:
        decoded = xca_query.decode_request(body)
        assert decoded.query == expected
        assert decoded.ignored == ()
        assert decoded.query.return_type is ReturnType.LEAF_CLASS


@pytest.mark.parametrize("name", ROWS)
def test_lists_hold_what_their_text_says(name: str) -> None:
    """Each answer to a query is the rows and issues its row names, or the refusal."""
    body, expected = body_of(shared(f"samples/soap/{name}")), ROWS[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_query.decode_response(body, default_home=ASKED)
        assert_refused(refused.value, expected)
        return
    outcome = xca_query.decode_response(body, default_home=ASKED)
    entries = outcome.items[: len(expected.entries)]
    assert outcome.items[len(entries) :] == expected.associations
    for item, facts in zip(entries, expected.entries, strict=True):
        assert isinstance(item, DocumentEntry)
        assert {field: getattr(item, field) for field in facts} == facts
    assert_said(outcome.issues, expected.said)
