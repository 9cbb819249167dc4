"""The bytes of a document sent as a request wants them: not again, in part, or whole.

What is asked is read by `wire.validators` and `wire.ranges`; what a refusal looks like is the
server's own affair, which is told of it by `RangeRefused`. A part is of the bytes as they are
stored: nothing here compresses. RFC 9110, 13 and 14; ITI TF-2 3.68.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.domain import BadRequest, Content, Refusal
from gateway.transport.record import Record, RecordedContent
from gateway.transport.sending import send_stream, send_whole
from gateway.wire.ranges import (
    ByteRange,
    RangeNotSatisfiable,
    content_range,
    range_still_holds,
    read_range,
)
from gateway.wire.validators import unchanged, write_http_date


class RangeRefused(BadRequest):
    """A range of which there is not a byte (416); `size_bytes` is how many there are."""

    def __init__(self, size_bytes: int) -> None:
        text = f"there are {size_bytes} bytes, and none in the range asked for"
        super().__init__(Refusal.UNSUPPORTED, text, subject="Range")
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a content, as a content."""

    whole: Content
    range: ByteRange

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self.range.size_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the part; what follows it is not read."""
        source = self.whole.chunks()
        skip, left = self.range.first, self.range.size_bytes
        try:
            async for chunk in source:
                piece = chunk[skip : skip + left]
                skip = max(0, skip - len(chunk))
                left -= len(piece)
                if piece:
                    yield piece
                if not left:
                    return
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()


async def send_content(
    request: web.Request,
    record: Record,
    content: Content,
    *,
    mime_type: str,
    headers: Mapping[str, str],
    etag: str = "",
    modified: datetime | None = None,
    silence_seconds: float,
) -> web.StreamResponse:
    """Answer a GET or HEAD with a content: 200, 206 for one range, 304 for who has it already.

    `etag` is the strong tag of the bytes and `modified` when they came to be, "" and None where
    that is not known. Raises `RangeRefused` before anything is sent.
    """
    said = {**headers, "Content-Type": mime_type, "Accept-Ranges": "bytes"}
    if etag:
        said["ETag"] = etag
    if modified is not None:
        said["Last-Modified"] = write_http_date(modified)
    asked = request.headers
    if unchanged(
        ", ".join(asked.getall("If-None-Match", [])),
        asked.get("If-Modified-Since", ""),
        etag=etag,
        modified=modified,
    ):
        return send_whole(record, 304, said, b"")
    if request.method == "HEAD":
        said["Content-Length"] = str(content.size_bytes)
        return send_whole(record, 200, said, b"")
    part = None
    if range_still_holds(asked.get("If-Range", ""), etag, modified):
        try:
            part = read_range(asked.get("Range", ""), content.size_bytes)
        except RangeNotSatisfiable as error:
            raise RangeRefused(error.size_bytes) from error
    status, sent = 200, content
    if part is not None:
        status, sent = 206, Part(content, part)
        said["Content-Range"] = content_range(part, content.size_bytes)
    return await send_stream(
        request,
        record,
        RecordedContent(sent, mime_type, record).chunks(),
        headers=said,
        status=status,
        length=sent.size_bytes,
        silence_seconds=silence_seconds,
    )
