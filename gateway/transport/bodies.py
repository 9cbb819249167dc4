"""SOAP bodies on their way, simple or MTOM, read and written as streams.

Nothing here holds a body: the root part is collected under a limit, attachments pass through in
the pieces they arrive in. Reading follows what peers send rather than what they should
(`spec` clause: SOAP MTOM 1.0, XOP 1.0; RFC 2387): the root need not come first, `start` may be
missing or unbracketed, and any transfer encoding is undone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.documents import Content
from gateway.domain.images import AnnouncedInstance, ImageChunk
from gateway.domain.refusals import PeerMisbehaved, Refusal
from gateway.transport.spool import SpooledContent
from gateway.wire.multipart import (
    Event,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    decode_transfer,
    part_head,
)
from gateway.wire.problems import DecodeError
from gateway.wire.soap.envelope import parse_content_type
from gateway.wire.soap.mtom import (
    attachment_headers,
    find_root,
    normal_cid,
    root_headers,
)

# The most that may arrive before the root part, in all parts together; every writer we know sends
# the root first.
MAX_EARLY_BYTES = 256 * 1024 * 1024
XOP_TYPES = frozenset({"multipart/related"})
SIMPLE_TYPES = frozenset({"application/soap+xml", "text/xml", "application/xml", ""})


@dataclass(frozen=True, slots=True)
class AttachmentChunk:
    """A piece of an attachment. `last` ends it; `whole` is False when the body ended inside it.

    `root` marks the pieces of the envelope, which are never given out as an attachment.
    """

    cid: str
    headers: tuple[tuple[str, str], ...]
    data: bytes
    last: bool
    whole: bool = True
    root: bool = False


class IncomingBody:
    """A SOAP body as it arrives: first `root()`, then, if it is MTOM, `attachments()`.

    `limit` bounds the root part and a simple body. Raises `DecodeError` for what cannot be a
    SOAP body; whatever reading the source raises passes through.
    """

    def __init__(self, content_type: str, source: AsyncIterator[bytes], *, limit: int) -> None:
        self.media_type, self.parameters = parse_content_type(content_type)
        self._source = source
        self._limit = limit
        self._events: AsyncIterator[AttachmentChunk] | None = None
        self._early: dict[str, _Early] = {}
        self._early_bytes = 0
        self.is_mtom = self.media_type in XOP_TYPES
        if not self.is_mtom and self.media_type not in SIMPLE_TYPES:
            raise DecodeError(
                "Content-Type",
                self.media_type,
                "application/soap+xml or multipart/related",
                "SOAP 1.2 part 2, 7.1.4",
            )
        if self.is_mtom and not self.parameters.get("boundary"):
            raise DecodeError("Content-Type", "no boundary", "a boundary parameter", "RFC 2046")

    @property
    def charset(self) -> str:
        """The charset the Content-Type of a simple body states, "" if none."""
        return "" if self.is_mtom else self.parameters.get("charset", "")

    async def root(self) -> bytes:
        """The envelope's bytes."""
        if not self.is_mtom:
            return await self._all()
        wanted = find_root(self.parameters)
        self._events = self._parts(wanted)
        root = bytearray()
        async for chunk in self._events:
            if chunk.root:
                root += chunk.data
                if len(root) > self._limit:
                    raise self._too_large()
                if chunk.last:
                    return bytes(root)
            else:
                self._wait(chunk)
        raise DecodeError(
            "multipart body", f"no part {wanted!r}" if wanted else "no part", "the root part"
        )

    def attachments(self) -> AsyncIterator[AttachmentChunk]:
        """Everything after (or before) the root, part by part. To be called after `root`."""
        # Every piece passes here: a generator that only hands on would cost each of them.
        return self._events if self._events is not None and not self._early else self._waiting()

    async def _waiting(self) -> AsyncIterator[AttachmentChunk]:
        for cid, (headers, content) in self._early.items():
            async for data in content.chunks():
                yield AttachmentChunk(cid, headers, data, False)
            yield AttachmentChunk(cid, headers, b"", True)
        self._early = {}
        if self._events is not None:
            async for chunk in self._events:
                yield chunk

    async def small_attachments(self, limit: int) -> dict[str, bytes]:
        """All attachments in memory, at most `limit` bytes together."""
        parts: dict[str, bytearray] = {}
        total = 0
        async for chunk in self.attachments():
            total += len(chunk.data)
            if total > limit:
                raise DecodeError("attachments", f"over {limit} bytes", f"at most {limit} bytes")
            parts.setdefault(chunk.cid, bytearray()).extend(chunk.data)
        return {cid: bytes(data) for cid, data in parts.items()}

    def _wait(self, chunk: AttachmentChunk) -> None:
        """Keep a part that came before the root until it is asked for."""
        self._early_bytes += len(chunk.data)
        if self._early_bytes > MAX_EARLY_BYTES:
            raise DecodeError("multipart body", f"over {MAX_EARLY_BYTES} bytes", _ROOT_FIRST)
        if chunk.cid not in self._early:
            self._early[chunk.cid] = (chunk.headers, SpooledContent(MAX_EARLY_BYTES))
        self._early[chunk.cid][1].write(chunk.data)

    def _too_large(self) -> DecodeError:
        return DecodeError("SOAP envelope", f"over {self._limit} bytes", f"at most {self._limit}")

    async def _all(self) -> bytes:
        body = bytearray()
        async for data in self._source:
            body += data
            if len(body) > self._limit:
                raise self._too_large()
        return bytes(body)

    async def _parts(self, wanted: str) -> AsyncIterator[AttachmentChunk]:
        reader = MultipartReader(self.parameters["boundary"])
        parts = _Parts(wanted)
        async for data in self._source:
            for event in reader.feed(data):
                if (chunk := parts.take(event)) is not None:
                    yield chunk
        if not reader.finish():
            for event in reader.tail:
                if (chunk := parts.take(event, whole=False)) is not None:
                    yield chunk


class _Parts:
    """What the events of a multipart body mean: pieces of parts, their transfer encoding undone."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: set[str] = set()
        self._seen_root = False
        self._headers: tuple[tuple[str, str], ...] = ()
        self._cid = ""
        self._is_root = False
        self._decoder = decode_transfer("binary")

    def take(self, event: Event, *, whole: bool = True) -> AttachmentChunk | None:
        """The piece an event brings; `whole` is False for what a missing end left open."""
        match event:
            case PartData():
                plain = self._decoder.update(event.data)
                return self._piece(plain, last=False, whole=True) if plain else None
            case PartEnd():
                return self._piece(self._decoder.finish(), last=True, whole=whole)
            case PartBegin():
                self._begin(event)
        return None

    def _piece(self, data: bytes, *, last: bool, whole: bool) -> AttachmentChunk:
        return AttachmentChunk(self._cid, self._headers, data, last, whole, self._is_root)

    def _begin(self, event: PartBegin) -> None:
        self._headers = event.headers
        named = event.header("content-id")
        cid = self._cid = normal_cid(named) if named else ""
        self._is_root = not self._seen_root and (not self._root or cid == self._root)
        self._seen_root = self._seen_root or self._is_root
        if cid in self._seen:
            raise DecodeError("multipart body", f"part {cid} twice", "each id once")
        self._seen.update([cid] if cid else [])
        self._decoder = decode_transfer(event.header("content-transfer-encoding"))


_Early = tuple[tuple[tuple[str, str], ...], SpooledContent]
_ROOT_FIRST = "the root part first"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingPart:
    """An attachment to send: its content id, media type and content."""

    cid: str
    mime_type: str
    content: Content


class OutgoingBody:
    """An MTOM body to send: the root part, attachments as they come, and `tail` that ends it."""

    def __init__(self, root: bytes, *, boundary: str, root_id: str) -> None:
        self._boundary = boundary
        self._head = part_head(boundary, root_headers(root_id), first=True) + root
        self.tail = closing(boundary)

    def _part_head(self, cid: str, mime_type: str, size: int | None) -> bytes:
        return part_head(self._boundary, attachment_headers(cid, mime_type, size))

    def alone(self) -> bytes:
        """The body with the root part alone, as a request has it."""
        return self._head + self.tail

    def documents_length(self, parts: Sequence[OutgoingPart]) -> int:
        """How many bytes the body with these documents has."""
        length = len(self._head) + len(self.tail)
        for part in parts:
            size = part.content.size_bytes
            length += len(self._part_head(part.cid, part.mime_type, size)) + size
        return length

    async def documents(self, parts: Sequence[OutgoingPart]) -> AsyncIterator[bytes]:
        """The body with documents as attachments, but for its `tail`."""
        yield self._head
        for part in parts:
            yield self._part_head(part.cid, part.mime_type, part.content.size_bytes)
            async for chunk in part.content.chunks():
                yield chunk

    def images_length(
        self, announced: Sequence[AnnouncedInstance], cids: Mapping[str, str]
    ) -> int | None:
        """How many bytes the body with these instances has; None if a size is unknown."""
        # Heads differ in the id and the size alone, which are digits of ASCII.
        plain = len(self._part_head("x", DICOM, 0)) - len("x0")
        length = len(self._head) + len(self.tail) + plain * len(announced)
        for instance in announced:
            size = instance.size_bytes
            if size is None:
                return None
            length += len(cids[instance.ref.instance]) + len(str(size)) + size
        return length

    async def images(
        self,
        announced: Sequence[AnnouncedInstance],
        chunks: AsyncIterator[ImageChunk],
        cids: Mapping[str, str],
    ) -> AsyncIterator[bytes]:
        """The body with a delivery's instances in the order they come, but for its `tail`."""
        sizes = {item.ref.instance: item.size_bytes for item in announced}
        yield self._head
        open_instance = ""
        async for chunk in chunks:
            if chunk.instance != open_instance:
                open_instance = chunk.instance
                head = self._part_head(cids[chunk.instance], DICOM, sizes[chunk.instance])
                yield head
                yield chunk.data
            elif chunk.data:
                yield chunk.data
            if chunk.last:
                open_instance = ""


DICOM = "application/dicom"


def cut_short(cid: str) -> PeerMisbehaved:
    """The refusal of a body that ended inside a part."""
    return PeerMisbehaved(
        Refusal.PEER_MISBEHAVED,
        f"the answer ended inside part {cid}; its closing boundary is missing",
    )
