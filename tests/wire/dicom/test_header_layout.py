"""Files that are laid out alike are read alike; what differs anywhere that matters is walked."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.wire.dicom import header_layout
from gateway.wire.dicom.header_layout import Element, Layout, element_at, layout_of
from tests.dicom_images import JPEG, image_of, item

PIXELS = np.arange(16, dtype=np.uint16).reshape(4, 4)
NAME, SERIES_TIME, CHARACTER_SET = 0x00100010, 0x00080031, 0x00080005


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    """Each test begins with nothing kept, and leaves nothing."""
    header_layout._LAYOUTS.clear()
    yield
    header_layout._LAYOUTS.clear()


def found(data: bytes) -> Layout:
    """The layout of a file that has one."""
    layout = layout_of(data)
    assert layout is not None
    return layout


def value(data: bytes, layout: Layout, tag: int) -> Element:
    """An element of a file by a layout."""
    at = layout.place(tag)
    assert at is not None
    return element_at(data, at)


def test_a_file_of_other_values_is_read_by_the_layout_of_the_first() -> None:
    """Which is not walked again; its values are its own."""
    first = image_of(PIXELS, PatientName="First", SeriesTime="101112")
    second = image_of(PIXELS + 1, PatientName="Other", SeriesTime="131415")

    layout = found(first)

    assert found(second) is layout
    assert value(second, layout, NAME).value == b"Other "
    assert value(second, layout, SERIES_TIME).value == b"131415"
    assert value(first, layout, NAME).value == b"First "
    assert second[layout.end : layout.end + 4] == b"\xe0\x7f\x10\0"


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientName": "A longer name"},
        {"PatientName": "Fir", "SeriesTime": "101112.1"},  # as long as the first, all in all
        {"SpecificCharacterSet": "ISO_IR 101"},
        {"StudyTime": "101112", "SeriesTime": None},
    ],
)
def test_a_file_that_is_laid_out_otherwise_is_walked(changes: dict[str, str | None]) -> None:
    """Longer, as long but shifted, of another character set, or with another element."""
    given = {"PatientName": "First", "SeriesTime": "101112", "SpecificCharacterSet": "ISO_IR 100"}
    first = image_of(PIXELS, **given)
    merged = {name: said for name, said in {**given, **changes}.items() if said is not None}
    second = image_of(PIXELS, **merged)
    layout = found(first)

    other = found(second)

    assert other is not layout
    ds = dcmread(io.BytesIO(second), stop_before_pixels=True)
    assert list(other.data) == list(ds.keys())
    assert value(second, other, NAME).value == ds.get_item(NAME).value


def test_another_transfer_syntax_is_another_layout() -> None:
    """Though its UID may be as long."""
    coded = item(b"") + item(b"ab") + b"\xfe\xff\xdd\xe0\0\0\0\0"
    kept = {syntax: image_of(PIXELS, JPEG + syntax, PixelData=coded) for syntax in ("80", "90")}
    layouts = {syntax: layout_of(data) for syntax, data in kept.items()}

    for syntax, layout in layouts.items():
        assert layout is not None
        assert layout.transfer_syntax == JPEG + syntax


def test_another_length_of_the_file_meta_information_is_another_layout() -> None:
    """It decides whether the bytes behind it can go into another file."""
    plain = image_of(PIXELS)
    at = plain.index(b"UL\4\0") + 4
    (told,) = struct.unpack_from("<I", plain, at)
    wrong = plain[:at] + struct.pack("<I", told + 2) + plain[at + 4 :]

    assert found(plain).can_stay
    assert not found(wrong).can_stay
    assert found(plain).can_stay


def test_a_sequence_without_a_length_is_not_taken_from_another_file() -> None:
    """Its items stand where they stand in that file alone."""

    def with_items(said: str) -> bytes:
        inner = Dataset()
        inner.PatientName = said
        ds = dcmread(io.BytesIO(image_of(PIXELS)))
        ds.OtherPatientIDsSequence = [inner]
        ds["OtherPatientIDsSequence"].is_undefined_length = True
        out = io.BytesIO()
        ds.save_as(out, enforce_file_format=True)
        return out.getvalue()

    for said in ("One", "Two"):
        layout = found(with_items(said))
        (sequence,) = (one for one in layout.data.values() if not isinstance(one, int))
        assert str(sequence.value[0].PatientName) == said
    assert not header_layout._LAYOUTS


def test_the_span_of_the_pixel_module_is_what_decides_over_frames() -> None:
    """From Samples per Pixel to Pixel Representation, in any file that has them."""
    data = image_of(PIXELS, NumberOfFrames=1, WindowCenter="40")
    layout = found(data)
    begin, end = layout.pixel_module

    assert data[begin : begin + 4] == b"\x28\0\x02\0"
    assert data[end : end + 4] == b"\x28\0\x50\x10"


def test_layouts_do_not_pile_up() -> None:
    """A peer may lay out every file in a way of its own, and in as many elements as it likes."""
    for length in range(2 * header_layout._MAX_LAYOUTS + 10):
        assert layout_of(image_of(PIXELS, TextValue="x" * 2 * length)) is not None
    assert len(header_layout._LAYOUTS) <= header_layout._MAX_LAYOUTS

    many = b"".join(
        struct.pack("<HH2sH", 0x0029, number, b"CS", 0)
        for number in range(0x100, 0x101 + header_layout._MAX_ELEMENTS)
    )
    plain = image_of(PIXELS)
    at = plain.index(b"\xe0\x7f\x10\0")
    header_layout._LAYOUTS.clear()
    assert layout_of(plain[:at] + many + plain[at:]) is not None
    assert not header_layout._LAYOUTS


@pytest.mark.parametrize("cut", [0, 100, 140, 300, -40])
def test_a_file_that_is_cut_is_not_read_by_what_is_known(cut: int) -> None:
    """What is not in sight is not there."""
    data = image_of(PIXELS, PatientName="First")
    found(data)
    at = data.index(b"\xe0\x7f\x10\0")
    assert layout_of(data[: cut if cut >= 0 else at + cut]) is None
