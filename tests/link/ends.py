"""What tests put at the two ends of a link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from gateway.link.profiles import Profile, parse_profile
from gateway.link.proxy import LOOPBACK, LinkProxy
from gateway.link.shape_json import profile_from_json

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def profile(text: str, **changes: object) -> Profile:
    """A profile, with some values of its shape changed."""
    return profile_from_json({"profile": text, **changes}) if changes else parse_profile(text)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send as many bytes as the first line says."""
    left = int(await reader.readline())
    while left:
        writer.write(bytes(min(left, 65536)))
        await writer.drain()
        left -= min(left, 65536)


async def heard(reader: asyncio.StreamReader) -> int:
    """How many bytes come until the end."""
    total = 0
    while data := await reader.read(65536):
        total += len(data)
    return total


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[int]:
    """A server on loopback; what it does with a connection ends with the connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await answer(reader, writer)
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(one, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def linked(answer: Answer, shaped: Profile | str = "unshaped") -> AsyncIterator[LinkProxy]:
    """A link to a server that answers so."""
    like = shaped if isinstance(shaped, Profile) else profile(shaped)
    async with served(answer) as port, LinkProxy(LOOPBACK, port, like) as link:
        yield link


@asynccontextmanager
async def connected(link: LinkProxy) -> AsyncIterator[Ends]:
    """A client of a link."""
    reader, writer = await asyncio.open_connection(LOOPBACK, link.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def poured(link: LinkProxy, size: int) -> tuple[int, float]:
    """How many of so many bytes come over a link that leads to `pour`, and in which time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with connected(link) as (reader, writer):
        writer.write(b"%d\n" % size)
        return await heard(reader), loop.time() - began
