"""What a clock tells of a machine, and how far it is believed."""

from __future__ import annotations

import pytest

from gateway.compression.facts import SeriesSample
from gateway.compression.pace import FASTEST, SLOWEST, pace, pace_of, paces_of
from gateway.compression.sampling import sample_series
from gateway.compression.speeds import Sender
from gateway.domain import Coding, Uid
from tests.compression.pixels import facts_of, frame_of

_JPEG = "1.2.840.10008.1.2.4."
HTJ2K = Coding(syntax=Uid(_JPEG + "202"))
FAST_XL = Coding(syntax=Uid(_JPEG + "110"), effort=3)
NEAR = Coding(syntax=Uid(_JPEG + "81"), near=1)
SENDER = Sender()


def sample(**changes: object) -> SeriesSample:
    """A sample of one frame."""
    facts: dict[str, object] = {"frames": 1, "raw_bytes": 100, "sizes": {HTJ2K: 50}}
    return SeriesSample(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_pace_is_what_was_measured_over_what_is_believed() -> None:
    """Of the coder that was sampled, and of the slow efforts of the same one."""
    believed = SENDER.speed(HTJ2K, "CT").encode, SENDER.speed(FAST_XL, "CT").encode
    speeds = {HTJ2K: believed[0] * 0.8, FAST_XL: believed[1] * 1.5, NEAR: 1.0}

    found = paces_of(sample(speeds=speeds), SENDER, "CT")

    assert found == {
        "htj2k": pytest.approx(0.8),
        "jpegxl3": pytest.approx(1.5),
        "jpegxl5": pytest.approx(1.5),
        "jpegxl7": pytest.approx(1.5),
    }


def test_a_coder_that_was_not_sampled_goes_at_the_pace_of_htj2k() -> None:
    """Machines that are slow at one are slow at the other."""
    jpeg_ls = Coding(syntax=Uid(_JPEG + "80"))

    assert pace_of(jpeg_ls, {"htj2k": 0.7, "jpegxl3": 1.5}) == 0.7
    assert pace_of(FAST_XL, {"htj2k": 0.7, "jpegxl3": 1.5}) == 1.5
    assert pace_of(jpeg_ls, {}) == 1.0


def test_what_cannot_be_is_not_believed() -> None:
    """A machine that stood still for a second ruins no plan."""
    assert pace(1.0, 1e6) == SLOWEST
    assert pace(1e12, 1e6) == FASTEST
    assert pace(None, 1e6) == pace(0.0, 1e6) == 1.0
    assert paces_of(None, SENDER, "CT") == paces_of(sample(), SENDER, "CT") == {}


def test_a_clock_tells_how_fast_each_coding_was() -> None:
    """Raw bytes a second; without a clock nothing is said."""
    facts = facts_of("u12", rows=32, columns=32)
    ticks = iter(range(100))
    frames = [frame_of(facts)]

    timed = sample_series(frames, facts, (HTJ2K, FAST_XL), lambda: float(next(ticks)))

    assert timed.speeds == {HTJ2K: 2048.0, FAST_XL: 2048.0}
    assert sample_series(frames, facts, (HTJ2K,)).speeds == {}
