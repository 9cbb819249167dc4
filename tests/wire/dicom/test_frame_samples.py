"""Samples are those that pydicom reads, whatever the packing."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from gateway.wire.dicom import frame_samples
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.problems import DecodeError
from tests.dicom_images import EXPLICIT, bundled, image_of

EXACT = [
    *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"),
    *("MR_small_implicit.dcm", "ExplVR_BigEnd.dcm", "SC_rgb_rle_16bit_2frame.dcm", "rtdose.dcm"),
    *("rtdose_expb.dcm", "SC_rgb_small_odd_big_endian.dcm", "liver_1frame.dcm"),
    *("liver_expb_1frame.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm"),
    *("J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "JPEGLSNearLossless_16.dcm", "image_dfl.dcm"),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", EXACT)
def test_samples_are_exactly_those_that_pydicom_reads(name: str) -> None:
    """Signed and not, by plane and by pixel, in single bits and in 32, in either byte order."""
    ds = pydicom.dcmread(io.BytesIO(bundled(name)))
    frames = StoredFrames(bundled(name))

    found = [samples_of(frames, number + 1)[0] for number in range(frames.count)]

    expected = pixel_array(ds, raw=True)
    assert np.array_equal(np.squeeze(np.stack(found)), np.squeeze(expected))
    assert found[0].dtype.itemsize == expected.dtype.itemsize


def test_lossy_colour_comes_as_red_green_and_blue() -> None:
    """As pydicom decodes it, but for rounding; the photometric interpretation says so."""
    name = "SC_rgb_dcmtk_+eb+cy+np.dcm"
    expected = pixel_array(pydicom.dcmread(io.BytesIO(bundled(name))))

    found, photometric = samples_of(StoredFrames(bundled(name)), 1)

    assert photometric == "RGB"
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("kind", ["<u2", "<i2"])
@pytest.mark.parametrize("high", [11, 13, 15, None])
def test_bits_that_are_none_of_the_sample_do_not_count(kind: str, high: int | None) -> None:
    """Twelve bits wherever they stand in their word, the others set at random."""
    random = np.random.default_rng(7)
    low = -2048 if kind == "<i2" else 0
    values = random.integers(low, low + 4096, (6, 8)).astype(np.int64)
    shift = (11 if high is None else high) - 11
    noise = random.integers(0, 1 << 16, (6, 8)) & ~(0xFFF << shift)
    words = ((values & 0xFFF) << shift) | noise
    more = {} if high is None else {"HighBit": high}
    data = image_of(
        np.zeros((6, 8), kind), BitsStored=12, PixelData=words.astype("<u2").tobytes(), **more
    )

    assert np.array_equal(samples_of(StoredFrames(data), 1)[0], values)


def test_colour_that_is_all_there_is_not_spread() -> None:
    """Some writers say that two pixels share their colour where each has its own."""
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)

    found, _ = samples_of(
        StoredFrames(image_of(pixels, PhotometricInterpretation="YBR_FULL_422")), 1
    )

    assert np.array_equal(found, pixels)


def test_planes_of_several_frames_become_pixels() -> None:
    """Each frame has three planes of its own (PS3.3 C.7.6.3.1.3)."""
    pixels = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
    value = np.moveaxis(pixels, -1, 1).tobytes()
    data = image_of(pixels[0], NumberOfFrames=2, PlanarConfiguration=1, PixelData=value)

    assert np.array_equal(samples_of(StoredFrames(data), 2)[0], pixels[1])


def test_floating_point_samples_stay_what_they_are() -> None:
    """Float Pixel Data of a parametric map."""
    values = np.linspace(-1.5, 7.25, 16, dtype="<f4").reshape(4, 4)
    whole = image_of(values.view("<u4"), EXPLICIT)
    # pydicom writes no image with this element; its tag and representation are put in place.
    data = whole.replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x08\x00OF")
    assert data != whole

    assert np.array_equal(samples_of(StoredFrames(data), 1)[0], values)


def test_an_image_too_large_for_a_picture_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so are shared colours in an odd number of columns."""
    odd = image_of(
        np.zeros((2, 3, 3), np.uint8),
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=b"\0" * 12,
    )
    with pytest.raises(DecodeError, match="an even number"):
        samples_of(StoredFrames(odd), 1)
    monkeypatch.setattr(frame_samples, "MAX_PIXELS", 15)
    with pytest.raises(DecodeError, match="at most 15 pixels"):
        samples_of(StoredFrames(image_of(np.zeros((4, 4), np.uint8))), 1)
