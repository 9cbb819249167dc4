"""A few instances of a series measured, and what they tell together."""

from __future__ import annotations

from io import BytesIO

import pytest

from country_a.sampling import sample_instance, together
from gateway.compression.facts import SeriesSample
from gateway.compression.permitted import HTJ2K_LOSSLESS_RPCL, JPEG_LS_LOSSLESS
from gateway.domain import Coding
from tests.compression.pixels import facts_of
from tests.compression.renditions import file_of, rendered

CODING = Coding(syntax=JPEG_LS_LOSSLESS)


@pytest.mark.parametrize(("frames", "is_coded"), [(1, False), (3, False), (1, True)])
def test_an_instance_is_measured_beside_its_coder(frames: int, is_coded: bool) -> None:
    """To read it always; to write it anew only where that takes no decoding and little memory."""
    facts = facts_of("u12", frames=frames)
    data = file_of(facts)
    if is_coded:
        data, _ = rendered(data, Coding(syntax=JPEG_LS_LOSSLESS))

    found = sample_instance(BytesIO(data), facts, [Coding(syntax=HTJ2K_LOSSLESS_RPCL)])

    assert found.frames == 1
    assert found.open_seconds
    assert found.read_speed
    assert bool(found.rewrite_seconds) is (frames == 1 and not is_coded)
    assert 0 < found.spared_bytes < len(data)


def sampled_at(*speeds: float) -> SeriesSample:
    """What frames coded at these speeds tell together."""
    frames = [
        SeriesSample(
            frames=1,
            raw_bytes=8192,
            sizes={CODING: 2048},
            noise=None,
            speeds={CODING: speed},
            read_speed=speed / 2,
            open_seconds=1 / speed,
            rewrite_seconds=4 / speed,
        )
        for speed in speeds
    ]
    found = together(frames)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("speeds", "told"),
    [
        ((60e6,), 60e6),
        ((20e6, 60e6), 60e6),  # cold caches, other work
        ((20e6, 60e6, 58e6), 58e6),
        ((20e6, 60e6, 25e6, 59e6, 30e6), 59e6),
        ((60e6, 300e6, 58e6, 61e6, 59e6), 61e6),  # one of air
    ],
)
def test_a_disturbed_frame_or_one_of_air_does_not_set_the_speed(
    speeds: tuple[float, ...], told: float
) -> None:
    """What disturbs only slows, and of many frames one may be of air."""
    found = sampled_at(*speeds)
    assert found.speeds[CODING] == told
    assert found.read_speed == told / 2
    assert found.open_seconds == pytest.approx(1 / told)
    assert found.rewrite_seconds == pytest.approx(4 / told)


def test_nothing_sampled_is_no_sample() -> None:
    """Of a series none of whose frames could be read."""
    assert together([]) is None
