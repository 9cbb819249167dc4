"""Files of small images, and their renditions made in memory."""

from __future__ import annotations

import io
import warnings
from typing import Any

from pydicom import Dataset, dcmread

from gateway.compression.derivation import Derivation, derive
from gateway.compression.permitted import JPEG_XL_LOSSLESS
from gateway.compression.transcode import Rendered, transcode
from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.ids import Uid
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from tests.compression.pixels import frame_of
from tests.dicom_images import EXPLICIT, even, make_file

CT = "1.2.840.10008.5.1.4.1.1.2"


def coding_of(syntax: Uid) -> Coding:
    """The lossless coding of a syntax."""
    return Coding(syntax=syntax, effort=3 if syntax == JPEG_XL_LOSSLESS else 0)


def file_of(
    facts: PixelFacts, frames: list[Samples] | None = None, syntax: str = EXPLICIT, **values: Any
) -> bytes:
    """A native image of these frames; of `facts.frames` made-up ones without."""
    given = frames or [frame_of(facts, seed) for seed in range(facts.frames)]
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    pixels = b"".join(one.astype(one.dtype.newbyteorder(order)).tobytes() for one in given)
    header: dict[str, Any] = {
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Rows": facts.rows,
        "Columns": facts.columns,
        "SamplesPerPixel": facts.samples,
        "PhotometricInterpretation": facts.photometric,
        "BitsAllocated": facts.bits_allocated,
        "BitsStored": facts.bits_stored,
        "HighBit": facts.bits_stored - 1,
        "PixelRepresentation": int(facts.signed),
        "PixelData": even(pixels),
    }
    if facts.samples > 1:
        header["PlanarConfiguration"] = 0
    if facts.frames > 1:
        header["NumberOfFrames"] = facts.frames
    if facts.photometric == "PALETTE COLOR":
        for colour in ("Red", "Green", "Blue"):
            header[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
            header[f"{colour}PaletteColorLookupTableData"] = bytes(512)
    return make_file(syntax, sop_class=CT, **(header | values))


def rendered(
    source: bytes, coding: Coding, derivation: Derivation | None = None, native_sha256: str = ""
) -> tuple[bytes, Rendered]:
    """The rendition of a file, and what is said of it."""
    out = io.BytesIO()
    done = transcode(
        io.BytesIO(source), out, coding, derivation=derivation, native_sha256=native_sha256
    )
    return out.getvalue(), done


def derivation_of(source: bytes, coding: Coding, cap: float | None = None) -> Derivation:
    """How a lossy form of a file is called."""
    ds = dcmread(io.BytesIO(source), stop_before_pixels=True)
    return derive(
        Uid(ds.SOPInstanceUID),
        Uid(ds.SeriesInstanceUID),
        coding,
        purpose=ReadingPurpose.EMERGENCY,
        cap=RatioCap(ratio=cap, source="a test") if cap else None,
    )


def lossy(source: bytes, coding: Coding, cap: float | None = None) -> tuple[bytes, Rendered]:
    """The lossy rendition of a file."""
    return rendered(source, coding, derivation_of(source, coding, cap))


def read(data: bytes) -> Dataset:
    """A file as pydicom reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old samples hold values that are none
        ds = dcmread(io.BytesIO(data))
        for _ in ds.iterall():
            pass
    return ds


def changed(before: bytes, after: bytes) -> set[str]:
    """The keywords of elements of the data set that differ, pixel data left out."""
    one, other = read(before), read(after)
    tags = {*one.keys(), *other.keys()} - {0x7FE00010}
    return {
        (one.get(tag) or other[tag]).keyword or str(tag)
        for tag in tags
        if tag not in one or tag not in other or one[tag].value != other[tag].value
    }
