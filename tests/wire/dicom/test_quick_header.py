"""What is found quickly is what pydicom finds; whatever is unusual is left to it."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from gateway.wire.dicom import header_layout
from gateway.wire.dicom.quick_header import QUICK_BYTES, QuickHeader, read_quick_header
from gateway.wire.dicom.rewrite import header_span
from tests.dicom_images import BIG, BUNDLED, IMPLICIT, JPEG, image_of, item

PIXELS = np.arange(16, dtype=np.uint16).reshape(4, 4)
PLAIN = image_of(PIXELS, SpecificCharacterSet="ISO_IR 192", PatientName="Ä^Ö")
LAST = struct.pack("<HH2sH", 0x0028, 0x0103, b"US", 2)  # the last element before the pixels


def quick(data: bytes) -> QuickHeader | None:
    """The header of these bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_quick_header(io.BytesIO(data))


def agrees(data: bytes) -> bool:
    """Whether a header is found; if so, that it is the one that pydicom reads."""
    found = quick(data)
    if found is None:
        return False
    file = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    end = file.tell()
    ours = found.dataset
    assert list(ours.keys()) == list(usual.keys())
    for tag in usual.keys():  # noqa: SIM118  # iterating a data set would convert its elements
        one, other = ours.get_item(tag), usual.get_item(tag)
        assert type(one) is type(other)
        assert one == other
        if isinstance(other, RawDataElement):
            assert tuple(one or ()) == tuple(other)
    assert ours.file_meta == usual.file_meta
    assert ours.preamble == usual.preamble
    assert ours.original_encoding == usual.original_encoding
    assert ours.original_character_set == usual.original_character_set
    span = header_span(usual, file, end)
    assert found.kept_bytes == (data[slice(*span)] if span else None)
    assert [str(one) for one in ours] == [str(one) for one in usual]
    return True


def put(tag: int, vr: bytes, value: bytes, *, data: bytes = PLAIN) -> bytes:
    """The file with one more short element in front of the pixel data."""
    at = data.index(b"\xe0\x7f\x10\0")
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value))
    return data[:at] + head + value + data[at:]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers_are_those_that_pydicom_reads() -> None:
    """Of every file that pydicom brings, many of them found at once."""
    files = [path.read_bytes() for path in sorted(BUNDLED.rglob("*.dcm"))]
    assert sum(map(agrees, files)) > 40


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        image_of(PIXELS),
        image_of(PIXELS, TextValue="x" * QUICK_BYTES[0]),
        image_of(PIXELS, PatientName=""),
        put(0x00290010, b"LO", b"OURS"),
        put(0x00290010, b"LO", b"ODD"),
    ],
)
def test_usual_headers_are_found(data: bytes) -> None:
    """With and without a character set, values that are empty, private ones, odd lengths."""
    assert agrees(data)


def test_sequences_with_a_delimiter_are_found() -> None:
    """Items of undefined length among them, in the character set of the file."""
    inner = Dataset()
    inner.PatientName = "Ü^Ä"
    inner.is_undefined_length_sequence_item = True
    ds = pydicom.dcmread(io.BytesIO(PLAIN))
    ds.OtherPatientIDsSequence = [inner, Dataset()]
    ds["OtherPatientIDsSequence"].is_undefined_length = True
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)

    assert agrees(out.getvalue())
    found = quick(out.getvalue())
    assert found is not None
    assert str(found.dataset.OtherPatientIDsSequence[0].PatientName) == "Ü^Ä"


def test_file_is_left_at_its_pixel_data() -> None:
    """Where its element begins."""
    file = io.BytesIO(PLAIN)
    found = read_quick_header(file)

    assert found is not None
    assert file.read(4) == b"\xe0\x7f\x10\0"
    assert found.kept_bytes is not None
    assert found.kept_bytes[:4] == b"\x08\0\x05\0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:300],
        PLAIN[132:],
        image_of(PIXELS, IMPLICIT),
        image_of(PIXELS, BIG),
        put(0x00100010, b"PN", b"late"),  # not in order
        put(0x00290010, b"??", b"what"),
        put(0x00290010, b"ZZ", b"what"),
        PLAIN[: PLAIN.index(b"\xe0\x7f\x10\0")],
        PLAIN.replace(LAST, LAST[:6] + b"\xff\xff"),
        image_of(PIXELS, TextValue="x" * QUICK_BYTES[-1]),
    ],
)
def test_what_is_unusual_is_left_to_pydicom(data: bytes) -> None:
    """No DICOM prefix, another encoding, out of order, unknown, cut short, or long."""
    assert quick(data) is None


def test_sequence_that_does_not_end_is_left_to_pydicom() -> None:
    """Its delimiter is missing, or beyond what is read at once."""
    head = struct.pack("<HH2sHI", 0x0029, 0x1001, b"SQ", 0, 0xFFFFFFFF)
    at = PLAIN.index(b"\xe0\x7f\x10\0")
    assert quick(PLAIN[:at] + head + item(b"")) is None
    assert quick(PLAIN[:at] + head + item(b"") * 20_000 + PLAIN[at:]) is None


def test_instance_without_identity_in_its_data_set_is_left_to_the_usual_way() -> None:
    """Which looks at the file meta information, and refuses a directory."""
    ds = pydicom.dcmread(io.BytesIO(PLAIN))
    del ds.SOPClassUID, ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out)

    assert quick(out.getvalue()) is None


def test_header_whose_length_is_told_wrongly_does_not_stay() -> None:
    """Another file is not given its bytes as they are."""
    at = PLAIN.index(b"UL\4\0") + 4
    (told,) = struct.unpack_from("<I", PLAIN, at)
    data = PLAIN[:at] + struct.pack("<I", told + 2) + PLAIN[at + 4 :]

    found = quick(data)
    assert found is not None
    assert found.kept_bytes is None


def test_elements_that_nobody_knows_do_not_pile_up() -> None:
    """A file may make up as many tags as it has bytes for, again and again."""
    made = b"".join(
        struct.pack("<HH2sH", 0x0029, number, b"CS", 0) for number in range(0x100, 0x1800)
    )
    at = PLAIN.index(b"\xe0\x7f\x10\0")
    for kind in (b"CS", b"SH"):
        assert quick(PLAIN[:at] + made.replace(b"CS", kind) + PLAIN[at:]) is not None
    assert len(header_layout._KINDS) <= header_layout._MAX_KINDS


def test_compressed_files_are_found() -> None:
    """Their headers are in explicit little endian, whatever their pixels are."""
    value = item(b"") + item(b"ab") + b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert agrees(image_of(PIXELS, JPEG + "80", PixelData=value))
