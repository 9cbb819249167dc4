"""Small DICOM files made for a test, and those that pydicom brings."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4."
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def bundled(name: str) -> bytes:
    """A file that pydicom brings."""
    return (BUNDLED / name).read_bytes()


def make_file(syntax: str = EXPLICIT, sop_class: str = SECONDARY_CAPTURE, **values: Any) -> bytes:
    """A DICOM file with these attributes."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2", "1.2.3", "OT"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    if "PixelData" in ds and not UID(syntax).is_compressed:
        ds["PixelData"].VR = "OW" if ds.BitsAllocated != 8 else "OB"
    elif "PixelData" in ds:
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    out = io.BytesIO()
    ds.save_as(
        out, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG, enforce_file_format=True
    )
    return out.getvalue()


def image_of(pixels: np.ndarray, syntax: str = EXPLICIT, **values: Any) -> bytes:
    """An image of one frame, (rows, columns) or with (…, 3) in colour; native unless it says so."""
    bits = pixels.dtype.itemsize * 8
    colour = pixels.ndim == 3
    order = ">" if syntax == BIG else "<"
    given: dict[str, Any] = {
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": even(pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()),
    }
    if colour:
        given["PlanarConfiguration"] = 0
    given |= values
    given.setdefault("HighBit", given["BitsStored"] - 1)
    return make_file(syntax, **given)


def even(data: bytes) -> bytes:
    """A value with its padding."""
    return data + b"\0" * (len(data) % 2)


def item(data: bytes) -> bytes:
    """An item of encapsulated pixel data."""
    return ITEM + struct.pack("<I", len(data)) + data


def encapsulated(fragments: list[bytes], offsets: list[int] | None = None) -> bytes:
    """Encapsulated pixel data, as the value of Pixel Data, without its last delimiter."""
    table = struct.pack(f"<{len(offsets or ())}I", *(offsets or ()))
    return item(table) + b"".join(map(item, fragments))


class Watched(io.BytesIO):
    """A file that counts the bytes that are read from it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count."""
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def watched(data: bytes) -> tuple[BinaryIO, Watched]:
    """A file, and the same file to ask how much of it was read."""
    file = Watched(data)
    return cast(BinaryIO, file), file
