"""Registry entries carry the metadata other countries filter and link by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from country_a.entries import (
    StudyFacts,
    entry_id,
    manifest_entry,
    manifest_facts,
    moment,
    patient_info,
    report_entry,
    twin_id,
)
from country_a.manifests import TITLE
from country_a.oids import NationalOids
from gateway.domain import (
    Code,
    CommunityId,
    DocumentId,
    Gender,
    HumanName,
    ImagingManifest,
    ImagingReport,
    ImagingRequest,
    ManifestEncoding,
    ManifestForm,
    ManifestPatient,
    PatientId,
    PatientIdentity,
    Precision,
    ReferenceId,
    ReferenceKind,
    ReportStatus,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    DCM,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    FORMAT_PDF,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)

OIDS = NationalOids.under(CommunityId("2.999.1.1"))
PATIENT = PatientIdentity(
    id=PatientId("XA-1", OIDS.patients),
    community=OIDS.community,
    names=(HumanName(family="Ł", given=("Ó", "É")),),
    birth_date=date(1970, 1, 2),
    gender=Gender.FEMALE,
)
MANIFEST = ImagingManifest(
    uid=Uid("2.999.7"),
    form=ManifestForm.MADO,
    study=Uid("2.999.5"),
    patient=ManifestPatient(),
    title=TITLE,
    study_date=date(2024, 1, 2),
    study_time=time(0, 30),
    offset_minutes=60,
    study_description="TK",
    requests=(
        ImagingRequest(accession="A", accession_authority="2.999.6", placer_order="1"),
        ImagingRequest(accession="A", accession_authority="2.999.6", placer_order="2"),
    ),
    modalities=(Code("CT", DCM),),
    regions=(Code("67734004", SCT),),
    procedures=(Code("77477000", SCT),),
)
REPORT = ImagingReport(
    id=DocumentId("2.999.9"),
    status=ReportStatus.FINAL,
    title="Opis",
    language="pl-PL",
    created=datetime(2024, 1, 3, tzinfo=UTC),
    patient_ids=(PATIENT.id,),
    patient_name=PATIENT.names[0],
    references=(ReferenceId.of_study(MANIFEST.study),),
)


def test_a_manifest_is_listed_with_every_value_to_filter_by() -> None:
    """Class, type, format, events, references, hash, size and start are all there."""
    entry = manifest_entry(MANIFEST, b"abc", PATIENT, oids=OIDS)

    assert (entry.class_code, entry.type_code, entry.format_code) == (
        CLASS_IMAGES,
        TYPE_STUDY,
        FORMAT_KOS,
    )
    assert (entry.mime_type, entry.ref.document) == ("application/dicom", "2.999.7")
    assert [code.value for code in entry.event_codes] == ["CT", "67734004", "77477000"]
    assert [(r.value, r.kind) for r in entry.references] == [
        ("2.999.5", ReferenceKind.STUDY),
        ("A", ReferenceKind.ACCESSION),
        ("1", ReferenceKind.ORDER),
        ("2", ReferenceKind.ORDER),
    ]
    assert entry.sha1 == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert entry.size_bytes == 3
    assert entry.service_start is not None
    assert entry.service_start.dtm == "20240101233000"
    assert entry.confidentiality[0].value == "N"
    assert entry.logical_id == entry.id == entry_id("2.999.7")
    assert entry.source_patient == entry.patient == PATIENT.id


def test_a_fhir_document_is_listed_beside_its_selection() -> None:
    """With its own id, type and format, under the same values to filter by, and naming its twin."""
    kos = manifest_entry(MANIFEST, b"abc", PATIENT, oids=OIDS)

    fhir = manifest_entry(
        MANIFEST,
        b"{}",
        PATIENT,
        oids=OIDS,
        encoding=ManifestEncoding.FHIR,
        document=twin_id(MANIFEST.uid),
    )

    assert (fhir.mime_type, fhir.format_code) == ("application/fhir+json", FORMAT_FHIR_MANIFEST)
    assert fhir.format_code.scheme == "1.3.6.1.4.1.19376.1.2.7.1"
    assert (fhir.ref.document, fhir.size_bytes) == ("2.999.7.1", 2)
    assert fhir.id != kos.id
    assert fhir.event_codes == kos.event_codes
    same = ReferenceId(MANIFEST.uid, ReferenceKind.UNIQUE_ID)
    assert fhir.references == (*kos.references, same)


def test_a_report_is_listed_with_what_its_studies_are() -> None:
    """Its events and start are those of the studies it is about."""
    other = replace(MANIFEST, study_date=date(2024, 2, 1), modalities=(Code("MR", DCM),))
    facts = manifest_facts([other, MANIFEST])

    entry = report_entry(
        REPORT,
        b"%PDF",
        PATIENT,
        document=Uid("2.999.9"),
        mime_type="application/pdf",
        format_code=FORMAT_PDF,
        facts=facts,
        oids=OIDS,
    )

    assert (entry.class_code, entry.type_code) == (CLASS_REPORTS, TYPE_REPORT)
    assert [code.value for code in entry.modalities] == ["MR", "CT"]
    assert entry.service_start == moment(date(2024, 1, 2), time(0, 30), 60)
    assert entry.service_stop == moment(date(2024, 2, 1), time(0, 30), 60)
    assert entry.references == REPORT.references


def test_a_preliminary_report_gets_no_entry() -> None:
    """What is not exchanged cannot be registered by mistake."""
    with pytest.raises(ValueError, match="preliminary"):
        report_entry(
            replace(REPORT, status=ReportStatus.PRELIMINARY),
            b"",
            PATIENT,
            document=Uid("2.999.9"),
            mime_type="application/pdf",
            format_code=FORMAT_PDF,
            facts=StudyFacts(),
            oids=OIDS,
        )


def test_a_date_alone_stays_the_date_it_is() -> None:
    """Without a time of day no zone moves a study to the day before."""
    alone = moment(date(2024, 1, 2), None, 120)

    assert alone is not None
    assert (alone.dtm, alone.precision) == ("20240102", Precision.DAY)
    assert moment(None, time(1), 0) is None


def test_the_patient_is_told_as_pid_fields() -> None:
    """Identifier, name, birth date and sex as sourcePatientInfo writes them."""
    assert patient_info(PATIENT) == (
        "PID-3|XA-1^^^&2.999.1.1.1&ISO",
        "PID-5|Ł^Ó^É",
        "PID-7|19700102",
        "PID-8|F",
    )
