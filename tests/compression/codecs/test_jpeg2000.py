"""JPEG 2000 as others decode it."""

from __future__ import annotations

import numpy as np
import openjpeg.utils
import pytest

from gateway.compression.codecs import encode_frame
from gateway.compression.permitted import JPEG_2000_LOSSLESS
from gateway.domain.delivery_plan import Coding
from gateway.wire.dicom.frames import jpeg2000_facts
from tests.compression.pixels import FORMS, decoded, facts_of, frame_of


@pytest.mark.parametrize("name", FORMS)
def test_every_form_comes_out_as_it_went_in(name: str) -> None:
    """A bare code stream with the true precision and sign."""
    facts = facts_of(name)
    frame = frame_of(facts)

    stream = encode_frame(frame, Coding(syntax=JPEG_2000_LOSSLESS), facts)

    assert stream.startswith(b"\xff\x4f\xff\x51")
    assert np.array_equal(openjpeg.utils.decode(stream), frame)
    assert np.array_equal(decoded(stream, facts, JPEG_2000_LOSSLESS), frame)
    told = jpeg2000_facts(stream)
    assert (told.precision, told.signed) == (facts.bits_stored, facts.signed)


@pytest.mark.parametrize(("name", "transformed"), [("rgb", 1), ("ybr", 0), ("u12", 0)])
def test_only_rgb_goes_through_the_colour_transform(name: str, transformed: int) -> None:
    """YBR has been through one already."""
    facts = facts_of(name)
    stream = encode_frame(frame_of(facts), Coding(syntax=JPEG_2000_LOSSLESS), facts)

    assert stream[stream.index(b"\xff\x52") + 8] == transformed
