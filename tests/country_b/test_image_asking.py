"""Images are asked for in lots, the next one while the last images of this one come in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pytest

from country_b.image_asking import (
    ASK_AHEAD_SECONDS,
    FIRST_MADE,
    MOST_MADE,
    ImageLots,
    Wanted,
)
from gateway.domain import InstanceRef, NotNow, Oid, Refusal, Uid, refuse

PLACE = Oid("2.999.1.1.3")
LOT = 10


def wanted(count: int) -> list[Wanted]:
    """So many instances, numbered from 1."""
    study = Uid("2.999.1.1.9.1")
    return [
        (InstanceRef(study=study, series=study, instance=Uid(f"{study}.{number}")), PLACE)
        for number in range(1, count + 1)
    ]


class Delivery:
    """A delivery that knows whether it was closed."""

    announced = ()
    issues = ()

    def __init__(self) -> None:
        self.closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed = True


class Peer:
    """Takes requests for images; `refuses` is what it says to the request of that number."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.was_asked = asyncio.Event()
        self.deliveries: list[Delivery] = []
        self.refuses: dict[int, Exception] = {}
        self.waits: asyncio.Event | None = None
        self.cancelled = False
        self.takes: tuple[Clock, float] | None = None

    async def ask(self, lot: Sequence[Wanted]) -> Delivery:
        """Answers, or refuses."""
        self.asked.append(len(lot))
        self.was_asked.set()
        if self.takes is not None:
            clock, seconds = self.takes
            clock.seconds += seconds
        try:
            if self.waits is not None:
                await self.waits.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if error := self.refuses.get(len(self.asked)):
            raise error
        self.deliveries.append(Delivery())
        return self.deliveries[-1]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def lots_of(
    peer: Peer,
    count: int,
    clock: Clock | None = None,
    *,
    lot_size: int = LOT,
    made_first: bool = False,
) -> ImageLots:
    """Lots of so many instances."""
    return ImageLots(
        peer.ask,  # type: ignore[arg-type]
        wanted(count),
        lot_size=lot_size,
        made_first=made_first,
        now=clock or Clock(),
    )


async def arrive(lots: ImageLots, clock: Clock, count: int, seconds: float) -> None:
    """So many images begin, each so long after the one before; then whoever was asked answers."""
    for _ in range(count):
        lots.begins()
        clock.seconds += seconds
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_everything_is_asked_for_in_order_and_once() -> None:
    """The lots together are what was wanted."""
    peer, came = Peer(), list[Wanted]()
    async with lots_of(peer, 25) as lots:
        while (taken := await lots.next()) is not None:
            came += taken[0]

    assert came == wanted(25)
    assert peer.asked == [10, 10, 5]


async def test_nothing_wanted_is_nothing_asked() -> None:
    """An empty wish makes no request."""
    peer = Peer()
    async with lots_of(peer, 0) as lots:
        assert await lots.next() is None

    assert peer.asked == []


async def test_the_next_lot_is_asked_for_before_the_last_images_have_come() -> None:
    """Over a fast link the answer to the next request is there when this lot ends."""
    peer, clock = Peer(), Clock()
    async with lots_of(peer, 20, clock) as lots:
        await lots.next()
        await arrive(lots, clock, 5, ASK_AHEAD_SECONDS / 100)
        assert peer.asked == [10], "half a lot tells the pace"
        await arrive(lots, clock, 1, ASK_AHEAD_SECONDS / 100)
        assert peer.asked == [10, 10]
        await arrive(lots, clock, 4, ASK_AHEAD_SECONDS / 100)
        taken = await lots.next()

    assert taken is not None
    assert taken[1] is peer.deliveries[1]
    assert peer.asked == [10, 10]


async def test_over_a_slow_link_this_lot_has_the_link_for_itself() -> None:
    """Each image takes longer than what may be left: the next lot waits for the end."""
    peer, clock = Peer(), Clock()
    async with lots_of(peer, 20, clock) as lots:
        await lots.next()
        await arrive(lots, clock, 10, ASK_AHEAD_SECONDS * 2)
        assert peer.asked == [10]
        await lots.next()

    assert peer.asked == [10, 10]


async def test_the_next_lot_is_asked_for_sooner_where_answers_take_long_to_begin() -> None:
    """A second for ten images: the next ten are asked for a second and a half before the end."""
    peer, clock = Peer(), Clock()
    peer.takes = (clock, 1.0)
    async with lots_of(peer, 20, clock) as lots:
        await lots.next()
        await arrive(lots, clock, 5, 0.3)
        assert peer.asked == [10]
        await arrive(lots, clock, 1, 0.3)
        assert peer.asked == [10, 10]


async def test_lots_of_what_is_made_before_it_is_named_begin_small_and_grow() -> None:
    """Up to a size that lets go of what was made; together they are what was wanted."""
    peer, came = Peer(), list[Wanted]()
    count = 3 * FIRST_MADE + MOST_MADE + 1
    async with lots_of(peer, count, lot_size=1000, made_first=True) as lots:
        while (taken := await lots.next()) is not None:
            came += taken[0]

    assert came == wanted(count)
    assert peer.asked[:3] == [FIRST_MADE, 2 * FIRST_MADE, 4 * FIRST_MADE]
    assert max(peer.asked) <= MOST_MADE


async def test_lots_that_grow_stay_within_what_a_request_may_name() -> None:
    """However few that are."""
    peer = Peer()
    async with lots_of(peer, 20, lot_size=FIRST_MADE - 1, made_first=True) as lots:
        while await lots.next() is not None:
            pass

    assert max(peer.asked) == FIRST_MADE - 1


async def test_what_is_made_before_it_is_named_is_asked_for_after_a_quarter() -> None:
    """The next lot is larger, and is made while this one comes in."""
    peer, clock = Peer(), Clock()
    async with lots_of(peer, 3 * FIRST_MADE, clock, lot_size=1000, made_first=True) as lots:
        await lots.next()
        quarter = FIRST_MADE // 4
        await arrive(lots, clock, quarter, 0.01)
        assert peer.asked == [FIRST_MADE]
        await arrive(lots, clock, 1, 0.01)
        assert peer.asked == [FIRST_MADE, 2 * FIRST_MADE]


async def test_the_last_lot_asks_for_nothing_more() -> None:
    """There is nothing after it."""
    peer, clock = Peer(), Clock()
    async with lots_of(peer, 10, clock) as lots:
        await lots.next()
        await arrive(lots, clock, 10, 0.0)

    assert peer.asked == [10]


async def test_refusal_of_a_lot_asked_ahead_is_told_when_it_is_its_turn() -> None:
    """The images of the lot before come in whole first."""
    peer, clock = Peer(), Clock()
    peer.refuses[2] = refuse(Refusal.BACK_END_DOWN, "not now")
    async with lots_of(peer, 20, clock) as lots:
        await lots.next()
        await arrive(lots, clock, 10, 0.0)
        with pytest.raises(NotNow, match="not now"):
            await lots.next()


async def test_lot_asked_ahead_is_closed_when_this_one_fails() -> None:
    """What ended this one is told, and nothing stays open."""
    peer, clock = Peer(), Clock()
    with pytest.raises(ConnectionError):
        async with lots_of(peer, 20, clock) as lots:
            await lots.next()
            await arrive(lots, clock, 10, 0.0)
            raise ConnectionError

    assert peer.deliveries[1].closed


async def test_request_made_ahead_is_called_off_when_this_lot_fails() -> None:
    """Nobody waits for an answer that is no longer wanted."""
    peer, clock = Peer(), Clock()
    with pytest.raises(ConnectionError):
        async with lots_of(peer, 20, clock) as lots:
            await lots.next()
            peer.waits = asyncio.Event()
            await arrive(lots, clock, 10, 0.0)
            raise ConnectionError

    assert peer.cancelled


async def test_refusal_ahead_gives_way_to_the_failure_of_this_lot() -> None:
    """One reason is told, the first."""
    peer, clock = Peer(), Clock()
    peer.refuses[2] = refuse(Refusal.BACK_END_DOWN, "not now")
    with pytest.raises(ConnectionError):
        async with lots_of(peer, 20, clock) as lots:
            await lots.next()
            await arrive(lots, clock, 10, 0.0)
            raise ConnectionError


async def test_cancelled_while_waiting_for_a_lot_calls_the_request_off() -> None:
    """A job that is ended leaves no request behind."""
    peer = Peer()
    peer.waits = asyncio.Event()

    async def take() -> None:
        async with lots_of(peer, 20) as lots:
            await lots.next()

    job = asyncio.create_task(take())
    await peer.was_asked.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job

    assert peer.cancelled
