"""A TCP proxy that is as slow as a line: connections go in here, and on to one target.

It lies below TLS and looks at nothing: certificates, host names and bytes are those of the two
ends. Half-closed connections stay half-closed, a reset of one end is a reset of the other, and a
target that cannot be reached resets who asked for it. Opening a connection takes a round trip of
the line, as the handshake of TCP would.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from gateway.link.lines import END, Line, Pipe
from gateway.link.model import Direction, Kind, Lane, LinkClock
from gateway.link.profiles import Profile

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 10.0  # for the target to accept
# How long the other end of a cut may take to notice; closing at once would be a reset where bytes
# of it are still unread.
LINGER_SECONDS = 2.0
MAX_CONNECTIONS = 512  # open at a time; more are reset
BACKLOG = 128
READ_BYTES = 64 * 1024
# The kernel gives a socket megabytes of its own, in which a whole transfer would vanish at once:
# a sender would be done long before the line is, and a receiver who stopped reading would not be
# noticed. With less than this, loopback, whose segments are 64 kB, waits for windows to open.
SOCKET_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the link did so far; bytes are those that arrived."""

    bytes_up: int
    bytes_down: int
    connections_open: int
    connections_total: int
    cuts: int
    resets: int
    unreachable: int


class LinkProxy:
    """A line to `host` and `port`, while the context lasts; `port` of it is where it listens.

    `seed` decides the jitter. Breaks of the schedule happen by themselves.
    """

    def __init__(self, host: str, port: int, profile: Profile, *, seed: int = 0) -> None:
        self.target = (host, port)
        self.profile = profile
        self.port = 0
        self.lines: Mapping[Direction, Line] = {}
        self._seed = seed
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._ends: set[_End] = set()
        self._total = self._cuts = self._resets = self._unreachable = 0
        self._scheduled: asyncio.TimerHandle | None = None
        self._breaks: Iterator[tuple[float, Kind]] = iter(())
        self._clock, self._since = LinkClock(), 0.0

    async def start(self, *, port: int = 0) -> int:
        """Listen on loopback; the port, a free one for 0."""
        self.loop = asyncio.get_running_loop()
        self.lines = {
            direction: Line(self.loop, lambda: self._break(Kind.CUT)) for direction in Direction
        }
        self.switch(self.profile)
        try:
            listening = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
        except OSError as error:
            reason = f"the link's port cannot be {port} of {LOOPBACK}: {error.strerror}"
            raise OSError(error.errno, reason) from None
        # Before a connection is made: its window is agreed on in the first packet.
        _narrow(listening)
        self._server = await self.loop.create_server(self._accepted, sock=listening)
        self.port = int(listening.getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        if self._scheduled is not None:
            self._scheduled.cancel()
        for line in self.lines.values():
            line.stop()
        opening = [each.opening for each in self._connections if each.opening is not None]
        for connection in list(self._connections):
            connection.reset()
        for end in list(self._ends):
            end.abort()
        await asyncio.gather(*opening, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def switch(self, profile: Profile) -> None:
        """Be another line from now on; connections stay, and what is on its way arrives as it was.

        The schedule of the new shape begins now.
        """
        now = self.loop.time()
        self.profile = profile
        clock = LinkClock(profile.shape.schedule)
        for number, (direction, line) in enumerate(self.lines.items()):
            seed = 2 * self._seed + number
            line.follow(Lane(profile.shape.lane(direction), clock, seed=seed), now)
        self._clock, self._since = clock, now
        self._breaks = profile.shape.breaks()
        self._schedule()

    def cut(self) -> int:
        """Close every connection orderly (FIN), now; what is on its way is lost. How many."""
        self._cuts += 1
        there = list(self._connections)
        for connection in there:
            connection.cut()
        for line in self.lines.values():
            line.cut_done()
        return len(there)

    def reset(self) -> int:
        """Break every connection (RST), now. How many."""
        self._resets += 1
        there = list(self._connections)
        for connection in there:
            connection.reset()
        return len(there)

    def counters(self) -> Counters:
        """What it did so far."""
        return Counters(
            bytes_up=self.lines[Direction.UP].arrived_bytes,
            bytes_down=self.lines[Direction.DOWN].arrived_bytes,
            connections_open=len(self._connections),
            connections_total=self._total,
            cuts=self._cuts,
            resets=self._resets,
            unreachable=self._unreachable,
        )

    def a_round_trip_from_now(self) -> float:
        """When an empty packet would be back, by the clock of the loop: pauses count."""
        trip = self.profile.shape.round_trip_seconds
        now = self.loop.time() - self._since
        back = self._clock.wall(self._clock.running(now) + trip)
        return max(back, self._clock.moving(now)) + self._since

    def _schedule(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
        at, kind = next(self._breaks, (None, Kind.CUT))
        self._scheduled = None
        if at is not None:
            self._scheduled = self.loop.call_at(self._since + at, self._scheduled_break, kind)

    def _scheduled_break(self, kind: Kind) -> None:
        self._break(kind)
        self._schedule()

    def _break(self, kind: Kind) -> None:
        if kind is Kind.CUT:
            self.cut()
        else:
            self.reset()

    def _accepted(self) -> asyncio.BufferedProtocol:
        return _Connection(self).client

    # What connections tell of themselves.

    def joined(self, connection: _Connection) -> bool:
        """A connection came; whether there is room for it."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._total += 1
        self._connections.add(connection)
        return True

    def left(self, connection: _Connection) -> None:
        """A connection is no more."""
        self._connections.discard(connection)

    def unreached(self) -> None:
        """The target did not accept."""
        self._unreachable += 1

    def opened(self, end: _End) -> None:
        """A socket is open."""
        self._ends.add(end)

    def closed(self, end: _End) -> None:
        """A socket is closed."""
        self._ends.discard(end)


class _Connection:
    """A client, the target, and a pipe each way."""

    def __init__(self, link: LinkProxy) -> None:
        self.link = link
        up, down = Pipe(link.lines[Direction.UP]), Pipe(link.lines[Direction.DOWN])
        self.client = _End(self, read=up, written=down)
        self.server = _End(self, read=down, written=up)
        self.opening: asyncio.Task[None] | None = None
        self._ended = 0
        up.on_end = down.on_end = self._one_way_ended

    def begin(self) -> None:
        """The client is here: reach for the target."""
        if not self.link.joined(self):
            self.client.reset()
            return
        self.opening = self.link.loop.create_task(self._open())

    async def _open(self) -> None:
        loop = self.link.loop
        await asyncio.sleep(self.link.a_round_trip_from_now() - loop.time())
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: self.server, sock=await self._reach())
        except OSError:  # a TimeoutError is one
            self.link.unreached()
            self.reset()
            return
        self.client.listen()

    async def _reach(self) -> socket.socket:
        loop = self.link.loop
        error = OSError("no address")
        for family, kind, number, _, address in await loop.getaddrinfo(
            *self.link.target, type=socket.SOCK_STREAM
        ):
            reached = socket.socket(family, kind, number)
            try:
                reached.setblocking(False)
                _narrow(reached)
                await loop.sock_connect(reached, address)
                return reached
            except OSError as found:
                reached.close()
                error = found
            except BaseException:
                reached.close()
                raise
        raise error

    def _one_way_ended(self) -> None:
        self._ended += 1
        if self._ended == len(Direction):
            self._leave()
            self.client.close()
            self.server.close()

    def lost(self, error: Exception | None) -> None:
        """One of the sockets is gone; by an error of its other end the connection is reset."""
        if error is not None:
            self.reset()

    def cut(self) -> None:
        """Close both ends orderly."""
        self._leave()
        self.client.finish()
        self.server.finish()

    def reset(self) -> None:
        """Break both ends."""
        self._leave()
        self.client.reset()
        self.server.reset()

    def _leave(self) -> None:
        self.client.read_pipe.clear()
        self.server.read_pipe.clear()
        # A connection is reset by its own opening too, which then has come to its end by itself.
        if self.opening is not None and self.opening is not asyncio.current_task():
            self.opening.cancel()
        self.link.left(self)


class _End(asyncio.BufferedProtocol):
    """One of the two sockets of a connection: read into one pipe, written from the other."""

    def __init__(self, connection: _Connection, *, read: Pipe, written: Pipe) -> None:
        self.read_pipe = read
        self._written = written
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._is_deaf = False  # what comes is thrown away
        self._has_ended = False  # its end came: told again, as asyncio may, it is nothing new
        self._lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = made = cast(asyncio.Transport, transport)
        self._connection.link.opened(self)
        # None of our own: what the kernel does not take stays in the pipe, which has bounds.
        made.set_write_buffer_limits(high=0)
        self.read_pipe.pause, self.read_pipe.resume = made.pause_reading, made.resume_reading
        self._written.open(made)
        if self is self._connection.client:
            # Its bytes stay with it until there is a target, as they would during a handshake.
            made.pause_reading()
            self._connection.begin()

    def listen(self) -> None:
        """Begin to read."""
        if self._transport is not None:
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        room = self.read_pipe.line.room.waiting - self.read_pipe.waiting_bytes
        return self._buffer if self._is_deaf else self._buffer[: max(room, 1)]

    def buffer_updated(self, nbytes: int) -> None:
        if not self._is_deaf:
            self.read_pipe.read(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        if self._is_deaf:
            return False
        if not self._has_ended:
            self._has_ended = True
            self.read_pipe.read(END)
        return True

    def pause_writing(self) -> None:
        self._written.block()

    def resume_writing(self) -> None:
        self._written.unblock()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
        self._connection.link.closed(self)
        if not self._is_deaf:
            self._is_deaf = True
            self._connection.lost(exc)

    def close(self) -> None:
        """Close when what was written has gone."""
        self._is_deaf = True
        if self._transport is not None:
            self._transport.close()

    def finish(self) -> None:
        """Say that no more comes (FIN), and close when the other end has said so too."""
        if self._transport is None or self._is_deaf or self._transport.is_closing():
            return
        self._is_deaf = True
        with contextlib.suppress(OSError):  # it is gone: so much the better
            self._transport.write_eof()
        self._transport.resume_reading()
        self._lingering = self._connection.link.loop.call_later(
            LINGER_SECONDS, self._transport.abort
        )

    def reset(self) -> None:
        """Break the connection (RST)."""
        self._is_deaf = True
        if self._transport is None or self._transport.is_closing():
            return
        if (opened := self._transport.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                # Lingering for no time is how a socket is told to reset.
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Close now, whatever is unsaid."""
        self._is_deaf = True
        if self._transport is not None:
            self._transport.abort()


def _narrow(opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
