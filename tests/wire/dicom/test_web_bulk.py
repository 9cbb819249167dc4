"""A bulk value is the bytes that the metadata stand for."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from gateway.domain import ExchangeError, Refusal
from gateway.wire.dicom import web_bulk
from gateway.wire.dicom.accept import NotAcceptable, parse_accept
from gateway.wire.dicom.dataset import read_header
from gateway.wire.dicom.json_read import read_object
from gateway.wire.dicom.json_write import write_object
from gateway.wire.dicom.web_bulk import bulk_of, document_of
from gateway.wire.problems import DecodeError
from tests.dicom_images import (
    BIG,
    ENCAPSULATED_PDF,
    IMPLICIT,
    JPEG,
    bundled,
    encapsulated,
    image_of,
    make_file,
)

PDF = b"%PDF-1.7, made up"
PIXELS = "7FE00010"


def values(**more: Any) -> Dataset:
    """An item with these attributes."""
    ds = Dataset()
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT, BIG])
def test_a_value_in_a_sequence_is_found_by_its_path(syntax: str) -> None:
    """Tags and numbers of items, from 0, as metadata write them; in UTF-8 whatever the file has."""
    inner = [values(TextValue="one"), values(TextValue="zwei é" + "x" * 2000)]
    data = make_file(
        syntax,
        SpecificCharacterSet="ISO_IR 100",
        RequestAttributesSequence=[values(ContentSequence=inner)],
    )

    found = bulk_of(data, "00400275/0/0040A730/1/0040a160")

    assert found.data.decode() == "zwei é" + "x" * 2000
    assert found == bulk_of(data, ("00400275", "0", "0040A730", "1", "0040A160"))
    assert (found.media_type, found.multipart) == ("application/octet-stream", True)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", BIG])
def test_values_are_little_endian_whatever_the_file_has(syntax: str) -> None:
    """Words, floats, integers, tags and decimal strings."""
    ds = {
        "RedPaletteColorLookupTableData": b"\1\2\3\4",
        "VectorGridData": b"\1\2\3\4\5\6\7\x08",
        "SimpleFrameList": [1, 2, 3],
        "RecommendedDisplayFrameRateInFloat": 1.5,
        "FrameIncrementPointer": [0x00181063, 0x00181065],
        "FrameTimeVector": ["1.50", "2"],
    }
    stored = dict(ds)
    if syntax == BIG:
        stored["RedPaletteColorLookupTableData"] = b"\2\1\4\3"
        stored["VectorGridData"] = b"\4\3\2\1\x08\7\6\5"
    data = make_file(syntax, **stored)

    assert bulk_of(data, "00281201").data == b"\1\2\3\4"
    assert bulk_of(data, "00640009").data == b"\1\2\3\4\5\6\7\x08"
    assert bulk_of(data, "00081161").data == struct.pack("<3I", 1, 2, 3)
    assert bulk_of(data, "00089459").data == struct.pack("<f", 1.5)
    assert bulk_of(data, "00280009").data == struct.pack("<4H", 0x18, 0x1063, 0x18, 0x1065)
    assert bulk_of(data, "00181065").data == b"1.50\\2"


def test_an_object_and_its_bulk_values_make_the_data_set_again() -> None:
    """The waveforms of an electrocardiogram, byte for byte."""
    data = bundled("waveform_ecg.dcm")
    header = read_header(io.BytesIO(data))
    said = write_object(header, lambda path: path)

    again = read_object(said, bulk=lambda path, _: bulk_of(data, path).data)

    for tag in (0x54000100,):
        for mine, theirs in zip(again[tag], pydicom.dcmread(io.BytesIO(data))[tag], strict=True):
            assert mine.WaveformData == theirs.WaveformData
            assert len(mine.WaveformData) > 1024


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm"]
)
def test_pixel_data_come_uncompressed(name: str) -> None:
    """All frames, one after another, in little endian."""
    expected = pydicom.dcmread(io.BytesIO(bundled(name))).pixel_array

    found = bulk_of(bundled(name), PIXELS).data

    assert found == expected.astype(expected.dtype.newbyteorder("<")).tobytes()


def test_single_bits_come_as_they_stand() -> None:
    """Three frames of five bits in two bytes."""
    data = image_of(
        np.zeros((1, 5), np.uint8),
        BitsAllocated=1,
        BitsStored=1,
        NumberOfFrames=3,
        PixelData=b"\xa7\x45",
    )

    assert bulk_of(data, PIXELS).data == b"\xa7\x45"


@pytest.mark.parametrize(
    ("said", "length", "expected"),
    [
        ("application/pdf", None, ("application/pdf", PDF + b"\0")),
        ("application/pdf", len(PDF), ("application/pdf", PDF)),
        ("text/XML", 3, ("text/xml", PDF + b"\0")),
        ("text/html", len(PDF), ("application/octet-stream", PDF)),
        ("a; b: c", len(PDF), ("application/octet-stream", PDF)),
    ],
)
def test_a_document_comes_as_what_it_is(
    said: str, length: int | None, expected: tuple[str, bytes]
) -> None:
    """Its type from the header, if documents have it; its padding off where the length is told."""
    more = {} if length is None else {"EncapsulatedDocumentLength": length}
    data = make_file(
        sop_class=ENCAPSULATED_PDF,
        MIMETypeOfEncapsulatedDocument=said,
        EncapsulatedDocument=PDF + b"\0",
        **more,
    )

    found = bulk_of(data, "00420011")

    assert (found.media_type, found.data) == expected
    document = document_of(data)
    assert document is not None
    assert (document.media_type, document.data) == expected


def test_an_image_holds_no_document() -> None:
    """None, which is no error."""
    assert document_of(bundled("CT_small.dcm")) is None


@pytest.mark.parametrize(
    "path",
    [
        *("00420011", "00081111", "00400275/0/0040A160", "00081115/0/0020000E", "00020010"),
        *("00280000", "7FE00008", "00100030"),
    ],
)
def test_what_is_not_there_is_unknown(path: str) -> None:
    """Missing, a sequence, an item too many, empty, of the file's own, other pixel data."""
    data = image_of(
        np.zeros((4, 4), np.uint8),
        PatientBirthDate="",
        ReferencedSeriesSequence=[],
        ReferencedPerformedProcedureStepSequence=[values(TextValue="x")],
    )

    with pytest.raises(ExchangeError, match="no bulk value") as caught:
        bulk_of(data, path)

    assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


@pytest.mark.parametrize(
    "path",
    [
        *("", "7FE0001", "7FE00010/", "00400275/0", "00400275/x/0040A160", "PixelData", "0/0/0"),
        "00400275/0/" * 64 + "0040A160",
    ],
)
def test_what_is_no_path_is_an_error(path: str) -> None:
    """The asker's, with its place."""
    with pytest.raises(DecodeError, match="path, bulkdata"):
        bulk_of(bundled("CT_small.dcm"), path)


@pytest.mark.parametrize(
    ("header", "multipart"),
    [
        ("", True),
        ("*/*", True),
        ('multipart/related; type="application/octet-stream"', True),
        ("application/octet-stream", False),
        ("application/*; q=0.5, multipart/related; q=0.4", False),
        ("application/octet-stream; transfer-syntax=*", False),
        ("image/jpeg", None),
        ("application/octet-stream; q=0", None),
        ('multipart/related; type="image/jls"', None),
        ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.80", None),
    ],
)
@pytest.mark.parametrize("path", [PIXELS, "00080018"])
def test_a_value_goes_as_it_is_accepted(path: str, header: str, multipart: bool | None) -> None:
    """As the body or in a multipart; otherwise it is not acceptable."""
    accept = parse_accept(header)

    if multipart is None:
        with pytest.raises(NotAcceptable, match="offered as application/octet-stream"):
            bulk_of(bundled("CT_small.dcm"), path, accept)
    else:
        assert bulk_of(bundled("CT_small.dcm"), path, accept).multipart is multipart


def test_a_document_is_acceptable_by_its_own_type() -> None:
    """Bare, as a browser asks for it."""
    data = make_file(MIMETypeOfEncapsulatedDocument="application/pdf", EncapsulatedDocument=PDF)

    assert not bulk_of(data, "00420011", parse_accept("application/pdf")).multipart
    with pytest.raises(NotAcceptable):
        bulk_of(data, "00420011", parse_accept("text/html"))


def test_pixels_that_cannot_be_sent_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many, or in a syntax that has no decoder."""
    data = image_of(np.zeros((4, 4), np.uint8), JPEG + "92", PixelData=encapsulated([b"ab"]))
    with pytest.raises(NotAcceptable, match="cannot be sent uncompressed"):
        bulk_of(data, PIXELS)
    monkeypatch.setattr(web_bulk, "MAX_BULK_BYTES", 15)
    with pytest.raises(ExchangeError, match="ask for frames") as caught:
        bulk_of(image_of(np.zeros((4, 4), np.uint8)), PIXELS)
    assert caught.value.refusal is Refusal.TOO_MANY_RESULTS


def test_a_value_that_cannot_be_read_comes_as_its_bytes() -> None:
    """As the metadata have it, with the representation of unknown bytes."""
    data = make_file(RecommendedDisplayFrameRateInFloat=1.5)
    broken = data.replace(b"\x08\x00\x59\x94FL\x04\x00", b"\x08\x00\x59\x94US\x04\x00")
    broken = broken.replace(struct.pack("<f", 1.5), b"abcd")
    odd = make_file(PatientName="x" * 6).replace(b"PN\x06\x00xxxxxx", b"FL\x06\x00xxxxxx")

    assert bulk_of(broken, "00089459").data == b"abcd"
    assert bulk_of(odd, "00100010").data == b"xxxxxx"
