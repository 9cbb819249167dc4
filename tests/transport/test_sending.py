"""Answers on their way out: on record before they leave, and never half an answer taken whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain import ExchangeError, InternalFault, NotNow, Refusal
from gateway.transport.record import Record
from gateway.transport.sending import outward, request_chunks, send_stream, send_whole
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError


class Told:
    """A record that remembers; `fails` is raised when it is finished."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.answers: list[Message] = []
        self.refusals: list[Refusal] = []
        self.finished = asyncio.Event()

    def sent_answer(self, message: Message) -> None:
        self.answers.append(message)

    def refused(self, error: ExchangeError) -> None:
        self.refusals.append(error.refusal)
        self.finished.set()

    def finish(self, _: object) -> None:
        if self.fails is not None:
            raise self.fails
        self.finished.set()


async def pieces(*data: bytes, breaks: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece
    if breaks is not None:
        raise breaks


@asynccontextmanager
async def answering(record: Told, chunks: Any, **known: Any) -> AsyncIterator[Any]:
    """A client of a server that streams these chunks as its answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        words = {"headers": {"Content-Type": "text/plain"}, "silence_seconds": 5.0} | known
        return await send_stream(request, cast("Record", record), chunks, **words)

    app = web.Application()
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_streamed_answer_ends_with_its_tail() -> None:
    """Chunks, then what makes them whole, and the answer is on record."""
    record = Told()
    async with answering(record, pieces(b"one ", b"two "), length=12, tail=b"tail") as client:
        answer = await client.get("/")

        assert await answer.read() == b"one two tail"
        assert answer.headers["Content-Length"] == "12"
    assert record.answers[0].start_line == "HTTP/1.1 200 OK"
    assert record.finished.is_set()


@pytest.mark.parametrize("length", [None, 12])
async def test_head_sends_headers_and_nothing_else(length: int | None) -> None:
    """What follows them on the connection would be taken for the next answer."""
    record = Told()
    made: list[bytes] = []

    async def making() -> AsyncIterator[bytes]:
        made.append(b"one ")
        yield b"one "

    async with answering(record, making(), length=length, tail=b"tail") as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert (b"Content-Length: 12" in head) is (length is not None)
    assert body == b""
    assert made == []
    assert record.finished.is_set()


async def test_a_source_that_breaks_cuts_the_connection() -> None:
    """Half an answer is not taken for a whole one."""
    record = Told()
    breaks = NotNow(Refusal.BACK_END_DOWN, "gone")
    async with answering(record, pieces(b"one ", breaks=breaks), tail=b"tail") as client:
        with pytest.raises(aiohttp.ClientError):
            await (await client.get("/")).read()

    assert record.refusals == [Refusal.BACK_END_DOWN]


async def test_what_cannot_be_audited_is_not_sent_whole() -> None:
    """The tail is held back until the exchange is audited."""
    record = Told(fails=NotNow(Refusal.STORE_FULL, "the audit store is full"))
    async with answering(record, pieces(b"one "), tail=b"tail") as client:
        with pytest.raises(aiohttp.ClientError):
            await (await client.get("/")).read()

    assert record.refusals == [Refusal.STORE_FULL]


async def test_a_caller_who_takes_nothing_is_given_up() -> None:
    """What waits for it in memory and on disk is freed."""
    record = Told()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1024 * 1024)

    async with answering(record, endless(), silence_seconds=0.05) as client:
        _, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await record.finished.wait()
        writer.close()

    assert record.refusals == [Refusal.PEER_TIMEOUT]


async def test_a_whole_answer_is_audited_before_it_leaves() -> None:
    """And the transcript keeps the root of it, where that is not the body."""
    record = Told()

    response = send_whole(cast("Record", record), 200, {}, b"packed", root=b"root")

    assert response.body == b"packed"
    assert record.answers[0].body == b"root"
    assert record.finished.is_set()


async def test_a_request_larger_than_allowed_is_refused_as_it_comes() -> None:
    """Not when all of it lies in memory."""
    caught: list[DecodeError] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            async for _ in request_chunks(request, 1000):
                pass
        except DecodeError as error:
            caught.append(error)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    async with TestClient(TestServer(app)) as client:
        await client.post("/", data=bytes(1001))
        await client.post("/", data=bytes(1000))

    assert [error.expected for error in caught] == ["at most 1000 bytes"]


def test_nothing_of_the_inside_leaves_with_a_fault() -> None:
    """Other refusals go as they are."""
    refused = NotNow(Refusal.BUSY, "later")

    assert outward(InternalFault(Refusal.INTERNAL, "KeyError")).text == "internal error"
    assert outward(refused) is refused
