"""What a line is, and when bytes that are put on it arrive. Pure: time is a number of seconds.

The model has four rules. All connections of a direction share its rate: a chunk leaves when those
before it have left. A chunk that has left arrives after the latency, so that latency alone slows
nothing down. Jitter moves each arrival earlier or later and never past the one before it of the
same connection. And the line has a clock of its own, which stands still during pauses: whatever is
on its way then goes on afterwards where it was.

Of TCP it knows nothing: no loss, no slow start, no window. `proxy` moves bytes by this model;
whoever only wants to know how long something would take asks `seconds_for`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from hashlib import blake2b
from itertools import count
from math import isfinite

BITS = 8  # of a byte
MIN_BITS_PER_SECOND = 1_000.0  # slower than this, the handshake of TLS takes a minute
MAX_BITS_PER_SECOND = 1e12  # faster than this is no line, and the times between chunks round away
MAX_LATENCY_SECONDS = 60.0  # one way; nothing on or around the earth is so far away
MIN_EVERY_SECONDS = 0.1  # what is repeated more often than this is a lower rate
MAX_EVENTS = 100  # of a schedule; one that repeats counts once


class ShapeError(ValueError):
    """A value no line can have: what was found and what was expected."""


def _within(name: str, value: float, low: float, high: float | None) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or value < low or (high is not None and value > high):
        to = "or more" if high is None else f"to {high:g}"
        raise ShapeError(f"{name}: found {value!r}, expected a number, {low:g} {to}")


class Direction(StrEnum):
    """Towards the server, or back to who asks."""

    UP = "up"
    DOWN = "down"


class Kind(StrEnum):
    """What can happen to a line.

    In a pause no byte moves; a cut closes every connection orderly (FIN), a reset breaks it (RST).
    """

    PAUSE = "pause"
    CUT = "cut"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneShape:
    """One direction. `bits_per_second` None is no limit; latency is one way.

    Each chunk is late by the latency plus or minus up to `jitter_seconds`. After
    `cut_after_bytes` bytes have arrived, every connection of the line is cut, once.
    """

    bits_per_second: float | None = None
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    cut_after_bytes: int | None = None

    def __post_init__(self) -> None:
        rate = self.bits_per_second
        if rate is not None:
            _within("bits_per_second", rate, MIN_BITS_PER_SECOND, MAX_BITS_PER_SECOND)
        _within("latency_seconds", self.latency_seconds, 0.0, MAX_LATENCY_SECONDS)
        # An arrival before the chunk has left would be the alternative.
        _within("jitter_seconds", self.jitter_seconds, 0.0, self.latency_seconds)
        after = self.cut_after_bytes
        if after is not None and (type(after) is not int or after < 1):
            raise ShapeError(f"cut_after_bytes: found {after!r}, expected a whole number above 0")

    def sending_seconds(self, size: int) -> float:
        """How long the line is taken by so many bytes."""
        return BITS * size / self.bits_per_second if self.bits_per_second else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens to the line, in seconds since its shape came into force.

    `lasts_seconds` is of pauses alone; `every_seconds` None is once.
    """

    kind: Kind
    at_seconds: float
    lasts_seconds: float = 0.0
    every_seconds: float | None = None

    def __post_init__(self) -> None:
        _within("at_seconds", self.at_seconds, 0.0, None)
        _within("lasts_seconds", self.lasts_seconds, 0.0, None)
        if (self.lasts_seconds > 0) is not (self.kind is Kind.PAUSE):
            raise ShapeError(
                f"lasts_seconds: found {self.lasts_seconds!r} of a {self.kind}, expected more than "
                "0 of a pause and 0 of anything else"
            )
        if self.every_seconds is not None:
            _within("every_seconds", self.every_seconds, MIN_EVERY_SECONDS, None)

    def times(self) -> Iterator[float]:
        """When it happens, again and again; without end where it repeats."""
        if self.every_seconds is None:
            yield self.at_seconds
        else:
            # Multiplied, not added up: sums of floats drift.
            yield from (self.at_seconds + turn * self.every_seconds for turn in count())


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShape:
    """A line: both directions, and what happens to it."""

    up: LaneShape = LaneShape()
    down: LaneShape = LaneShape()
    schedule: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if len(self.schedule) > MAX_EVENTS:
            raise ShapeError(f"schedule: found {len(self.schedule)} events, at most {MAX_EVENTS}")
        paused = sum(
            event.lasts_seconds / event.every_seconds
            for event in self.schedule
            if event.every_seconds
        )
        if paused >= 1:
            raise ShapeError(
                f"schedule: found pauses that take {paused:.0%} of the time, expected less"
            )

    def lane(self, direction: Direction) -> LaneShape:
        """One of the two directions."""
        return self.up if direction is Direction.UP else self.down

    @property
    def round_trip_seconds(self) -> float:
        """There and back of a byte that finds the line free, without its sending time."""
        return self.up.latency_seconds + self.down.latency_seconds

    def breaks(self) -> Iterator[tuple[float, Kind]]:
        """When connections are cut or reset by the schedule, in order."""
        return heapq.merge(
            *(_tagged(event) for event in self.schedule if event.kind is not Kind.PAUSE)
        )

    def seconds_for(
        self, size: int, *, direction: Direction = Direction.DOWN, at: float = 0.0
    ) -> float:
        """How long so many bytes take that find the line free, until the last has arrived.

        `at` is when they are handed in, in seconds since the shape came into force: pauses count.
        Jitter does not, which makes a transfer longer by `jitter_seconds` at most; nor do cuts.
        """
        lane = Lane(_calm(self.lane(direction)), LinkClock(self.schedule))
        return lane.send(size, at=at).arrives_at - at

    def seconds_for_each(
        self, sizes: Sequence[int], *, direction: Direction = Direction.DOWN
    ) -> list[float]:
        """How long each of several transfers takes that begin together and share the line."""
        shape, clock = self.lane(direction), LinkClock(self.schedule)
        seconds = [0.0] * len(sizes)
        sent, before, left = 0.0, 0, len(sizes)
        for place in sorted(range(len(sizes)), key=sizes.__getitem__):
            # Until the smallest is through, all that are left have had as much as it.
            sent += shape.sending_seconds((sizes[place] - before) * left)
            seconds[place] = clock.wall(sent + shape.latency_seconds)
            before, left = sizes[place], left - 1
        return seconds


UNSHAPED = LinkShape()


def _tagged(event: Event) -> Iterator[tuple[float, Kind]]:
    return ((at, event.kind) for at in event.times())


def _calm(shape: LaneShape) -> LaneShape:
    return replace(shape, jitter_seconds=0.0)


class LinkClock:
    """The line's own time, which stands still during pauses."""

    def __init__(self, schedule: Sequence[Event] = ()) -> None:
        self._coming = _pauses(schedule)
        self._next = next(self._coming, None)
        # Of each pause so far: when it begins, when it ends, and both in the line's own time.
        self._begin: list[float] = []
        self._end: list[float] = []
        self._stops: list[float] = []
        self._paused = 0.0

    def running(self, at: float) -> float:
        """The line's own time at a time everybody else has."""
        while self._next is not None and self._next[0] <= at:
            self._remember(*self._next)
        place = bisect_right(self._begin, at) - 1
        if place < 0:
            return at
        # Inside a pause no time passes; after it, the same time since its end as for everybody.
        return self._stops[place] + max(0.0, at - self._end[place])

    def moving(self, at: float) -> float:
        """The first time from `at` on at which something moves."""
        self.running(at)  # knows every pause until then
        place = bisect_right(self._begin, at) - 1
        return at if place < 0 else max(at, self._end[place])

    def wall(self, running: float) -> float:
        """The time everybody else has, when the line's own time first is `running`."""
        while self._next is not None and self._next[0] - self._paused < running:
            self._remember(*self._next)
        place = bisect_left(self._stops, running) - 1
        return running if place < 0 else self._end[place] + (running - self._stops[place])

    def _remember(self, begin: float, end: float) -> None:
        self._begin.append(begin)
        self._end.append(end)
        self._stops.append(begin - self._paused)
        self._paused += end - begin
        self._next = next(self._coming, None)


def _pauses(schedule: Sequence[Event]) -> Iterator[tuple[float, float]]:
    """Begin and end of every pause in order, those that touch made one."""
    each = (event for event in schedule if event.kind is Kind.PAUSE)
    begin, end = 0.0, -1.0
    for first, last in heapq.merge(*(_spans(event) for event in each)):
        if first > end:
            if end > begin:
                yield begin, end
            begin = first
        end = max(end, last)
    if end > begin:
        yield begin, end


def _spans(event: Event) -> Iterator[tuple[float, float]]:
    return ((at, at + event.lasts_seconds) for at in event.times())


@dataclass(frozen=True, slots=True)
class Passage:
    """When a chunk has left the sender's end whole, and when it arrives."""

    leaves_at: float
    arrives_at: float


class Lane:
    """One direction at work: takes chunks one after the other and says when each arrives.

    Times are seconds since the shape came into force. The same chunks at the same times with the
    same `seed` arrive at the same times.
    """

    def __init__(self, shape: LaneShape, clock: LinkClock, *, seed: int = 0) -> None:
        self.shape = shape
        self._clock = clock
        self._seed = seed
        self._free = 0.0  # in the line's own time
        self._sent = 0

    @property
    def free_at(self) -> float:
        """When the line can take the next chunk."""
        return self._clock.wall(self._free)

    def send(self, size: int, *, at: float, after: float = 0.0) -> Passage:
        """Put `size` bytes on the line that were there at `at`.

        `after` is when the chunk before it of the same connection arrives: it does not overtake.
        """
        start = max(self._clock.running(at), self._free)
        leaves = self._free = start + self.shape.sending_seconds(size)
        arrives = leaves + self.shape.latency_seconds + self._jitter()
        # What comes in a pause and takes no time would otherwise be there when the pause began.
        first = self._clock.moving(at)
        leaves_at, arrives_at = self._clock.wall(leaves), self._clock.wall(arrives)
        return Passage(max(leaves_at, first), max(arrives_at, first, after))

    def _jitter(self) -> float:
        """Between minus and plus the jitter, evenly."""
        self._sent += 1
        if not self.shape.jitter_seconds:
            return 0.0
        # A digest in place of dice: it needs no state and is the same everywhere.
        digest = blake2b(b"%d %d" % (self._seed, self._sent), digest_size=8).digest()
        return self.shape.jitter_seconds * (int.from_bytes(digest) / 2**63 - 1)


# Names of the values of a direction, for whoever reads or writes shapes.
LANE_FIELDS = tuple(field.name for field in fields(LaneShape))
EVENT_FIELDS = tuple(field.name for field in fields(Event))
