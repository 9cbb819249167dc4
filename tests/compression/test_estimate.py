"""Sizes from samples, factors and interpolation."""

from __future__ import annotations

import pytest

from gateway.compression.estimate import estimate
from gateway.compression.facts import SeriesSample
from tests.compression.plan_studies import HEADER, coding, study


def test_what_was_sampled_counts_as_measured_and_the_rest_by_factor() -> None:
    known = estimate(*study("ct"))
    assert known.rate(coding("202")) == pytest.approx(1 / 3.24, rel=1e-4)
    assert known.rate(coding("80")) == pytest.approx(0.92 / 3.24, rel=1e-4)
    assert known.size(1_000_000, coding("ele")) == 1_000_000 + HEADER


def test_losses_are_interpolated_and_never_extrapolated() -> None:
    known = estimate(*study("ct"))
    between = known.rate(coding("203s6"))
    assert between is not None
    assert 1 / 8.8 < between < 1 / 5.7
    assert known.rate(coding("203s32")) is None
    assert known.rate(coding("203s0.5")) is None


def test_colour_is_known_by_sample_only() -> None:
    facts, sample = study("us")
    assert estimate(facts, None).rate(coding("90")) is None
    assert estimate(facts, sample).rate(coding("90")) == pytest.approx(1 / 12.1, rel=1e-4)


def test_the_reserve_is_nothing_for_a_whole_series_and_much_without_a_sample() -> None:
    facts, sample = study("cr")
    assert estimate(facts, sample).reserve == 0.0
    assert estimate(facts, None).reserve > 0.3
    assert 0 < estimate(*study("ct")).reserve < 0.03


def test_slow_jpeg_xl_is_told_by_the_fast_one_where_that_was_sampled() -> None:
    """Smooth images become smaller than factors against HTJ2K tell."""
    wavelet, fast, slow = coding("202"), coding("110e3"), coding("110e7")
    sample = SeriesSample(frames=1, raw_bytes=1000, sizes={wavelet: 300, fast: 200})
    found = estimate(study("ct")[0], sample)
    assert found.rate(fast) == 0.2
    assert found.rate(slow) == pytest.approx(0.2 * 0.86 / 0.88)
