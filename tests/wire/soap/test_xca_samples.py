"""Messages of other projects: what each must be read as, or refused with, by its text and clause.

One row a file, written from the file and from ITI TF-2 3.18, 3.38, 3.39, 3.43 and RAD TF-3 4.69,
4.75, not from what our readers make of it. Files with `$name$` are templates of a test tool, read
as they lie: a placeholder is no id, and what it stands for decides the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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
    ImageRequest,
    InstanceRef,
    Issue,
    Oid,
    Organisation,
    Outcome,
    PatientId,
    ReferenceId,
    Refusal,
    ReturnType,
    Severity,
    TimeRange,
    Timestamp,
    Transaction,
    Uid,
)
from gateway.domain.codes import DCM, DICOM_UID, ISO_COUNTRY, LOINC, SCT
from gateway.wire.soap import xca_images, xca_query, xca_retrieve
from gateway.wire.soap.envelope import read_envelope
from gateway.wire.soap.xca_images import DecodedImages
from gateway.wire.xml import SOAP, Element, parse_xml
from tests.shared import shared

ASKED = CommunityId("2.999.77")  # whom a request went to, for answers that name no community
KVNR = Oid("1.2.276.0.76.3.1.580.147")
GERMAN_PATIENT = PatientId("X110571344|ABC123", KVNR)
GERMANY = CommunityId("1.2.276.0.76.4.291")
FINLAND = CommunityId("1.2.246.556.12001.4.1000.990.1")
CONNECTATHON = PatientId("c4d77e21d0dd487", Oid("1.3.6.1.4.1.21367.2005.3.7"))
RIG = CommunityId("1.3.6.1.4.1.21367.13.70.201")
RIG_SOURCE = Oid("1.3.6.1.4.1.21367.13.71.201.1")
IDS_SOURCE = Oid("1.3.6.1.4.1.21367.13.80.110")
EXPLICIT, JPEG, LOSSLESS = (Uid(f"1.2.840.10008.1.2{arcs}") for arcs in (".1", ".4.50", ".4.70"))
ERROR, WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The reader refuses: the reason, what it is about, the peer's code, some words of the text."""

    refusal: Refusal
    subject: str = ""
    code: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Said:
    """An issue: severity, the peer's code, what it is about, some words of the text."""

    severity: Severity
    code: str = ""
    subject: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An answer to a query: facts of each entry, by field, then associations, then issues."""

    entries: tuple[dict[str, Any], ...] = ()
    associations: tuple[Association, ...] = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """An answer with documents: (names, type, size, first bytes), and what is said beside them."""

    documents: tuple[tuple[DocumentRef, str, int, bytes], ...] = ()
    said: tuple[Said, ...] = ()


# --- ITI-38 ---------------------------------------------------------------------------------------

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

# --- ITI-39 ---------------------------------------------------------------------------------------

SUMMARY_REPOSITORY = Oid("2.16.620.1.101.10.3.29.54290")
SUMMARIES = tuple(
    DocumentRef(GERMANY, SUMMARY_REPOSITORY, DocumentId(f"2.16.17.710.813.1000.990.1.1^PS.{form}"))
    for form in ("XML", "PDF")
)
TOOLKIT_DOCUMENT = (
    DocumentRef(CommunityId("1.2.3"), Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
    "text/xml",
    36,
    b"R0lGODlhcgGSALMAAAQCAEMmCZtuMFQxDS8b",
)
HOMELESS_DOCUMENT = (
    DocumentRef(ASKED, Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
    *TOOLKIT_DOCUMENT[1:],
)
BIG_ERROR = Said(severity=ERROR, code="MyBigError", words="My Prog")
TEMPLATE_OF_RETRIEVE = Refused(refusal=Refusal.UNKNOWN_COMMUNITY, subject="$docuid1$")
WITHOUT_HOME = Refused(refusal=Refusal.MISSING_COMMUNITY, subject="1.3.6.1.4...2300")

RETRIEVES: dict[str, tuple[DocumentRef, ...] | Refused] = {
    "iti-39/gematik-RetrieveDocumentSetRequest.xml": SUMMARIES,
    "iti-39/toolkit2-12308-12308-RetrieveDocumentSetRequest-1.xml": TEMPLATE_OF_RETRIEVE,
    "iti-39/toolkit2-12308-retrieve_one-RetrieveDocumentSetRequest-2.xml": TEMPLATE_OF_RETRIEVE,
    "iti-39/toolkit2-12308-retrieve_two-RetrieveDocumentSetRequest-3.xml": TEMPLATE_OF_RETRIEVE,
    # ITI-43 inside a community names no home; between gateways one is needed.
    "iti-39/toolkit2-soap-ret-req-order.xml": WITHOUT_HOME,
    "iti-39/toolkit2-soap-ret-req.xml": WITHOUT_HOME,
    "iti-39/toolkit2-soap-xcr-req.xml": (
        DocumentRef(CommunityId("1.2.3.5"), Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
        DocumentRef(CommunityId("1.2.3.5"), Oid("1.3.6.1.4.2000"), DocumentId("1.3.6.1.4.2301")),
    ),
}

DOCUMENTS: dict[str, Parts | Refused] = {
    "iti-39/gematik-RetrieveDocumentSetResponse.xml": Parts(
        documents=(
            (SUMMARIES[0], "text/xml", 64914, b"\n\n<ClinicalDocument"),
            (SUMMARIES[1], "application/pdf", 72743, b"%PDF-1.7"),
        )
    ),
    "iti-39/gematik-RetrieveDocumentSetResponse_020.xml": Refused(
        refusal=Refusal.UNKNOWN_DOCUMENT, code="ERROR_GENERIC_DOCUMENT_MISSING", words="any text"
    ),
    "iti-39/gematik-RetrieveDocumentSetResponse_032.xml": Refused(
        refusal=Refusal.NO_CONSENT, code="ERROR_NO_CONSENT", words="any text"
    ),
    # The ids are shortened with dots: no repository has such a name, so neither is a document.
    "iti-39/toolkit2-soap-ret-resp.xml": Parts(
        said=(
            Said(severity=ERROR, subject="1.3.6.1.4...2300", words="1.3.6.1.4...1000"),
            Said(severity=ERROR, subject="1.3.6.1.4...2300", words="1.3.6.1.4...1000"),
        )
    ),
    "iti-39/toolkit2-soap-xret-resp.xml": Parts(documents=(TOOLKIT_DOCUMENT, TOOLKIT_DOCUMENT)),
    "iti-39/toolkit2-soap-xret-resp-error.xml": Parts(
        documents=(TOOLKIT_DOCUMENT, TOOLKIT_DOCUMENT), said=(BIG_ERROR,)
    ),
    "iti-39/toolkit2-soap-xret-resp-homeless.xml": Parts(
        documents=(HOMELESS_DOCUMENT, TOOLKIT_DOCUMENT),
        said=(
            BIG_ERROR,
            Said(severity=WARNING, subject="1.3.6.1.4.2300", words="HomeCommunityId is missing"),
        ),
    ),
}

# --- RAD-75 and RAD-69 ----------------------------------------------------------------------------


def images(
    community: CommunityId, repository: Oid, *instances: tuple[str, str, str]
) -> tuple[ImageRequest, ...]:
    """One request for instances of one repository, each (study, series, instance)."""
    return (
        ImageRequest(
            community=community,
            instances=tuple(
                (
                    InstanceRef(study=Uid(study), series=Uid(series), instance=Uid(instance)),
                    repository,
                )
                for study, series, instance in instances
            ),
        ),
    )


def from_source(suffix: str, instance: str, repository: Oid = IDS_SOURCE) -> DecodedImages:
    """A request to toolkit2's imaging source, which names no community."""
    root = "1.3.6.1.4.1.21367.201599"
    uid = f"{root}.3.{instance}"
    return DecodedImages(
        requests=images(ASKED, repository, (f"{root}.1.{suffix}", f"{root}.2.{suffix}", uid)),
        syntaxes=(EXPLICIT,),
        without_home=frozenset({Uid(uid)}),
    )


_RIG = "1.3.6.1.4.1.21367.201599"
FIRST = (f"{_RIG}.1.201606021454002", f"{_RIG}.2.201606021454003", f"{_RIG}.3.201606021454003.1")
SECOND = (f"{_RIG}.1.201606021454006", f"{_RIG}.2.201606021454007", f"{_RIG}.3.201606021454007.1")


def from_gateway(*instances: tuple[str, str, str], syntaxes: tuple[Uid, ...]) -> DecodedImages:
    """A request to toolkit2's responding imaging gateway."""
    return DecodedImages(requests=images(RIG, RIG_SOURCE, *instances), syntaxes=syntaxes)


_5420 = from_gateway(FIRST, syntaxes=(EXPLICIT,))
_5421 = from_gateway(FIRST, SECOND, syntaxes=(EXPLICIT,))
_5422 = from_gateway(FIRST, syntaxes=(LOSSLESS,))
_5423 = from_gateway(FIRST, syntaxes=(JPEG, LOSSLESS))

IMAGES: dict[str, DecodedImages | Refused] = {
    "rad-69/toolkit2-ids_4810-Rad69RetrieveRequest-RAD-69Request.xml": from_source(
        "201604020954048", "201604020954048.1"
    ),
    "rad-69/toolkit2-ids_4812-case-0_Comparison_Transaction-RAD-69Request.xml": from_source(
        "201604020954059", "201604020954059.1"
    ),
    "rad-69/toolkit2-ids_4812-case-1_Invalid_RepositoryUID-RAD-69Request.xml": from_source(
        "201604020954059", "201604020954059.1", Oid(f"{IDS_SOURCE}.999")
    ),
    "rad-69/toolkit2-ids_4812-case-2_Unknown_SOP_Instance_UID-RAD-69Request.xml": from_source(
        "201604020954059", "201604020954059.1.987654"
    ),
    "rad-69/toolkit2-ids_4812-case-3_SOP_Instance_UID_not_in_requested_series"
    "-RAD-69Request.xml": from_source("201604020954059", "201604020954059.22"),
    "rad-75/toolkit2-rig_5420-RAD-75Request.xml": _5420,
    "rad-75/toolkit2-rig_5421-RAD-75Request.xml": _5421,
    "rad-75/toolkit2-rig_5422-RAD-75Request.xml": _5422,
    "rad-75/toolkit2-rig_5423-RAD-75Request.xml": _5423,
    **{
        f"rad-75/toolkit2-rig_{number}-ValidateRad69Request"
        "-expected-RetrieveImagingDocumentSetRequest-2.xml": decoded
        for number, decoded in ((5420, _5420), (5421, _5421), (5422, _5422), (5423, _5423))
    },
    "constructed/rad75-request.xml": DecodedImages(
        requests=images(
            CommunityId("2.999.1"),
            Oid("2.999.1.5"),
            ("1.2.3.4.5", "1.2.3.4.5.1", "1.2.3.4.5.1.1"),
        ),
        syntaxes=(Uid("1.2.840.10008.1.2.4.90"), EXPLICIT),
    ),
}

# The expected answers of the test tool hold "..." for the pixels, which is no base64.
NO_BASE64 = "no base64"

DELIVERIES: dict[str, Parts | Refused] = {
    "rad-69/toolkit2-ids_4810-ValidateRad69Response-expected-RetrieveDocumentSetResponse-1.xml": (
        Parts(said=(Said(severity=ERROR, subject=f"{_RIG}.3.201604020954048.1"),))
    ),
    "rad-69/toolkit2-ids_4812-case-1_Invalid_RepositoryUID"
    "-expected-RetrieveDocumentSetResponse-2.xml": Refused(
        refusal=Refusal.UNKNOWN_REPOSITORY,
        code="XDSUnknownRepositoryId",
        words="Expected [1.3.6.1.4.1.21367.13.80.110]",
    ),
    # The list of errors is commented out: a failure without a reason.
    "rad-69/toolkit2-ids_4812-case-2_Unknown_SOP_Instance_UID"
    "-expected-RetrieveDocumentSetResponse-1.xml": Refused(
        refusal=Refusal.PEER_MISBEHAVED, words="no reason"
    ),
    "rad-69/toolkit2-ids_4812-case-3_SOP_Instance_UID_not_in_requested_series"
    "-expected-RetrieveDocumentSetResponse-8.xml": Refused(
        refusal=Refusal.PEER_MISBEHAVED, words="no reason"
    ),
    **{
        f"rad-75/toolkit2-rig_{number}-ValidateRad75Response"
        "-expected-RetrieveDocumentSetResponse-1.xml": Parts(
            said=tuple(
                Said(severity=ERROR, subject=instance[2], words=NO_BASE64) for instance in listed
            )
        )
        for number, listed in (
            (5420, (FIRST,)),
            (5421, (FIRST, SECOND)),
            (5422, (FIRST,)),
            (5423, (FIRST,)),
        )
    },
    "constructed/rad75-response-partial.xml": Parts(
        documents=(
            (
                DocumentRef(CommunityId("2.999.1"), Oid("2.999.1.5"), DocumentId("1.2.3.4.5.1.1")),
                "application/dicom",
                4,
                b"DICM",
            ),
        ),
        said=(
            Said(
                severity=ERROR,
                code="XDSDocumentUniqueIdError",
                subject="1.2.3.4.5.1.2",
                words="not found",
            ),
        ),
    ),
}


# --- the comparison -------------------------------------------------------------------------------


def body_of(path: Path) -> Element:
    """The body child of a file that holds an envelope, or the file's own root."""
    data = path.read_bytes()
    root = parse_xml(data)
    return read_envelope(data).body if root.tag == f"{{{SOAP}}}Envelope" else root


def assert_said(issues: tuple[Issue, ...], expected: tuple[Said, ...]) -> None:
    """The issues are those of the row, in order."""
    assert [(issue.severity, issue.code, issue.subject) for issue in issues] == [
        (said.severity, said.code, said.subject) for said in expected
    ]
    for issue, said in zip(issues, expected, strict=True):
        assert said.words in issue.text


def assert_refused(error: ExchangeError, expected: Refused) -> None:
    """The refusal is that of the row."""
    assert error.refusal is expected.refusal
    assert error.subject == expected.subject
    assert error.code == expected.code
    assert expected.words in error.text


def test_every_sample_has_its_row() -> None:
    """A file added beside the project needs an expectation, and a row needs its file."""
    folder = shared("samples/soap")
    patterns = (
        "iti-38/*",
        "iti-39/*",
        "rad-69/*",
        "rad-75/*",
        "constructed/iti38*",
        "constructed/rad75*",
    )
    files = {str(path.relative_to(folder)) for each in patterns for path in folder.glob(each)}

    rows = [*QUERIES, *ROWS, *RETRIEVES, *DOCUMENTS, *IMAGES, *DELIVERIES]

    assert files == set(rows)
    assert len(rows) == len(set(rows))


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


@pytest.mark.parametrize("name", RETRIEVES)
def test_retrieves_name_what_their_text_says(name: str) -> None:
    """Each retrieve of another project names its documents, or is refused as its row says."""
    body, expected = body_of(shared(f"samples/soap/{name}")), RETRIEVES[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_retrieve.decode_request(body, home_required=True)
        assert_refused(refused.value, expected)
    else:
        assert xca_retrieve.decode_request(body, home_required=True) == expected


@pytest.mark.parametrize("name", IMAGES)
def test_image_requests_name_what_their_text_says(name: str) -> None:
    """Each request for images names its instances and syntaxes."""
    body, expected = body_of(shared(f"samples/soap/{name}")), IMAGES[name]
    between_gateways = not name.startswith("rad-69")

    decoded = xca_images.decode_request(
        body,
        home_required=between_gateways,
        default_home=None if between_gateways else ASKED,
    )

    assert decoded == expected


def assert_parts(outcome: Outcome[xca_retrieve.RetrievedPart], expected: Parts) -> None:
    """The documents and issues are those of the row."""
    found = [(part.ref, part.mime_type, len(part.data)) for part in outcome.items]
    assert found == [document[:3] for document in expected.documents]
    for part, document in zip(outcome.items, expected.documents, strict=True):
        assert part.data.startswith(document[3])
        assert part.cid == ""
    assert_said(outcome.issues, expected.said)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_those_of_the_text(name: str) -> None:
    """Each answer with documents holds what its row says, or is the refusal."""
    body, expected = body_of(shared(f"samples/soap/{name}")), DOCUMENTS[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_retrieve.decode_response(body, default_home=ASKED)
        assert_refused(refused.value, expected)
    else:
        assert_parts(xca_retrieve.decode_response(body, default_home=ASKED), expected)


@pytest.mark.parametrize("name", DELIVERIES)
def test_images_are_those_of_the_text(name: str) -> None:
    """Each answer with images holds what its row says, or is the refusal."""
    body, expected = body_of(shared(f"samples/soap/{name}")), DELIVERIES[name]
    transaction = (
        Transaction.IMAGES_FROM_SOURCE if name.startswith("rad-69") else Transaction.IMAGES
    )

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_images.decode_response(body, default_home=ASKED, transaction=transaction)
        assert_refused(refused.value, expected)
    else:
        outcome = xca_images.decode_response(body, default_home=ASKED, transaction=transaction)
        assert_parts(outcome, expected)
