"""Frames encoded for their size, and the noise in them."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.compression.codecs import encode_frame
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
)
from gateway.compression.sampling import evenly_spaced, noise_of, sample_series
from gateway.domain.delivery_plan import Coding
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from tests.compression.pixels import facts_of, frame_of


@pytest.mark.parametrize(
    ("n", "k", "expected"),
    [
        (0, 5, ()),
        (3, 0, ()),
        (1, 5, (0,)),
        (3, 5, (0, 1, 2)),
        (5, 5, (0, 1, 2, 3, 4)),
        (400, 5, (40, 120, 200, 280, 360)),
        (7, 2, (1, 5)),
    ],
)
def test_places_are_the_middles_of_equal_parts(n: int, k: int, expected: tuple[int, ...]) -> None:
    """Neither the first nor the last of a long series, which are often unlike the rest."""
    assert evenly_spaced(n, k) == expected


def test_sizes_are_those_of_the_code_streams() -> None:
    """Each coding's, all frames together."""
    facts = facts_of("u12")
    frames = [frame_of(facts, seed, full=False) for seed in range(3)]
    codings = [
        Coding(syntax=EXPLICIT_LITTLE_ENDIAN),
        Coding(syntax=HTJ2K_LOSSLESS_RPCL),
        Coding(syntax=JPEG_LS_LOSSLESS),
        Coding(syntax=JPEG_LS_NEAR, near=2),
        Coding(syntax=JPEG_XL_LOSSLESS, effort=3),
    ]

    found = sample_series(frames, facts, codings)

    assert found.frames == 3
    assert found.raw_bytes == 3 * facts.frame_bytes == found.sizes[codings[0]]
    assert dict(found.sizes) == {
        coding: sum(len(encode_frame(frame, coding, facts)) for frame in frames)
        for coding in codings
    }
    assert found.sizes[codings[3]] < found.sizes[codings[2]] < found.raw_bytes


def test_a_coding_that_cannot_hold_a_frame_is_left_out() -> None:
    """One frame near the ends of its range is enough."""
    facts = facts_of("u12")
    frames = [frame_of(facts, full=False), frame_of(facts)]
    near, plain = Coding(syntax=JPEG_LS_NEAR, near=2), Coding(syntax=JPEG_LS_LOSSLESS)

    assert set(sample_series(frames, facts, [near, plain]).sizes) == {plain}
    assert sample_series([], facts, [plain]).noise is None


@pytest.mark.parametrize("sigma", [2.0, 10.0, 60.0])
def test_noise_is_found_in_stored_values(sigma: float) -> None:
    """Under a slope and beside clipped air."""
    dice = np.random.default_rng(4)
    y, x = np.mgrid[0:200, 0:200]
    body = 1000 + x * 2 + y + dice.normal(0, sigma, x.shape)
    body[:, :70] = 0
    assert noise_of([body.astype("u2")]) == pytest.approx(sigma, rel=0.15)
    assert noise_of([np.stack([body.astype("u2")] * 3, axis=-1)]) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("form", [(64, 64), (63, 81), (2, 2), (4, 6)])
@pytest.mark.parametrize("kind", ["u1", "i2", "u2"])
def test_noise_is_that_of_its_definition(form: tuple[int, int], kind: str) -> None:
    """The median of the diagonals of blocks of four whose mean is above the percentile."""
    frame = np.random.default_rng(form[1]).normal(90, 9, form).astype(kind)
    rows, columns = (side // 2 * 2 for side in form)
    quads = frame[:rows, :columns].astype(float).reshape(rows // 2, 2, columns // 2, 2)
    level = quads.mean(axis=(1, 3))
    diagonal = (quads[:, 0, :, 0] - quads[:, 0, :, 1] - quads[:, 1, :, 0] + quads[:, 1, :, 1]) / 2
    body = np.abs(diagonal[level > np.percentile(level, 60)])

    expected = float(np.median(body)) / 0.6745 if body.size else 0.0
    assert noise_of([frame]) == (expected or None)


def test_frames_may_say_nothing_of_noise() -> None:
    """Flat ones, and those a pixel thin."""
    assert noise_of([np.zeros((64, 64), "u2")]) is None
    assert noise_of([np.arange(64, dtype="u2").reshape(1, 64)]) is None
    assert noise_of([]) is None
