"""Lossy renditions: derived instances that keep to their guards."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.pixels import pixel_array

from gateway.compression.guards import GuardBroken
from gateway.compression.permitted import HTJ2K_LOSSY, JPEG_LS_LOSSLESS, JPEG_LS_NEAR
from gateway.domain.delivery_plan import Coding
from gateway.domain.fidelity import PixelError
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError
from tests.compression.pixels import facts_of, frame_of
from tests.compression.renditions import (
    changed,
    coding_of,
    derivation_of,
    file_of,
    lossy,
    read,
    rendered,
)

STEP = Coding(syntax=HTJ2K_LOSSY, step=8.0)
NEAR = Coding(syntax=JPEG_LS_NEAR, near=2)
DERIVED = {
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "ImageType",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "DerivationDescription",
    "DerivationCodeSequence",
    "SourceImageSequence",
    "SeriesDescription",
}


def body_of(facts: PixelFacts, seed: int = 0) -> Samples:
    """A smooth round body with noise of ten, far from the ends of the range."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : facts.rows * 1j, -1 : 1 : facts.columns * 1j]
    return (1000 + 800 * np.exp(-(x * x + y * y) * 3) + dice.normal(0, 10, x.shape)).astype(
        "i2" if facts.signed else "u2"
    )


BODY = facts_of("u12", rows=96, columns=96, frames=2)
FRAMES = [body_of(BODY, seed) for seed in range(2)]


@pytest.mark.parametrize("coding", [STEP, NEAR])
def test_a_lossy_form_is_a_derived_instance_within_its_guards(coding: Coding) -> None:
    """Every attribute, the same study, and an error as measured by somebody else."""
    source = file_of(BODY, FRAMES, SmallestImagePixelValue=0)
    data, done = lossy(source, coding, cap=20.0)

    assert changed(source, data) == DERIVED | {"SmallestImagePixelValue"}
    ds = read(data)
    derivation = derivation_of(source, coding)
    assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (derivation.instance, derivation.series)
    assert ds.file_meta.MediaStorageSOPInstanceUID == derivation.instance
    assert float(ds.LossyImageCompressionRatio) == pytest.approx(done.ratio, rel=1e-6)
    found = pixel_array(ds, raw=True, decoding_plugin="pylibjpeg").astype(int)
    error = found - np.stack(FRAMES)
    assert done.error is not None
    assert done.error.max_error == np.abs(error).max() > 0
    assert done.error.rmse == pytest.approx(np.sqrt((error.astype(float) ** 2).mean()))
    assert done.error.ssim is not None
    assert done.ratio > rendered(source, coding_of(JPEG_LS_LOSSLESS))[1].ratio


def test_a_lossy_form_has_the_same_bytes_each_time() -> None:
    """UIDs and all."""
    assert lossy(file_of(BODY, FRAMES), STEP) == lossy(file_of(BODY, FRAMES), STEP)


def test_a_ratio_beyond_its_cap_is_a_broken_guard() -> None:
    """Named with both numbers."""
    with pytest.raises(GuardBroken, match="ratio") as raised:
        lossy(file_of(BODY, FRAMES), Coding(syntax=HTJ2K_LOSSY, step=40.0), cap=5.0)
    assert raised.value.found > raised.value.allowed == pytest.approx(5.15)


def test_a_structure_that_is_lost_is_a_broken_guard() -> None:
    """In the window of the header, in stored values."""
    window = {"WindowCenter": "376", "WindowWidth": "800", "RescaleIntercept": "-1024"}
    source = file_of(BODY, FRAMES, **window, RescaleSlope="1")
    with pytest.raises(GuardBroken, match="structural similarity"):
        lossy(source, Coding(syntax=HTJ2K_LOSSY, step=60.0))
    lossy(file_of(BODY, FRAMES, **window, RescaleSlope="1", Modality="MR"), STEP)


def test_padding_stays_apart_from_the_image() -> None:
    """Its range holds what it decodes to, and no pixel of the image."""
    facts = facts_of("i16", rows=96, columns=96)
    frame = body_of(facts)
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    outside = x * x + y * y > 0.9
    frame[outside] = -2000
    source = file_of(facts, [frame], PixelPaddingValue=-2000)

    data, _ = lossy(source, STEP)

    ds = read(data)
    low, high = ds.PixelPaddingValue, ds.PixelPaddingRangeLimit
    assert low <= -2000 <= high
    found = pixel_array(ds, raw=True, decoding_plugin="pylibjpeg")
    assert np.array_equal((found >= low) & (found <= high), outside)
    assert changed(source, data) == DERIVED | {"PixelPaddingValue", "PixelPaddingRangeLimit"} - (
        {"PixelPaddingValue"} if low == -2000 else set()
    )


def test_padding_that_the_image_touches_is_a_broken_guard() -> None:
    """Nobody could tell them apart afterwards."""
    facts = facts_of("u12", rows=64, columns=64)
    frame = body_of(facts)
    frame[0, :32], frame[0, 32:] = 0, 1
    with pytest.raises(GuardBroken, match="padding"):
        lossy(file_of(facts, [frame], PixelPaddingValue=0), STEP)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Modality": "PT"}, "counts"),
        ({"Modality": "MG"}, "policy"),
        ({"ImageType": ["DERIVED", "PRIMARY", "ADC"]}, "computed"),
        ({"LossyImageCompression": "01"}, "a second time"),
        ({"RealWorldValueMappingSequence": []}, "measurements"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "BurnedInAnnotation": "YES"}, "text"),
    ],
)
def test_what_may_not_lose_is_refused(values: dict[str, object], reason: str) -> None:
    """Before anything is written."""
    with pytest.raises(EncodeError, match=reason):
        lossy(file_of(BODY, FRAMES, **values), STEP)


def test_a_lossy_form_is_never_made_of_another() -> None:
    """What says that it lost something, by header or by syntax, does not lose again."""
    once, _ = lossy(file_of(BODY, FRAMES), NEAR)
    with pytest.raises(EncodeError, match="a second time"):
        lossy(once, NEAR)


def test_a_palette_keeps_its_places() -> None:
    """The next index is another colour."""
    facts = facts_of("palette")
    with pytest.raises(EncodeError, match="palette"):
        lossy(file_of(facts, [frame_of(facts)]), STEP)


def test_a_derivation_goes_with_a_lossy_coding_only() -> None:
    """And a lossy coding never without."""
    source = file_of(BODY, FRAMES)
    with pytest.raises(EncodeError, match="found no derivation"):
        rendered(source, STEP)
    with pytest.raises(EncodeError, match="found a derivation"):
        rendered(source, coding_of(JPEG_LS_LOSSLESS), derivation_of(source, NEAR))


def test_near_the_ends_of_the_range_nothing_is_made() -> None:
    """Near-lossless JPEG-LS could leave it."""
    frames = [frame.copy() for frame in FRAMES]
    frames[1][5, 5] = 4095
    with pytest.raises(EncodeError, match="frame 2: found values"):
        lossy(file_of(BODY, frames), NEAR)


def test_a_flat_image_has_no_similarity_to_speak_of() -> None:
    """It still has an error."""
    facts = facts_of("u12", rows=64, columns=64)
    data, done = lossy(file_of(facts, [np.full((64, 64), 700, "u2")]), NEAR)
    assert done.error == PixelError(max_error=0, rmse=0.0, ssim=None)
    assert data
