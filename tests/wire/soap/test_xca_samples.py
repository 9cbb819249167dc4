"""Messages of other projects: what each must be read as, or refused with, by its text and clause.

One row a file, written from the file and from ITI TF-2 3.18, 3.38, 3.39, 3.43 and RAD TF-3 4.69,
4.75, not from what our readers make of it. Files with `$name$` are templates of a test tool, read
as they lie: a placeholder is no id, and what it takes the place of decides the refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import (
    Association,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    EntryRef,
    EntryStatus,
    ExchangeError,
    HumanName,
    ImageRequest,
    InstanceRef,
    Oid,
    Outcome,
    PatientId,
    ReferenceId,
    Refusal,
    ReturnType,
    Severity,
    Timestamp,
    TimeRange,
    Transaction,
    Uid,
)
from gateway.domain.codes import DCM, LOINC, SCT
from gateway.wire.soap import xca_images, xca_query, xca_retrieve
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.envelope import read_envelope
from gateway.wire.soap.xca_query import DecodedQuery
from gateway.wire.soap.xca_images import DecodedImages
from gateway.wire.xml import SOAP, Element, parse_xml
from tests.shared import SHARED, shared

KVNR = Oid("1.2.276.0.76.3.1.580.147")
GERMAN_PATIENT = PatientId("X110571344|ABC123", KVNR)
GERMANY = CommunityId("1.2.276.0.76.4.291")
FINLAND = CommunityId("1.2.246.556.12001.4.1000.990.1")
CONNECTATHON = PatientId("c4d77e21d0dd487", Oid("1.3.6.1.4.1.21367.2005.3.7"))
IMAGING_GATEWAY = CommunityId("1.3.6.1.4.1.21367.13.70.201")
IMAGING_SOURCE = Oid("1.3.6.1.4.1.21367.13.71.201.1")
EXPLICIT = Uid("1.2.840.10008.1.2.1")
ASKED = CommunityId("2.999.77")  # whom a request went to, for files that name no community


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The reader refuses, with this reason, about this subject, with this code of the peer."""

    refusal: Refusal
    subject: str = ""
    code: str = ""
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An answer of a registry: some facts of each entry, and its issues as (severity, code)."""

    entries: tuple[dict[str, Any], ...] = ()
    issues: tuple[tuple[Severity, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """An answer of a repository: documents as (ids, type, first bytes), errors as (code, about)."""

    documents: tuple[tuple[DocumentRef, str, bytes], ...] = ()
    issues: tuple[tuple[Severity, str, str], ...] = field(default=())


def _find(**changes: Any) -> DocumentQuery:
    return DocumentQuery(**{"patient": CONNECTATHON, **changes})


def _entry(**facts: Any) -> dict[str, Any]:
    return facts


def _png(text: str) -> bytes:
    return text.encode()


# --- ITI-38 ---------------------------------------------------------------------------------------

_NOT_A_PATIENT = Refused(
    refusal=Refusal.MALFORMED_REQUEST, subject="$XDSDocumentEntryPatientId", says="value^^^&oid&ISO"
)
_NOT_A_HOME = Refused(refusal=Refusal.UNKNOWN_COMMUNITY, subject="home")
_AUTHORS = (
    (HumanName(family="Smitty", given=("Gerald",)), ("Cleveland Clinic", "Parma Community")),
    (HumanName(family="Dopplemeyer", given=("Sherry",)), ("Cleveland Clinic", "Berea Community")),
)


def _toolkit_entry(document: str, entry_id: str, title: str, events: int) -> dict[str, Any]:
    return _entry(
        ref=DocumentRef(CommunityId("2.3.4"), Oid("1.19.6.24.109.42.1"), DocumentId(document)),
        id=entry_id,
        patient=CONNECTATHON,
        title=title,
        mime_type="text/xml",
        version="1.1",
        comments="",
        status=EntryStatus.APPROVED,
        created=Timestamp.parse("20061224"),
        service_start=Timestamp.parse("200612230800"),
        service_stop=Timestamp.parse("200612230900"),
        sha1="e543712c0e10501972de13a5bfcbe826c49feb75",
        size_bytes=36,
        language="en-us",
        uri="http://129.6.24.109:9080/XdsDocs/testdata/my_document.txt",
        source_patient=PatientId("89765a87b", Oid("3.4.5")) if False else None,
        type_code=Code("34108-1", "LOINC"),
        format_code=Code("CDAR2/IHE 1.0", "Connect-a-thon formatCodes"),
        event_count=events,
        authors=_AUTHORS,
    )
