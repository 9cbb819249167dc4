"""How Country A answers a request for images: by a plan accepted, a plan made, or the order asked.

A wish that names a plan gets what that says; one that lets the sender choose is planned here and
now; any other is answered in the order of its syntaxes. What goes out is written down under the id
of the delivery: the name the requester gave, else that of the accepted plan, else a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address

from country_a.certificates import Certificates, Seal
from country_a.delivery_book import DeliveryBook, Recipient
from country_a.first_looks import look_first
from country_a.images import Held, StoreDelivery, deliver_by_order, deliver_by_plan
from country_a.plan_book import PlanBook
from country_a.planning import Planning
from country_a.rendering import Renderer
from gateway.domain import (
    BadRequest,
    CallContext,
    Caller,
    CommunityId,
    DeliveryPlan,
    DeliveryWish,
    ImageDelivery,
    InstanceFidelity,
    PatientId,
    RatioCap,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.transport.goodput import Goodput


class DeliveryDesk:
    """Plans deliveries and carries them out, for one country."""

    def __init__(
        self,
        *,
        planning: Planning,
        renderer: Renderer,
        book: PlanBook,
        deliveries: DeliveryBook,
        goodput: Goodput,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._planning = planning
        self._renderer = renderer
        self._book = book
        self._goodput = goodput
        self._deliveries = deliveries
        self._now = now
        self._new_id = new_id

    async def plan(self, held: Held, wish: DeliveryWish, context: CallContext) -> DeliveryPlan:
        """A plan for what is held, kept for who asks; the one the wish names, if it names one."""
        if wish.first_look:
            text = "a first look is not planned: it brings the same bytes whatever the link"
            raise BadRequest(Refusal.UNSUPPORTED, text, subject="first-look")
        if wish.plan:
            return await self._book.get(wish.plan, asking=context.asking, patients=_patients(held))
        plan = await self._made(held, wish, context)
        await self._book.add(plan, asking=context.asking, patients=_patients(held), at=self._now())
        return plan

    async def deliver(self, held: Held, wish: DeliveryWish, context: CallContext) -> ImageDelivery:
        """What is held, on its way in the forms that were accepted, planned or asked for.

        Or the beginnings of it, of which nothing is written down.
        """
        if wish.first_look:
            return look_first(held, wish, self._renderer)
        if wish.plan:
            patients = _patients(held)
            plan = await self._book.get(wish.plan, asking=context.asking, patients=patients)
            delivery = deliver_by_plan(held, plan, self._renderer, have=wish.have)
            name = wish.delivery or plan.id
            return self._recorded(delivery, held, name, context, plan=plan, accepted=True)
        name = wish.delivery or self._new_id()
        if wish.choice is SyntaxChoice.SENDER and held.instances:
            plan = await self._made(held, wish, context)
            # Who did not see this plan has said by the order of asking what should come first.
            delivery = deliver_by_plan(held, plan, self._renderer, order_of_plan=False)
            return self._recorded(delivery, held, name, context, plan=plan)
        return self._recorded(deliver_by_order(held, wish, self._renderer), held, name, context)

    def certificates(self, community: CommunityId, seal: Seal) -> Certificates:
        """Certifies what goes out from here, as a community and under its seal."""
        return Certificates(self._deliveries, community=community, seal=seal, now=self._now)

    def _recorded(
        self,
        delivery: StoreDelivery,
        held: Held,
        name: str,
        context: CallContext,
        *,
        plan: DeliveryPlan | None = None,
        accepted: bool = False,
    ) -> StoreDelivery:
        """The same delivery, which is written down under a name.

        Beside a plan that was `accepted` stands what came of it.
        """
        caps: Mapping[Uid, RatioCap | None] = {}
        if plan is not None:
            caps = {one.series: one.cap for one in plan.series}
        recipient = Recipient(
            delivery=name,
            asking=context.asking,
            patients={
                stored.ref.study: stored.patient
                for stored, _ in held.instances
                if stored.patient is not None
            },
            caps=caps,
        )

        async def ended(sent: Sequence[InstanceFidelity]) -> None:
            if plan is not None and accepted:
                await self._book.happened(plan.id, sent, at=self._now())
            await self._deliveries.ended(recipient, sent, at=self._now())

        delivery.tell(name, ended)
        self._deliveries.begun(delivery, recipient)
        return delivery

    async def _made(self, held: Held, wish: DeliveryWish, context: CallContext) -> DeliveryPlan:
        link = self._goodput.link(str(context.asking), wish.link)
        return await self._planning.plan(held, wish, link, shared=_is_here(context.caller))


def _is_here(caller: Caller) -> bool:
    """Whether who calls runs on this very machine, as both countries of a demonstration do."""
    try:
        return ip_address(caller.address).is_loopback
    except ValueError:
        return False


def _patients(held: Held) -> tuple[PatientId, ...]:
    found = dict.fromkeys(stored.patient for stored, _ in held.instances)
    return tuple(patient for patient in found if patient is not None)
