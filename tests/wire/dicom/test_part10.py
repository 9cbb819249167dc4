"""Elements written by hand are those that pydicom reads."""

from __future__ import annotations

import io
from datetime import date, time

import pydicom
import pytest

from gateway.domain import Code, HumanName, Uid
from gateway.domain.codes import DCM
from gateway.wire.dicom import part10
from gateway.wire.problems import EncodeError


def read(*elements: tuple[int, bytes]) -> pydicom.Dataset:
    """The elements in a file, read by pydicom."""
    data = part10.part10(dict(elements), sop_class=Uid("1.2.3"), instance=Uid("1.2.4"))
    return pydicom.dcmread(io.BytesIO(data))


def test_file_meta_names_class_instance_and_syntax() -> None:
    """The head is what PS3.10 asks for, and begins with an empty preamble."""
    ds = read((0x00080060, part10.element(0x00080060, "CS", b"KO")))

    assert ds.preamble == b"\0" * 128
    assert ds.file_meta.MediaStorageSOPClassUID == "1.2.3"
    assert ds.file_meta.MediaStorageSOPInstanceUID == "1.2.4"
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_elements_come_in_the_order_of_their_tags() -> None:
    """Whatever order they were given in, and empty ones not at all."""
    ds = read(
        (0x00200010, part10.exact(0x00200010, "SH", "S1")),
        (0x00080060, part10.exact(0x00080060, "CS", "KO")),
        (0x00080110, b""),
    )

    assert [element.keyword for element in ds] == ["Modality", "StudyID"]


def test_values_are_padded_by_their_representation() -> None:
    """UIDs end in a null byte, texts in a space."""
    assert part10.element(0x00080018, "UI", b"1.2").endswith(b"1.2\0")
    assert part10.element(0x00080060, "SH", b"abc").endswith(b"abc ")


def test_dates_times_and_offsets_are_written_as_dicom_does() -> None:
    """Fractions only where there are any; a missing value is empty."""
    assert part10.day(0x00080020, date(2026, 3, 1)).endswith(b"20260301")
    assert part10.clock(0x00080030, time(9, 5)).endswith(b"090500")
    assert part10.clock(0x00080030, time(9, 5, 0, 1)).endswith(b"090500.000001 ")
    assert part10.clock(0x00080030, None).endswith(b"TM\0\0")
    assert part10.offset(-210).endswith(b"-0330 ")


def test_names_lose_what_would_separate_components() -> None:
    """A caret in a name is not a new component."""
    name = HumanName(family="A^B=C\\D", given=("E", "F", "G"), suffix="jr")

    assert part10.person_text(name) == "A B C D^E^F G^^jr"


def test_long_code_values_go_to_their_own_attribute() -> None:
    """Code Value holds sixteen characters."""
    schemes = part10.Schemes()
    content = schemes.code(Code("12345678901234567", DCM, "long"))
    ds = read((0x0040A043, part10.sequence(0x0040A043, (content,))))

    assert ds.ConceptNameCodeSequence[0].LongCodeValue == "12345678901234567"
    assert "CodeValue" not in ds.ConceptNameCodeSequence[0]
    assert schemes.identification() == b""


def test_identifiers_that_do_not_fit_are_refused() -> None:
    """An identifier cut short names somebody else."""
    with pytest.raises(EncodeError):
        part10.exact(0x00080050, "SH", "12345678901234567")
    with pytest.raises(EncodeError):
        part10.exact(0x00080050, "SH", "a\\b")
    with pytest.raises(EncodeError):
        part10.element(0x00080050, "SH", b"x" * 70_000)
