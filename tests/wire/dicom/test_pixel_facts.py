"""What headers say of their pixels, and what is made of those that say it badly."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.domain import PixelFacts
from gateway.wire.dicom.dataset import describe, read_header
from tests.dicom_images import JPEG, bundled, encapsulated, image_of, make_file

GREY = np.zeros((4, 6), np.int16)


def _facts(data: bytes) -> PixelFacts | None:
    return describe(read_header(io.BytesIO(data))).pixels


def test_a_slice_says_what_it_is() -> None:
    """Size, sign, stored bits, kernel and thickness of a real slice."""
    facts = _facts(bundled("CT_small.dcm"))

    assert facts is not None
    assert (facts.rows, facts.columns, facts.frames, facts.samples) == (128, 128, 1, 1)
    assert (facts.bits_allocated, facts.bits_stored, facts.signed) == (16, 16, True)
    assert (facts.slice_millimetres, facts.kernel) == (5.0, "STANDARD")
    assert facts.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert not facts.lossy


def test_what_has_no_pixels_has_no_facts_of_them() -> None:
    """A report has none, and so has an image of no rows."""
    assert _facts(make_file()) is None
    assert _facts(image_of(GREY, Rows=0)) is None


@pytest.mark.parametrize("number", ["50", "203", "102"])
def test_pixels_in_a_syntax_that_may_lose_have_lost(number: str) -> None:
    """Nobody takes a JPEG for the original, whatever the header says."""
    facts = _facts(image_of(GREY, JPEG + number, PixelData=encapsulated([b"\0\0"])))

    assert facts is not None
    assert facts.lossy


def test_a_lossy_past_is_one_in_any_syntax() -> None:
    """Decoding brings back no pixel (PS3.3 C.7.6.1.1.5)."""
    facts = _facts(image_of(GREY, LossyImageCompression="01"))

    assert facts is not None
    assert facts.lossy


def test_pixels_that_are_measurements_say_so() -> None:
    """A mapping to physical quantities makes them so, for the instance or for all frames."""
    mapped, shared = Dataset(), Dataset()
    shared.RealWorldValueMappingSequence = [mapped]

    for values in (
        {"RealWorldValueMappingSequence": [mapped]},
        {"SharedFunctionalGroupsSequence": [shared]},
    ):
        facts = _facts(image_of(GREY, **values))
        assert facts is not None
        assert facts.quantitative


@pytest.mark.parametrize("thickness", ["", "-1", "thick", "1e9", "nan"])
def test_a_thickness_that_is_none_is_unknown(thickness: str) -> None:
    """A number that cannot be one says nothing."""
    ds = read_header(io.BytesIO(image_of(GREY)))
    ds.add_new(0x00180050, "LO", thickness)

    facts = describe(ds).pixels

    assert facts is not None
    assert facts.slice_millimetres is None


def test_more_bits_stored_than_allocated_are_those_allocated() -> None:
    """A header that contradicts itself still tells how much room a sample has."""
    facts = _facts(image_of(GREY, BitsStored=99, HighBit=15))

    assert facts is not None
    assert facts.bits_stored == 16
