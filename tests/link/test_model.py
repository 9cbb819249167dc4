"""The model of a line: when bytes arrive, what it promises whatever the values."""

from __future__ import annotations

from itertools import islice, pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.model import (
    Direction,
    Event,
    Kind,
    Lane,
    LaneShape,
    LinkClock,
    LinkShape,
    ShapeError,
)

RATES = st.floats(1_000, 1e10)
SIZES = st.integers(0, 10_000_000)
LATENCIES = st.floats(0, 2)
CHUNKS = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 100_000)), min_size=1, max_size=30)
PAUSES = st.lists(
    st.builds(
        Event,
        kind=st.just(Kind.PAUSE),
        at_seconds=st.floats(0, 50),
        lasts_seconds=st.floats(0.001, 3),
        every_seconds=st.none() | st.floats(20, 60),
    ),
    max_size=4,
)
SHAPES = st.builds(
    lambda rate, latency, share: LaneShape(
        bits_per_second=rate, latency_seconds=latency, jitter_seconds=latency * share
    ),
    st.none() | RATES,
    LATENCIES,
    st.floats(0, 1),
)


def pause(at: float, seconds: float, every: float | None = None) -> Event:
    """Nothing moves for so long."""
    return Event(kind=Kind.PAUSE, at_seconds=at, lasts_seconds=seconds, every_seconds=every)


def test_a_chunk_takes_its_share_of_a_second_and_the_latency() -> None:
    """One megabit at eight a second is an eighth of it, then 40 ms on the way."""
    shape = LinkShape(down=LaneShape(bits_per_second=8e6, latency_seconds=0.04))

    assert shape.seconds_for(125_000) == pytest.approx(0.125 + 0.04)
    assert shape.seconds_for(125_000, direction=Direction.UP) == 0.0
    assert shape.round_trip_seconds == 0.04


def test_latency_does_not_slow_down() -> None:
    """A second chunk leaves when the first has left, not when it has arrived."""
    lane = Lane(LaneShape(bits_per_second=8e6, latency_seconds=5), LinkClock())

    first, second = lane.send(1_000_000, at=0), lane.send(1_000_000, at=0)

    assert (first.leaves_at, first.arrives_at) == (1, 6)
    assert (second.leaves_at, second.arrives_at) == (2, 7)


def test_a_line_nobody_used_saves_nothing_up() -> None:
    """After a silence a chunk takes as long as ever."""
    lane = Lane(LaneShape(bits_per_second=8e6), LinkClock())
    lane.send(1_000_000, at=0)

    assert lane.send(1_000_000, at=100).arrives_at == 101
    assert lane.free_at == 101


def test_time_stands_still_in_a_pause() -> None:
    """What is being sent goes on afterwards; so does what is on its way."""
    shape = LaneShape(bits_per_second=8e6, latency_seconds=3)
    lane = Lane(shape, LinkClock([pause(0.5, 10), pause(12, 1)]))

    passage = lane.send(1_000_000, at=0)

    assert (passage.leaves_at, passage.arrives_at) == (11, 15)


def test_what_comes_in_a_pause_waits_for_its_end() -> None:
    """Even over a line that takes no time for anything."""
    lane = Lane(LaneShape(), LinkClock([pause(1, 2)]))

    assert lane.send(5, at=1.5).arrives_at == 3
    assert lane.send(5, at=3.5).arrives_at == 3.5


def test_a_pause_repeats() -> None:
    """Half of every second: everything takes twice as long."""
    shape = LinkShape(down=LaneShape(bits_per_second=8e6), schedule=(pause(0.5, 0.5, every=1.0),))

    assert shape.seconds_for(10_000_000) == pytest.approx(19.5)
    assert shape.seconds_for(500_000, at=1000.0) == pytest.approx(0.5)
    assert shape.seconds_for(500_000, at=1000.5) == pytest.approx(1.0)


def test_transfers_that_begin_together_share_evenly() -> None:
    """The smallest is done when every one had as much; the largest when all is sent."""
    shape = LinkShape(down=LaneShape(bits_per_second=8e6, latency_seconds=0.5))

    assert shape.seconds_for_each([3_000_000, 1_000_000, 2_000_000]) == [6.5, 3.5, 5.5]
    assert shape.seconds_for_each([]) == []


def test_jitter_is_the_same_for_the_same_seed() -> None:
    """And lies on both sides of the latency, within its bounds."""
    shape = LaneShape(latency_seconds=1.0, jitter_seconds=0.2)

    def arrivals(seed: int) -> list[float]:
        lane = Lane(shape, LinkClock(), seed=seed)
        return [lane.send(1, at=0).arrives_at for _ in range(200)]

    assert arrivals(1) == arrivals(1) != arrivals(2)
    assert 0.8 <= min(arrivals(1)) < 0.85
    assert 1.15 < max(arrivals(1)) <= 1.2


def test_breaks_of_a_schedule_come_in_order() -> None:
    """Cuts and resets, once and again and again; pauses are no breaks."""
    shape = LinkShape(
        schedule=(
            Event(kind=Kind.RESET, at_seconds=3, every_seconds=4),
            pause(1, 1),
            Event(kind=Kind.CUT, at_seconds=5),
        )
    )

    found = list(islice(shape.breaks(), 4))

    assert found == [(3, Kind.RESET), (5, Kind.CUT), (7, Kind.RESET), (11, Kind.RESET)]
    assert list(LinkShape().breaks()) == []


@pytest.mark.parametrize(
    "values",
    [
        {"bits_per_second": 0},
        {"bits_per_second": -1e6},
        {"bits_per_second": nan},
        {"bits_per_second": inf},
        {"bits_per_second": True},
        {"bits_per_second": "8mbit"},
        {"latency_seconds": -0.1},
        {"latency_seconds": nan},
        {"latency_seconds": 61},
        {"latency_seconds": 0.1, "jitter_seconds": 0.2},
        {"jitter_seconds": 0.1},
        {"cut_after_bytes": 0},
        {"cut_after_bytes": 1.5},
        {"cut_after_bytes": True},
    ],
)
def test_a_lane_that_cannot_be_is_refused_by_its_value(values: dict[str, Any]) -> None:
    """The last value is the wrong one: it is named, with what was found and expected."""
    name = list(values)[-1]

    with pytest.raises(ShapeError, match=rf"^{name}: found .*, expected "):
        LaneShape(**values)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"at_seconds": -1}, "at_seconds"),
        ({"at_seconds": nan}, "at_seconds"),
        ({"at_seconds": 0, "lasts_seconds": 1}, "lasts_seconds"),
        ({"kind": Kind.PAUSE, "at_seconds": 0}, "lasts_seconds"),
        ({"at_seconds": 0, "every_seconds": 0}, "every_seconds"),
        ({"at_seconds": 0, "every_seconds": inf}, "every_seconds"),
    ],
)
def test_an_event_that_cannot_be_is_refused_by_its_value(values: dict[str, Any], name: str) -> None:
    """A cut does not last, a pause does, and nothing happens before the line is there."""
    with pytest.raises(ShapeError, match=f"^{name}: found"):
        Event(**{"kind": Kind.CUT, **values})


def test_a_schedule_that_lets_nothing_through_is_refused() -> None:
    """Pauses that follow each other without end, alone or together; too many events."""
    with pytest.raises(ShapeError, match="100% of the time"):
        LinkShape(schedule=(pause(0, 1, every=2), pause(1, 1, every=2)))
    with pytest.raises(ShapeError, match="101 events"):
        LinkShape(schedule=(pause(0, 1),) * 101)


@given(SHAPES, PAUSES, CHUNKS)
def test_nothing_is_faster_than_the_rate(
    shape: LaneShape, pauses: list[Event], chunks: list[tuple[float, int]]
) -> None:
    """All that was handed in since some time has not arrived before it can have been sent."""
    clock = LinkClock(pauses)
    lane = Lane(shape, clock)
    chunks.sort()

    passages = [lane.send(size, at=at) for at, size in chunks]

    for first in range(len(chunks)):
        sent = sum(shape.sending_seconds(size) for _, size in chunks[first:])
        took = clock.running(passages[-1].leaves_at) - clock.running(chunks[first][0])
        assert took >= sent - 1e-6


@given(SHAPES, PAUSES, CHUNKS, st.integers())
def test_chunks_of_a_connection_keep_their_order(
    shape: LaneShape, pauses: list[Event], chunks: list[tuple[float, int]], seed: int
) -> None:
    """Whatever the jitter, and none is there before its latency less jitter is over."""
    lane = Lane(shape, LinkClock(pauses), seed=seed)
    arrivals: list[float] = []
    for at, size in sorted(chunks):
        passage = lane.send(size, at=at, after=arrivals[-1] if arrivals else 0.0)
        arrivals.append(passage.arrives_at)
        assert passage.arrives_at >= at - 1e-9
        least = shape.latency_seconds - shape.jitter_seconds
        assert passage.arrives_at >= passage.leaves_at + least - 1e-6

    assert all(earlier <= later for earlier, later in pairwise(arrivals))


@given(RATES, RATES, LATENCIES, PAUSES, SIZES, st.floats(0, 100))
def test_more_rate_is_never_later(
    one: float, other: float, latency: float, pauses: list[Event], size: int, at: float
) -> None:
    """Nor is a smaller transfer."""

    def seconds(rate: float, size: int) -> float:
        lane = LaneShape(bits_per_second=rate, latency_seconds=latency)
        return LinkShape(down=lane, schedule=tuple(pauses)).seconds_for(size, at=at)

    slow, fast = sorted((one, other))
    assert seconds(fast, size) <= seconds(slow, size) + 1e-6
    assert seconds(slow, size // 2) <= seconds(slow, size) + 1e-6


@given(RATES, LATENCIES, PAUSES, st.lists(SIZES, min_size=1, max_size=8))
def test_shares_add_up_to_the_rate(
    rate: float, latency: float, pauses: list[Event], sizes: list[int]
) -> None:
    """Together transfers are done when one of their sum is, and none before it would be alone."""
    lane = LaneShape(bits_per_second=rate, latency_seconds=latency)
    shape = LinkShape(down=lane, schedule=tuple(pauses))

    each = shape.seconds_for_each(sizes)

    assert max(each) == pytest.approx(shape.seconds_for(sum(sizes)), rel=1e-6, abs=1e-6)
    assert all(
        seconds >= shape.seconds_for(size) - 1e-6 for seconds, size in zip(each, sizes, strict=True)
    )


@given(PAUSES, st.lists(st.floats(0, 200), min_size=2, max_size=20))
def test_the_lines_own_time_never_goes_back(pauses: list[Event], times: list[float]) -> None:
    """Both readings of the clock go on with time, and undo each other outside of pauses."""
    clock = LinkClock(pauses)
    times.sort()

    running = [clock.running(at) for at in times]

    assert all(earlier <= later for earlier, later in pairwise(running))
    for at, own in zip(times, running, strict=True):
        assert clock.wall(own) <= at + 1e-6
        assert clock.running(clock.wall(own)) == pytest.approx(own, abs=1e-6)
