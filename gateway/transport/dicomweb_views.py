"""What DICOMweb shows of instances besides their files, made from the files as they come.

Metadata, frames, bulk values, pictures and thumbnails: what each of them is, `wire/dicom` says;
here files are taken in one after the other, and what is made of them goes out before the next is
taken. Whatever view is asked for, instances are asked of their source as they are stored.
Clauses: DICOM PS3.18 10.4.1 (resources), 8.6.1.2 (multipart answers).
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, BinaryIO, Final, TypeAlias, cast

import orjson
from aiohttp import web

from gateway.domain import (
    ImageDelivery,
    InstanceRef,
    NotFound,
    Refusal,
    refuse,
)
from gateway.domain.delivery import STORED_SYNTAXES, DeliveryWish
from gateway.transport.record import Record
from gateway.transport.sending import send_stream, send_whole
from gateway.wire.dicom.accept import DICOM_JSON, MediaRange, choose_metadata, parse_accept
from gateway.wire.dicom.picture import choose_picture, picture_of, thumbnail_of
from gateway.wire.dicom.rendering import parse_rendering
from gateway.wire.dicom.web import ImageScope, View, query_value, write_path
from gateway.wire.dicom.web_bulk import bulk_of
from gateway.wire.dicom.web_frames import frames_of
from gateway.wire.dicom.web_metadata import bulk_paths, metadata_of
from gateway.wire.multipart import closing, part_head
from gateway.wire.problems import DecodeError

Deliver = Callable[[DeliveryWish], Awaitable[ImageDelivery]]

# A file is held while it is looked at: in memory while small, on disk beyond that.
MEMORY_BYTES: Final = 8 * 1024 * 1024
# The largest enhanced objects and slides have a few gigabytes; one more is not looked at.
MAX_FILE_BYTES: Final = 8 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRequest:
    """A view that is asked for: of what, in which form, and what every answer carries."""

    request: web.Request
    record: Record
    scope: ImageScope
    base: str
    headers: dict[str, str]
    boundary: str
    silence_seconds: float

    @property
    def query(self) -> str:
        """The raw query string."""
        return self.request.rel_url.raw_query_string

    @property
    def accept(self) -> tuple[MediaRange, ...]:
        """The media ranges that are accepted; `DecodeError` for a header that cannot be read."""
        header = ",".join(self.request.headers.getall("Accept", []))
        return parse_accept(header, query_value(self.query, "accept"))

    def location(self, ref: InstanceRef) -> str:
        """The absolute URL of an instance."""
        return self.base + write_path(ImageScope.of(ref))


@dataclass(frozen=True, slots=True)
class _Shown:
    """A piece of an answer: what it is and where it can be had; the body itself where alone."""

    media_type: str
    location: str
    data: bytes
    alone: bool


_Parts: TypeAlias = AsyncGenerator[_Shown, None]


async def answer_view(asked: ViewRequest, deliver: Deliver) -> web.StreamResponse:
    """The answer to a request for a view of the instances that `deliver` gives.

    Raises as the source refuses, and `NotAcceptable` for media types that are not offered.
    """
    check = _CHECKS.get(asked.scope.view)
    if check is not None:
        check(asked)  # before anything is fetched for nothing
    delivery = await deliver(DeliveryWish(syntaxes=STORED_SYNTAXES))
    async with delivery:
        asked.record.answered(noun=delivery.announced, issues=delivery.issues)
        status = 206 if delivery.issues else 200
        if asked.scope.view is View.METADATA:
            return await _metadata(asked, delivery, status)
        async with aclosing(_shown(asked, delivery)) as parts:
            first = await anext(parts, None)
            if first is None:
                text = f"nothing here can be shown as {asked.scope.view}"
                raise NotFound(Refusal.UNKNOWN_INSTANCE, text, subject="path")
            if first.alone:
                return _alone(asked, first, status)
            return await _several(asked, first, parts, status)


# --- files as they come --------------------------------------------------------------------------


async def _files(delivery: ImageDelivery) -> AsyncGenerator[tuple[InstanceRef, BinaryIO], None]:
    """Each instance's file, whole; it is gone when the next is asked for."""
    refs = {item.ref.instance: item.ref for item in delivery.announced}
    with _file() as file:
        size = 0
        async for chunk in delivery.chunks():
            size += len(chunk.data)
            if size > MAX_FILE_BYTES:
                text = f"instance {chunk.instance} has over {MAX_FILE_BYTES} bytes"
                raise refuse(Refusal.TOO_MANY_RESULTS, text, subject=str(chunk.instance))
            file.write(chunk.data)
            if chunk.last:
                file.seek(0)
                yield refs[chunk.instance], cast("BinaryIO", file)
                file.seek(0)
                file.truncate()
                size = 0


def _file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)


async def _made(work: Callable[[], Any]) -> Any:
    """What a codec makes of a file, in a thread; a damaged file is its source's fault."""
    try:
        return await asyncio.to_thread(work)
    except DecodeError as error:
        if error.where.startswith(("path", "query", "Accept")):
            raise  # the asker's fault
        text = f"the instance cannot be shown: {error}"
        raise refuse(Refusal.BACK_END_DOWN, text, subject=error.where) from error


# --- metadata ------------------------------------------------------------------------------------


async def _metadata(asked: ViewRequest, delivery: ImageDelivery, status: int) -> web.StreamResponse:
    headers = asked.headers | {"Content-Type": DICOM_JSON}
    chunks = _objects(asked, delivery)
    if "gzip" in asked.request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        chunks = _gzipped(chunks)
    return await send_stream(
        asked.request,
        asked.record,
        chunks,
        status=status,
        headers=headers,
        silence_seconds=asked.silence_seconds,
    )


async def _objects(asked: ViewRequest, delivery: ImageDelivery) -> AsyncGenerator[bytes, None]:
    before = b"["
    async with aclosing(_files(delivery)) as files:
        async for ref, file in files:
            work = partial(metadata_of, file, asked.location(ref))
            yield before + orjson.dumps(await _made(work))
            before = b","
    yield b"]" if before == b"," else b"[]"


async def _gzipped(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    packer = zlib.compressobj(wbits=31)  # with the header and trailer of gzip
    async with aclosing(chunks) as plain:
        async for chunk in plain:
            if packed := packer.compress(chunk):
                yield packed
    yield packer.flush()


# --- everything else -----------------------------------------------------------------------------


async def _shown(asked: ViewRequest, delivery: ImageDelivery) -> _Parts:
    """What is shown of each instance; one of several that cannot be shown so is passed over."""
    show = _SHOWS[asked.scope.view]
    several = len(delivery.announced) > 1
    async with aclosing(_files(delivery)) as files:
        async for ref, file in files:
            try:
                pieces = await _made(partial(show, asked, ref, file))
                while (piece := await _made(partial(next, pieces, None))) is not None:
                    yield piece
            except NotFound:
                if not several:
                    raise


def _frames(asked: ViewRequest, ref: InstanceRef, file: BinaryIO) -> Iterator[_Shown]:
    """Frames by number, or all of them."""
    numbers = asked.scope.frames or None
    answer = frames_of(file, numbers, asked.accept)
    location = asked.location(ref)
    for index, data in enumerate(answer.frames):
        number = index + 1 if numbers is None else numbers[index]
        place = f"{location}/frames/{number}"
        yield _Shown(answer.content_type, place, data, not answer.multipart)


def _bulk(asked: ViewRequest, ref: InstanceRef, file: BinaryIO) -> Iterator[_Shown]:
    """One bulk value, or every value that metadata give as an address."""
    location = asked.location(ref)
    paths = ["/".join(asked.scope.bulk)] if asked.scope.bulk else bulk_paths(file, location)
    for path in paths:
        file.seek(0)
        value = bulk_of(file, path, asked.accept)
        place = f"{location}/{View.BULKDATA}/{path}"
        yield _Shown(value.media_type, place, value.data, not value.multipart)


def _picture(asked: ViewRequest, ref: InstanceRef, file: BinaryIO) -> Iterator[_Shown]:
    """A rendered frame or a thumbnail."""
    is_thumbnail = asked.scope.view is View.THUMBNAIL
    draw = thumbnail_of if is_thumbnail else picture_of
    rendering = parse_rendering(asked.query, thumbnail=is_thumbnail)
    alone = is_thumbnail or asked.scope.instance is not None
    accept = asked.accept
    if not alone:
        # Which type the parts have is said by the type of the multipart.
        accept = (MediaRange(choose_picture(accept, parts=True)),)
    for frame in asked.scope.frames or (None,):
        file.seek(0)
        picture = draw(file, rendering, accept, frame)
        place = asked.location(ref) + (f"/frames/{frame}" if frame else "")
        yield _Shown(picture.media_type, f"{place}/{asked.scope.view}", picture.data, alone)


_Show: TypeAlias = Callable[[ViewRequest, InstanceRef, BinaryIO], Iterator[_Shown]]
_SHOWS: dict[View, _Show] = {
    View.FRAMES: _frames,
    View.PIXELDATA: _frames,
    View.BULKDATA: _bulk,
    View.RENDERED: _picture,
    View.THUMBNAIL: _picture,
}


def _check_rendering(asked: ViewRequest) -> None:
    parse_rendering(asked.query, thumbnail=asked.scope.view is View.THUMBNAIL)
    if len(asked.scope.frames) > 1:
        text = "frames are rendered one by one"
        raise refuse(Refusal.MALFORMED_REQUEST, text, subject="path, frames")


_CHECKS: dict[View, Callable[[ViewRequest], object]] = {
    View.METADATA: lambda asked: choose_metadata(asked.accept),
    View.FRAMES: lambda asked: asked.accept,
    View.RENDERED: _check_rendering,
    View.THUMBNAIL: _check_rendering,
}


def _alone(asked: ViewRequest, shown: _Shown, status: int) -> web.Response:
    headers = asked.headers | {
        "Content-Type": shown.media_type,
        "Content-Location": shown.location,
        "Content-Length": str(len(shown.data)),
    }
    _keep(asked.record, shown)
    body = b"" if asked.request.method == "HEAD" else shown.data
    return send_whole(asked.record, status, headers, body, root=b"")


async def _several(
    asked: ViewRequest, first: _Shown, parts: _Parts, status: int
) -> web.StreamResponse:
    media_type = first.media_type.partition(";")[0]
    named = f'multipart/related; type="{media_type}"; boundary={asked.boundary}'

    async def chunks() -> AsyncIterator[bytes]:
        shown: _Shown | None = first
        while shown is not None:
            _keep(asked.record, shown)
            headers = [("Content-Type", shown.media_type), ("Content-Location", shown.location)]
            yield part_head(asked.boundary, headers, first=shown is first)
            yield shown.data
            shown = await anext(parts, None)

    return await send_stream(
        asked.request,
        asked.record,
        chunks(),
        status=status,
        headers=asked.headers | {"Content-Type": named},
        tail=closing(asked.boundary),
        silence_seconds=asked.silence_seconds,
    )


def _keep(record: Record, shown: _Shown) -> None:
    part = record.part((("Content-Type", shown.media_type), ("Content-Location", shown.location)))
    part.update(shown.data)
    part.done()
