"""Shades are those that pydicom's own functions give, within one of 256."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from gateway.domain import ExchangeError, Refusal
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.picture_grey import grey_of, shaded
from gateway.wire.dicom.rendering import Window, WindowFunction
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.problems import DecodeError
from tests.dicom_images import BIG, EXPLICIT, IMPLICIT, bundled, image_of

SIGNED = np.random.default_rng(3).integers(-2048, 2048, (24, 20)).astype(np.int16)
UNSIGNED = (SIGNED.astype(np.int64) + 2048).astype(np.uint16)
CURVE = [int(4095 * (n / 511) ** 2) for n in range(512)]
FUNCTIONS = {
    "LINEAR": WindowFunction.LINEAR,
    "LINEAR_EXACT": WindowFunction.LINEAR_EXACT,
    "SIGMOID": WindowFunction.SIGMOID,
}


def shades(data: bytes, window: Window | None = None, number: int = 1) -> np.ndarray:
    """What is shown of a frame."""
    frames = StoredFrames(data)
    samples, _ = samples_of(frames, number)
    with reading("image"):
        return grey_of(samples, frames, number, window)


def expected_shades(data: bytes, window: Window | None = None) -> np.ndarray:
    """What pydicom makes of the same file, from black to white in 256 steps."""
    ds = pydicom.dcmread(io.BytesIO(data))
    measured = apply_modality_lut(ds.pixel_array, ds)
    if window:
        ds.WindowCenter, ds.WindowWidth = window.centre, window.width
        ds.VOILUTFunction = window.function.value.upper().replace("-", "_")
        shown = apply_windowing(measured, ds)
    else:
        shown = apply_voi_lut(measured, ds)
    if ds.get("VOILUTSequence") and not window:
        low, high = 0.0, 2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        ends = [-(2.0 ** (ds.BitsStored - 1)), 2.0 ** (ds.BitsStored - 1) - 1]
        low, high = ends if ds.PixelRepresentation else (0.0, 2.0**ds.BitsStored - 1)
        if "ModalityLUTSequence" in ds:
            low, high = 0.0, 2.0 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        low, high = (
            end * ds.get("RescaleSlope", 1) + ds.get("RescaleIntercept", 0) for end in (low, high)
        )
    shown = (shown - low) / (high - low) * 255
    is_white_smallest = ds.PhotometricInterpretation == "MONOCHROME1"
    return np.round(255 - shown if is_white_smallest else shown)


def assert_same(data: bytes, window: Window | None = None) -> None:
    """Within one shade, and over more than a few of them."""
    found, expected = shades(data, window), expected_shades(data, window)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert len(np.unique(found)) > 16


def lut(first: int, bits: int, entries: list[int] | bytes) -> list[Dataset]:
    """A sequence of one lookup table."""
    ds = Dataset()
    count = len(entries) // 2 if isinstance(entries, bytes) else len(entries)
    ds.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, bits])
    ds.add_new("LUTData", "OW" if isinstance(entries, bytes) else "US", entries)
    return [ds]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        *("MR_small.dcm", "MR_small_bigendian.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"),
        *("examples_overlay.dcm", "MR_small_RLE.dcm"),
    ],
)
def test_the_window_of_a_file_gives_the_shades_that_pydicom_gives(name: str) -> None:
    """Signed and not, with a rescale and without, the first of several windows."""
    assert_same(bundled(name))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", [SIGNED, UNSIGNED])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_function_gives_the_shades_that_pydicom_gives(
    function: str, kind: np.ndarray, photometric: str
) -> None:
    """Named by the file, or asked for in its stead."""
    rescale = {"RescaleSlope": "0.5", "RescaleIntercept": "-100", "BitsStored": 12}
    plain = image_of(kind, PhotometricInterpretation=photometric, **rescale)
    said = image_of(
        kind,
        PhotometricInterpretation=photometric,
        **rescale,
        WindowCenter="300.5",
        WindowWidth="777",
        VOILUTFunction=function,
    )
    window = Window(centre=300.5, width=777, function=FUNCTIONS[function])

    assert_same(said)
    assert_same(plain, window)
    assert np.array_equal(shades(said), shades(plain, window))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_voi_lut_gives_the_shades_that_pydicom_gives(syntax: str, bits: int) -> None:
    """It comes before the window; what lies beyond it is its first or last entry."""
    entries = [one >> 2 if bits == 10 else one << (bits - 12) for one in CURVE]
    data = image_of(
        UNSIGNED,
        syntax,
        BitsStored=12,
        VOILUTSequence=lut(700, bits, entries),
        WindowCenter="5",
        WindowWidth="10",
    )

    assert_same(data)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_modality_lut_gives_the_shades_that_pydicom_gives(syntax: str) -> None:
    """Its entries as words, and its first value below zero."""
    order = ">u2" if syntax == BIG else "<u2"
    table = lut(-700, 16, np.array(CURVE, order).tobytes())
    window = {"WindowCenter": "2000", "WindowWidth": "3000"}

    assert_same(image_of(SIGNED, syntax, ModalityLUTSequence=table, **window))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_voi_lut_may_have_eight_bits_and_many_entries(syntax: str) -> None:
    """One for each of 4096 values, which pydicom's function gets wrong."""
    entries = [value * value // (4095 * 4095 // 255) for value in range(4096)]

    found = shades(image_of(UNSIGNED, syntax, VOILUTSequence=lut(0, 8, entries)))

    assert np.array_equal(found, np.array(entries)[UNSIGNED])


@pytest.mark.parametrize("order", ["<", ">"])
def test_entries_of_eight_bits_may_be_packed(order: str) -> None:
    """Two to a word, as old files have them."""
    entries = np.arange(255, -1, -1, dtype=np.uint8)
    packed = entries.view("<u2").astype(f"{order}u2").tobytes()
    ds = Dataset()
    ds.add_new("LUTDescriptor", "US", [256, 0, 8])
    ds.add_new("LUTData", "OW", packed)
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)

    data = image_of(pixels, BIG if order == ">" else EXPLICIT, VOILUTSequence=[ds])

    assert np.array_equal(shades(data), 255 - pixels)


def test_without_a_window_all_samples_that_occur_are_shown() -> None:
    """From the lowest, black, to the highest, white."""
    found = shades(image_of(UNSIGNED // 2 + 500))

    assert (found.min(), found.max()) == (0, 255)
    expected = (UNSIGNED - UNSIGNED.min()) / float(UNSIGNED.max() - UNSIGNED.min()) * 255
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_images_of_few_bits_are_shown_as_they_are(bits: int) -> None:
    """A grey sheet stays grey; the largest sample there can be is white."""
    largest = (1 << bits) - 1
    pixels = np.full((4, 4), largest // 3, np.uint8)
    pixels[0, 0] = largest // 2

    found = shades(image_of(pixels, BitsStored=bits))

    assert found[1, 1] == round(largest // 3 * 255 / largest)


@pytest.mark.parametrize("kind", ["<u4", "<i4", "<f4"])
def test_wide_samples_are_shown_too(kind: str) -> None:
    """Dose in 32 bits, maps of floating point numbers, even where one is none."""
    values = np.linspace(0, 1000, 64).reshape(8, 8)
    pixels = (values * 1000).astype(kind)
    data = image_of(pixels.view("<u4") if kind == "<f4" else pixels)
    if kind == "<f4":
        pixels[0, 1] = np.nan
        data = image_of(pixels.view("<u4")).replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x08\x00OF")

    assert np.abs(shades(data)[1:] - values[1:] / 1000 * 255).max() <= 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("shape", "inverted"), [(None, None), ("IDENTITY", False), ("INVERSE", True)]
)
def test_the_presentation_shape_decides_what_is_white(
    photometric: str, shape: str | None, inverted: bool | None
) -> None:
    """And where there is none, the photometric interpretation: as DCMTK has it."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    more = {"PresentationLUTShape": shape} if shape else {}

    found = shades(image_of(pixels, PhotometricInterpretation=photometric, **more))

    if inverted is None:
        inverted = photometric == "MONOCHROME1"
    assert np.array_equal(found, 255 - pixels if inverted else pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("value", "limit"), [(-2000, None), (-1900, -2000), (-2000, -1900)])
def test_padding_is_black_and_does_not_count(
    photometric: str, value: int, limit: int | None
) -> None:
    """Whatever is white; a range of values in either order."""
    pixels = np.linspace(0, 1000, 64).astype(np.int16).reshape(8, 8)
    padded = np.vstack([np.full((2, 8), -2000, np.int16), pixels])
    more = {} if limit is None else {"PixelPaddingRangeLimit": limit}
    photo = {"PhotometricInterpretation": photometric}

    found = shades(image_of(padded, PixelPaddingValue=value, **photo, **more))

    assert not found[:2].any()
    assert np.array_equal(found[2:], shades(image_of(pixels, **photo)))


def test_a_frame_has_its_own_window_and_rescale() -> None:
    """Its own functional group, else the shared one (PS3.3 C.7.6.16)."""
    pixels = np.linspace(0, 4000, 64).astype(np.uint16).reshape(8, 8)
    frames = [grouped(WindowCenter="500", WindowWidth="800"), Dataset()]
    shared = grouped(WindowCenter="3000", WindowWidth="500", RescaleSlope="2")
    data = image_of(
        pixels,
        NumberOfFrames=2,
        PixelData=pixels.tobytes() * 2,
        PerFrameFunctionalGroupsSequence=frames,
        SharedFunctionalGroupsSequence=[shared],
        WindowCenter="1",
        WindowWidth="1",
    )

    for number, centre, width in ((1, "500", "800"), (2, "3000", "500")):
        rescale = {"RescaleSlope": "2", "RescaleIntercept": "10"}
        alone = image_of(pixels, WindowCenter=centre, WindowWidth=width, **rescale)
        assert np.array_equal(shades(data, number=number), shades(alone))


def grouped(**values: Any) -> Dataset:
    """A functional group with a window, and with a rescale where a slope is given."""
    found, voi, transformation = Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = values["WindowCenter"], values["WindowWidth"]
    found.FrameVOILUTSequence = [voi]
    if "RescaleSlope" in values:
        transformation.RescaleSlope, transformation.RescaleIntercept = values["RescaleSlope"], "10"
        found.PixelValueTransformationSequence = [transformation]
    return found


@pytest.mark.parametrize(
    "more",
    [
        {"WindowCenter": "100", "WindowWidth": "0"},
        {"WindowCenter": "100", "WindowWidth": "-5"},
        {"WindowCenter": "100"},
        {"WindowCenter": "", "WindowWidth": ""},
        {"RescaleSlope": "2"},
    ],
)
def test_what_is_no_window_and_no_rescale_does_not_count(more: dict[str, str]) -> None:
    """The image is shown as if it were not there."""
    assert np.array_equal(shades(image_of(UNSIGNED, **more)), shades(image_of(UNSIGNED)))


def test_a_window_of_one_is_a_threshold() -> None:
    """Below its centre black, from there on white (PS3.3 C.11.2.1.2.1)."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    window = Window(centre=100, width=1, function=WindowFunction.LINEAR)

    assert np.array_equal(shades(image_of(pixels), window), np.where(pixels >= 100, 255, 0))


def test_a_linear_window_below_one_is_refused() -> None:
    """It has no meaning; the other functions have one."""
    half = Window(centre=100, width=0.5, function=WindowFunction.LINEAR)
    with pytest.raises(ExchangeError, match="at least 1") as caught:
        shades(image_of(UNSIGNED), half)
    assert caught.value.refusal is Refusal.MALFORMED_REQUEST

    exact = Window(centre=100, width=0.5, function=WindowFunction.LINEAR_EXACT)
    assert set(np.unique(shades(image_of(UNSIGNED), exact))) <= {0, 128, 255}


def test_a_flat_image_is_black() -> None:
    """Nothing is divided by nothing; nor where all is padding."""
    flat = np.full((4, 4), 700, np.uint16)

    assert not shades(image_of(flat)).any()
    assert not shades(image_of(flat, PixelPaddingValue=700)).any()


@pytest.mark.parametrize("broken", [lut(0, 16, [1, 2, 3])[0], lut(0, 40, [1, 2, 3])[0], Dataset()])
def test_a_damaged_lookup_table_is_an_error(broken: Dataset) -> None:
    """Too few entries, impossible bits, nothing at all."""
    if "LUTDescriptor" in broken:
        broken.LUTDescriptor = [4, *broken.LUTDescriptor[1:]]

    with pytest.raises(DecodeError, match="LUT"):
        shades(image_of(UNSIGNED, VOILUTSequence=[broken]))


def test_samples_are_shaded_in_bands() -> None:
    """An image larger than a band, through a table and without one."""
    tall = np.arange(3_000_000, dtype=np.uint32).reshape(3000, 1000)

    found = shaded(tall, lambda values: (values % 251).astype(np.uint8))
    small = shaded(tall.astype(np.uint16), lambda values: (values % 251).astype(np.uint8))

    assert np.array_equal(found, tall % 251)
    assert np.array_equal(small, tall % 65536 % 251)
