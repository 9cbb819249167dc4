"""A manifest says of a study what the image store holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

from country_a.manifests import build_manifest, modality_code, study_modalities, study_regions
from country_a.national.ports import StoredInstance, StoredSeries, StoredStudy
from gateway.domain import (
    CommunityId,
    HumanName,
    ImagingRequest,
    InstanceRef,
    ManifestForm,
    Oid,
    PatientId,
    PatientIdentity,
    Uid,
)
from gateway.domain.codes import SCT, Code
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS

PATIENT = PatientIdentity(
    id=PatientId("XA-1", Oid("2.999.1")),
    community=CommunityId("2.999"),
    names=(HumanName(family="Ł", given=("Ó",)),),
    other_ids=(PatientId("9", Oid("2.999.2")),),
)
STUDY = StoredStudy(
    uid=Uid("2.999.5"),
    patient=PATIENT.id,
    study_date=date(2024, 1, 2),
    study_time=time(3),
    offset_minutes=60,
    description="TK",
    requests=(ImagingRequest(accession="A", accession_authority="2.999.6"),),
)
SERIES = (
    StoredSeries(
        uid=Uid("2.999.5.1"),
        study=STUDY.uid,
        modality="CT",
        number=1,
        body_part="CHEST",
        instance_count=2,
    ),
    StoredSeries(
        uid=Uid("2.999.5.2"),
        study=STUDY.uid,
        modality="KO",
        number=2,
        laterality="L",
        instance_count=1,
    ),
)


def instance(series: int, number: int, **changes: object) -> StoredInstance:
    place = InstanceRef(
        study=STUDY.uid, series=SERIES[series].uid, instance=Uid(f"2.999.5.{series}.{number}")
    )
    made = StoredInstance(
        ref=place,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.2"),
        transfer_syntax=Uid("1.2.840.10008.1.2.1"),
        file="x",
        size_bytes=1,
        number=number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_manifest_lists_what_is_held() -> None:
    """Patient, request, counts, location, regions and notes are those of the store."""
    title = Code("113000", "1.2.840.10008.2.16.4", "Of Interest")
    note = instance(1, 1, sop_class=KEY_OBJECT_SOP_CLASS, note_title=title, note_description="d")

    manifest = build_manifest(
        STUDY,
        SERIES,
        [instance(0, 1, frames=4), instance(0, 2), note],
        PATIENT,
        uid=Uid("2.999.7"),
        location=Oid("2.999.8"),
        created=datetime(2024, 1, 2, tzinfo=UTC),
        manufacturer="M",
    )

    assert manifest.form is ManifestForm.MADO
    assert manifest.patient.ids == (PATIENT.id, *PATIENT.other_ids)
    assert (manifest.accession, manifest.accession_authority) == ("A", "2.999.6")
    assert manifest.requests == STUDY.requests
    assert [code.value for code in manifest.modalities] == ["CT"]
    assert [code.value for code in manifest.regions] == ["67734004"]
    assert manifest.declared_series == 2
    assert [one.declared_instances for one in manifest.series] == [2, 1]
    assert {one.location for one in manifest.series} == {"2.999.8"}
    assert {one.retrieve_url for one in manifest.series} == {""}
    assert manifest.series[0].instances[0].frames == 4
    assert manifest.series[1].laterality == Code("7771000", SCT)
    assert manifest.series[1].instances[0].note_title == title
    assert manifest.notes() == (note.ref,)


def test_several_accession_numbers_are_none_of_the_study() -> None:
    """A group case leaves the study's own accession empty and keeps every request."""
    requests = (*STUDY.requests, ImagingRequest(accession="B", accession_authority="2.999.6"))

    manifest = build_manifest(
        replace(STUDY, requests=requests),
        (),
        (),
        PATIENT,
        uid=Uid("2.999.7"),
        location=Oid("2.999.8"),
        created=datetime(2024, 1, 2, tzinfo=UTC),
        manufacturer="M",
    )

    assert manifest.accession == ""
    assert manifest.requests == requests


def test_a_study_that_acquired_nothing_counts_under_what_it_holds() -> None:
    """A study of structured reports alone is an SR study, and has no region."""
    report = replace(SERIES[1], modality="SR")

    assert study_modalities([report]) == (modality_code("SR"),)
    assert study_modalities([report, SERIES[0]]) == (modality_code("CT"),)
    assert study_regions([report]) == ()
