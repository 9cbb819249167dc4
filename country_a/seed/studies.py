"""Generated studies: DICOM files of made-up pictures, the same for the same seed number.

Several kinds of study, from a CT of several hundred slices to a single small frame, each with
the attributes a registry entry and a manifest are built from. Clauses: DICOM PS3.3 A.3, A.4,
A.6, A.7, A.26 (the image objects), C.4.13 (request attributes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from country_a.oids import NationalOids
from country_a.seed import phantoms
from gateway.domain import Code, ImagingRequest, InstanceRef, Organisation, PatientIdentity, Uid
from gateway.domain.codes import LOINC, SCT

MANUFACTURER = "NCPeH imaging simulator"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
_ULTRASOUND_QUALITY = 90


class Kind(StrEnum):
    """What kind of study."""

    CT = "ct"
    MR = "mr"
    DX = "dx"
    MG = "mg"
    US = "us"
    SMALL_DX = "small-dx"
    SMALL_US = "small-us"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFacts:
    """What all studies of a kind share. `title` is in the country's language."""

    modality: str
    sop_class: str
    body_part: str
    title: str
    procedure: Code
    series: tuple[str, ...]


_DX = "1.2.840.10008.5.1.4.1.1.1.1"
_US = "1.2.840.10008.5.1.4.1.1.6.1"
KINDS: dict[Kind, KindFacts] = {
    Kind.CT: KindFacts(
        modality="CT",
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        body_part="CHEST",
        title="TK klatki piersiowej",
        procedure=Code("169069000", SCT, "TK klatki piersiowej"),
        series=("Faza natywna", "Faza tętnicza", "Faza żylna"),
    ),
    Kind.MR: KindFacts(
        modality="MR",
        sop_class="1.2.840.10008.5.1.4.1.1.4",
        body_part="HEAD",
        title="MR głowy",
        procedure=Code("24590-2", LOINC, "MR mózgowia"),
        series=("T1 SE", "T2 FLAIR"),
    ),
    Kind.DX: KindFacts(
        modality="DX",
        sop_class=_DX,
        body_part="CHEST",
        title="RTG klatki piersiowej",
        procedure=Code("399208008", SCT, "RTG klatki piersiowej"),
        series=("PA",),
    ),
    Kind.MG: KindFacts(
        modality="MG",
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        body_part="BREAST",
        title="Mammografia",
        procedure=Code("71651007", SCT, "Mammografia"),
        series=("MLO L", "MLO R"),
    ),
    Kind.US: KindFacts(
        modality="US",
        sop_class="1.2.840.10008.5.1.4.1.1.3.1",
        body_part="HEART",
        title="USG serca",
        procedure=Code("16310003", SCT, "Ultrasonografia"),
        series=("Projekcja koniuszkowa",),
    ),
    Kind.SMALL_DX: KindFacts(
        modality="DX",
        sop_class=_DX,
        body_part="HAND",
        title="RTG dłoni",
        procedure=Code("363680008", SCT, "Radiografia"),
        series=("AP",),
    ),
    Kind.SMALL_US: KindFacts(
        modality="US",
        sop_class=_US,
        body_part="ABDOMEN",
        title="USG jamy brzusznej",
        procedure=Code("16310003", SCT, "Ultrasonografia"),
        series=("Wątroba",),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large generated studies are: slices, frames, and pixels a side."""

    ct_slices: int = 105  # in each of three series
    ct_size: int = 512
    mr_slices: int = 24
    mr_size: int = 256
    radiograph: tuple[int, int] = (1536, 1280)
    mammogram: tuple[int, int] = (1536, 1152)
    us_frames: int = 24
    us_size: tuple[int, int] = (480, 640)
    many: int = 200  # studies of the patient who has many


DEMO = Scale()
FULL = Scale(
    ct_slices=250,
    mr_slices=60,
    radiograph=(2560, 2048),
    mammogram=(2816, 2016),
    us_frames=60,
)
TINY = Scale(
    ct_slices=3,
    ct_size=48,
    mr_slices=2,
    mr_size=32,
    radiograph=(48, 40),
    mammogram=(40, 32),
    us_frames=3,
    us_size=(32, 48),
    many=6,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOrder:
    """One study to be made. `number` makes its UIDs and pixels its own.

    `started` is aware and in the country's time zone. `requests` holds one (accession, order)
    pair or several. `compressed` stores the pixels in a compressed transfer syntax where the
    kind has one.
    """

    number: int
    patient: PatientIdentity
    kind: Kind
    started: datetime
    institution: Organisation
    requests: tuple[ImagingRequest, ...]
    compressed: bool = False


@dataclass(slots=True)
class MadeStudy:
    """A study made: its files, and its images in their place, series by series."""

    order: StudyOrder
    uid: Uid
    files: list[Path] = field(default_factory=list)
    images: list[InstanceRef] = field(default_factory=list)


def make_study(
    order: StudyOrder, folder: Path, *, oids: NationalOids, seed_number: int, scale: Scale
) -> MadeStudy:
    """Write the files of a study into a folder, which is made when missing."""
    facts = KINDS[order.kind]
    made = MadeStudy(order=order, uid=oids.uid(seed_number, order.number))
    folder.mkdir(parents=True, exist_ok=True)
    for number, description in enumerate(facts.series, start=1):
        series = oids.uid(seed_number, order.number, number)
        started = order.started + timedelta(minutes=4 * (number - 1))
        common = _common(order, made.uid, series, number, description, started)
        rng = np.random.default_rng((seed_number, order.number, number))
        pictures = _pictures(order, number, rng, scale)
        for index, picture in enumerate(pictures, start=1):
            instance = oids.uid(seed_number, order.number, number, index)
            _complete(common, order.kind, instance, index, picture, compressed=order.compressed)
            path = folder / f"{number:02}-{index:04}.dcm"
            common.save_as(path, enforce_file_format=True)
            made.files.append(path)
            made.images.append(InstanceRef(study=made.uid, series=series, instance=instance))
    return made


def _pictures(
    order: StudyOrder, series: int, rng: np.random.Generator, scale: Scale
) -> Iterator[phantoms.Pixels]:
    kind = order.kind
    if kind is Kind.CT:
        return phantoms.ct_slices(scale.ct_slices, scale.ct_size, rng)
    if kind is Kind.MR:
        return phantoms.mr_slices(scale.mr_slices, scale.mr_size, rng)
    if kind is Kind.MG:
        rows, columns = scale.mammogram
        return iter([phantoms.mammogram(rows, columns, rng, left=series == 1)])
    if kind is Kind.US:
        rows, columns = scale.us_size
        frames = phantoms.ultrasound_frames(scale.us_frames, rows, columns, rng)
        return iter([np.stack(list(frames))])
    if kind is Kind.SMALL_US:
        return (frame[:, :, 0] for frame in phantoms.ultrasound_frames(1, 64, 64, rng))
    rows, columns = scale.radiograph if kind is Kind.DX else (64, 64)
    return iter([phantoms.radiograph(rows, columns, rng)])


def patient_module(ds: Dataset, patient: PatientIdentity) -> None:
    """Write the patient into a header, identifiers with their authorities (PS3.3 C.7.1.1)."""
    name = patient.names[0]
    ds.PatientName = f"{name.family}^{' '.join(name.given[:1])}^{' '.join(name.given[1:])}"
    ds.PatientID = patient.id.value
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = str(patient.id.authority), "ISO"
    ds.IssuerOfPatientIDQualifiersSequence = [issuer]
    ds.PatientBirthDate = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    ds.PatientSex = {"M": "M", "F": "F"}.get(patient.gender or "", "O" if patient.gender else "")


def _entity(oid: str) -> list[Dataset]:
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = oid, "ISO"
    return [item]


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = {LOINC: "LN", SCT: "SCT"}.get(code.scheme, "99XA")
    item.CodeMeaning = code.display
    return item


def request_attributes(ds: Dataset, requests: tuple[ImagingRequest, ...]) -> None:
    """Write under which accession numbers and orders a study was made (PS3.3 C.4.13)."""
    accessions = {(request.accession, request.accession_authority) for request in requests}
    # Several accession numbers: none of them is the study's own (IHE MADO).
    value, authority = accessions.pop() if len(accessions) == 1 else ("", "")
    ds.AccessionNumber = value
    if value:
        ds.IssuerOfAccessionNumberSequence = _entity(authority)
    items = []
    for request in requests:
        item = Dataset()
        item.AccessionNumber = request.accession
        item.IssuerOfAccessionNumberSequence = _entity(request.accession_authority)
        item.PlacerOrderNumberImagingServiceRequest = request.placer_order
        item.OrderPlacerIdentifierSequence = _entity(request.placer_authority)
        item.RequestedProcedureID = request.procedure_id
        item.RequestedProcedureDescription = request.description
        if request.code:
            item.RequestedProcedureCodeSequence = [_code_item(request.code)]
        items.append(item)
    ds.RequestAttributesSequence = items


def study_module(ds: Dataset, order: StudyOrder, study: Uid) -> None:
    """Write what every object of a study says of it (PS3.3 C.7.2.1)."""
    facts, started = KINDS[order.kind], order.started
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.TimezoneOffsetFromUTC = f"{started:%z}"
    ds.StudyInstanceUID = study
    ds.StudyDate, ds.StudyTime = f"{started:%Y%m%d}", f"{started:%H%M%S}"
    ds.StudyID = str(order.number)
    ds.StudyDescription = facts.title
    ds.ProcedureCodeSequence = [_code_item(facts.procedure)]
    ds.ReferringPhysicianName = ""
    ds.Manufacturer = MANUFACTURER
    where = order.institution
    ds.InstitutionName = f"{where.name}^^^^^&{where.authority}&ISO^^^^{where.id}"
    patient_module(ds, order.patient)
    request_attributes(ds, order.requests)


def _common(
    order: StudyOrder,
    study: Uid,
    series: Uid,
    number: int,
    description: str,
    started: datetime,
) -> Dataset:
    facts = KINDS[order.kind]
    ds = Dataset()
    study_module(ds, order, study)
    ds.SOPClassUID = facts.sop_class
    ds.Modality = facts.modality
    ds.SeriesInstanceUID = series
    ds.SeriesNumber = number
    ds.SeriesDescription = description
    ds.SeriesDate, ds.SeriesTime = f"{started:%Y%m%d}", f"{started:%H%M%S}"
    ds.ContentDate, ds.ContentTime = ds.SeriesDate, ds.SeriesTime
    ds.BodyPartExamined = facts.body_part
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if order.kind is Kind.CT else ""]
    ds.BurnedInAnnotation = "NO"
    ds.PatientPosition = "HFS"
    if order.kind is Kind.MG:
        ds.ImageLaterality = "L" if number == 1 else "R"
        ds.ViewPosition = "MLO"
        ds.PresentationIntentType = "FOR PRESENTATION"
    if order.kind in (Kind.CT, Kind.MR):
        ds.FrameOfReferenceUID = f"{study}.0.1"
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.SliceThickness = "2.5"
    return ds


def _complete(
    ds: Dataset,
    kind: Kind,
    instance: Uid,
    index: int,
    picture: phantoms.Pixels,
    *,
    compressed: bool,
) -> None:
    ds.SOPInstanceUID = instance
    ds.InstanceNumber = index
    colour = kind is Kind.US
    rows, columns = picture.shape[1:3] if colour else picture.shape
    ds.Rows, ds.Columns = rows, columns
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    bits = 8 * picture.itemsize
    ds.BitsAllocated = bits
    ds.BitsStored = bits if kind in (Kind.CT, Kind.US, Kind.SMALL_US) else 12
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(picture.dtype.kind == "i")
    if colour:
        ds.PlanarConfiguration = 0
        ds.NumberOfFrames = picture.shape[0]
        ds.FrameTime = "40"
        ds.FrameIncrementPointer = 0x00181063
    if kind in (Kind.CT, Kind.MR):
        side = 360 / rows
        ds.PixelSpacing = [f"{side:.4f}"] * 2
        ds.ImagePositionPatient = ["-180", "-180", f"{-2.5 * index:.1f}"]
    _window(ds, kind)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(_put_pixels(ds, picture, compressed=compressed))


def _window(ds: Dataset, kind: Kind) -> None:
    if kind is Kind.CT:
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -phantoms.CT_OFFSET, 1, "HU"
        ds.WindowCenter, ds.WindowWidth, ds.KVP = 40, 400, "120"
    elif kind in (Kind.MR, Kind.DX, Kind.MG, Kind.SMALL_DX):
        ds.WindowCenter, ds.WindowWidth = (450, 900) if kind is Kind.MR else (2048, 4096)
        if kind is not Kind.MR:
            ds.PresentationLUTShape = "IDENTITY"
            ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1


def _put_pixels(ds: Dataset, picture: phantoms.Pixels, *, compressed: bool) -> str:
    if compressed and ds.SamplesPerPixel == 3:
        frames = [
            bytes(imagecodecs.jpeg8_encode(frame, level=_ULTRASOUND_QUALITY)) for frame in picture
        ]
        ds.PhotometricInterpretation = "YBR_FULL_422"
        ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_10918_1"
        ratio = picture.nbytes / sum(map(len, frames))
        ds.LossyImageCompressionRatio = f"{ratio:.1f}"
        syntax, vr, data = JPEG_BASELINE, "OB", encapsulate(frames)
    elif compressed:
        frame = imagecodecs.jpeg2k_encode(picture, reversible=True, codecformat="j2k")
        syntax, vr, data = JPEG_2000_LOSSLESS, "OB", encapsulate([bytes(frame)])
    else:
        data = picture.tobytes()
        syntax, vr = EXPLICIT, "OW" if picture.itemsize == 2 else "OB"
        data += b"\0" * (len(data) % 2)
    if "PixelData" in ds:
        del ds.PixelData
    ds.add_new(0x7FE00010, vr, data)
    ds["PixelData"].is_undefined_length = compressed
    return syntax
