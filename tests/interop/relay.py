"""A relay between a client and a server without TLS: it cuts answers short.

An answer's body ends after so many bytes, by an orderly end of the connection. Where its head has
no length, as servers that stream send it, nothing but the body tells that it is not whole.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from yarl import URL

PIECE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r]*", re.IGNORECASE)


@dataclass(slots=True)
class Relay:
    """Where it is, and after how many bytes it cuts the answers to come; None lets them pass.

    `has_length` and `passed` tell of the last answer: whether its head had a length, and how many
    bytes of its body went through.
    """

    url: str
    cut_after: int | None = None
    has_length: bool = False
    passed: int = 0


@asynccontextmanager
async def relay(target: str) -> AsyncIterator[Relay]:
    """A relay to the origin of a URL; each connection carries one request without a body."""
    origin = URL(target)
    relayed = Relay(url="")
    under_way: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        there, back = await asyncio.open_connection(origin.host, origin.port)
        try:
            back.write(await reader.readuntil(b"\r\n\r\n"))
            await _answer(there, writer, relayed)
        finally:
            for one in (back, writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        relayed.url = str(origin.with_port(port))
        try:
            yield relayed
        finally:
            for task in tuple(under_way):
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)


async def _answer(there: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Relay) -> None:
    head = await there.readuntil(b"\r\n\r\n")
    found = _LENGTH.search(head)
    left = int(found[1]) if found else sys.maxsize
    if to.cut_after is not None:
        left = min(left, to.cut_after)
    to.has_length, to.passed = found is not None, 0
    writer.write(_CONNECTION.sub(b"", head)[:-2] + b"Connection: close\r\n\r\n")
    while to.passed < left:
        piece = await there.read(min(left - to.passed, PIECE))
        if not piece:
            return
        writer.write(piece)
        to.passed += len(piece)
        await writer.drain()
