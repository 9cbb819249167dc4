"""Counters of an image job, and the timeline that is drawn of them."""

from __future__ import annotations

import pytest

from country_b.image_progress import MAX_POINTS, Progress


def test_bytes_over_time_are_kept_as_points() -> None:
    """Each point says how much was there when; points closer than can be drawn are one."""
    progress = Progress()

    for seconds in (0.1, 0.101, 0.2):
        progress.came(10, seconds)

    assert progress.timeline == [(0.1, 10), (0.2, 30)]
    assert (progress.bytes, progress.seconds) == (30, 0.2)


def test_a_long_job_draws_as_many_points_as_a_short_one() -> None:
    """Every other point goes when there are too many; the line stays whole from end to end."""
    progress = Progress()

    for number in range(1, 100_001):
        progress.came(1, number * 0.1)

    assert len(progress.timeline) <= MAX_POINTS
    seconds = [at for at, _ in progress.timeline]
    assert seconds == sorted(seconds)
    assert progress.timeline[-1][0] == pytest.approx(10_000, rel=0.01)
    assert all(size == round(at * 10) for at, size in progress.timeline)
