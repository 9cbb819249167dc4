"""Images are announced as far as they are held, and the rest is told before the first byte."""

from __future__ import annotations

import pytest

from gateway.domain import (
    AnnouncedInstance,
    DeliveryWish,
    ImageRequest,
    InstanceRef,
    NotFound,
    Oid,
    Outcome,
    Refusal,
    Uid,
)
from gateway.middleware.announced import HeldImages
from tests.builders import COUNTRY_A, make_context, make_manifest
from tests.exchanges import ScriptedDelivery, ScriptedExchange

STUDY = make_manifest()
HELD = STUDY.instances()[0]
GONE = InstanceRef(study=HELD.study, series=HELD.series, instance=Uid("2.999.404"))
MOVED = InstanceRef(study=HELD.study, series=Uid("2.999.405"), instance=HELD.instance)
LOCATION = Oid("2.999.20.1")


def scripted() -> ScriptedExchange:
    """An Exchange with one study, of which an instance comes."""
    announced = (AnnouncedInstance(ref=HELD, repository=LOCATION),)
    delivery = ScriptedDelivery(announced=announced, pieces={HELD.instance: (b"a", b"b")})
    return ScriptedExchange(studies=Outcome((STUDY,)), delivery=delivery)


def request_for(*refs: InstanceRef) -> ImageRequest:
    """A request for these."""
    return ImageRequest(community=COUNTRY_A, instances=tuple((ref, LOCATION) for ref in refs))


async def test_what_is_not_held_is_an_issue_and_is_not_asked_for() -> None:
    """Nor is an instance in a series it does not belong to; what is held comes."""
    exchange = scripted()
    images = HeldImages(exchange, exchange)

    delivery = await images.retrieve_images(
        request_for(HELD, GONE, MOVED), DeliveryWish(), make_context()
    )

    async with delivery:
        chunks = [chunk.data async for chunk in delivery.chunks()]
        delivery.hashed(HELD.instance, "ab")
    asked = exchange.asked[-1][1][0]
    assert [ref for ref, _ in asked.instances] == [HELD]
    assert [item.ref for item in delivery.announced] == [HELD]
    assert {(issue.refusal, issue.subject) for issue in delivery.issues} == {
        (Refusal.UNKNOWN_INSTANCE, str(ref.instance)) for ref in (GONE, MOVED)
    }
    assert chunks == [b"a", b"b"]
    assert isinstance(exchange.delivery, ScriptedDelivery)
    assert (exchange.delivery.closed, exchange.delivery.digests) == (True, {HELD.instance: "ab"})


async def test_a_request_that_is_held_whole_passes_as_it_is() -> None:
    """With the delivery of whoever has it."""
    exchange = scripted()

    delivery = await HeldImages(exchange, exchange).retrieve_images(
        request_for(HELD), DeliveryWish(), make_context()
    )

    assert delivery is exchange.delivery


async def test_a_request_of_which_nothing_is_held_is_refused() -> None:
    """Images are not asked for at all."""
    exchange = scripted()

    with pytest.raises(NotFound) as caught:
        await HeldImages(exchange, exchange).retrieve_images(
            request_for(GONE), DeliveryWish(), make_context()
        )

    assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE
    assert [verb for verb, _, _ in exchange.asked] == ["studies"]
