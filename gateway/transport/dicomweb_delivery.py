"""Images on their way over DICOMweb: request after request, part after part.

Which instances come, only their parts tell: what was asked for counts as announced, and what has
not come in the end is an issue. A part is known by its Content-Location, or by the header of its
file where a server sends none. What comes and is not wanted is let go: it was read before, or the
study has grown since its manifest was written (IHE RAD MADO, TF-2 4.107).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Self, TypeAlias

import aiohttp

from gateway.domain import (
    AnnouncedInstance,
    BadRequest,
    ExchangeError,
    ImageChunk,
    ImageRequest,
    InstanceRef,
    Issue,
    NotFound,
    PeerMisbehaved,
    Refusal,
    Severity,
    Uid,
)
from gateway.transport.part_recorder import PartRecorder
from gateway.transport.record import Record
from gateway.wire.delivery_wish import read_delivery_id
from gateway.wire.dicom.dataset import read_identity
from gateway.wire.dicom.identity import HEAD_BYTES
from gateway.wire.dicom.web import instance_of_location
from gateway.wire.dicom.web_parts import DERIVED_FROM, PartPiece, WebParts
from gateway.wire.dicom.web_plan import Fetch
from gateway.wire.problems import DecodeError
from gateway.wire.ranges import read_beginning
from gateway.wire.validators import is_strong, sha256_of_tag

# Answers read to their end whose digests are still to be told: each holds a transcript open.
MAX_WAITING = 16


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body is still to be read, and the record of its call.

    `start` is where in its instance's file the body begins, 0 unless a part was asked for.
    `etag` is that of a file whose rest was asked for and has not a byte: it had come whole, and
    only that it had was lost. "" for every other answer.
    """

    fetch: Fetch
    record: Record
    response: aiohttp.ClientResponse
    pieces: Callable[[], AsyncIterator[bytes]]
    start: int = 0
    etag: str = ""


Open: TypeAlias = Callable[[Fetch], AbstractAsyncContextManager[Opened]]


class DicomwebDelivery:
    """Fetches one after the other as an `ImageDelivery`; the next is asked for meanwhile.

    `open` sends the request of a fetch and gives its answer; it raises as the peer refuses.
    """

    def __init__(
        self, request: ImageRequest, fetches: Sequence[Fetch], open: Open, *, peer: str
    ) -> None:
        self._open = open
        self._peer = peer
        self._series = request.series
        self._left = deque(fetches)
        self._ahead: deque[_Conversation] = deque()
        self._repositories = {ref.instance: location for ref, location in request.instances}
        self._waiting = {ref.instance: ref for ref, _ in request.instances}
        self._read: deque[_Conversation] = deque()
        self._passed: dict[Uid, tuple[PartRecorder, _Conversation]] = {}
        self._issues: dict[str, Issue] = {}
        self.id = ""
        self.announced = tuple(
            AnnouncedInstance(ref=ref, repository=location) for ref, location in request.instances
        )

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What has not come, and why; whole when `chunks` has ended."""
        return tuple(self._issues.values())

    async def begin(self) -> None:
        """Ask for the first: a refusal of it is raised, if it is about more than one instance."""
        self._ask_ahead()
        first = self._ahead[0]
        try:
            opened = await first.opened()
            self.id = read_delivery_id(opened.response.headers)
        except BaseException as error:
            if _is_about_images(error) and len(self._waiting) > 1:
                return
            await self._close()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what is still open, whatever happened."""
        await self._close()

    def hashed(self, instance: Uid, sha256: str) -> None:
        """See `ImageDelivery`: the record's part of the instance ends with it."""
        recorder, conversation = self._passed.pop(instance, (None, None))
        if recorder is not None and conversation is not None:
            recorder.done(sha256=sha256)
            conversation.unhashed.discard(instance)

    async def settle(self) -> None:
        """Nothing: what comes is the peer's to say."""

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The instances' DICOM files, in the order they come."""
        while self._ahead or self._left:
            if not self._ahead:
                self._ask_ahead()
            conversation = self._ahead[0]
            try:
                opened = await conversation.opened()
            except ExchangeError as error:
                if not _is_about_images(error):
                    raise
                self._refused(conversation.fetch, error)
            else:
                self._ask_ahead()
                try:
                    async with aclosing(self._images(opened, conversation)) as images:
                        async for chunk in images:
                            yield chunk
                except ExchangeError as error:
                    self._ahead.popleft()
                    await self._end(conversation, error)
                    async with aclosing(self._salvaged()) as images:
                        async for chunk in images:
                            yield chunk
                    raise
            self._read.append(self._ahead.popleft())
            while self._read and (not self._read[0].unhashed or len(self._read) > MAX_WAITING):
                await self._end(self._read.popleft())
        for uid in self._waiting:
            self._issues.setdefault(str(uid), self._absent(uid))

    async def _salvaged(self) -> AsyncGenerator[ImageChunk, None]:
        """What comes of the answer asked for ahead, as far as it goes: its bytes were paid for."""
        while self._ahead:
            conversation = self._ahead.popleft()
            error: ExchangeError | None = None
            try:
                if (opened := conversation.answer) is not None:
                    async with aclosing(self._images(opened, conversation)) as images:
                        async for chunk in images:
                            yield chunk
            except ExchangeError as broken:
                error = broken  # the first one is told
            finally:
                await self._end(conversation, error)

    def _ask_ahead(self) -> None:
        if self._left:
            self._ahead.append(_Conversation(self._left.popleft(), self._open))

    async def _end(self, conversation: _Conversation, error: ExchangeError | None = None) -> None:
        """Close an answer and its record; parts whose digest was never told go without."""
        for instance in tuple(conversation.unhashed):
            self.hashed(instance, "")
        await conversation.close(error)

    async def _images(
        self, opened: Opened, conversation: _Conversation
    ) -> AsyncGenerator[ImageChunk, None]:
        fetch, record = opened.fetch, opened.record
        if opened.etag:
            yield self._ended(opened)
            return
        current = _Incoming(fetch, opened.start)
        try:
            said = opened.response.headers
            parts = WebParts(said.get("Content-Type", ""), headers=_of_single(said))
            async with aclosing(_pieces(parts, opened.pieces())) as pieces:
                async for piece in pieces:
                    data = current.take(piece)
                    if data is not None:
                        chunk = self._chunk(current, data, piece, record, conversation)
                        if chunk is not None:
                            yield chunk
                    if piece.last:
                        current = _Incoming(fetch)
        except DecodeError as error:
            text = f"the answer of {self._peer} cannot be read: {error}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from error
        self._tell(fetch, record, parts, whole=not opened.start)

    def _ended(self, opened: Opened) -> ImageChunk:
        """The end of an instance all of which is here."""
        (ref,) = opened.fetch.wanted
        self._waiting.pop(ref.instance, None)
        sent = AnnouncedInstance(
            ref=ref,
            repository=self._repositories[ref.instance],
            sha256=sha256_of_tag(opened.etag),
            etag=opened.etag,
        )
        opened.record.answered(noun=(sent,), issues=())
        return ImageChunk(ref.instance, b"", True, sent, opened.start)

    def _tell(self, fetch: Fetch, record: Record, parts: WebParts, *, whole: bool) -> None:
        """What came of a fetch, to its record; what was odd about it, to whoever asked."""
        came = [ref for ref in fetch.wanted if ref.instance not in self._waiting]
        absent = [ref for ref in fetch.wanted if ref.instance in self._waiting]
        record.answered(
            noun=tuple(
                AnnouncedInstance(ref=ref, repository=self._repositories[ref.instance])
                for ref in came
            ),
            issues=tuple(self._absent(ref.instance) for ref in absent),
        )
        study = str(fetch.scope.study)
        # A part of a file begins with no preamble, and is never in a multipart.
        for finding in parts.findings if whole else ():
            self._note(finding, study)
        listed = self._listed(fetch)
        if parts.complete > listed > 0:
            self._note(f"{parts.complete} instances came, the manifest lists {listed}", study)

    def _listed(self, fetch: Fetch) -> int:
        """How many instances the manifest lists in the scope of a fetch; 0 where nobody knows."""
        if fetch.scope.instance is not None:
            return 1
        of_series = {uid: one.instances for uid, one in self._series.items()}
        if fetch.scope.series is not None:
            return of_series.get(fetch.scope.series, 0)
        return sum(of_series.values())

    def _absent(self, uid: Uid) -> Issue:
        text = f"{self._peer} did not send the instance, and gave no reason"
        return Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=str(uid))

    def _wants(self, ref: InstanceRef) -> bool:
        return self._waiting.get(ref.instance) == ref

    def _chunk(
        self,
        current: _Incoming,
        data: bytes,
        piece: PartPiece,
        record: Record,
        conversation: _Conversation,
    ) -> ImageChunk | None:
        """The piece of a wanted instance, told to the record; None of any other."""
        ref = current.ref
        if ref is None or (current.recorder is None and not self._wants(ref)):
            return None
        sent, start = None, 0
        if current.recorder is None:
            start, etag = current.start, piece.header("etag")
            current.recorder = record.part(piece.headers, stored=str(ref.instance), digest=False)
            self._waiting.pop(ref.instance)
            begin = read_beginning(piece.header("content-range"))
            if current.derived is not None or is_strong(etag) or begin is not None:
                sent = AnnouncedInstance(
                    ref=ref,
                    repository=self._repositories[ref.instance],
                    transfer_syntax=piece.transfer_syntax,
                    sha256=sha256_of_tag(etag),
                    derived=current.derived,
                    etag=etag if is_strong(etag) else "",
                    begin_bytes=begin,
                )
        current.recorder.update(data)
        if piece.last:
            current.recorder.passed()
            self._passed[ref.instance] = (current.recorder, conversation)
            conversation.unhashed.add(ref.instance)
        return ImageChunk(ref.instance, data, piece.last, sent, start)

    def _refused(self, fetch: Fetch, error: ExchangeError) -> None:
        for ref in fetch.wanted:
            if ref.instance in self._waiting:
                name = str(ref.instance)
                self._issues[name] = Issue(
                    refusal=error.refusal, text=error.text, code=error.code, subject=name
                )

    def _note(self, text: str, subject: str) -> None:
        issue = Issue(
            refusal=Refusal.PEER_MISBEHAVED,
            text=f"{self._peer}: {text}",
            severity=Severity.WARNING,
            subject=subject,
        )
        self._issues.setdefault(text, issue)

    async def _close(self) -> None:
        for waiting in (self._read, self._ahead):
            while waiting:
                await self._end(waiting.popleft())


def _is_about_images(error: BaseException) -> bool:
    """Whether a refusal is about what was asked for, and others may be had all the same."""
    if isinstance(error, ExchangeError) and error.refusal is Refusal.DEFERRED:
        return True
    return isinstance(error, BadRequest | NotFound)


class _Conversation:
    """The request of one fetch, sent at once, and its answer when that is there.

    `unhashed` are the instances that came with it and whose digest nobody has told yet.
    """

    def __init__(self, fetch: Fetch, open: Open) -> None:
        self.fetch = fetch
        self.unhashed: set[Uid] = set()
        self._manager = open(fetch)
        self._task = asyncio.get_running_loop().create_task(self._manager.__aenter__())

    async def opened(self) -> Opened:
        """The answer; raises as the peer refuses."""
        return await asyncio.shield(self._task)

    @property
    def answer(self) -> Opened | None:
        """The answer if it is there by now, None where it is not or was a refusal."""
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()

    async def close(self, error: ExchangeError | None = None) -> None:
        """Let go of the answer, read or not; `error` is what ended its reading."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled() and self._task.exception() is None:
            kind, trace = (type(error), error.__traceback__) if error else (None, None)
            await self._manager.__aexit__(kind, error, trace)


class _Incoming:
    """A part coming in: held back until it is known which instance it is.

    `ref` is the instance that was asked for, `derived` the UID of a lossy form that comes of it,
    `start` where in the file the part begins: behind its header it says nothing of what it is.
    """

    def __init__(self, fetch: Fetch, start: int = 0) -> None:
        self._fetch = fetch
        self.start = start
        self._held: list[bytes] | None = []
        self._size = 0
        self.ref: InstanceRef | None = None
        self.derived: Uid | None = None
        self.recorder: PartRecorder | None = None

    def take(self, piece: PartPiece) -> bytes | None:
        """The bytes that can be passed on: all held at first, then each piece; None while held."""
        if self._held is None:
            return piece.data
        self._held.append(piece.data)
        self._size += len(piece.data)
        self.ref = self.ref or self._named(piece)
        if self.ref is None:
            if self._size < HEAD_BYTES and not piece.last:
                return None
            self.ref = self._identified(b"".join(self._held))
        held, self._held = b"".join(self._held), None
        return held

    def _named(self, piece: PartPiece) -> InstanceRef | None:
        """The instance a part says it is, or says it was made from; None where it says neither."""
        location = instance_of_location(piece.header("content-location"))
        original = instance_of_location(piece.header(DERIVED_FROM))
        if location is None or original is None:
            return self._fetch.wanted[0] if self.start else location
        self.derived = location.instance
        return original

    def _identified(self, head: bytes) -> InstanceRef | None:
        """Which instance a file says it is; the one asked for where it does not and one was."""
        only = self._fetch.wanted[0] if self._fetch.scope.instance is not None else None
        try:
            header = read_identity(BytesIO(head))
        except DecodeError:
            return only
        if header.study is None or header.series is None or header.instance is None:
            return only
        return InstanceRef(study=header.study, series=header.series, instance=header.instance)


def _of_single(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What an answer that is one instance says of it, as a part would: its tag, and if derived."""
    names = ("ETag", "Content-Location", DERIVED_FROM) if DERIVED_FROM in headers else ("ETag",)
    return tuple((name, headers[name]) for name in names if name in headers)


async def _pieces(parts: WebParts, body: AsyncIterator[bytes]) -> AsyncGenerator[PartPiece, None]:
    async for data in body:
        for piece in parts.feed(data):
            yield piece
    for piece in parts.finish():
        yield piece
