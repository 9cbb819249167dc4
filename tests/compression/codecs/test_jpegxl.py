"""JPEG XL, and what becomes of signs."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from gateway.compression.codecs import encode_frame
from gateway.compression.permitted import EFFORTS, JPEG_XL_LOSSLESS
from gateway.domain.delivery_plan import Coding
from tests.compression.pixels import FORMS, decoded, facts_of, frame_of


@pytest.mark.parametrize("name", [name for name in FORMS if name != "ybr"])
def test_every_form_comes_out_as_it_went_in(name: str) -> None:
    """Signed ones too, though the code stream has no sign."""
    facts = facts_of(name)
    frame = frame_of(facts)

    stream = encode_frame(frame, Coding(syntax=JPEG_XL_LOSSLESS, effort=3), facts)

    assert np.array_equal(decoded(stream, facts, JPEG_XL_LOSSLESS), frame)
    bare = imagecodecs.jpegxl_decode(stream)
    half = 1 << (facts.bits_allocated - 1) if facts.signed else 0
    assert np.array_equal(bare.astype(int) - half, frame)


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_is_exact(effort: int) -> None:
    """From the least that is safe to the greatest."""
    facts = facts_of("rgb")
    frame = frame_of(facts)

    stream = encode_frame(frame, Coding(syntax=JPEG_XL_LOSSLESS, effort=effort), facts)

    assert np.array_equal(decoded(stream, facts, JPEG_XL_LOSSLESS), frame)
