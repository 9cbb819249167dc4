"""A transfer that broke: whether it is worth another try, and how long to wait before it.

Tries are counted only while nothing comes: a line that breaks every minute and brings something
each time is slow, not broken. What broke is told apart from what this gateway itself could not
do, for asking again helps only with the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass

from country_b.blobs import BlobFile, BlobStore
from country_b.image_asking import Wanted
from country_b.partials import Partial
from gateway.domain import Begun, ExchangeError, ImageChunk, NotNow, PeerMisbehaved, Refusal, Uid

# In all some four minutes without a byte: a gateway that was restarted is back by then.
ATTEMPTS = 12
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0


class TransferBroken(Exception):
    """What came from the peer ended before it was whole; `error` says how."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(error.text)
        self.error = error

    @property
    def may_pass(self) -> bool:
        """Whether the same may succeed when it is asked for again."""
        return isinstance(self.error, NotNow | PeerMisbehaved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often is tried again without anything coming, and how long is waited before.

    The wait doubles from `first_seconds` to `longest_seconds`; `wait` waits.
    """

    attempts: int = ATTEMPTS
    first_seconds: float = FIRST_SECONDS
    longest_seconds: float = LONGEST_SECONDS
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep


class Beginnings:
    """What is here of the images of one visit that came in half, and where the rest goes."""

    def __init__(self, blobs: BlobStore, session: str) -> None:
        self._blobs = blobs
        self._session = session
        self._partials: Mapping[Uid, Partial] = {}
        self._came: dict[Uid, int] = {}  # bytes of each image, whether they are still here or not

    @property
    def held(self) -> Mapping[Uid, Begun]:
        """What there was of each when it was last looked."""
        return {uid: partial.begun for uid, partial in self._partials.items()}

    async def look(self, wanted: Sequence[Wanted]) -> int:
        """Find what is here of what is wanted; how many bytes that is."""
        partials = self._blobs.partials
        await asyncio.to_thread(partials.prepare, self._session)
        found = await asyncio.to_thread(partials.held, self._session)
        self._partials = {
            ref.instance: found[ref.instance] for ref, _ in wanted if ref.instance in found
        }
        for uid, partial in self._partials.items():
            self._came[uid] = max(self._came.get(uid, 0), partial.begun.size_bytes)
        return sum(partial.begun.size_bytes for partial in self._partials.values())

    def came(self, uid: Uid, size: int) -> None:
        """So many more bytes of an image came."""
        self._came[uid] = self._came.get(uid, 0) + size

    async def file(self, uid: Uid, start: int, etag: str) -> tuple[BlobFile, int]:
        """Where an image goes that comes from byte `start` on, and how much of it comes again.

        Behind what is here of it, or in a new place: then what was here is thrown away.
        """
        again = max(0, self._came.get(uid, 0) - start)
        self._came[uid] = start
        partial = self._partials.get(uid)
        if start and (partial is None or partial.begun.size_bytes != start):
            text = f"the rest of image {uid} came from byte {start} on, which was not asked for"
            raise TransferBroken(PeerMisbehaved(Refusal.PEER_MISBEHAVED, text, subject=uid))
        if partial is not None and start:
            file = self._blobs.file(at=partial.path)
            await asyncio.to_thread(file.resume)
            return file, again
        if partial is not None:
            await self._blobs.drop_partial(partial.path)
        return self._blobs.file(at=self._blobs.partials.place(self._session, uid, etag)), again


class Tries:
    """The tries of one transfer. `came` of `again` is any number that grows with what is here."""

    def __init__(self, patience: Patience, came: int) -> None:
        self._patience = patience
        self._came = came
        self._failed = 0

    async def again(self, came: int) -> bool:
        """Wait until it is time for another try; False if there were enough."""
        if came > self._came:
            self._came, self._failed = came, 0
        if self._failed >= self._patience.attempts:
            return False
        seconds = self._patience.first_seconds * 2**self._failed
        self._failed += 1
        await self._patience.wait(min(seconds, self._patience.longest_seconds))
        return True


async def from_peer(chunks: AsyncIterator[ImageChunk]) -> AsyncGenerator[ImageChunk, None]:
    """The chunks of a delivery; what it raises is told apart from what taking them in does."""
    try:
        if isinstance(chunks, AsyncGenerator):
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        else:
            async for chunk in chunks:
                yield chunk
    except ExchangeError as error:
        raise TransferBroken(error) from error
