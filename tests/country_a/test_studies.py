"""Generated studies are DICOM that others read, the same for the same seed number."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pydicom
import pytest

from country_a.national.pacs_folder import read_facts
from country_a.oids import NationalOids
from country_a.seed.people import cast
from country_a.seed.reports import hospital
from country_a.seed.studies import KINDS, TINY, Kind, MadeStudy, StudyOrder, make_study
from gateway.domain import CommunityId, ImagingRequest

OIDS = NationalOids.under(CommunityId("2.999.1.1"))
PATIENT = cast(OIDS)[0].identity
REQUEST = ImagingRequest(
    accession="A1",
    accession_authority=str(OIDS.accessions),
    placer_order="O1",
    placer_authority=str(OIDS.orders),
    procedure_id="P1",
)


def make(
    kind: Kind,
    folder: Path,
    *,
    compressed: bool = False,
    requests: tuple[ImagingRequest, ...] = (REQUEST,),
) -> MadeStudy:
    order = StudyOrder(
        number=3,
        patient=PATIENT,
        kind=kind,
        started=datetime(2024, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=1))),
        institution=hospital(OIDS),
        requests=requests,
        compressed=compressed,
    )
    return make_study(order, folder, oids=OIDS, seed_number=7, scale=TINY)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_says_who_when_and_what(kind: Kind, tmp_path: Path) -> None:
    """The header of each instance names patient, study, order, modality and body part."""
    made = make(kind, tmp_path)

    for path, ref in zip(made.files, made.images, strict=True):
        study, series, instance = read_facts(path)
        assert instance.ref == ref
        assert (study.uid, study.patient, study.requests) == (made.uid, PATIENT.id, (REQUEST,))
        assert f"{study.study_date} {study.study_time}" == "2024-05-06 07:08:00"
        assert study.offset_minutes == 60
        assert study.procedures == (KINDS[kind].procedure,)
        assert study.institution == hospital(OIDS)
        assert series.modality == KINDS[kind].modality
        assert series.body_part == KINDS[kind].body_part
        assert instance.sop_class == KINDS[kind].sop_class
        assert instance.has_pixels
        assert instance.burned_in == ""
    assert len({image.series for image in made.images}) == len(KINDS[kind].series)


@pytest.mark.parametrize(
    ("kind", "compressed", "shape"),
    [
        (Kind.CT, False, (48, 48)),
        (Kind.MR, True, (32, 32)),
        (Kind.MG, False, (40, 32)),
        (Kind.US, False, (3, 32, 48, 3)),
        (Kind.US, True, (3, 32, 48, 3)),
        (Kind.SMALL_US, False, (64, 64)),
    ],
)
def test_pixels_are_read_by_others(
    kind: Kind, compressed: bool, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """Plain and compressed pictures decode to the shape the header promises."""
    made = make(kind, tmp_path, compressed=compressed)

    ds = pydicom.dcmread(made.files[0])

    assert ds.pixel_array.shape == shape
    assert ds.file_meta.TransferSyntaxUID.is_compressed is compressed
    assert int(ds.pixel_array.max()) > int(ds.pixel_array.min())


def test_compression_that_is_lossless_changes_no_pixel(tmp_path: Path) -> None:
    """JPEG 2000 holds the pixels the plain file holds."""
    plain = make(Kind.MR, tmp_path / "plain").files[0]
    packed = make(Kind.MR, tmp_path / "packed", compressed=True).files[0]

    assert (pydicom.dcmread(plain).pixel_array == pydicom.dcmread(packed).pixel_array).all()


def test_the_same_order_gives_the_same_files(tmp_path: Path) -> None:
    """Byte for byte, wherever they are written."""
    one, two = (make(Kind.CT, tmp_path / name) for name in ("one", "two"))

    assert [p.read_bytes() for p in one.files] == [p.read_bytes() for p in two.files]


def test_several_accession_numbers_leave_the_head_empty(tmp_path: Path) -> None:
    """A group of accession numbers stands in the requests alone."""
    other = ImagingRequest(
        accession="A2",
        accession_authority=str(OIDS.accessions),
        placer_order="O2",
        placer_authority=str(OIDS.orders),
        procedure_id="P1",
    )

    path = make(Kind.SMALL_DX, tmp_path, requests=(REQUEST, other)).files[0]

    assert pydicom.dcmread(path).AccessionNumber == ""
    assert read_facts(path)[0].requests == (REQUEST, other)
