"""Colours are those that pydicom's own functions give."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, convert_color_space

from gateway.wire.dicom.accept import NotAcceptable
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.picture_colours import colours_of, is_colour
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.problems import DecodeError
from tests.dicom_images import BIG, EXPLICIT, bundled, image_of

INDICES = np.arange(256, dtype=np.uint8).reshape(16, 16)


def colours(data: bytes) -> np.ndarray:
    """What is shown of the first frame."""
    frames = StoredFrames(data)
    samples, photometric = samples_of(frames, 1)
    assert is_colour(photometric, frames.form.samples)
    with reading("image"):
        return colours_of(samples, photometric, frames)


def palette(bits: int, first: int, order: str = "<", size: int = 100) -> dict[str, Any]:
    """Three tables of as many entries, each another curve."""
    found: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, power in (("Red", 1), ("Green", 2), ("Blue", 3)):
        entries = (np.linspace(0, 1, size) ** power * ((1 << bits) - 1)).astype(f"{order}u2")
        found[f"{name}PaletteColorLookupTableDescriptor"] = [size, first, bits]
        found[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    return found


@pytest.mark.parametrize(
    "name", ["SC_ybr_full_422_uncompressed.dcm", "SC_rgb_small_odd.dcm", "ExplVR_BigEnd.dcm"]
)
def test_colours_of_a_file_are_those_that_pydicom_gives(name: str) -> None:
    """By plane, by pixel, and with shared colour."""
    ds = pydicom.dcmread(io.BytesIO(bundled(name)))

    assert np.array_equal(colours(bundled(name)), ds.pixel_array)


def test_luminance_and_chrominance_become_colours() -> None:
    """Every value of each, as pydicom converts them."""
    random = np.random.default_rng(11)
    pixels = random.integers(0, 256, (40, 50, 3)).astype(np.uint8)

    found = colours(image_of(pixels, PhotometricInterpretation="YBR_FULL"))

    expected = convert_color_space(pixels, "YBR_FULL", "RGB")
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["examples_palette.dcm"])
def test_a_palette_of_a_file_gives_the_colours_that_pydicom_gives(name: str) -> None:
    """Of an ultrasound, within one of 256."""
    ds = pydicom.dcmread(io.BytesIO(bundled(name)))
    expected = apply_color_lut(ds.pixel_array, ds)

    found = colours(bundled(name))

    assert np.abs(found - expected / (257 if expected.dtype == np.uint16 else 1)).max() <= 1


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
@pytest.mark.parametrize("first", [0, 50])
def test_a_palette_of_sixteen_bits_is_shown_in_eight(syntax: str, first: int) -> None:
    """What lies before it is its first entry, what lies after its last."""
    data = image_of(INDICES, syntax, **palette(16, first, ">" if syntax == BIG else "<"))
    # pydicom's function does not turn the words of a big endian file around.
    ds = pydicom.dcmread(io.BytesIO(image_of(INDICES, **palette(16, first))))

    found = colours(data)

    assert np.abs(found - apply_color_lut(ds.pixel_array, ds) / 257).max() <= 1
    assert len(np.unique(found[..., 1])) > 50


def test_a_palette_in_segments_is_expanded() -> None:
    """A discrete segment and a linear one (PS3.3 C.7.9.2)."""
    segments = np.array([0, 2, 0, 500, 1, 254, 65535], "<u2").tobytes()
    more: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        more[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        more[f"Segmented{name}PaletteColorLookupTableData"] = segments
    data = image_of(INDICES, **more)
    ds = pydicom.dcmread(io.BytesIO(data))

    found = colours(data)

    assert np.abs(found - apply_color_lut(ds.pixel_array, ds) / 257).max() <= 1
    assert (found[0, 0].tolist(), found[15, 15].tolist()) == ([0] * 3, [255] * 3)


@pytest.mark.parametrize(("bits", "kind"), [(16, np.uint16), (12, np.uint16), (4, np.uint8)])
def test_colours_of_other_depths_are_shown_in_eight_bits(bits: int, kind: type) -> None:
    """The largest sample is 255, the others in proportion."""
    pixels = np.linspace(0, (1 << bits) - 1, 48).astype(kind).reshape(4, 4, 3)

    found = colours(image_of(pixels, BitsStored=bits))

    assert np.abs(found - pixels / ((1 << bits) - 1) * 255).max() <= 0.5


@pytest.mark.parametrize("photometric", ["HSV", "YBR_PARTIAL_420", "MONOCHROME2", ""])
def test_unknown_colours_make_no_picture(photometric: str) -> None:
    """They are refused rather than shown wrong."""
    pixels = np.zeros((4, 4, 3), np.uint8)

    with pytest.raises(NotAcceptable, match="no picture"):
        colours(image_of(pixels, PhotometricInterpretation=photometric))


def test_a_damaged_palette_is_an_error() -> None:
    """One that ends early, and one that is missing."""
    broken = palette(16, 0)
    broken["GreenPaletteColorLookupTableData"] = b"\0\0"
    with pytest.raises(DecodeError, match="1 entries"):
        colours(image_of(INDICES, **broken))
    with pytest.raises(DecodeError, match="descriptor"):
        colours(image_of(INDICES, PhotometricInterpretation="PALETTE COLOR"))


def test_grey_is_no_colour() -> None:
    """One sample a pixel without a palette."""
    assert not is_colour("MONOCHROME2", 1)
    assert is_colour("RGB", 3)
    assert is_colour("PALETTE COLOR", 1)
