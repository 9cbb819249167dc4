"""One direction at work, without sockets: turns, bounds, and no turn for who is stuck."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.link.lines import END, MAX_WAITING_CHUNKS, Line, Pipe, Room
from gateway.link.model import Lane, LaneShape, LinkClock
from gateway.link.profiles import PROFILES


class Loop:
    """A clock that goes when told, and calls what is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, int, Any]] = []
        self.calls = 0

    def time(self) -> float:
        """What time it is."""
        return self.now

    def call_at(self, when: float, callback: Any, *args: Any) -> Any:
        """Call later."""
        self.calls += 1
        handle = asyncio.TimerHandle(when, callback, args, cast(Any, self))
        self.due.append((when, self.calls, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """What a real loop counts."""

    def get_debug(self) -> bool:
        """What a handle asks of its loop."""
        return False

    def run_until(self, end: float) -> None:
        """Let time pass."""
        while self.due and min(self.due)[0] <= end:
            first = min(self.due)
            self.due.remove(first)
            self.now = max(self.now, first[0])
            if not first[2].cancelled():
                first[2]._run()
        self.now = end


class Target:
    """Keeps what is written, and when."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.got: list[tuple[float, bytes]] = []
        self.ended = False

    def write(self, data: memoryview) -> None:
        """As a transport."""
        self.got.append((self.loop.now, bytes(data)))

    def write_eof(self) -> None:
        """As a transport."""
        self.ended = True

    def is_closing(self) -> bool:
        """It never is."""
        return False

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(len(data) for _, data in self.got)


def made(
    shape: LaneShape, pipes: int = 1
) -> tuple[Loop, Line, list[tuple[Pipe, Target]], list[int]]:
    """A line with pipes; the last list grows with every cut."""
    loop, cuts = Loop(), list[int]()
    line = Line(cast(Any, loop), lambda: cuts.append(1))
    line.follow(Lane(shape, LinkClock()), loop.now)
    targets = [Target(loop) for _ in range(pipes)]
    return loop, line, [(Pipe(line, cast(Any, each)), each) for each in targets], cuts


def test_pipes_take_turns() -> None:
    """A short message is not behind a long one, but for the turn that was promised to it."""
    loop, line, ((long, first), (short, second)), _ = made(LaneShape(bits_per_second=8e6), pipes=2)
    long.read(bytes(1_000_000))
    short.read(bytes(30_000))

    loop.run_until(1000.0701)

    assert second.size == 30_000
    assert first.size == 30_000 + line.room.turn
    loop.run_until(1002)
    assert first.size == 1_000_000
    assert first.got[-1][0] == pytest.approx(1001.03, abs=0.002)


def test_late_timers_do_not_make_the_line_slower() -> None:
    """What waited while nobody looked is counted from when it was there."""
    loop, _, [(pipe, target)], _ = made(LaneShape(bits_per_second=8e6))
    pipe.read(bytes(100_000))
    loop.run_until(1000.01)

    loop.now = 1000.09  # held up for 80 ms
    loop.run_until(1000.1)

    assert target.size == 100_000


def test_latency_slows_nothing_down() -> None:
    """As many bytes fly as the rate puts on the way in that time."""
    loop, _, [(pipe, target)], _ = made(LaneShape(bits_per_second=8e6, latency_seconds=5))
    for _ in range(20):
        pipe.read(bytes(100_000))
        loop.run_until(loop.now + 0.1)

    assert (pipe.flying_bytes, target.size) == (2_000_000, 0)
    loop.run_until(1007.01)
    assert target.size == 2_000_000


def test_the_source_is_held_when_enough_is_waiting() -> None:
    """By bytes, and by chunks of a single one; and let go when there is room."""
    loop, line, [(pipe, _), (other, _)], _ = made(LaneShape(bits_per_second=8e6), pipes=2)
    told: list[str] = []
    for each in (pipe, other):
        each.pause, each.resume = (lambda: told.append("pause")), (lambda: told.append("resume"))

    pipe.read(bytes(line.room.waiting + 50_000))
    assert told == ["pause"]
    loop.run_until(1000.1)
    assert told == ["pause", "resume"]

    line.stop()
    pipe.clear()
    told.clear()
    for _ in range(2 * MAX_WAITING_CHUNKS):
        other.read(b"x")
    assert told == ["pause"]


def test_who_is_stuck_has_no_turn() -> None:
    """Nothing more flies to it, and the others have the whole line."""
    loop, _, ((stuck, first), (free, second)), _ = made(LaneShape(bits_per_second=8e6), pipes=2)
    stuck.block()
    stuck.read(bytes(500_000))
    free.read(bytes(500_000))

    loop.run_until(1000.51)
    assert (first.size, second.size) == (0, 500_000)

    stuck.unblock()
    loop.run_until(1001.05)
    assert first.size == 500_000
    assert first.got[-1][0] == pytest.approx(1001.01, abs=0.002)


def test_who_is_stuck_while_much_flies_is_bounded() -> None:
    """No more than the line holds by itself and a little beside it."""
    loop, line, [(pipe, target)], _ = made(LaneShape(latency_seconds=1))
    for _ in range(20):
        pipe.read(bytes(1_000_000))

    assert pipe.flying_bytes <= line.room.air + line.room.turn
    loop.run_until(1005)
    assert target.size == 20_000_000


def test_the_end_comes_after_everything() -> None:
    """It travels as bytes do."""
    loop, _, [(pipe, target)], _ = made(LaneShape(bits_per_second=8e6, latency_seconds=0.5))
    pipe.read(bytes(50_000))
    pipe.read(END)

    loop.run_until(1000.5)
    assert not target.ended
    loop.run_until(1000.56)
    assert (target.size, target.ended) == (50_000, True)


def test_a_cut_is_told_when_so_many_bytes_have_arrived() -> None:
    """The line is still until it is done, then goes on without another."""
    shape = LaneShape(bits_per_second=8e6, latency_seconds=0.1, cut_after_bytes=12_345)
    loop, line, [(pipe, target)], cuts = made(shape)
    pipe.read(bytes(100_000))

    loop.run_until(1001)
    assert (target.size, cuts) == (12_345, [1])

    line.cut_done()
    loop.run_until(1002)
    assert (target.size, cuts) == (100_000, [1])
    assert line.arrived_bytes == 100_000


@pytest.mark.parametrize("name", PROFILES)
def test_rooms_are_bounded_and_hold_what_the_line_holds(name: str) -> None:
    """A turn is short, and what flies is enough for the whole rate at this latency."""
    shape = PROFILES[name].shape.down
    room = Room.of(shape)

    assert room.turn <= room.waiting <= 1024 * 1024
    if shape.bits_per_second is not None:
        assert shape.sending_seconds(room.turn) <= 0.0101
        assert room.air > shape.bits_per_second / 8 * shape.latency_seconds
