"""What a receiver decodes is what the sender measured, in every coding and as it is stored."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSY,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
)
from gateway.compression.pixel_digest import native_digest, received_pixels
from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Coding, Uid
from gateway.wire.problems import DecodeError
from tests.compression.pixels import facts_of
from tests.compression.renditions import (
    CT,
    coding_of,
    derivation_of,
    file_of,
    lossy,
    read,
    rendered,
)
from tests.compression.test_transcode_lossy import BODY, FRAMES
from tests.dicom_images import BIG, IMPLICIT, make_file


@pytest.mark.parametrize("syntax", [JPEG_LS_LOSSLESS, HTJ2K_LOSSLESS, EXPLICIT_LITTLE_ENDIAN])
@pytest.mark.parametrize("planar", [0, 1])
def test_what_was_coded_without_loss_has_the_digest_of_its_sender(syntax: Uid, planar: int) -> None:
    """In several frames, in grey and in colour, whichever way the source had its planes."""
    grey = file_of(BODY, FRAMES)
    colour = file_of(facts_of("rgb", rows=24, columns=16), PlanarConfiguration=planar)
    for source in (grey, colour):
        data, done = rendered(source, coding_of(syntax))

        found = received_pixels(io.BytesIO(data))

        assert found.pixels_sha256 == done.pixels_sha256
        assert not found.is_lossy


@pytest.mark.parametrize(
    "coding", [Coding(syntax=HTJ2K_LOSSY, step=8.0), Coding(syntax=JPEG_LS_NEAR, near=2)]
)
def test_what_lost_something_has_the_digest_of_its_sender_and_says_so(coding: Coding) -> None:
    """Under its own UID, with its ratio and its method."""
    source = file_of(BODY, FRAMES)
    data, done = lossy(source, coding, cap=20.0)

    found = received_pixels(io.BytesIO(data))

    assert found.pixels_sha256 == done.pixels_sha256
    assert found.is_lossy
    assert found.ratios == (pytest.approx(done.ratio, rel=1e-3),)
    assert len(found.methods) == 1
    assert found.instance == derivation_of(source, coding).instance


def test_one_pixel_more_or_less_is_another_digest() -> None:
    """That is what it is for."""
    other = [one.copy() for one in FRAMES]
    other[1][5, 5] += 1
    digests = {
        received_pixels(
            io.BytesIO(rendered(file_of(BODY, frames), coding_of(JPEG_LS_LOSSLESS))[0])
        ).pixels_sha256
        for frames in (FRAMES, other)
    }
    assert len(digests) == 2


def test_single_bits_are_digested_as_they_stand() -> None:
    """Frames of them do not begin at bytes."""
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Rows": 3, "Columns": 3}
    data = make_file(
        sop_class=CT,
        **bits,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        PixelRepresentation=0,
        NumberOfFrames=2,
        PixelData=np.packbits(np.ones(18, "u1")).tobytes() + b"\0",
    )

    assert len(received_pixels(io.BytesIO(data)).pixels_sha256) == 64


@pytest.mark.parametrize("cut", [10, 400, -40])
def test_what_cannot_be_decoded_is_told(cut: int) -> None:
    """Cut short anywhere."""
    data = rendered(file_of(BODY, FRAMES), coding_of(JPEG_LS_LOSSLESS))[0]
    with pytest.raises(DecodeError):
        received_pixels(io.BytesIO(data[:cut]))


def test_what_has_no_pixels_is_told() -> None:
    """A report says that it was coded."""
    with pytest.raises(DecodeError, match="pixels that were coded"):
        received_pixels(io.BytesIO(make_file(sop_class=CT, Modality="SR")))


def test_a_ratio_that_is_no_number_is_none() -> None:
    """It keeps to no cap."""
    ds = read(lossy(file_of(BODY, FRAMES), Coding(syntax=HTJ2K_LOSSY, step=8.0), cap=20.0)[0])
    ds["LossyImageCompressionRatio"]._value = "much"
    out = io.BytesIO()
    ds.save_as(out)

    assert math.isnan(received_pixels(out).ratios[0])


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT])
@pytest.mark.parametrize("form", ["rgb", "i13", "u8"])
def test_native_pixels_have_the_digest_that_a_receiver_finds(form: str, syntax: str) -> None:
    """Several frames, little endian, by pixel: they stand in the file as they decode."""
    source = file_of(facts_of(form, rows=24, columns=16, frames=3), syntax=syntax)

    digest = native_digest(io.BytesIO(source))

    assert digest == received_pixels(io.BytesIO(source)).pixels_sha256


@pytest.mark.parametrize(
    "source",
    [
        file_of(BODY, FRAMES, BIG),
        file_of(facts_of("rgb", rows=24, columns=16), PlanarConfiguration=1),
        rendered(file_of(BODY, FRAMES), coding_of(JPEG_LS_LOSSLESS))[0],
        make_file(sop_class=CT, Modality="SR"),
        file_of(BODY, FRAMES)[:-40],
        b"",
    ],
    ids=["big endian", "by plane", "code streams", "no pixels", "cut short", "no file"],
)
def test_pixels_that_do_not_stand_as_they_decode_have_no_native_digest(source: bytes) -> None:
    """Nor do those that are not there: whoever decodes them finds out."""
    assert native_digest(io.BytesIO(source)) == ""
