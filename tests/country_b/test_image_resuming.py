"""Whether a broken transfer is worth another try, and how long is waited before it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from country_b.image_resuming import Patience, TransferBroken, Tries, from_peer
from gateway.domain import (
    ExchangeError,
    ImageChunk,
    NotAllowed,
    NotFound,
    NotNow,
    PeerMisbehaved,
    Refusal,
    Uid,
)


class Waited(list[float]):
    """How long was waited, without waiting."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def test_the_wait_doubles_up_to_a_limit_and_then_it_is_given_up() -> None:
    """Where nothing comes at all."""
    waited = Waited()
    patience = Patience(attempts=4, first_seconds=1.0, longest_seconds=3.0, wait=waited)
    tries = Tries(patience, 100)

    assert [await tries.again(100) for _ in range(5)] == [True, True, True, True, False]
    assert waited == [1.0, 2.0, 3.0, 3.0]


async def test_a_line_that_brings_something_is_never_given_up() -> None:
    """Each byte more begins the count anew; what was there already is none."""
    waited = Waited()
    tries = Tries(Patience(attempts=2, first_seconds=1.0, wait=waited), 0)

    assert all([await tries.again(came) for came in (1, 2, 3, 3, 4)])
    assert waited == [1.0, 1.0, 1.0, 2.0, 1.0]
    assert await tries.again(2)
    assert not await tries.again(4)


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (NotNow(Refusal.PEER_UNREACHABLE, "gone"), True),
        (PeerMisbehaved(Refusal.PEER_MISBEHAVED, "cut"), True),
        (NotAllowed(Refusal.NO_CONSENT, "no"), False),
        (NotFound(Refusal.UNKNOWN_INSTANCE, "none"), False),
    ],
)
def test_a_refusal_is_not_asked_for_twice(error: ExchangeError, may_pass: bool) -> None:
    """Only what is down or broke off may be there the next time."""
    assert TransferBroken(error).may_pass is may_pass


async def test_what_the_peer_breaks_is_told_apart() -> None:
    """With everything that came before."""

    async def chunks() -> AsyncIterator[ImageChunk]:
        yield ImageChunk(Uid("2.999.1"), b"x", False)
        raise NotNow(Refusal.PEER_TIMEOUT, "silence")

    came = []
    with pytest.raises(TransferBroken, match="silence"):
        async for chunk in from_peer(chunks()):
            came.append(chunk.data)

    assert came == [b"x"]
