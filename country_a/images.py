"""Images from Country A's own store: checked, then streamed one instance at a time.

An instance leaves in its stored transfer syntax or decoded to explicit little endian, whichever
the asker lists first; anything else is refused for that instance and never sent in a syntax
nobody asked for (XCA-I, RAD TF-3 4.75; objects without pixels may always go as explicit LE).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from country_a.image_files import CHUNK_BYTES, opened, piece
from country_a.national.ports import Pacs, StoredInstance
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    DeliveryWish,
    ImageChunk,
    ImageDelivery,
    ImageRequest,
    Issue,
    NotNow,
    Oid,
    Refusal,
    Uid,
)
from gateway.wire.dicom.instances import can_decode, to_explicit_little_endian
from gateway.wire.problems import DecodeError


@dataclass(frozen=True, slots=True)
class _Item:
    stored: StoredInstance
    repository: Oid
    syntax: Uid

    @property
    def as_stored(self) -> bool:
        return self.syntax == self.stored.transfer_syntax


def syntax_for(stored: StoredInstance, wished: Sequence[Uid]) -> Uid | None:
    """The transfer syntax an instance goes out in; None if none of those wished is possible."""
    for syntax in wished:
        if syntax == stored.transfer_syntax:
            return syntax
        if syntax == EXPLICIT_LITTLE_ENDIAN and can_decode(stored.transfer_syntax):
            return syntax
    if not stored.has_pixels and can_decode(stored.transfer_syntax):
        return EXPLICIT_LITTLE_ENDIAN
    return None


class FolderDelivery:
    """Instances of the image store on their way; see `gateway.domain.ImageDelivery`."""

    def __init__(self, items: Sequence[_Item], issues: Sequence[Issue]) -> None:
        self._items = tuple(items)
        self.issues = tuple(issues)
        self.announced = tuple(
            AnnouncedInstance(
                ref=item.stored.ref,
                repository=item.repository,
                transfer_syntax=item.syntax,
                size_bytes=item.stored.size_bytes if item.as_stored else None,
                sha256=item.stored.sha256 if item.as_stored else "",
            )
            for item in items
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held between chunks that is not released by leaving `chunks`."""

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Nothing: the store knows the digests of what it holds."""

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The instances' DICOM files, one after the other."""
        stored = [item.stored.file for item in self._items if item.as_stored]
        async with aclosing(opened(stored)) as files:
            for item in self._items:
                if not item.as_stored:
                    async for chunk in self._decoded(item):
                        yield chunk
                    continue
                uid, size = item.stored.ref.instance, item.stored.size_bytes
                sent = 0
                try:
                    descriptor = await anext(files)
                    while data := await piece(descriptor, sent, size):
                        sent += len(data)
                        yield ImageChunk(uid, data, sent == size)
                except OSError as error:
                    raise self._broken(item, "its file cannot be read") from error
                if sent < size:
                    raise self._broken(item, "its file is shorter than it was")

    async def _decoded(self, item: _Item) -> AsyncIterator[ImageChunk]:
        uid = item.stored.ref.instance
        try:
            data = await asyncio.to_thread(to_explicit_little_endian, item.stored.path)
        except (OSError, DecodeError) as error:
            raise self._broken(item, "its pixels cannot be decoded") from error
        view = memoryview(data)
        for start in range(0, len(data), CHUNK_BYTES):
            end = start + CHUNK_BYTES
            yield ImageChunk(uid, bytes(view[start:end]), end >= len(data))

    @staticmethod
    def _broken(item: _Item, why: str) -> NotNow:
        text = f"instance {item.stored.ref.instance} cannot be delivered: {why}"
        return NotNow(Refusal.BACK_END_DOWN, text, subject=str(item.stored.ref.instance))


async def deliver_from(
    pacs: Pacs, source: Oid, request: ImageRequest, wish: DeliveryWish
) -> tuple[FolderDelivery, tuple[StoredInstance, ...]]:
    """A delivery of what the store has of a request, and the instances it has of it.

    `source` is the OID by which the store is known: an instance asked of another one, one that
    is not at the place named, and one that fits no wished syntax becomes an issue. The last is
    among those the store has all the same: its issue tells of it, which not everybody may hear.
    """
    refs = tuple(ref for ref, _ in request.instances)
    found = await pacs.find_all(refs)
    items: list[_Item] = []
    held: list[StoredInstance] = []
    issues: list[Issue] = []
    for (ref, repository), stored in zip(request.instances, found, strict=True):
        subject = str(ref.instance)
        if repository != source:
            text = f"repository {repository} is not here; images are at {source}"
            issues.append(Issue(refusal=Refusal.UNKNOWN_REPOSITORY, text=text, subject=subject))
        elif stored is None:
            text = f"no instance {ref.instance} in series {ref.series} of study {ref.study}"
            issues.append(Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=subject))
        else:
            held.append(stored)
            if (syntax := syntax_for(stored, wish.syntaxes)) is not None:
                items.append(_Item(stored, repository, syntax))
                continue
            text = (
                f"instance {ref.instance} has transfer syntax {stored.transfer_syntax} and can "
                f"be sent as that or as {EXPLICIT_LITTLE_ENDIAN}; neither is in the list asked for"
            )
            issues.append(Issue(refusal=Refusal.UNSUPPORTED_SYNTAX, text=text, subject=subject))
    return FolderDelivery(items, issues), tuple(held)


class WithIssues:
    """Another delivery, and issues about instances it was never asked for."""

    def __init__(self, inner: ImageDelivery, issues: Sequence[Issue]) -> None:
        self._inner = inner
        self.announced = inner.announced
        self.issues = (*inner.issues, *issues)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the inner delivery."""
        await self._inner.__aexit__(kind, error, trace)

    def chunks(self) -> AsyncIterator[ImageChunk]:
        """The chunks of the inner delivery."""
        return self._inner.chunks()

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Passed on to the inner delivery."""
        self._inner.hashed(instance, sha256)
