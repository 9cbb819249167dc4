"""Errors measured, and guards that are kept or broken."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.compression.guards import (
    SSIM_FLOORS,
    DisplayWindow,
    ErrorMeter,
    GuardBroken,
    check_error,
    check_range,
    check_ratio,
    structural_similarity,
)
from gateway.compression.permitted import HTJ2K_LOSSY, JPEG_LS_NEAR
from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding
from gateway.domain.fidelity import PixelError

STEP = Coding(syntax=HTJ2K_LOSSY, step=4.0)
NEAR = Coding(syntax=JPEG_LS_NEAR, near=2)
FRAME = np.random.default_rng(1).integers(0, 4096, (64, 64)).astype("u2")


def test_errors_of_all_frames_count_together() -> None:
    """The greatest of all, the mean over all, the similarity of the worst."""
    meter = ErrorMeter()
    worse = FRAME.copy()
    worse[0, 0] = worse[0, 0] + 10 if worse[0, 0] < 2000 else worse[0, 0] - 10

    meter.add(FRAME, FRAME)
    meter.add(FRAME, worse)

    found = meter.error()
    assert found.max_error == 10
    assert found.rmse == pytest.approx((100 / (2 * FRAME.size)) ** 0.5)
    assert found.ssim is not None
    assert 0.99 < found.ssim < 1.0


def test_unsigned_errors_do_not_wrap() -> None:
    """A value that became smaller by one is one off."""
    meter = ErrorMeter()
    meter.add(np.full((8, 8), 5, "u2"), np.full((8, 8), 4, "u2"))
    assert meter.error() == PixelError(max_error=1, rmse=1.0, ssim=None)


def test_similarity_falls_with_noise_in_the_window() -> None:
    """And says nothing of what the window hides."""
    dice = np.random.default_rng(2)
    slope = np.linspace(0, 4000, 64 * 64).reshape(64, 64).astype("i2")
    noisy = (slope + dice.normal(0, 100, slope.shape)).astype("i2")
    wide, narrow = DisplayWindow(0, 4000), DisplayWindow(5000, 6000)

    assert structural_similarity(slope, slope, wide) == pytest.approx(1.0)
    assert (structural_similarity(slope, noisy, wide) or 1) < 0.9
    assert structural_similarity(slope, noisy, narrow) is None  # all of it is black
    assert structural_similarity(np.zeros_like(slope), noisy, None) is None
    assert structural_similarity(np.array([[1, 9]], "u2"), np.array([[1, 9]], "u2"), None)
    colour = np.stack([slope] * 3, axis=-1)
    assert structural_similarity(colour, colour, None) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("error", "coding", "guard"),
    [
        (PixelError(max_error=3, rmse=0.1), NEAR, "greatest error"),
        (PixelError(max_error=14, rmse=0.1), STEP, "greatest error"),
        (PixelError(max_error=5, rmse=2.1), STEP, "root mean square"),
        (PixelError(max_error=2, rmse=0.1, ssim=0.97), NEAR, "structural similarity"),
    ],
)
def test_a_broken_guard_is_named_with_its_numbers(
    error: PixelError, coding: Coding, guard: str
) -> None:
    """So that a sender can try again with less."""
    with pytest.raises(GuardBroken, match=guard) as raised:
        check_error(error, coding, ssim_floor=0.98)
    assert raised.value.guard == guard
    assert raised.value.found != raised.value.allowed


def test_guards_that_hold_are_silent() -> None:
    """At their limits too."""
    check_error(PixelError(max_error=2, rmse=1.5, ssim=0.98), NEAR, ssim_floor=0.98)
    check_error(PixelError(max_error=13, rmse=1.8), STEP, ssim_floor=0.98)
    check_error(PixelError(max_error=1, rmse=0.35), Coding(syntax=HTJ2K_LOSSY, step=0.5))
    check_ratio(8.2, 8.0)
    check_ratio(80.0, None)
    check_range(FRAME, 0, 4095)


def test_ratio_and_range_have_limits() -> None:
    """The cap with a slack of three hundredths, and Bits Stored at both ends."""
    with pytest.raises(GuardBroken, match="ratio"):
        check_ratio(8.3, 8.0)
    with pytest.raises(GuardBroken, match="highest value"):
        check_range(FRAME, 0, int(FRAME.max()) - 1)
    with pytest.raises(GuardBroken, match="lowest value"):
        check_range(FRAME, int(FRAME.min()) + 1, 4095)


def test_every_purpose_has_a_floor() -> None:
    """No lower for the more demanding."""
    floors = [SSIM_FLOORS[purpose] for purpose in ReadingPurpose]
    assert floors == sorted(floors, reverse=True)
