"""A request taken in under limits, and an answer sent: whole, or as its bytes come.

The same for every server, whatever it speaks. An answer is on record before it leaves, and the
end of a streamed one is held back until it is audited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohttp import web
from aiohttp.web_request import BaseRequest

from gateway.domain import ExchangeError, InternalFault, NotNow, Refusal
from gateway.transport.goodput import Sending
from gateway.transport.packed import CONTENT_ENCODING, unpacked
from gateway.transport.record import Record
from gateway.wire.message import Message
from gateway.wire.problems import QUERY_SIZE, DecodeError

# The places of what HTTP has a status of its own for (RFC 9110 15.5.14 to 15.5.16).
TOO_LARGE = "request.size"
STATUS_OF_PLACE = {TOO_LARGE: 413, QUERY_SIZE: 414, CONTENT_ENCODING: 415}

_Send: TypeAlias = "Callable[[bytes], Awaitable[None]]"


async def request_chunks(request: BaseRequest, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives; what lies around and between its parts counts as well.

    `DecodeError` for more than `limit` bytes, and for a body that is not as its headers say.
    """
    passed = 0
    try:
        encoding = request.headers.get("Content-Encoding", "")
        async for data in unpacked(request.content.iter_any(), encoding):
            passed += len(data)
            if passed > limit:
                raise DecodeError(TOO_LARGE, f"over {limit} bytes", f"at most {limit} bytes")
            yield data
    except web.RequestPayloadError as error:
        found = "a body that is not as its headers say"
        raise DecodeError("request", found, "a body in chunks", "RFC 9112, 7.1") from error


def send_whole(
    record: Record,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    root: bytes | None = None,
) -> web.Response:
    """An answer that is a value; it is audited before it leaves.

    `root` is what the transcript keeps of it, where that is not the body.
    """
    response = web.Response(status=status, body=body, headers=headers)
    record.sent_answer(_message(response, headers, body if root is None else root))
    record.finish(None)
    return response


async def send_stream(
    request: web.Request,
    record: Record,
    chunks: AsyncIterator[bytes],
    *,
    headers: Mapping[str, str],
    status: int = 200,
    root: bytes = b"",
    length: int | None = None,
    tail: bytes | Callable[[], bytes] = b"",
    silence_seconds: float,
    sending: Sending | None = None,
) -> web.StreamResponse:
    """An answer as its bytes come; a source that breaks cuts the connection.

    `sending` is told how the bytes go, as they do.

    `tail` is what makes the answer whole, by default its last piece: it is sent, or made and sent,
    when the exchange has been audited. HEAD is answered with the headers; what GET would bring is
    not even made (RFC 9110, 9.3.2).
    """
    response = web.StreamResponse(status=status, headers=headers)
    if length is not None:
        response.content_length = length
    record.sent_answer(_message(response, headers, root))
    try:
        await response.prepare(request)
        if request.method == "HEAD":
            record.finish(None)
            await response.write_eof()
            return response
        async with _patience(response, silence_seconds, sending or Sending()) as send:
            held = b""
            async for chunk in chunks:
                if tail:
                    await send(chunk)
                    continue
                if held:
                    await send(held)
                held = chunk
            # What cannot be audited is not sent whole: its end is held back until it is.
            record.finish(None)
            await send((tail() if callable(tail) else tail) or held)
        await response.write_eof()
    except ConnectionError as error:
        gone = NotNow(Refusal.PEER_UNREACHABLE, "the caller went away before the end")
        record.refused(gone)
        raise gone from error
    except ExchangeError as error:
        # Half an answer cannot become an error any more: cut it, so that nobody takes it whole.
        record.refused(error)
        _cut(request)
    except BaseException:
        # Else the error page of the last resort would follow as if it were the rest.
        _cut(request)
        raise
    return response


def outward(error: ExchangeError) -> ExchangeError:
    """The same refusal with nothing of the inside in its text."""
    if isinstance(error, InternalFault):
        return InternalFault(Refusal.INTERNAL, "internal error")
    return error


@asynccontextmanager
async def _patience(
    response: web.StreamResponse, seconds: float, sending: Sending
) -> AsyncIterator[_Send]:
    """How to send bytes to a caller, who is given up when it takes none: they are dear.

    One timer looks how long the present write has taken, now and then: to set one for each write
    would cost more than many of them.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle
    writing_since: float | None = None
    try:
        async with asyncio.timeout(None) as silence:

            def look() -> None:
                nonlocal timer
                now = loop.time()
                end = (now if writing_since is None else writing_since) + seconds
                if end <= now:
                    silence.reschedule(end)
                else:
                    timer = loop.call_at(end, look)

            began = loop.time()

            async def send(data: bytes) -> None:
                nonlocal writing_since
                writing_since = loop.time()
                await response.write(data)
                now = loop.time()
                sending.size_bytes += len(data)
                sending.waiting_seconds += now - writing_since
                sending.seconds = now - began
                writing_since = None

            timer = loop.call_later(seconds, look)
            try:
                yield send
            finally:
                timer.cancel()
    except TimeoutError:
        if not silence.expired():
            raise
        text = f"the caller took nothing of its answer for {seconds:g} s"
        raise NotNow(Refusal.PEER_TIMEOUT, text) from None


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _message(response: web.StreamResponse, headers: Mapping[str, str], root: bytes) -> Message:
    line = f"HTTP/1.1 {response.status} {response.reason}"
    return Message(start_line=line, headers=tuple(headers.items()), body=root)
