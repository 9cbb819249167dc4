"""A header read from one file, written into another: the file up to its pixel data.

The file meta information is always our own; nothing of the source's is carried over. Clauses:
DICOM PS3.10 7 (file format), PS3.5 7.1 (encodings), annex A (transfer syntaxes).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from pydicom import dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from gateway.domain.ids import Uid
from gateway.wire.dicom import part10
from gateway.wire.dicom.dataset import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.wire.dicom.elements import uid
from gateway.wire.dicom.quick_header import QuickHeader
from gateway.wire.problems import DecodeError

_SWAP_WIDTH = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_SYNTAX = Tag(0x0002, 0x0010)
_SOP_CLASS, _SOP_INSTANCE = Tag(0x0008, 0x0016), Tag(0x0008, 0x0018)
_LAST_OF_META = 0x0007FFFF  # what belongs to an exchange or to media, and to no instance
_PIXELS = 0x7FE0
_META = 128  # after the preamble
_META_LENGTH = b"DICM\2\0\0\0UL\4\0"
_META_GROUP_LENGTH = 140  # offset of the value of (0002,0000), behind preamble and prefix


def file_head(ds: FileDataset | QuickHeader, syntax: str) -> bytes:
    """Preamble and file meta information for the instance in a transfer syntax."""
    sop_class = uid(ds, _SOP_CLASS) or uid(_meta(ds), Tag(0x0002, 0x0002))
    instance = uid(ds, _SOP_INSTANCE) or uid(_meta(ds), Tag(0x0002, 0x0003))
    if sop_class is None or instance is None:
        raise DecodeError("file", "no usable SOP Class or Instance UID", "both", "PS3.3 C.12.1")
    return part10.file_head(sop_class=sop_class, instance=instance, syntax=Uid(syntax))


def _meta(ds: FileDataset | QuickHeader) -> FileMetaDataset:
    return (ds.dataset if isinstance(ds, QuickHeader) else ds).file_meta


def encode_header(ds: FileDataset, syntax: str) -> bytes:
    """The data set in a transfer syntax, without file meta information; deflated is left plain.

    `ds` holds no pixel data and is used up by this. Call it inside `elements.reading`.
    """
    if syntax not in (IMPLICIT_LITTLE, EXPLICIT_BIG):
        syntax = EXPLICIT_LITTLE  # as headers of all compressed syntaxes are encoded (PS3.5 A.4)
    if ds.original_encoding[1] is False and syntax != EXPLICIT_BIG:
        swap_words(ds)
    if not ds.original_encoding[0] and any(raw.VR is None for raw in _raw_elements(ds)):
        # Implicit elements in a file that says explicit: resolve them all before writing.
        for _ in ds.iterall():
            pass
    # pydicom writes no data set without file meta information; what it wrote is cut off again.
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = UID("2.25.0")
    meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta = meta
    ds.preamble = b"\0" * 128
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    whole = out.getvalue()
    (meta_length,) = struct.unpack_from("<I", whole, _META_GROUP_LENGTH)
    return whole[_META_GROUP_LENGTH + 4 + meta_length :]


def header_span(ds: FileDataset, file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Where the data set stands in its file, from its first element to `end`, its pixel data.

    None where another file cannot take these bytes as they are: they are not in explicit little
    endian, not in order, or hold what depends on the rest of the file or has to be mended. `ds` is
    as it was read, none of its elements looked at, which turns them into something else. The file
    is left standing anywhere.
    """
    if ds.original_encoding != (False, True) or uid(ds.file_meta, _SYNTAX) == DEFLATED:
        return None
    before = _LAST_OF_META
    for tag in ds.keys():  # noqa: SIM118  # iterating a data set would convert its elements
        # What stands in the group of the pixels tells where they lie and how long they are.
        if int(tag) <= before or tag.group == _PIXELS:
            return None
        before = int(tag)
        raw = ds.get_item(tag)
        # pydicom has made the character set, and what has no length of its own, into something.
        if isinstance(raw, RawDataElement) and (raw.is_implicit_VR or raw.length % 2):
            return None
    file.seek(_META)
    told = file.read(_META_GROUP_LENGTH + 4 - _META)
    if told[:12] != _META_LENGTH or not ds:
        return None
    begin = file.seek(_META_GROUP_LENGTH + 4 + struct.unpack_from("<I", told, 12)[0])
    first = next(iter(ds.keys()))
    is_there = file.read(4) == struct.pack("<HH", first.group, first.element)
    return (begin, end) if is_there and begin < end else None


def write_header(ds: FileDataset, destination: BinaryIO, syntax: str) -> None:
    """Write the file up to its pixel data in a transfer syntax that is not deflated."""
    destination.write(file_head(ds, syntax))
    destination.write(encode_header(ds, syntax))


def _raw_elements(ds: Dataset) -> Iterator[RawDataElement]:
    for tag in ds.keys():  # noqa: SIM118  # iterating a data set would convert its elements
        element = ds.get_item(tag)
        if isinstance(element, RawDataElement):
            yield element


def swap_words(ds: Dataset) -> None:
    """Turn binary values of several bytes around: pydicom keeps them in the order of the file."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                swap_words(item)
        elif element.VR in _SWAP_WIDTH and isinstance(element.value, bytes):
            element.value = swapped(element.value, _SWAP_WIDTH[element.VR])


def swapped(value: bytes, width: int) -> bytes:
    """Big endian values of a width, little endian."""
    whole = len(value) - len(value) % width
    turned = np.frombuffer(value[:whole], f">u{width}").astype(f"<u{width}").tobytes()
    return turned + value[whole:]
