"""High-throughput JPEG 2000 as others decode it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import openjpeg.utils
import pytest

from gateway.compression.codecs import encode_frame, htj2k
from gateway.compression.codecs.samples import bounds
from gateway.compression.permitted import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSY
from gateway.domain.delivery_plan import Coding
from gateway.wire.dicom.frames import decode_frame, jpeg2000_facts
from tests.compression.pixels import FORMS, decoded, facts_of, form_of, frame_of

COD = b"\xff\x52"


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("syntax", [HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL])
def test_every_form_comes_out_of_openjpeg_as_it_went_in(name: str, syntax: Any) -> None:
    """OpenJPEG shares no code with the encoder; the precision and sign are the true ones."""
    facts = facts_of(name)
    frame = frame_of(facts)

    stream = encode_frame(frame, Coding(syntax=syntax), facts)

    assert np.array_equal(openjpeg.utils.decode(stream), frame)
    assert np.array_equal(decoded(stream, facts, syntax), frame)
    told = jpeg2000_facts(stream)
    assert (told.precision, told.signed) == (facts.bits_stored, facts.signed)


@pytest.mark.parametrize(
    ("name", "transformed"), [("rgb", 1), ("ybr", 0), ("u8", 0), ("palette", 0)]
)
def test_only_rgb_goes_through_the_colour_transform(name: str, transformed: int) -> None:
    """YBR has been through one already."""
    facts = facts_of(name)
    stream = encode_frame(frame_of(facts), Coding(syntax=HTJ2K_LOSSLESS_RPCL), facts)

    assert stream[stream.index(COD) + 8] == transformed


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(1, 1, 5), (64, 64, 5), (2048, 2048, 5), (2049, 2050, 6), (4096, 9000, 6), (8193, 8200, 8)],
)
def test_the_smallest_resolution_is_a_thumbnail(rows: int, columns: int, expected: int) -> None:
    """At most 64 pixels at its smaller side, as RPCL demands."""
    assert htj2k.levels(rows, columns) == expected
    assert min(rows, columns) / 2**expected <= 64


def test_rpcl_streams_keep_to_its_rules() -> None:
    """Progression by resolution, blocks of 64 by 64, one tile, a TLM marker."""
    facts = facts_of("u12")
    stream = encode_frame(frame_of(facts), Coding(syntax=HTJ2K_LOSSLESS_RPCL), facts)
    cod = stream.index(COD)

    assert stream[cod + 5] == 2
    assert (stream[cod + 10], stream[cod + 11]) == (4, 4)
    assert b"\xff\x55" in stream[: stream.index(b"\xff\x90")]


@pytest.mark.parametrize("name", ["u8", "rgb", "u10", "u12", "u16", "i13", "i16"])
@pytest.mark.parametrize("share", [1 / 512, 1 / 64])
def test_a_lossy_frame_errs_by_its_step(name: str, share: float) -> None:
    """Whatever the precision, the sign and the colour; and no value leaves its range."""
    facts = facts_of(name, rows=96, columns=96)
    frame = frame_of(facts)
    step = share * (1 << facts.bits_stored)

    stream = encode_frame(frame, Coding(syntax=HTJ2K_LOSSY, step=step), facts)

    for found in (openjpeg.utils.decode(stream), decoded(stream, facts, HTJ2K_LOSSY)):
        error = found.astype(float) - frame
        assert np.abs(error).max() <= 3 * step + 1
        assert np.sqrt((error**2).mean()) <= np.hypot(0.5 * step, 0.3)
        lowest, highest = bounds(facts)
        assert lowest <= found.min()
        assert found.max() <= highest


def test_a_greater_step_costs_less() -> None:
    """Or it would be of no use."""
    facts = facts_of("u12", rows=96, columns=96)
    sizes = [
        len(encode_frame(frame_of(facts), Coding(syntax=HTJ2K_LOSSY, step=step), facts))
        for step in (2.0, 8.0, 32.0)
    ]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("name", ["u10", "u12", "i13"])
def test_an_encoder_that_takes_a_precision_is_told_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer ones do: they get the samples as they are, and the step as a share of their range."""
    asked: dict[str, Any] = {}
    true: Callable[..., bytes] = imagecodecs.htj2k_encode

    def newer(samples: np.ndarray, *, bitspersample: int, **options: Any) -> bytes:
        asked.update(options, samples=samples, bitspersample=bitspersample)
        return true(samples)

    facts = facts_of(name)
    monkeypatch.setattr(imagecodecs, "htj2k_encode", newer)
    htj2k._takes_precision.cache_clear()
    try:
        encode_frame(frame_of(facts), Coding(syntax=HTJ2K_LOSSY, step=4.0), facts)
    finally:
        htj2k._takes_precision.cache_clear()

    assert asked["bitspersample"] == facts.bits_stored
    assert np.array_equal(asked["samples"], frame_of(facts))
    assert asked["level"] == 4.0 / 2**facts.bits_stored


def test_colour_without_a_transform_is_decoded() -> None:
    """Planes of a foreign stream are pixels again."""
    facts = facts_of("rgb")
    frame = frame_of(facts)
    stream = bytes(imagecodecs.htj2k_encode(frame, rgb=False, planar=False))

    plain, photometric = decode_frame(stream, form_of(facts, HTJ2K_LOSSLESS))

    assert np.array_equal(np.frombuffer(plain, "u1"), frame.ravel())
    assert photometric == "RGB"
