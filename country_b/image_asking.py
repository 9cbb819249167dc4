"""Images asked for lot after lot, the next lot while the last images of this one come in.

What a request and its answer list is read before the first byte of an image moves. Asked for one
after the other, the link would stand still each time; asked for too soon, the next lot would take
from the link what this one needs. So the next is asked for in the second half of a lot, when at
the pace so far the rest of it comes within half a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from gateway.domain import ImageDelivery, InstanceRef, Oid

ASK_AHEAD_SECONDS = 0.5

Wanted: TypeAlias = tuple[InstanceRef, Oid]
Ask: TypeAlias = Callable[[Sequence[Wanted]], Awaitable[ImageDelivery]]


class ImageLots:
    """Gives the deliveries of what is wanted, lot by lot, in the order wanted.

    A context manager: when it is left, a lot that was asked for ahead and not taken is closed.
    """

    def __init__(
        self,
        ask: Ask,
        wanted: Sequence[Wanted],
        *,
        lot_size: int,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._ask = ask
        self._lots = [wanted[start : start + lot_size] for start in range(0, len(wanted), lot_size)]
        self._now = now
        self._taken = 0
        self._begun = 0
        self._began_at = 0.0
        self._ahead: asyncio.Task[ImageDelivery] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing that was asked for stays open; what ended this one is what is told."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return
        ahead.cancel()
        await asyncio.wait([ahead])
        if not ahead.cancelled() and ahead.exception() is None:
            async with ahead.result():
                pass

    async def next(self) -> tuple[Sequence[Wanted], ImageDelivery] | None:
        """The next lot and its delivery, to be entered by the caller; None after the last.

        Raises `ExchangeError` as the peer refuses it.
        """
        if self._taken == len(self._lots):
            return None
        ahead, self._ahead = self._ahead or self._asking(), None
        try:
            delivery = await asyncio.shield(ahead)
        except asyncio.CancelledError:
            self._ahead = ahead
            raise
        lot = self._lots[self._taken]
        self._taken += 1
        self._begun, self._began_at = 0, self._now()
        return lot, delivery

    def begins(self) -> None:
        """An image of the lot taken last begins to come in."""
        if self._ahead is not None or self._taken == len(self._lots):
            return
        came = self._begun
        left = len(self._lots[self._taken - 1]) - came
        self._begun += 1
        # Half a lot: what lay in buffers at its beginning comes at a pace that says nothing.
        if came >= left and left * (self._now() - self._began_at) <= ASK_AHEAD_SECONDS * came:
            self._ahead = self._asking()

    def _asking(self) -> asyncio.Task[ImageDelivery]:
        lot = self._lots[self._taken]

        async def ask() -> ImageDelivery:
            return await self._ask(lot)

        return asyncio.get_running_loop().create_task(ask())
