"""Images asked for lot after lot, the next lot while the last images of this one come in.

What a request and its answer list is read before the first byte of an image moves. Asked for one
after the other, the link would stand still each time; asked for too soon, the next lot would take
from the link what this one needs. So the next is asked for in the second half of a lot, when at
the pace so far the rest of it comes within half a second and what the next answer will take to
begin, by what the last one took for each image.

Where an answer names images that lose something before their first byte (RAD-75), the sender has to
make all of them first: it may find that one cannot be had as planned, and must not have named it.
Lots then begin small, so that images flow at once, and grow while others are on their way; the next
is asked for earlier, after a quarter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from gateway.domain import ImageDelivery, InstanceRef, Oid

ASK_AHEAD_SECONDS = 0.5
# Of images made before they are named: the first lot is made in tenths of a second, and takes long
# enough to come that the next can be made meanwhile. A lot twice as large is made while three
# quarters of one come in, wherever the link takes three times as long as making.
FIRST_MADE, MOST_MADE = 8, 64

Wanted: TypeAlias = tuple[InstanceRef, Oid]
Ask: TypeAlias = Callable[[Sequence[Wanted]], Awaitable[ImageDelivery]]


class ImageLots:
    """Gives the deliveries of what is wanted, lot by lot, in the order wanted.

    Lots are of `lot_size`; where an answer names what is wanted only when all of it is made
    (`made_first`), they grow from a few to some dozens. A context manager: when it is left, a lot
    that was asked for ahead and not taken is closed.
    """

    def __init__(
        self,
        ask: Ask,
        wanted: Sequence[Wanted],
        *,
        lot_size: int,
        made_first: bool = False,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._ask = ask
        first, most = (FIRST_MADE, MOST_MADE) if made_first else (lot_size, lot_size)
        self._lots = list(_lots(wanted, min(first, lot_size), min(most, lot_size)))
        # What is still to come of a lot, for each image that came, when the next may be asked for.
        self._most_left = 3 if made_first else 1
        self._now = now
        self._answer_seconds = 0.0  # of an image of the lot answered last, until the answer began
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
        # Not sooner: what lay in buffers at its beginning comes at a pace that says nothing.
        soon = ASK_AHEAD_SECONDS + self._answer_seconds * len(self._lots[self._taken])
        paced = came > 0 and left <= self._most_left * came
        if paced and left * (self._now() - self._began_at) <= soon * came:
            self._ahead = self._asking()

    def _asking(self) -> asyncio.Task[ImageDelivery]:
        lot = self._lots[self._taken]

        async def ask() -> ImageDelivery:
            asked_at = self._now()
            delivery = await self._ask(lot)
            self._answer_seconds = (self._now() - asked_at) / len(lot)
            return delivery

        return asyncio.get_running_loop().create_task(ask())


def _lots(wanted: Sequence[Wanted], first: int, most: int) -> Iterator[Sequence[Wanted]]:
    """What is wanted in lots, each twice the one before, none larger than the most."""
    start, size = 0, first
    while start < len(wanted):
        yield wanted[start : start + size]
        start, size = start + size, min(2 * size, most)
