"""Studies, series and instances survive being written and read, and complete each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from pathlib import Path

import orjson
import pytest

from country_a.national.pacs_rows import (
    instance_body,
    merged,
    merged_series,
    read_instance,
    read_series,
    read_study,
    series_body,
    stored_from,
    study_body,
)
from country_a.national.ports import StoredInstance, StoredSeries, StoredStudy
from gateway.domain import (
    Code,
    ImagingRequest,
    InstanceRef,
    ManifestPatient,
    Oid,
    Organisation,
    PatientId,
    PixelFacts,
    Uid,
)
from gateway.wire.dicom.dataset import InstanceHeader
from gateway.wire.problems import DecodeError

PATIENT = PatientId("XA-1", Oid("2.999.1"))
REQUEST = ImagingRequest(
    accession="A", accession_authority="2.999.2", placer_order="O", code=Code("1", "2.999.3", "x")
)
STUDY = StoredStudy(
    uid=Uid("2.999.5"),
    patient=PATIENT,
    study_date=date(2024, 1, 2),
    study_time=time(3, 4, 5),
    offset_minutes=-90,
    description="Ł",
    requests=(REQUEST,),
    procedures=(Code("2", "2.999.3", "y"),),
    institution=Organisation(name="H", id="1", authority="2.999.4"),
)
SERIES = StoredSeries(
    uid=Uid("2.999.5.1"),
    study=STUDY.uid,
    modality="CT",
    number=0,
    description="Ł",
    started=date(2024, 1, 2),
    started_time=time(3, 4, 5, 6),
    body_part="CHEST",
    region=Code("3", "2.999.3"),
    laterality="L",
)
INSTANCE = StoredInstance(
    ref=InstanceRef(study=STUDY.uid, series=SERIES.uid, instance=Uid("2.999.5.1.1")),
    sop_class=Uid("1.2"),
    transfer_syntax=Uid("1.3"),
    file="/x/y.dcm",
    size_bytes=5,
    sha256="ab",
    native_sha256="cd",
    patient=PATIENT,
    number=3,
    frames=2,
    rows=4,
    columns=5,
    bits_stored=12,
    has_pixels=True,
    burned_in="why",
    note_title=Code("113000", "DCM", "t"),
    note_description="d",
    pixels=PixelFacts(rows=4, columns=5, image_type=("ORIGINAL",), slice_millimetres=0.5),
)


def test_what_is_written_is_read() -> None:
    """Bodies give back what they were made of."""
    assert read_study(study_body(STUDY)) == STUDY
    assert read_series(series_body(SERIES)) == SERIES
    assert read_instance(instance_body(INSTANCE)) == INSTANCE


def test_an_instance_of_an_older_version_is_read_without_what_that_did_not_know() -> None:
    """It is measured again where it is asked for."""
    older = orjson.dumps(orjson.loads(instance_body(INSTANCE))[:-1])
    assert read_instance(older) == replace(INSTANCE, native_sha256="")


def test_the_first_word_stands_and_the_rest_completes_it() -> None:
    """A later header fills gaps, contradicts nothing, and adds no half of a known request."""
    bare = StoredStudy(uid=STUDY.uid, patient=None, description="first")
    half = ImagingRequest(accession="A", accession_authority="2.999.2")
    other = ImagingRequest(accession="B")

    whole = merged(bare, STUDY)

    assert (whole.description, whole.patient, whole.offset_minutes) == ("first", PATIENT, -90)
    assert merged(StoredStudy(uid=STUDY.uid, patient=None, requests=(half,)), STUDY).requests == (
        REQUEST,
    )
    several = merged(STUDY, StoredStudy(uid=STUDY.uid, patient=None, requests=(other,)))
    assert several.requests == (REQUEST, other)
    start = StoredSeries(uid=SERIES.uid, study=STUDY.uid, modality="CT", number=0)
    assert merged_series(start, SERIES) == SERIES


def test_a_header_without_its_place_is_refused() -> None:
    """What is missing is named."""
    header = InstanceHeader(study=STUDY.uid, instance=Uid("1.2"), sop_class=Uid("1.2"))

    with pytest.raises(DecodeError, match="series"):
        stored_from(header, Path("x"), size_bytes=1, sha256="")


def test_the_head_of_a_header_completes_its_only_request() -> None:
    """Accession at the top and order in the request are one pair."""
    header = InstanceHeader(
        study=STUDY.uid,
        series=SERIES.uid,
        instance=Uid("1.2"),
        sop_class=Uid("1.2"),
        transfer_syntax=Uid("1.3"),
        patient=ManifestPatient(ids=(PATIENT,)),
        accession="A",
        accession_authority="2.999.2",
        requests=(ImagingRequest(placer_order="O", placer_authority="2.999.3"),),
    )

    study, _, instance = stored_from(header, Path("x"), size_bytes=1, sha256="")

    (request,) = study.requests
    assert (request.accession, request.placer_order) == ("A", "O")
    assert (study.patient, instance.patient) == (PATIENT, PATIENT)
