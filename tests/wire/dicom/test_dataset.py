"""What is read of a header, how far, and what is borne or refused."""

from __future__ import annotations

import io
import random
import struct
from datetime import date, time
from pathlib import Path

import pydicom.data
import pytest

from gateway.domain import Uid
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.wire.dicom import dataset
from gateway.wire.dicom.dataset import describe, read_header, read_to_pixels, read_whole
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.dicom.part10 import element, part10, sequence
from gateway.wire.problems import DecodeError
from tests.builders import CT_IMAGE, make_manifest

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


def opened(name: str) -> io.BytesIO:
    """One of the files that come with pydicom."""
    return io.BytesIO((BUNDLED / name).read_bytes())


def make_file(**changes: bytes) -> bytes:
    """A small CT file; keywords `t00100020=b"…"` set or replace encoded elements."""
    elements = {
        0x00080016: element(0x00080016, "UI", CT_IMAGE.encode()),
        0x00080018: element(0x00080018, "UI", b"2.999.1.1.1"),
        0x00080020: element(0x00080020, "DA", b"20260301"),
        0x00080060: element(0x00080060, "CS", b"CT"),
        0x0020000D: element(0x0020000D, "UI", b"2.999.1"),
        0x0020000E: element(0x0020000E, "UI", b"2.999.1.1"),
        0x00280010: element(0x00280010, "US", struct.pack("<H", 2)),
        0x00280011: element(0x00280011, "US", struct.pack("<H", 2)),
        0x00280100: element(0x00280100, "US", struct.pack("<H", 16)),
        0x7FE00010: element(0x7FE00010, "OW", b"12345678"),
    }
    elements |= {int(key[1:], 16): value for key, value in changes.items()}
    return part10(elements, sop_class=CT_IMAGE, instance=Uid("2.999.1.1.1"))


class Counting(io.BytesIO):
    """A file that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_pixel_data_is_not_read() -> None:
    """Of a large file only the header is fetched."""
    file = Counting(make_file(t7FE00010=element(0x7FE00010, "OW", b"\0" * 5_000_000)))

    header = describe(read_header(file))

    assert header.has_pixels
    assert header.instance == "2.999.1.1.1"
    assert file.taken < 20_000


def test_header_of_a_real_image_is_described() -> None:
    """A real CT slice gives what a registry entry and a manifest need."""
    header = describe(read_header(opened("CT_small.dcm")))

    assert (header.modality, header.rows, header.columns) == ("CT", 128, 128)
    assert header.transfer_syntax == dataset.EXPLICIT_LITTLE
    assert header.study_date == date(2004, 1, 19)
    assert header.study_time == time(7, 27, 30)
    assert header.patient.bare_id == "1CT1"
    assert header.signed
    assert header.burned_in == ""
    assert header.manufacturer == "GE MEDICAL SYSTEMS"


def test_missing_preamble_and_meta_are_borne() -> None:
    """A bare data set, implicit or explicit, is read as what it looks like."""
    bare = make_file()[132:]
    without_meta = bare[bare.index(b"\x08\x00\x16\x00") :]

    for data in (bare, without_meta):
        header = describe(read_header(io.BytesIO(data)))
        assert header.study == "2.999.1"
        assert header.transfer_syntax == dataset.EXPLICIT_LITTLE


def test_deflated_header_is_read() -> None:
    """A deflated data set is inflated as far as the header needs."""
    header = describe(read_header(opened("image_dfl.dcm")))
    _, stream = read_to_pixels(opened("image_dfl.dcm"))

    assert header.transfer_syntax == dataset.DEFLATED
    assert header.rows == 512
    assert stream.read(4) == b"\xe0\x7f\x10\x00"


def test_deflated_bomb_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What inflates beyond the limit is read no further than the limit."""
    monkeypatch.setattr(dataset, "MAX_HEADER_BYTES", 100)

    with pytest.raises(DecodeError):
        describe(read_header(opened("image_dfl.dcm")))


def test_endless_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element that would fill the memory stops the reading."""
    monkeypatch.setattr(dataset, "MAX_HEADER_BYTES", 100_000)
    data = make_file(t00110010=element(0x00110010, "OB", b"\0" * 200_000))

    with pytest.raises(DecodeError, match="limit"):
        read_header(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no SOP Class"),
        (b"%PDF-1.7 and nothing of DICOM", "no SOP Class"),
        (b"\xff" * 500, "DICOM"),
        ((BUNDLED / "DICOMDIR-empty.dcm"), "media directory"),
    ],
)
def test_what_is_no_instance_is_refused_with_the_reason(data: bytes | Path, found: str) -> None:
    """Other files and media directories are not instances."""
    if isinstance(data, Path):
        data = (BUNDLED / "dicomdirtests" / "DICOMDIR-empty.dcm").read_bytes()
    with pytest.raises(DecodeError, match=found):
        read_header(io.BytesIO(data))


def test_wrong_values_are_left_out() -> None:
    """A date that is none, a number that is none and a broken UID cost only themselves."""
    data = make_file(
        t00080020=element(0x00080020, "DA", b"20269999"),
        t00200011=element(0x00200011, "IS", b"three "),
        t0020000E=element(0x0020000E, "UI", b"not-a-uid"),
        t00200013=element(0x00200013, "IS", b"12.0"),
        t00280008=element(0x00280008, "IS", b"1A"),
        t00100020=element(0x00100020, "UI", b"PAT1"),
        t00100010=element(0x00100010, "PN", b"M\xfcller^A"),
    )

    header = describe(read_header(io.BytesIO(data)))

    assert header.study_date is None
    assert header.series_number is None
    assert header.series is None
    assert header.instance_number == 12
    assert header.frames == 1
    assert header.patient.bare_id == "PAT1"
    assert header.patient.name is not None


def test_damaged_sequence_costs_only_its_facts() -> None:
    """A sequence that cannot be read does not hide the rest."""
    broken = sequence(0x00400275, (b"\x08\x00\x50\x00SH\xff\x7fABC",))

    header = describe(read_header(io.BytesIO(make_file(t00400275=broken))))

    assert header.study == "2.999.1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"t00280301": element(0x00280301, "CS", b"YES")}, "the header says"),
        ({"t00080060": element(0x00080060, "CS", b"US")}, "ultrasound"),
        (
            {
                "t00080060": element(0x00080060, "CS", b"US"),
                "t00280301": element(0x00280301, "CS", b"NO"),
            },
            "",
        ),
        ({"t00080016": element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7.2")}, "captures"),
        ({"t00080064": element(0x00080064, "CS", b"SD")}, "converted"),
    ],
)
def test_pixels_that_may_show_a_name_are_flagged(changes: dict[str, bytes], reason: str) -> None:
    """The header's word counts first, then the kind of image."""
    header = describe(read_header(io.BytesIO(make_file(**changes))))

    assert (reason in header.burned_in) if reason else header.burned_in == ""


def test_key_object_is_described_with_title() -> None:
    """A key object selection gives its title, and has no pixels."""
    header = describe(read_whole(encode_manifest(make_manifest())))

    assert header.sop_class == KEY_OBJECT_SOP_CLASS
    assert header.note_title is not None
    assert header.note_title.value == "131560"
    assert not header.has_pixels
    assert header.requests == make_manifest().requests
    assert header.patient == make_manifest().patient


def test_nothing_but_decode_errors_escapes_from_damaged_headers() -> None:
    """Seeded damage to real headers is read or refused."""
    dice = random.Random(7)
    names = ("CT_small.dcm", "reportsi.dcm", "rtplan.dcm", "MR_small_bigendian.dcm")
    sources = [(BUNDLED / name).read_bytes()[:6000] for name in names]
    for _ in range(200):
        data = bytearray(dice.choice(sources))
        for _ in range(dice.randint(1, 15)):
            place = dice.randrange(100, len(data))
            if dice.random() < 0.5:
                data[place] = dice.randrange(256)
            else:
                data[place : place + dice.randint(0, 9)] = dice.randbytes(dice.randint(0, 9))
        try:
            describe(read_header(io.BytesIO(bytes(data))))
        except DecodeError:
            continue


def test_an_instance_whose_uids_stand_in_the_file_meta_information_is_one() -> None:
    """A data set without SOP Class and Instance UID, in a file that names both."""
    file = io.BytesIO()
    ds = pydicom.Dataset()
    ds.Modality = "MR"
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.save_as(file, enforce_file_format=True)

    header = describe(read_header(file))

    assert (header.sop_class, header.instance) == (pydicom.uid.MRImageStorage, "1.2.3")
