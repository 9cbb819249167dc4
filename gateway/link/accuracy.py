"""How well the link keeps to its model: known bytes over loopback, predicted and measured.

Both ends and the link run in this one process, so that what is measured is the link with the work
of the ends. On a machine that is busy with something else the measured times are longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from gateway.link.model import BITS, Direction, LinkShape
from gateway.link.profiles import Profile
from gateway.link.proxy import LOOPBACK, LinkProxy

PINGS = 5
FREE_BYTES = 100_000_000  # sent where no rate says how many make a second
MIN_BYTES = 20_000  # fewer are measured as a round trip
_HEAD_BYTES = 9  # a letter that says what to do, and a number of bytes
_PIECE = bytes(256 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement: what of which line, how many bytes, and how long it should have taken.

    That is None where the line sets no rate: the machine does.
    """

    profile: str
    what: str
    size: int
    predicted_seconds: float | None
    measured_seconds: float

    @property
    def ratio(self) -> float | None:
        """Measured by predicted; None where the model predicts nothing."""
        return self.measured_seconds / self.predicted_seconds if self.predicted_seconds else None


async def measure(
    profile: Profile, *, seconds: float = 2.0, clock: Callable[[], float] = time.perf_counter
) -> tuple[Measured, ...]:
    """Round trip, then each direction for about so many seconds."""
    shape = profile.shape
    async with _far_end() as port, LinkProxy(LOOPBACK, port, profile) as link:
        reader, writer = await asyncio.open_connection(LOOPBACK, link.port)
        try:
            conversation = _Conversation(reader, writer, clock)
            await conversation.ask(b"u", 0)  # opens the connection, which has its own round trip
            trips = [await conversation.ask(b"u", 0) for _ in range(PINGS)]
            predicted = _predicted(shape, Direction.UP, 0) if shape.round_trip_seconds else None
            told = [("round trip", 0, predicted, median(trips))]
            for direction, letter in ((Direction.UP, b"u"), (Direction.DOWN, b"d")):
                size = _size(shape, direction, seconds)
                has_rate = shape.lane(direction).bits_per_second is not None
                predicted = _predicted(shape, direction, size) if has_rate else None
                told.append(
                    (direction.value, size, predicted, await conversation.ask(letter, size))
                )
        finally:
            writer.close()
            await writer.wait_closed()
    return tuple(
        Measured(
            profile=profile.name,
            what=what,
            size=size,
            predicted_seconds=predicted,
            measured_seconds=measured,
        )
        for what, size, predicted, measured in told
    )


def table(measured: Sequence[Measured]) -> Iterator[str]:
    """Lines for people."""
    yield f"{'profile':<20} {'what':<10} {'bytes':>12} {'predicted':>11} {'measured':>11}  ratio"
    for one in measured:
        predicted = f"{one.predicted_seconds:.4f} s" if one.predicted_seconds else "-"
        ratio = f"{one.ratio:.3f}" if one.ratio else "    -"
        rate = f"  {BITS * one.size / one.measured_seconds / 1e6:.1f} Mbit/s" if one.size else ""
        yield (
            f"{one.profile:<20} {one.what:<10} {one.size:>12} {predicted:>11} "
            f"{one.measured_seconds:>9.4f} s  {ratio}{rate}"
        )


def _size(shape: LinkShape, direction: Direction, seconds: float) -> int:
    rate = shape.lane(direction).bits_per_second
    return FREE_BYTES if rate is None else max(MIN_BYTES, int(rate * seconds / BITS))


def _predicted(shape: LinkShape, direction: Direction, size: int) -> float:
    """A head up with what follows it, and one byte or what was asked for down."""
    up, down = (size, 1) if direction is Direction.UP else (0, size)
    return shape.seconds_for(_HEAD_BYTES + up, direction=Direction.UP) + shape.seconds_for(down)


class _Conversation:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clock: Callable[[], float],
    ) -> None:
        self._reader, self._writer, self._clock = reader, writer, clock

    async def ask(self, letter: bytes, size: int) -> float:
        """Send (`u`) or be sent (`d`) so many bytes; the seconds until the last answer byte."""
        began = self._clock()
        self._writer.write(letter + size.to_bytes(_HEAD_BYTES - 1))
        if letter == b"u":
            await _write(self._writer, size)
        await _read(self._reader, 1 if letter == b"u" else size)
        return self._clock() - began


@asynccontextmanager
async def _far_end() -> AsyncIterator[int]:
    """What the link leads to: takes bytes or gives them, as the head says. Its port."""
    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            answering.add(task)
        try:
            while len(head := await reader.read(_HEAD_BYTES)) == _HEAD_BYTES:
                size = int.from_bytes(head[1:])
                if head[:1] == b"u":
                    await _read(reader, size)
                await _write(writer, 1 if head[:1] == b"u" else size)
        except ConnectionError:
            pass  # the link is closed, and its connections with it
        finally:
            writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*answering, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, size: int) -> None:
    while size:
        piece = await reader.read(min(size, len(_PIECE)))
        if not piece:
            raise ConnectionError(f"the link closed {size} bytes before the end")
        size -= len(piece)


async def _write(writer: asyncio.StreamWriter, size: int) -> None:
    while size:
        piece = _PIECE[: min(size, len(_PIECE))]
        writer.write(piece)
        await writer.drain()
        size -= len(piece)
