"""Registry entries of manifests and reports: the metadata other countries see.

Values per kind of document follow IHE RAD MADO and the XDS-I conventions. Class codes are
those of IHE; what an eHDSI peer calls them is decided at the edge. Titles are in the country's
language, as the guideline leaves them.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from country_a.oids import NationalOids
from gateway.domain import (
    Author,
    Code,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    ImagingManifest,
    ImagingReport,
    ImagingRequest,
    ManifestEncoding,
    PatientIdentity,
    Precision,
    ReferenceId,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    CONFIDENTIALITY,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)

LANGUAGE = "pl-PL"
NORMAL = Code("N", CONFIDENTIALITY, "normal")
RADIOLOGY = Code("394914008", SCT, "Radiology")
HOSPITAL_RADIOLOGY = Code("79491001", SCT, "Hospital-based radiology facility")
_MANIFEST_FORMATS = {
    ManifestEncoding.KOS: ("application/dicom", FORMAT_KOS),
    ManifestEncoding.FHIR: ("application/fhir+json", FORMAT_FHIR_MANIFEST),
}
_ENTRY_NAMES = uuid.UUID("a9bb3c5c-4a4a-5d4c-9d0e-6f0d5b7d7d11")  # our own name space


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What a report's entry says of the studies it is about."""

    event_codes: tuple[Code, ...] = ()
    started: Timestamp | None = None
    ended: Timestamp | None = None


def entry_id(document: str) -> EntryId:
    """The entry id of a document: always the same for the same document."""
    return EntryId(f"urn:uuid:{uuid.uuid5(_ENTRY_NAMES, document)}")


def moment(day: date | None, clock: time | None, offset_minutes: int | None) -> Timestamp | None:
    """A DICOM date and time as a moment; a date alone stays the date it is, whatever the zone."""
    if day is None:
        return None
    if clock is None:
        return Timestamp(datetime.combine(day, time(), UTC), Precision.DAY)
    zone = timezone(timedelta(minutes=offset_minutes or 0))
    return Timestamp(datetime.combine(day, clock.replace(microsecond=0), zone))


def request_references(requests: Sequence[ImagingRequest]) -> tuple[ReferenceId, ...]:
    """The accession numbers and orders of a study."""
    accessions = [
        ReferenceId(r.accession, ReferenceKind.ACCESSION, r.accession_authority)
        for r in requests
        if r.accession
    ]
    orders = [
        ReferenceId(r.placer_order, ReferenceKind.ORDER, r.placer_authority)
        for r in requests
        if r.placer_order
    ]
    return tuple(dict.fromkeys(accessions + orders))


def patient_info(patient: PatientIdentity) -> tuple[str, ...]:
    """The patient as the PID fields of sourcePatientInfo (ITI TF-3 4.2.3.2.23)."""
    name = patient.names[0]
    given = (*name.given, "")
    fields = [
        f"PID-3|{patient.id.cx}",
        f"PID-5|{name.family}^{given[0]}^{' '.join(given[1:]).strip()}".rstrip("^"),
    ]
    if patient.birth_date:
        fields.append(f"PID-7|{patient.birth_date:%Y%m%d}")
    if patient.gender:
        fields.append(f"PID-8|{'O' if patient.gender == 'UN' else patient.gender.value}")
    return tuple(fields)


def twin_id(manifest: Uid) -> Uid:
    """The unique id of the FHIR document beside the key object selection of a UID.

    MADO gives both the same UID. A registry cannot: there a unique id names one document, of one
    hash, and is all that a retrieval says (ITI TF-3 4.2.3.2.26, ITI TF-2 3.43). So the selection
    has the manifest's own UID, which is inside both, and the FHIR document the next arc below it.
    """
    return Uid.parse(f"{manifest}.1")


def manifest_entry(
    manifest: ImagingManifest,
    data: bytes,
    patient: PatientIdentity,
    *,
    oids: NationalOids,
    encoding: ManifestEncoding = ManifestEncoding.KOS,
    document: Uid | None = None,
    logical_id: EntryId | None = None,
    version: int = 1,
) -> DocumentEntry:
    """The entry of a manifest whose file is `data`, in one of its encodings.

    `document` is the unique id where it is not the manifest's own UID, which is then among the
    references. `logical_id` is that of the first version, where this is a later one.
    """
    own_id = entry_id(document or manifest.uid)
    mime_type, format_code = _MANIFEST_FORMATS[encoding]
    same = ReferenceId(manifest.uid, ReferenceKind.UNIQUE_ID)
    started = moment(manifest.study_date, manifest.study_time, manifest.offset_minutes)
    author = Author(institutions=(manifest.institution,)) if manifest.institution else Author()
    subject = manifest.study_description or ", ".join(c.value for c in manifest.modalities)
    return DocumentEntry(
        id=own_id,
        ref=DocumentRef(oids.community, oids.repository, DocumentId(document or manifest.uid)),
        patient=patient.id,
        logical_id=logical_id or own_id,
        version=str(version),
        mime_type=mime_type,
        title=f"Badanie obrazowe: {subject}",
        class_code=CLASS_IMAGES,
        type_code=TYPE_STUDY,
        format_code=format_code,
        facility_type=HOSPITAL_RADIOLOGY,
        practice_setting=RADIOLOGY,
        confidentiality=(NORMAL,),
        event_codes=(*manifest.modalities, *manifest.regions, *manifest.procedures),
        authors=(author,) if author.institutions else (),
        created=Timestamp(manifest.created) if manifest.created else None,
        service_start=started,
        language=LANGUAGE,
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        size_bytes=len(data),
        references=(
            ReferenceId.of_study(manifest.study),
            *request_references(manifest.requests),
            *((same,) if document else ()),
        ),
        source_patient=patient.id,
        source_patient_info=patient_info(patient),
    )


def manifest_facts(manifests: Sequence[ImagingManifest]) -> StudyFacts:
    """What a report on the studies of these manifests says of them."""
    starts = sorted(
        start
        for one in manifests
        if (start := moment(one.study_date, one.study_time, one.offset_minutes))
    )
    codes = [code for one in manifests for code in one.modalities]
    codes += [code for one in manifests for code in one.regions]
    codes += [code for one in manifests for code in one.procedures]
    return StudyFacts(
        event_codes=tuple(dict.fromkeys(codes)),
        started=starts[0] if starts else None,
        ended=starts[-1] if len(starts) > 1 else None,
    )


def report_entry(
    report: ImagingReport,
    data: bytes,
    patient: PatientIdentity,
    *,
    document: Uid,
    mime_type: str,
    format_code: Code,
    facts: StudyFacts,
    oids: NationalOids,
    logical_id: EntryId | None = None,
) -> DocumentEntry:
    """The entry of one form of a report: `document` is the unique id of that form.

    `ValueError` for a report that is not exchanged (a preliminary one).
    """
    if not report.status.is_exchanged:
        raise ValueError(f"found a {report.status.value} report, expected one that is exchanged")
    own_id = entry_id(document)
    author = Author(
        name=report.author,
        id=report.author_id,
        id_authority=report.author_authority,
        institutions=(report.organisation,) if report.organisation else (),
    )
    return DocumentEntry(
        id=own_id,
        ref=DocumentRef(oids.community, oids.repository, DocumentId(document)),
        patient=patient.id,
        logical_id=logical_id or own_id,
        version=str(report.version),
        mime_type=mime_type,
        title=report.title,
        class_code=CLASS_REPORTS,
        type_code=TYPE_REPORT,
        format_code=format_code,
        facility_type=HOSPITAL_RADIOLOGY,
        practice_setting=RADIOLOGY,
        confidentiality=(NORMAL,),
        event_codes=facts.event_codes,
        authors=(author,),
        created=Timestamp(report.created),
        service_start=facts.started,
        service_stop=facts.ended,
        language=report.language,
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        size_bytes=len(data),
        references=report.references,
        source_patient=patient.id,
        source_patient_info=patient_info(patient),
    )
