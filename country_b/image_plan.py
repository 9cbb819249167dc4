"""A plan of a delivery, accepted: what comes, in which order, and what is not to be sent.

Where the sender may choose, what it will do is asked for before a byte moves, and then held to:
so an image has the same bytes whenever it is asked for, and the rest of it can be. A peer that
plans nothing is asked for the images without.

Guideline: Article 13 (support text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from country_b.image_asking import Wanted
from gateway.domain import (
    BadRequest,
    CallContext,
    DeliveryAction,
    DeliveryPlan,
    DeliveryPlanner,
    DeliveryWish,
    ImageRequest,
    Issue,
    NotFound,
    Refusal,
    Uid,
)


@dataclass(frozen=True, slots=True)
class AcceptedPlan:
    """A peer's plan, and the place of each instance in it."""

    plan: DeliveryPlan
    places: dict[Uid, int]

    def in_order(self, wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
        """What the plan sends, in its order."""
        coming = {one.ref.instance for one in self.plan.coming}
        sent = [pair for pair in wanted if pair[0].instance in coming]
        return tuple(sorted(sent, key=lambda pair: self.places[pair[0].instance]))

    def loses(self, wanted: Sequence[Wanted]) -> bool:
        """Whether anything of what is wanted comes with a loss."""
        return any(
            self.plan.instances[at].action is DeliveryAction.LOSSY
            for ref, _ in wanted
            if (at := self.places.get(ref.instance)) is not None
        )

    def not_coming(self, wanted: Sequence[Wanted]) -> tuple[Issue, ...]:
        """What the plan does not send of what is wanted, each with its reason."""
        return tuple(
            issue for ref, _ in wanted if (issue := self._why_not(ref.instance)) is not None
        )

    def _why_not(self, uid: Uid) -> Issue | None:
        at = self.places.get(uid)
        if at is None:
            text = f"plan {self.plan.id} says nothing of it"
            return Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=str(uid))
        planned = self.plan.instances[at]
        if planned.comes:
            return None
        is_deferred = planned.action is DeliveryAction.DEFERRED
        refusal = Refusal.DEFERRED if is_deferred else Refusal.UNSUPPORTED_SYNTAX
        return Issue(refusal=refusal, text=planned.reason, subject=str(uid))

    def wish(self, wish: DeliveryWish, request: ImageRequest) -> DeliveryWish:
        """The wish of a request under the plan: nothing is sent but what is asked for afresh.

        What has begun is asked for by itself.
        """
        asked = {ref.instance for ref, _ in request.instances} - request.begun.keys()
        have = frozenset(at for uid, at in self.places.items() if uid not in asked)
        return replace(wish, plan=self.plan.id, have=have)

    def view(self) -> dict[str, Any]:
        """What a job shows of it."""
        return {
            "id": self.plan.id,
            "seconds": round(self.plan.seconds, 3),
            "size_bytes": self.plan.size_bytes,
        }


async def accept_plan(
    planner: DeliveryPlanner, request: ImageRequest, wish: DeliveryWish, context: CallContext
) -> AcceptedPlan | None:
    """The peer's plan, or the one that the wish names; None where the peer plans nothing.

    A plan that is named and not there is refused as the peer refuses it.
    """
    try:
        plan = await planner.plan_images(request, wish, context)
    except (BadRequest, NotFound) as error:
        if wish.plan and error.refusal is not Refusal.UNSUPPORTED:
            raise
        return None
    return AcceptedPlan(plan, {one.ref.instance: at for at, one in enumerate(plan.instances)})
