"""Rows to list in tests of the FHIR family, and what of a row FHIR can hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from gateway.domain import (
    Code,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    Oid,
    Precision,
    ReferenceId,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    DCM,
    FORMAT_KOS,
    FORMAT_PDF,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)
from gateway.wire.fhir.document_reference_write import description_of, write_document_reference
from tests.builders import COUNTRY_A, make_entry

BASE = "https://ncp-a.example/fhir"
REPOSITORY = Oid("2.999.1.3")
CT, MR = Code("CT", DCM), Code("MR", DCM)
HEAD, CHEST = Code("774007", SCT), Code("67734004", SCT)
SCAN = Code("303653007", SCT)


def written(entry: DocumentEntry, **changes: Any) -> dict[str, Any]:
    """The DocumentReference of an entry."""
    options = {
        "reference_id": "ref-1",
        "attachment_url": f"{BASE}/Binary/ref-1",
        "base": BASE,
        **changes,
    }
    return write_document_reference(entry, **options)


def numbered(number: int, **changes: Any) -> DocumentEntry:
    """One of many entries, each with ids of its own."""
    return make_entry(
        id=EntryId(f"urn:uuid:6f1d6b1e-0000-4000-8000-{number:012d}"),
        ref=DocumentRef(COUNTRY_A, REPOSITORY, DocumentId(f"2.999.1.4.{number}")),
        **changes,
    )


def many_rows() -> tuple[DocumentEntry, ...]:
    """Six dozen rows that differ in everything Article 10 filters by."""
    rows = []
    kinds = ((CLASS_IMAGES, TYPE_STUDY, FORMAT_KOS), (CLASS_REPORTS, TYPE_REPORT, FORMAT_PDF))
    choices = product(kinds, (CT, MR), (HEAD, CHEST), (SCAN, None), range(4))
    for number, (kind, modality, region, procedure, study) in enumerate(choices):
        events = tuple(code for code in (modality, region, procedure) if code)
        started = Timestamp.parse(f"202{study}0310{number % 24:02d}3000") if study else None
        references = (
            ReferenceId.of_study(Uid(f"2.999.1.7.{study}")),
            ReferenceId(f"ACC-{number % 5}", ReferenceKind.ACCESSION, "2.999.1.8"),
            ReferenceId(f"ACC-{number % 3}", ReferenceKind.ACCESSION, "2.999.1.88"),
            ReferenceId(f"ORD-{number % 4}", ReferenceKind.ORDER, "2.999.1.9"),
        )
        rows.append(
            numbered(
                number,
                class_code=kind[0],
                type_code=kind[1],
                format_code=kind[2],
                mime_type="application/dicom" if kind[2] == FORMAT_KOS else "application/pdf",
                event_codes=events,
                references=references,
                service_start=started,
                service_stop=started,
            )
        )
    return tuple(rows)


def _as_fhir_holds(moment: Timestamp | None) -> Timestamp | None:
    # FHIR has no precision of hours or minutes.
    if moment is None or moment.precision <= Precision.DAY:
        return moment
    return Timestamp(moment.at.replace(microsecond=0), Precision.SECOND)


def as_fhir_holds(entry: DocumentEntry) -> DocumentEntry:
    """The entry without what a DocumentReference has no place for, as the docstrings list it."""
    start = _as_fhir_holds(entry.service_start)
    said = description_of(replace(entry, comments=""))
    return replace(
        entry,
        logical_id="",
        uri="",
        availability="",
        comments="" if entry.comments == said else entry.comments,
        created=_as_fhir_holds(entry.created),
        service_start=start,
        service_stop=_as_fhir_holds(entry.service_stop) or start,
        source_patient_info=tuple(text.rstrip("^") for text in entry.source_patient_info),
    )
