"""One direction at work: bytes of many connections on one line, chunk by chunk in turn.

A `Pipe` is a connection's way in that direction. What was read waits there until the line takes
it, flies until it arrives, and is written. Both are bounded: a pipe whose waiting room is full is
not read from, and one whose receiver does not take what has arrived is passed over, so that it
holds up nobody else. The kernel's timers are as fine as a millisecond, so lines work a little
ahead, and chunks are counted from when they were there and not from when we came to look: being
late does not make the line slower.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.link.model import BITS, Lane, LaneShape

TURN_SECONDS = 0.010  # of the rate at most in one turn: a short message waits for no long one
MIN_TURN_BYTES, MAX_TURN_BYTES = 256, 16 * 1024
FREE_TURN_BYTES = 64 * 1024  # where there is no rate to share
# Read ahead of the line, so that it has something to take when the process was held up so long.
WAITING_SECONDS = 0.100
MIN_WAITING_BYTES, MAX_WAITING_BYTES = 4 * 1024, 1024 * 1024
MAX_WAITING_CHUNKS = 1024  # a sender of single bytes would fill the room with what holds them
# In the air at most, beside what the line itself holds; a line without a rate holds this much.
AIR_BYTES = 128 * 1024
FREE_AIR_BYTES = 8 * 1024 * 1024
AHEAD_SECONDS = 0.002  # chunks are put on the line this much before it is free
# Timers end up to a millisecond late: what arrives so soon is written at once, so that on
# average nothing is late or early.
EARLY_SECONDS = 0.0005

END = b""  # the end of what a sender has to say, which travels as bytes do


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes a pipe may hold, from what the line does."""

    turn: int
    waiting: int
    air: int

    @classmethod
    def of(cls, shape: LaneShape) -> Room:
        """A turn and a waiting room by the rate, the air by rate and latency."""
        if shape.bits_per_second is None:
            return cls(FREE_TURN_BYTES, MAX_WAITING_BYTES, FREE_AIR_BYTES)
        per_second = shape.bits_per_second / BITS
        held = per_second * (shape.latency_seconds + shape.jitter_seconds + WAITING_SECONDS)
        return cls(
            turn=_between(MIN_TURN_BYTES, per_second * TURN_SECONDS, MAX_TURN_BYTES),
            waiting=_between(MIN_WAITING_BYTES, per_second * WAITING_SECONDS, MAX_WAITING_BYTES),
            air=int(held) + AIR_BYTES,
        )


def _between(low: int, value: float, high: int) -> int:
    return int(max(low, min(value, high)))


@dataclass(slots=True)
class Flight:
    """A chunk on its way; it arrives at a time of the loop's clock."""

    arrives_at: float
    data: memoryview


@dataclass(slots=True, eq=False)
class Pipe:
    """A connection's way in one direction.

    `target` is written to, None until there is a socket at that end; `pause` and `resume` tell
    the source's transport to be read from or not. `on_end` is called when the end has arrived.
    """

    line: Line
    target: asyncio.WriteTransport | None = None
    pause: Callable[[], None] = lambda: None
    resume: Callable[[], None] = lambda: None
    on_end: Callable[[], None] = lambda: None
    waiting: deque[tuple[float, memoryview]] = field(default_factory=deque)
    flying: deque[Flight] = field(default_factory=deque)
    waiting_bytes: int = 0
    flying_bytes: int = 0
    is_queued: bool = False
    is_blocked: bool = False
    is_held: bool = False  # whether the source is not read from
    ready_at: float = 0.0  # when it could last be given a turn again
    timer: asyncio.TimerHandle | None = None

    @property
    def has_turn(self) -> bool:
        """Whether there is something to put on the line, and room for it where it leads."""
        is_open = self.target is not None and not self.is_blocked
        return is_open and bool(self.waiting) and self.flying_bytes < self.line.room.air

    def open(self, target: asyncio.WriteTransport) -> None:
        """From now on there is somebody to write to."""
        self.target = target
        self.ready_at = self.line.loop.time()
        self.line.offer(self)

    def read(self, data: bytes) -> None:
        """Bytes of the source, `END` for no more."""
        self.waiting.append((self.line.loop.time(), memoryview(data)))
        self.waiting_bytes += len(data)
        if not self.is_held and self._is_full:
            self.is_held = True
            self.pause()
        self.line.offer(self)

    @property
    def _is_full(self) -> bool:
        return (
            self.waiting_bytes >= self.line.room.waiting or len(self.waiting) >= MAX_WAITING_CHUNKS
        )

    def take(self, most: int) -> tuple[float, memoryview]:
        """The next chunk for the line, and since when it has been there."""
        since, data = self.waiting.popleft()
        if len(data) > most:
            self.waiting.appendleft((since, data[most:]))
            data = data[:most]
        self.waiting_bytes -= len(data)
        if self.is_held and not self._is_full:
            self.is_held = False
            self.resume()
        return max(since, self.ready_at), data

    def fly(self, flight: Flight) -> None:
        """Send a chunk on its way."""
        self.flying.append(flight)
        self.flying_bytes += len(flight.data)
        if self.timer is None and not self.is_blocked:
            self.land()

    def land(self) -> None:
        """Write what has arrived; come back for the rest."""
        self.timer = None
        had_room = self.has_turn
        now = self.line.loop.time()
        while self.flying and not self.is_blocked:
            flight = self.flying[0]
            if flight.arrives_at > now + EARLY_SECONDS:
                self.timer = self.line.loop.call_at(flight.arrives_at - EARLY_SECONDS, self.land)
                break
            self.flying.popleft()
            self.flying_bytes -= len(flight.data)
            self._write(flight)
        if not had_room:
            self.ready_at = now
        self.line.offer(self)

    def _write(self, flight: Flight) -> None:
        if self.target is None or self.target.is_closing():
            return
        if not flight.data:
            self.target.write_eof()
            self.on_end()
            return
        self.line.arrived_bytes += len(flight.data)
        self.target.write(flight.data)

    def block(self) -> None:
        """The receiver takes no more for now."""
        self.is_blocked = True

    def unblock(self) -> None:
        """The receiver takes again."""
        self.is_blocked = False
        self.ready_at = self.line.loop.time()
        if self.timer is None:
            self.land()
        else:
            self.line.offer(self)

    def clear(self) -> None:
        """Forget what has not arrived."""
        self.waiting.clear()
        self.flying.clear()
        self.waiting_bytes = self.flying_bytes = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Line:
    """Gives the pipes of one direction their turns.

    `on_cut` is called when as many bytes have arrived as the shape lets through before a cut; the
    line is still until `cut_done`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_cut: Callable[[], None]) -> None:
        self.loop = loop
        self.arrived_bytes = 0
        self.room = Room.of(LaneShape())
        self._on_cut = on_cut
        self._lane: Lane | None = None
        self._since = 0.0
        self._left: int | None = None  # bytes until the cut
        self._turns: deque[Pipe] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._cutting: asyncio.TimerHandle | None = None
        self._is_working = False

    def follow(self, lane: Lane, since: float) -> None:
        """From now on a lane, whose time began at `since` by the clock of the loop.

        What flies already arrives when it was going to.
        """
        self.stop()
        self._lane = lane
        self._since = since
        self._left = lane.shape.cut_after_bytes
        self.room = Room.of(lane.shape)
        self._work()

    def stop(self) -> None:
        """Put nothing more on the line for now."""
        for timer in (self._timer, self._cutting):
            if timer is not None:
                timer.cancel()
        self._timer = self._cutting = None

    def offer(self, pipe: Pipe) -> None:
        """A pipe that may have something for the line."""
        if not pipe.is_queued and pipe.has_turn:
            pipe.is_queued = True
            self._turns.append(pipe)
            if self._timer is None and not self._is_working:
                self._work()

    def cut_done(self) -> None:
        """The connections are cut: a shape asks for that once."""
        if self._left == 0:
            self._left = None
            self.stop()
            self._work()

    def _work(self) -> None:
        self._timer = None
        self._is_working = True  # what is written now may give way for more
        try:
            while self._turns and self._lane is not None and self._left != 0:
                free = self._lane.free_at + self._since
                if free > self.loop.time() + AHEAD_SECONDS:
                    self._timer = self.loop.call_at(free - AHEAD_SECONDS / 2, self._work)
                    break
                pipe = self._turns.popleft()
                pipe.is_queued = False
                if pipe.has_turn:
                    self._send(pipe, self._lane)
                    self.offer(pipe)
        finally:
            self._is_working = False

    def _send(self, pipe: Pipe, lane: Lane) -> None:
        most = self.room.turn if self._left is None else min(self.room.turn, self._left)
        since, data = pipe.take(most)
        before = pipe.flying[-1].arrives_at - self._since if pipe.flying else 0.0
        passage = lane.send(len(data), at=since - self._since, after=before)
        arrives_at = passage.arrives_at + self._since
        pipe.fly(Flight(arrives_at, data))
        if self._left is not None:
            self._left -= len(data)
            if self._left == 0:
                self._cutting = self.loop.call_at(arrives_at, self._on_cut)
