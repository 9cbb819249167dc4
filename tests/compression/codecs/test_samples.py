"""What is demanded of samples before they are encoded, and the registry of encoders."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.compression.codecs import ENCODERS, can_encode, encode_frame, installed
from gateway.compression.codecs.samples import bounds, demand_form, native
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_XL_LOSSLESS,
    LOSSLESS_WRITTEN,
    WRITTEN,
)
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts
from gateway.wire.problems import EncodeError
from tests.compression.pixels import decoded, facts_of, frame_of


def coding_of(syntax: Uid) -> Coding:
    """A lossless coding."""
    return Coding(syntax=syntax, effort=3 if syntax == JPEG_XL_LOSSLESS else 0)


def test_every_syntax_that_is_written_has_an_encoder() -> None:
    """And nothing else has; all are there with the wheels of imagecodecs."""
    assert set(ENCODERS) == WRITTEN
    assert installed() == WRITTEN


def test_a_missing_encoder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is tried."""
    monkeypatch.setattr(imagecodecs.JPEGXL, "available", False)
    facts = facts_of("u12")

    assert JPEG_XL_LOSSLESS not in installed()
    assert "without an encoder" in can_encode(coding_of(JPEG_XL_LOSSLESS), facts)
    with pytest.raises(EncodeError, match="without an encoder"):
        encode_frame(frame_of(facts), coding_of(JPEG_XL_LOSSLESS), facts)


def test_native_pixels_are_little_endian() -> None:
    """Whatever the order of the samples in memory."""
    facts = facts_of("u12")
    frame = frame_of(facts)
    plain = encode_frame(frame.astype(">u2"), coding_of(EXPLICIT_LITTLE_ENDIAN), facts)

    assert np.array_equal(np.frombuffer(plain, "<u2").reshape(frame.shape), frame)
    assert native(frame, coding_of(EXPLICIT_LITTLE_ENDIAN), facts) == plain


@pytest.mark.parametrize(("name", "lowest", "highest"), [("u12", 0, 4095), ("i13", -4096, 4095)])
def test_bounds_are_those_of_bits_stored(name: str, lowest: int, highest: int) -> None:
    """With the sign of the header."""
    assert bounds(facts_of(name)) == (lowest, highest)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda frame: frame[1:], "expected \\(37, 53\\)"),
        (lambda frame: frame.astype("i2"), "expected uint16"),
        (lambda frame: frame + np.uint16(4096), "as 12 bits are stored"),
    ],
)
def test_samples_that_are_not_what_the_header_says_are_refused(change, complaint: str) -> None:  # type: ignore[no-untyped-def]
    """Shape, type and range, each with what was found."""
    facts = facts_of("u12")
    with pytest.raises(EncodeError, match=complaint):
        demand_form(change(frame_of(facts)), facts)


def test_an_unknown_syntax_is_refused() -> None:
    """In words, and without trying."""
    facts = facts_of("u12")
    with pytest.raises(EncodeError, match="is not written here"):
        encode_frame(frame_of(facts), Coding(syntax=Uid("1.2.840.10008.1.2.4.70")), facts)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_without_loss_comes_back(data: st.DataObject) -> None:
    """Any size, any precision, any sign, any values, any lossless coding."""
    syntax = data.draw(st.sampled_from(sorted(LOSSLESS_WRITTEN - {EXPLICIT_LITTLE_ENDIAN})))
    allocated = data.draw(st.sampled_from([8, 16]))
    facts = PixelFacts(
        rows=data.draw(st.integers(1, 40)),
        columns=data.draw(st.integers(1, 40)),
        bits_allocated=allocated,
        bits_stored=data.draw(st.integers(1, allocated)),
        signed=data.draw(st.booleans()),
    )
    least, greatest = bounds(facts)
    dice = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kind = np.dtype(f"{'i' if facts.signed else 'u'}{allocated // 8}")
    frame = dice.integers(least, greatest + 1, (facts.rows, facts.columns)).astype(kind)

    stream = encode_frame(frame, coding_of(Uid(syntax)), facts)

    assert np.array_equal(decoded(stream, facts, syntax), frame)


def test_a_code_stream_holds_what_its_header_can_say() -> None:
    """The same frame as RPCL has one size only: nothing random is in it."""
    facts = facts_of("i13")
    one, other = (
        encode_frame(frame_of(facts), coding_of(HTJ2K_LOSSLESS_RPCL), facts) for _ in "12"
    )
    assert one == other
