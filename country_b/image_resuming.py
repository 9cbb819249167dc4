"""A transfer that broke: whether it is worth another try, and how long to wait before it.

Tries are counted only while nothing comes: a line that breaks every minute and brings something
each time is slow, not broken. What broke is told apart from what this gateway itself could not
do, for asking again helps only with the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from gateway.domain import ExchangeError, ImageChunk, NotNow, PeerMisbehaved

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
