"""JPEG-LS as others decode it, and how near near-lossless is."""

from __future__ import annotations

from typing import Any

import imagecodecs
import libjpeg
import numpy as np
import pytest

from gateway.compression.codecs import encode_frame, jpegls
from gateway.compression.codecs.samples import bounds
from gateway.compression.permitted import JPEG_LS_LOSSLESS, JPEG_LS_NEAR
from gateway.domain.delivery_plan import Coding
from gateway.wire.problems import EncodeError
from tests.compression.pixels import FORMS, decoded, facts_of, frame_of


@pytest.mark.parametrize("name", FORMS)
def test_every_form_comes_out_of_libjpeg_as_it_went_in(name: str) -> None:
    """Which shares no code with the encoder; a sign is the header's business."""
    facts = facts_of(name)
    frame = frame_of(facts)

    stream = encode_frame(frame, Coding(syntax=JPEG_LS_LOSSLESS), facts)

    found = libjpeg.decode(stream, colour_transform=0)
    assert np.array_equal(found.view(frame.dtype), frame)
    assert np.array_equal(decoded(stream, facts, JPEG_LS_LOSSLESS), frame)


@pytest.mark.parametrize("name", ["u8", "u10", "u12", "u16", "i13", "i16"])
@pytest.mark.parametrize("near", [1, 3])
def test_no_sample_of_a_near_lossless_frame_errs_by_more(name: str, near: int) -> None:
    """The bound holds in the domain of the header, sign included."""
    facts = facts_of(name)
    frame = frame_of(facts, full=False)

    stream = encode_frame(frame, Coding(syntax=JPEG_LS_NEAR, near=near), facts)

    error = decoded(stream, facts, JPEG_LS_NEAR).astype(int) - frame
    assert 0 < np.abs(error).max() <= near
    assert len(stream) < len(encode_frame(frame, Coding(syntax=JPEG_LS_LOSSLESS), facts))


@pytest.mark.parametrize("name", ["u12", "i13", "i16"])
def test_samples_near_the_ends_of_the_range_are_refused(name: str) -> None:
    """They could come back beyond Bits Stored, with another sign."""
    facts = facts_of(name)
    frame = frame_of(facts, full=False)
    frame[0, 0] = bounds(facts)[1] - 1

    with pytest.raises(EncodeError, match="near-lossless JPEG-LS may leave it"):
        encode_frame(frame, Coding(syntax=JPEG_LS_NEAR, near=2), facts)
    encode_frame(frame, Coding(syntax=JPEG_LS_NEAR, near=1), facts)


def test_an_encoder_that_takes_a_precision_is_told_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer ones do, and want the spare bits of negative samples to be zero."""
    asked: dict[str, Any] = {}

    def newer(samples: np.ndarray, *, bitspersample: int, level: int = 0) -> bytes:
        asked.update(samples=samples, bitspersample=bitspersample, level=level)
        return b"stream"

    facts = facts_of("i13")
    frame = frame_of(facts)
    monkeypatch.setattr(imagecodecs, "jpegls_encode", newer)
    jpegls._takes_precision.cache_clear()
    try:
        assert encode_frame(frame, Coding(syntax=JPEG_LS_LOSSLESS), facts) == b"stream"
    finally:
        jpegls._takes_precision.cache_clear()

    assert (asked["bitspersample"], asked["level"]) == (13, 0)
    assert np.array_equal(asked["samples"], frame.view("u2") & 0x1FFF)
