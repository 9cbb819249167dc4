"""Given files judged without our readers: pixels by another decoder, and the names they hold."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.utils import pixel_array

# The attributes that say who, where and by whom.
_NAMING = """
    PatientName PatientID OtherPatientIDs OtherPatientNames PatientBirthName PatientBirthDate
    PatientMotherBirthName PatientAddress PatientTelephoneNumbers IssuerOfPatientID
    MilitaryRank MedicalRecordLocator ResponsiblePerson ReferringPhysicianName
    PerformingPhysicianName OperatorsName PhysiciansOfRecord NameOfPhysiciansReadingStudy
    RequestingPhysician ScheduledPerformingPhysicianName ConsultingPhysicianName
    VerifyingObserverName PersonName ContentCreatorName InstitutionName InstitutionAddress
    InstitutionalDepartmentName StationName DeviceSerialNumber DetectorID PlateID GantryID
    AccessionNumber StudyID PerformedProcedureStepID ScheduledProcedureStepID RequestedProcedureID
    PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest
"""
NAMING = frozenset(_NAMING.split())
# What turns the bytes of pixel data into pixels.
SHAPING = (
    *("Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames"),
    *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"),
)
MIN_LETTERS = 3
MAX_COUNT = 6  # digits that are as well a measure, a port or a size
# Found in the samples as "names", and words that anything served may hold for other reasons.
GENERIC: Mapping[str, str] = {
    "head": "a phantom's name; also the region it shows",
    "anonymized": "put in for a name by who published the file",
    "removed": "put in for a name by who published the file",
    "institution": "put in for a name by who published the file; also the label of a report",
    "department": "put in for a name by who published the file",
    "physician": "put in for a name by who published the file; also a role",
    "radiology": "a department's name; also the speciality of every entry",
    "not connected": "a station's name; also what it says",
}
# Values that hold numbers and codes and no text; and bulk.
_SILENT = frozenset({"UI", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "SQ"})
_NUMBERS = frozenset({"DS", "IS", "TM"})
_BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_QUOTES = "\"'<>^|\n"
_WORD = re.compile(r"\w")
# What is random or counts something: encoded bytes, ids, UIDs, times. A short number found there
# says nothing.
_NOISE = re.compile(
    r"[a-z0-9+/_-]{40,}={0,2}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d+(?:\.\d+){4,}"
    r"|\d{4}-\d\d-\d\dt[\d:.]+",
)


def uid_of(path: Path) -> str:
    """The SOP Instance UID of a file, from data set or file meta information; "" for others."""
    try:
        ds = header_of(path)
    except (InvalidDicomError, OSError, ValueError):
        return ""
    meta = getattr(ds, "file_meta", Dataset())
    return str(ds.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID", ""))


def header_of(source: Path | bytes) -> Dataset:
    """The header as pydicom reads it, its doubts left aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
        return pydicom.dcmread(file, stop_before_pixels=True, force=True)


def whole_of(source: Path | bytes) -> Dataset:
    """Header and pixel data as pydicom reads them."""
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    return pydicom.dcmread(file, force=True)


def pixels_of(ds: Dataset) -> np.ndarray[Any, Any] | None:
    """The pixels by pydicom, with libjpeg and OpenJPEG through pylibjpeg; colour as RGB.

    None where that decoder refuses the code stream.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        syntax = ds.file_meta.TransferSyntaxUID
        plugin = "pylibjpeg" if syntax.is_encapsulated and not syntax.is_deflated else ""
        if syntax == pydicom.uid.RLELossless:
            plugin = "pydicom"
        try:
            return pixel_array(ds, decoding_plugin=plugin)
        except RuntimeError:
            return None


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    """Hash and time of change of everything below a folder, links followed."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names_in(ds: Dataset) -> set[str]:
    """Everything a header calls people, places and devices by, in lower case."""
    found: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in ds.iterall():
            if element.keyword not in NAMING or not element.value:
                continue
            values = element.value if isinstance(element.value, MultiValue) else [element.value]
            for value in map(str, values):
                found.add(value)
                if element.VR == "PN" or "Address" in element.keyword:
                    found.update(re.split(r"[\^=,\s]+", value))
    cleaned = {one.strip().lower() for one in found}
    return {one for one in cleaned if len(one) >= MIN_LETTERS and re.search(r"\w", one)}


def text_of(ds: Dataset) -> Iterator[str]:
    """Every value of a header that is text, names of data elements left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in ds.iterall():
            if element.VR in _SILENT | _BULK or not element.value:
                continue
            text = str(element.value)
            if element.VR not in _NUMBERS or len(text) > MAX_COUNT:
                yield text.lower()


def found_in(texts: Iterable[str], names: Iterable[str], *, noisy: bool = False) -> set[str]:
    """Which names texts hold as words of their own; `noisy` ones without what is random."""
    whole = "\n".join(texts).lower()
    found = {name for name in names if _stands_in(whole, name)}
    if not found or not noisy:
        return found
    whole = _NOISE.sub(" ", whole)
    return {name for name in found if _stands_in(whole, name)}


def _stands_in(whole: str, name: str) -> bool:
    # A short number is a name only where it is a whole value: others are ports and sizes.
    is_count = name.isdigit() and len(name) <= MAX_COUNT
    start = whole.find(name)
    while start >= 0:
        around = whole[start - 1 : start] + whole[start + len(name) : start + len(name) + 1]
        if all(char in _QUOTES for char in around) if is_count else not _WORD.search(around):
            return True
        start = whole.find(name, start + 1)
    return False
