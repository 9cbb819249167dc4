"""The proxy: bytes come whole, as late as the model says; faults are what both ends see.

Times have a floor, which is the line's, and a ceiling that leaves room for a busy machine: how
exact they are, `ncpeh link measure` tells.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import ssl
from pathlib import Path

import pytest

from gateway.link import proxy
from gateway.link.proxy import LOOPBACK, SOCKET_BYTES, LinkProxy
from gateway.pki import TrustDomain
from tests.gateways import write_trust
from tests.link.ends import Ends, connected, echo, heard, linked, pour, poured, profile, served

PATIENCE = 10.0


def at_most(predicted: float) -> float:
    """What a machine that is busy with something else may make of so many seconds."""
    return 2.0 * predicted + PATIENCE


@pytest.mark.parametrize("shaped", ["unshaped", "200mbit", "400mbit/4ms/4ms", "unlimited/10ms"])
async def test_bytes_come_whole_and_in_order(shaped: str) -> None:
    """Both directions at once, whatever the line, and they are counted."""
    sent = random.Random(1).randbytes(1_500_000)
    async with linked(echo, shaped) as link, connected(link) as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        came = await reader.read(-1)

        assert came == sent
        counters = link.counters()
        assert (counters.bytes_up, counters.bytes_down) == (len(sent), len(sent))


@pytest.mark.parametrize(
    ("shaped", "size"),
    [
        ("20mbit", 500_000),
        ("20mbit/60ms", 500_000),
        ("100mbit/200ms", 1_000_000),
        ("1mbit", 20_000),
    ],
)
async def test_a_transfer_takes_as_long_as_the_model_says(shaped: str, size: int) -> None:
    """Opening is a round trip, asking half of one; latency does not slow the rest down."""
    async with linked(pour, shaped) as link:
        shape = link.profile.shape
        came, seconds = await poured(link, size)

    predicted = 1.5 * shape.round_trip_seconds + shape.seconds_for(size)
    assert came == size
    # A turn is written half a millisecond before its time, and the first may wait for no other.
    assert predicted - 0.002 <= seconds <= at_most(predicted)


async def test_connections_share_the_rate() -> None:
    """Two take as long as one of their sum, and neither is served before the other."""
    async with linked(pour, "40mbit") as link:
        (first, one), (second, other) = await asyncio.gather(
            poured(link, 500_000), poured(link, 500_000)
        )
        shared = link.profile.shape.seconds_for(1_000_000)

    assert (first, second) == (500_000, 500_000)
    assert shared * 0.98 <= max(one, other) <= at_most(shared)
    assert min(one, other) >= 0.7 * shared


async def test_who_does_not_read_stalls_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its share is the others'; what it was sent is held within bounds."""
    monkeypatch.setattr(proxy, "SOCKET_BYTES", 128 * 1024)  # so that it is stuck soon
    async with linked(pour, "40mbit/10ms") as link, connected(link) as (reader, writer):
        # A stream takes 64 kB and stops reading; the socket below it takes what the kernel gives.
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        writer.write(b"%d\n" % 100_000_000)
        await reader.readexactly(1000)

        came, seconds = await poured(link, 1_000_000)

        shape = link.profile.shape
        # At first the stalled one still fills what there is on the way to it.
        assert came == 1_000_000
        assert seconds <= at_most(shape.seconds_for(1_000_000) + 2 * shape.round_trip_seconds)
        pipes = [each.server.read_pipe for each in link._connections]
        [pipe] = [pipe for pipe in pipes if pipe.is_blocked]
        assert pipe.waiting_bytes <= 2 * pipe.line.room.waiting
        assert pipe.flying_bytes <= pipe.line.room.air + pipe.line.room.turn
        writer.transport.abort()


async def test_a_half_closed_connection_is_still_answered() -> None:
    """The end of what one side says reaches the other, which may go on."""

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % len(await reader.read(-1)))

    async with linked(counting, "unlimited/4ms") as link, connected(link) as (reader, writer):
        writer.write(b"x" * 1000)
        writer.write_eof()

        assert await reader.read(-1) == b"1000"
    assert link.counters().connections_open == 0


async def test_a_target_that_is_not_there_resets_who_asked() -> None:
    """Nothing pretends to be a server; the link says how often."""
    with socket.create_server((LOOPBACK, 0)) as gone:
        port = gone.getsockname()[1]
    async with LinkProxy(LOOPBACK, port, profile("unshaped")) as link:
        async with connected(link) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)

        counters = link.counters()
        assert (counters.unreachable, counters.connections_open) == (1, 0)


async def test_a_reset_of_one_end_is_a_reset_of_the_other() -> None:
    """As it would be without the link between them."""

    async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with linked(resetting) as link, connected(link) as (reader, writer):
        writer.write(b"x")

        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def opened(link: LinkProxy, ends: Ends) -> None:
    """Wait until a connection reaches through to a server that echoes."""
    reader, writer = ends
    writer.write(b"?")
    assert await reader.readexactly(1) == b"?"


async def test_a_cut_is_an_end_and_a_reset_an_error() -> None:
    """Of every connection there is; later ones are let through."""
    async with linked(echo) as link:
        async with connected(link) as one, connected(link) as other:
            await opened(link, one)
            await opened(link, other)

            assert link.cut() == 2
            assert await one[0].read(-1) == b""
            assert await other[0].read(-1) == b""
        async with connected(link) as one:
            await opened(link, one)

            assert link.reset() == 1
            with pytest.raises(ConnectionResetError):
                await one[0].read(1)
        counters = link.counters()

    assert (counters.cuts, counters.resets) == (1, 1)
    assert (counters.connections_open, counters.connections_total) == (0, 3)


@pytest.mark.parametrize("shaped", ["unshaped", "80mbit/6ms/2ms"])
async def test_a_cut_comes_after_exactly_so_many_bytes(shaped: str) -> None:
    """Not one more arrives; the next transfer is whole, for a shape cuts once."""
    like = profile(shaped, down={"cut_after_bytes": 123_456})
    async with linked(pour, like) as link:
        cut, _ = await poured(link, 500_000)
        whole, _ = await poured(link, 200_000)

        assert (cut, whole) == (123_456, 200_000)
        assert link.counters().cuts == 1


async def test_breaks_of_the_schedule_happen_by_themselves() -> None:
    """At their times since the shape came into force, each time it does."""
    schedule = [{"kind": "reset", "at_seconds": 0.02}]
    async with linked(echo) as link:
        for _ in range(2):
            async with connected(link) as ends:
                await opened(link, ends)
                link.switch(profile("unshaped", schedule=schedule))
                with pytest.raises(ConnectionResetError):
                    await ends[0].read(1)
        assert link.counters().resets == 2


async def test_nothing_moves_in_a_pause() -> None:
    """What was asked before it is answered after it."""
    pause = {"kind": "pause", "at_seconds": 0, "lasts_seconds": 0.2}
    async with linked(echo) as link, connected(link) as ends:
        await opened(link, ends)
        link.switch(profile("unshaped", schedule=[pause]))
        began = asyncio.get_running_loop().time()

        await opened(link, ends)

        assert asyncio.get_running_loop().time() - began >= 0.19


async def test_a_switch_is_felt_by_connections_that_are_open() -> None:
    """A transfer that would take a minute is done at once."""
    async with linked(pour, "1mbit") as link, connected(link) as (reader, writer):
        writer.write(b"%d\n" % 7_500_000)
        await reader.readexactly(100)

        link.switch(profile("unshaped"))

        async with asyncio.timeout(PATIENCE):
            assert await heard(reader) == 7_500_000 - 100
        assert link.profile.name == "unshaped"


async def test_more_connections_than_there_is_room_for_are_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that are there stay."""
    monkeypatch.setattr(proxy, "MAX_CONNECTIONS", 1)
    async with linked(echo) as link, connected(link) as first:
        await opened(link, first)
        async with connected(link) as second:
            with pytest.raises(ConnectionResetError):
                await second[0].read(1)
        await opened(link, first)


async def test_closing_breaks_what_is_open() -> None:
    """And who comes later finds nobody."""
    async with served(echo) as port:
        link = LinkProxy(LOOPBACK, port, profile("unshaped"))
        await link.start()
        reader, writer = await asyncio.open_connection(LOOPBACK, link.port)
        await opened(link, (reader, writer))

        await link.close()

        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(LOOPBACK, link.port)


async def test_tls_passes_as_it_is(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """A client that knows nothing of the link sees the server's own certificate, and curl its page.

    The link is below TLS: had it a hand in it, the handshake would fail.
    """
    certs = write_trust(trust_domain, tmp_path)
    own = certs / "xa"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own / "tls-server.pem", own / "tls-server.key")

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000))
        await writer.drain()
        writer.close()

    if (curl := shutil.which("curl")) is None:
        pytest.skip("needs curl, a client that is not ours")
    server = await asyncio.start_server(page, LOOPBACK, 0, ssl=context)
    async with (
        server,
        LinkProxy(LOOPBACK, server.sockets[0].getsockname()[1], profile("50mbit/10ms")) as link,
    ):
        got = await asyncio.create_subprocess_exec(
            curl,
            "-sS",
            "--cacert",
            str(certs / "ca" / "chain.pem"),
            "-o",
            str(tmp_path / "got"),
            "-w",
            "%{http_code} %{ssl_verify_result}",
            f"https://localhost:{link.port}/",
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await got.communicate()

        assert told == b"200 0"
        assert (tmp_path / "got").stat().st_size == 300_000
        assert link.counters().bytes_down > 300_000


async def test_sockets_of_the_link_hold_little() -> None:
    """What the kernel would hold for us is not on the line, and not seen by it."""
    async with linked(echo) as link, connected(link) as ends:
        await opened(link, ends)
        [connection] = link._connections
        for end in (connection.client, connection.server):
            assert end._transport is not None
            held = end._transport.get_extra_info("socket")
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                # The kernel doubles what it is told, for its own book-keeping.
                assert held.getsockopt(socket.SOL_SOCKET, option) <= 2 * SOCKET_BYTES
