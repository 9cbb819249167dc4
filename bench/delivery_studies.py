"""The images of `bench.delivery`: real ones kept beside the project, or generated ones.

Every study is the patient's of the other measurements, under UIDs of its own, so that Country A may
give it out; pixels and stored syntax are those of the files. Where a study needs more slices than
there are, each comes several times in a row. Made once below out/bench, and used again after that.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from bench.places import FOLDER, settings_a, settle_patient
from country_a.app import national_systems
from country_a.seed.phantoms import ct_slices, mr_slices
from gateway.compression.sampling import evenly_spaced
from gateway.domain import Uid
from tests.builders import CT_IMAGE, PATIENT
from tests.shared import SHARED

PLACE = FOLDER / "delivery"
SAMPLES = SHARED / "samples" / "dicom"
ROOT = "2.999.1.1.9.88"
# What is in the study that link, first look and Orthanc are measured with, and in the large one.
SLICES, MANY_SERIES, MANY = 400, 10, 5000
MANY_SIDE = 256
MEASURED = 10  # images of a series, evenly spaced, that are coded in every way
_FORM = "4"  # changed with what is prepared, which is made anew then


@dataclass(frozen=True, slots=True)
class Images:
    """Files of one series, and whether a machine made them of somebody or something."""

    name: str
    modality: str
    files: tuple[bytes, ...]
    real: bool

    @property
    def source(self) -> str:
        """For people: where the images come from."""
        return f"{len(self.files)} {'real' if self.real else 'generated'} images"


T = TypeVar("T")


def stretched(few: Sequence[T], count: int) -> list[T]:
    """So many of few, each several times in a row: slices resemble their neighbours.

    Taken in turns they would not: images at even distances, as are sampled, would be the same few.
    """
    return [few[at * len(few) // count] for at in range(count)]


def study_of(number: int) -> Uid:
    """The UID of a prepared study."""
    return Uid(f"{ROOT}.{number}")


def images() -> tuple[Images, ...]:
    """The series that codings are measured on: two of CT, one of MR, one that is compressed.

    Real ones where they lie beside the project, else made ones.
    """
    found = (
        _real("CT thin", "CT", "ct/philips-phantom-1mm"),
        _real("CT head", "CT", "ct/ge-head-28"),
        _real("MR", "MR", "mr/sag-anon"),
        _real("CT in JPEG 2000", "CT", "ct/siemens-body-20-j2k"),
    )
    held = [one for one in found if one is not None]
    rng = np.random.default_rng(7)
    if not any(one.modality == "CT" for one in held):
        planes = ct_slices(MEASURED, 512, rng)
        held.insert(0, Images("CT", "CT", tuple(_made(one, "CT") for one in planes), real=False))
    if not any(one.modality == "MR" for one in held):
        held.append(Images("MR generated", "MR", _small(), real=False))
    return tuple(held)


def _small() -> tuple[bytes, ...]:
    """Made slices of MR, of which studies of thousands are prepared."""
    rng = np.random.default_rng(7)
    return tuple(_made(plane, "MR") for plane in mr_slices(MEASURED, MANY_SIDE, rng))


def _real(name: str, modality: str, folder: str) -> Images | None:
    paths = sorted(one for one in (SAMPLES / folder).glob("*") if one.is_file())
    chosen = [paths[at] for at in evenly_spaced(len(paths), MEASURED)]
    if not chosen:
        return None
    return Images(name, modality, tuple(one.read_bytes() for one in chosen), real=True)


def _made(plane: np.ndarray, modality: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(CT_IMAGE)
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("2.25.1")
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = str(CT_IMAGE), "2.25.1", modality
    ds.StudyDate, ds.StudyTime, ds.PatientName = "20260301", "093000", "Specimen^Anna"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = plane.shape
    signed = plane.dtype.kind == "i"
    ds.BitsAllocated, ds.PixelRepresentation = 16, int(signed)
    ds.BitsStored = 16 if signed else 12
    ds.HighBit = ds.BitsStored - 1
    ds.PixelData = plane.tobytes()
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _named(data: bytes, study: Uid, series: int, number: int) -> bytes:
    """A file as an instance of a prepared study of the patient."""
    ds = pydicom.dcmread(BytesIO(data))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = str(study), f"{study}.{series}"
    ds.SOPInstanceUID = f"{study}.{series}.{number + 1}"
    ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(ds.SOPInstanceUID)
    ds.PatientName, ds.PatientID = "Specimen^Anna", PATIENT.value
    ds.SeriesNumber, ds.InstanceNumber = series, number + 1
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = str(PATIENT.authority), "ISO"
    ds.IssuerOfPatientIDQualifiersSequence = [issuer]
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def thin_slices() -> Images:
    """The series that is sent over a link: of CT, stored uncompressed."""
    return next(one for one in images() if one.modality == "CT")


def sent_sizes() -> tuple[int, ...]:
    """How many slices the prepared studies of CT have; the place is the number of the study."""
    return (8, 24, 40, 150, 200, SLICES)


MANY_STUDY = len(sent_sizes())
FEW_STUDY = MANY_STUDY + 1


def _write(folder: Path) -> list[Path]:
    paths: list[Path] = []

    def put(study: int, series: int, files: Sequence[bytes], count: int) -> None:
        for number, data in enumerate(stretched(files, count)):
            path = folder / f"{study}-{series}-{number:04}.dcm"
            path.write_bytes(_named(data, study_of(study), series, number))
            paths.append(path)

    files = thin_slices().files
    for study, count in enumerate(sent_sizes()):
        put(study, 1, files, count)
    small = _small()
    for series in range(1, MANY_SERIES + 1):
        put(MANY_STUDY, series, small, MANY // MANY_SERIES)
    put(FEW_STUDY, 1, small, SLICES)
    return paths


async def _index(folder: Path) -> None:
    national = await national_systems(settings_a(folder, profile="ihe"))
    try:
        done = folder / "prepared"
        name = f"{_FORM} {thin_slices().name} {sent_sizes()} {MANY}"
        if not done.exists() or done.read_text(encoding="utf-8") != name:
            paths = await asyncio.to_thread(_write, national.image_folder)
            await national.systems.pacs.add(paths)
            done.write_text(name, encoding="utf-8")
        await settle_patient(national)
    finally:
        await national.close()


def prepare() -> None:
    """Country A's folder with the studies in it; what was kept of earlier runs is dropped."""
    PLACE.mkdir(parents=True, exist_ok=True)
    forget()
    asyncio.run(_index(PLACE))


def forget() -> None:
    """Drop what Country A keeps of deliveries: renditions would be sent without being made."""
    for kept in ("transcripts", "audit", "renditions", "plans", "deliveries"):
        shutil.rmtree(PLACE / "a" / kept, ignore_errors=True)
    (PLACE / "a" / "assertions.log").unlink(missing_ok=True)


def image_folder() -> Path:
    """Where the files of the studies lie."""
    return PLACE / "a" / "images"
