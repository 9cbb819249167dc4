"""How Country A answers a request for images: by a plan accepted, a plan made, or the order asked.

A wish that names a plan gets what that says; one that lets the sender choose is planned here and
now; any other is answered in the order of its syntaxes. What goes out under a plan is written
beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from country_a.images import Held, StoreDelivery, deliver_by_order, deliver_by_plan
from country_a.plan_book import PlanBook
from country_a.planning import Planning
from country_a.rendering import Renderer
from gateway.domain import (
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    InstanceFidelity,
    PatientId,
    SyntaxChoice,
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
        goodput: Goodput,
        now: Callable[[], datetime],
    ) -> None:
        self._planning = planning
        self._renderer = renderer
        self._book = book
        self._goodput = goodput
        self._now = now

    async def plan(self, held: Held, wish: DeliveryWish, context: CallContext) -> DeliveryPlan:
        """A plan for what is held, kept for who asks; the one the wish names, if it names one."""
        if wish.plan:
            return await self._book.get(wish.plan, asking=context.asking, patients=_patients(held))
        plan = await self._made(held, wish, context)
        await self._book.add(plan, asking=context.asking, patients=_patients(held), at=self._now())
        return plan

    async def deliver(self, held: Held, wish: DeliveryWish, context: CallContext) -> StoreDelivery:
        """What is held, on its way in the forms that were accepted, planned or asked for."""
        if wish.plan:
            patients = _patients(held)
            plan = await self._book.get(wish.plan, asking=context.asking, patients=patients)

            async def ended(sent: Sequence[InstanceFidelity]) -> None:
                await self._book.happened(plan.id, sent, at=self._now())

            return deliver_by_plan(held, plan, self._renderer, ended, have=wish.have)
        if wish.choice is SyntaxChoice.SENDER and held.instances:
            plan = await self._made(held, wish, context)
            return deliver_by_plan(held, plan, self._renderer)
        return deliver_by_order(held, wish, self._renderer)

    async def _made(self, held: Held, wish: DeliveryWish, context: CallContext) -> DeliveryPlan:
        link = self._goodput.link(str(context.asking), wish.link)
        return await self._planning.plan(held, wish, link)


def _patients(held: Held) -> tuple[PatientId, ...]:
    found = dict.fromkeys(stored.patient for stored, _ in held.instances)
    return tuple(patient for patient in found if patient is not None)
