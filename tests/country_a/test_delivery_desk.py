"""Which answer a request for images gets: a plan's, one planned now, or that of its own order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_a.delivery_book import DeliveryBook
from country_a.delivery_desk import DeliveryDesk
from country_a.images import Held, StoreDelivery
from country_a.plan_book import PlanBook
from country_a.planning import Planning
from gateway.compression.worker import Workers
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Caller,
    DeliveryWish,
    LinkProfile,
    LinkSource,
    NotFound,
    Oid,
    PatientId,
    SyntaxChoice,
    Uid,
)
from gateway.transport.goodput import Goodput, Sending
from tests.builders import COUNTRY_B, make_context
from tests.country_a.test_planning import JPEG_LS, NARROW, WISH, Store, images
from tests.desks import renderer_in

PATIENT = PatientId("XA-1", Oid("2.999.1"))
SOURCE = Oid("2.999.1.3")
AT = datetime(2026, 11, 22, tzinfo=UTC)


def held_of_patient(folder: Path, count: int = 3) -> Held:
    made = (replace(one, patient=PATIENT) for one in images(folder, count))
    return Held(tuple((one, SOURCE) for one in made), ())


def desk_for(folder: Path, held: Held, goodput: Goodput | None = None) -> DeliveryDesk:
    store: Any = Store(tuple(one for one, _ in held.instances))
    renderer = renderer_in(folder)
    ids = iter(f"plan-{number}" for number in range(99))
    return DeliveryDesk(
        planning=Planning(store, renderer, Workers(2), new_id=lambda: next(ids)),
        renderer=renderer,
        book=PlanBook(folder / "plans"),
        deliveries=DeliveryBook(folder / "deliveries"),
        goodput=goodput or Goodput(),
        now=lambda: AT,
        new_id=lambda: next(ids),
    )


async def received(delivery: StoreDelivery) -> list[str]:
    got: list[str] = []
    async with delivery:
        async for chunk in delivery.chunks():
            got += [str(chunk.instance)] if chunk.last else []
    return got


async def test_a_plan_that_was_accepted_is_carried_out(tmp_path: Path) -> None:
    """In its order and its codings, and what went out is written beside it."""
    held = held_of_patient(tmp_path)
    desk = desk_for(tmp_path, held)
    plan = await desk.plan(held, replace(WISH, link=NARROW), make_context())

    delivery = await desk.deliver(held, replace(WISH, plan=plan.id), make_context())

    assert await received(delivery) == [str(one.ref.instance) for one in plan.coming]
    assert {one.transfer_syntax for one in delivery.announced} == {JPEG_LS}
    assert len((tmp_path / "plans" / f"{plan.id}.sent").read_text("utf-8").splitlines()) == 3


async def test_an_accepted_plan_that_nobody_made_is_refused(tmp_path: Path) -> None:
    """Rather than another delivery than the one that was agreed on."""
    held = held_of_patient(tmp_path)

    with pytest.raises(NotFound):
        await desk_for(tmp_path, held).deliver(held, replace(WISH, plan="other"), make_context())


async def test_who_lets_the_sender_choose_is_answered_by_a_plan_of_now(tmp_path: Path) -> None:
    """For the link that was measured, if there is no word of it in the wish."""
    held = held_of_patient(tmp_path)
    goodput = Goodput()
    goodput.sent(str(COUNTRY_B), Sending(10**6, 8.0, 8.0))
    desk = desk_for(tmp_path, held, goodput)

    plan = await desk.plan(held, WISH, make_context())
    delivery = await desk.deliver(held, WISH, make_context())

    assert plan.link == LinkProfile(bits_per_second=1e6, source=LinkSource.MEASURED)
    assert {one.transfer_syntax for one in delivery.announced} == {JPEG_LS}


@pytest.mark.parametrize(
    ("address", "is_here"),
    [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), ("", False), ("somewhere", False)],
)
async def test_who_runs_on_this_machine_decodes_on_its_processors(
    tmp_path: Path, address: str, is_here: bool
) -> None:
    """By the address it calls from; the plan tells what it counted on."""
    held = held_of_patient(tmp_path)
    context = replace(make_context(), caller=Caller(address=address))

    plan = await desk_for(tmp_path, held).plan(held, WISH, context)

    assert any("runs on this machine" in note for note in plan.notes) is is_here


async def test_who_has_not_seen_a_plan_gets_the_order_of_asking(tmp_path: Path) -> None:
    """What should be seen first was asked for first."""
    held = held_of_patient(tmp_path, 4)
    turned = Held(tuple(reversed(held.instances)), ())

    delivery = await desk_for(tmp_path, held).deliver(turned, WISH, make_context())

    assert await received(delivery) == [str(one.ref.instance) for one, _ in turned.instances]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [(SyntaxChoice.AS_STORED, EXPLICIT_LITTLE_ENDIAN), (SyntaxChoice.ORDER, JPEG_LS)],
)
async def test_who_leaves_no_choice_is_answered_by_order(
    choice: SyntaxChoice, sent: Uid, tmp_path: Path
) -> None:
    """And nothing is planned."""
    held = held_of_patient(tmp_path)
    wish = DeliveryWish(syntaxes=(JPEG_LS, EXPLICIT_LITTLE_ENDIAN), choice=choice)

    delivery = await desk_for(tmp_path, held).deliver(held, wish, make_context())

    assert {one.transfer_syntax for one in delivery.announced} == {sent}
    assert not (tmp_path / "plans").exists()
