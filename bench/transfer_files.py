"""The images that are transferred: CT slices of 512 x 512 noise, each with a UID of its own.

In series of their own: one to warm up with, and two of 1 GiB each, because DICOMweb names whole
series. Made once below out/bench and indexed in Country A's image folder; used again after that.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset

from bench.places import settings_a, settle_patient
from country_a.app import national_systems
from gateway.domain import (
    Code,
    ImagingManifest,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Oid,
    Uid,
)
from gateway.domain.codes import DCM
from tests.builders import CT_IMAGE, PATIENT

REPOSITORY = Oid("2.999.1.1.3")  # the imaging source of the default settings
STUDY = Uid("2.999.1.1.9.77")
WARM_UP, GIBIBYTE = 16, 2048  # instances
SERIES_SIZES = (WARM_UP, GIBIBYTE, GIBIBYTE)
SIDE = 512
EXPLICIT_LITTLE = pydicom.uid.ExplicitVRLittleEndian


def series_of(number: int) -> Uid:
    """The UID of a series, counted from 0; all are of the same length."""
    return Uid(f"{STUDY}.{number + 1}")


def uid_of(series: int, number: int) -> Uid:
    """The SOP Instance UID of a slice; all are of the same length."""
    return Uid(f"{series_of(series)}.{100_000 + number}")


def _series_with(instances: int) -> tuple[int, ...]:
    """The series that together have so many instances."""
    found = {WARM_UP: (0,), GIBIBYTE: (1,), 2 * GIBIBYTE: (1, 2)}.get(instances)
    if found is None:
        raise ValueError(f"found {instances}, expected {WARM_UP}, {GIBIBYTE} or {2 * GIBIBYTE}")
    return found


def manifest_of(instances: int) -> ImagingManifest:
    """The study as a manifest, of the series alone that have so many instances."""
    return ImagingManifest(
        uid=Uid("2.999.1.1.9.76"),
        form=ManifestForm.MADO,
        study=STUDY,
        patient=ManifestPatient(ids=(PATIENT,)),
        title=Code("131560", DCM, "Manifest with Description"),
        series=tuple(
            ManifestSeries(
                uid=series_of(series),
                modality=Code("CT", DCM, "Computed Tomography"),
                number=series + 1,
                location=REPOSITORY,
                instances=tuple(
                    ManifestInstance(uid=uid_of(series, number), sop_class=CT_IMAGE, number=number)
                    for number in range(SERIES_SIZES[series])
                ),
            )
            for series in _series_with(instances)
        ),
    )


@cache
def _slice() -> bytes:
    """The first slice, its pixels zero."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(CT_IMAGE)
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(uid_of(0, 0))
    meta.TransferSyntaxUID = EXPLICIT_LITTLE
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = str(CT_IMAGE), str(uid_of(0, 0))
    ds.StudyDate, ds.StudyTime = "20260301", "093000"
    ds.AccessionNumber, ds.Modality, ds.Manufacturer = "ACC-75", "CT", "Made up"
    ds.StudyDescription, ds.SeriesDescription = "CT of thorax", "Thin slices"
    ds.PatientName, ds.PatientID = "Specimen^Anna", PATIENT.value
    issuer = pydicom.Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = str(PATIENT.authority), "ISO"
    ds.IssuerOfPatientIDQualifiersSequence = [issuer]
    ds.PatientBirthDate, ds.PatientSex = "19800229", "F"
    ds.SliceThickness, ds.KVP = "1.0", "120"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = str(STUDY), str(series_of(0))
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.ImagePositionPatient = ["-250.0", "-250.0", "0.0"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = SIDE
    ds.PixelSpacing = ["0.7", "0.7"]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = bytes(2 * SIDE * SIDE)
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def bytes_of() -> int:
    """How large each slice's file is."""
    return len(_slice())


def _write_all(folder: Path) -> list[Path]:
    whole, pixels = _slice(), 2 * SIDE * SIDE
    head, first, begin = whole[:-pixels], uid_of(0, 0).encode(), series_of(0).encode()
    paths = []
    for series, size in enumerate(SERIES_SIZES):
        # The name of the instance begins with that of the series.
        of_series = head.replace(begin, series_of(series).encode())
        named = first.replace(begin, series_of(series).encode())
        for number in range(size):
            noise = random.Random(number).randbytes(pixels)
            path = folder / f"{series}-{number:04}.dcm"
            path.write_bytes(of_series.replace(named, uid_of(series, number).encode()) + noise)
            paths.append(path)
    return paths


async def _index(folder: Path) -> None:
    national = await national_systems(settings_a(folder, profile="ihe"))
    try:
        held = await national.systems.pacs.instances(STUDY)
        good = len(held) == sum(SERIES_SIZES) and all(
            one.path.exists() and one.path.stat().st_size == bytes_of() for one in held
        )
        if not good:
            paths = await asyncio.to_thread(_write_all, national.image_folder)
            await national.systems.pacs.add(paths)
        await settle_patient(national)
    finally:
        await national.close()


def prepare(folder: Path) -> None:
    """Country A's folder with the images in it; what was kept of earlier runs is dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    for kept in ("a/transcripts", "a/audit", "b"):
        shutil.rmtree(folder / kept, ignore_errors=True)
    (folder / "a" / "assertions.log").unlink(missing_ok=True)
    asyncio.run(_index(folder))


@contextmanager
def store_for(size: int, folder: Path) -> Iterator[Path]:
    """Where Country B stores so many bytes: in memory if there is room, else in the folder.

    Gone when left.
    """
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 2 * size
    with TemporaryDirectory(prefix="ncpeh-bench-", dir=memory if fits else folder) as place:
        yield Path(place) / "store"
