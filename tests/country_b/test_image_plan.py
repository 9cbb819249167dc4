"""A plan of a delivery, accepted: its order, what it does not send, and what need not be sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from country_b.image_plan import AcceptedPlan, accept_plan
from gateway.domain import (
    BadRequest,
    Begun,
    CallContext,
    Coding,
    DeliveryAction,
    DeliveryPlan,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    LinkProfile,
    NotFound,
    NotNow,
    PlannedInstance,
    Refusal,
    SyntaxChoice,
    Uid,
)
from tests.fakes import COUNTRY_A, REPOSITORY, make_study
from tests.requests import context_for

MANIFEST = make_study()
WISH = DeliveryWish(choice=SyntaxChoice.SENDER)
REQUEST = ImageRequest.of_manifest(MANIFEST, COUNTRY_A, default_location=REPOSITORY)
REFS = [ref for ref, _ in REQUEST.instances]
DEFERRED, REFUSED = DeliveryAction.DEFERRED, DeliveryAction.REFUSED


def make_plan() -> DeliveryPlan:
    """The first image of six is unknown, the last two do not come, the order is turned round."""
    coding = Coding(syntax=WISH.syntaxes[0])
    come = [
        PlannedInstance(
            ref=ref, action=DeliveryAction.LOSSLESS, reason="", coding=coding, size_bytes=10
        )
        for ref in (REFS[3], REFS[2], REFS[1])
    ]
    stay = [
        PlannedInstance(ref=REFS[4], action=DEFERRED, reason="too late"),
        PlannedInstance(ref=REFS[5], action=REFUSED, reason="no syntax"),
    ]
    return DeliveryPlan(
        id="p-1",
        wish=WISH,
        link=LinkProfile(),
        instances=(*come, *stay),
        series=(),
        stored_seconds=1.0,
    )


class Planner:
    """Plans, or refuses."""

    def __init__(self, answer: DeliveryPlan | ExchangeError) -> None:
        self._answer = answer

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """As told."""
        if isinstance(self._answer, ExchangeError):
            raise self._answer
        return self._answer


async def accepted() -> AcceptedPlan:
    """The plan of this file."""
    found = await accept_plan(Planner(make_plan()), REQUEST, WISH, context_for("ihe"))
    assert found is not None
    return found


async def test_what_the_plan_sends_is_asked_for_in_its_order() -> None:
    """And nothing that it does not send."""
    plan = await accepted()

    assert [ref for ref, _ in plan.in_order(REQUEST.instances)] == [REFS[3], REFS[2], REFS[1]]


async def test_what_does_not_come_is_missing_for_the_reason_of_the_plan() -> None:
    """Whether it is deferred, refused, or not in it at all."""
    plan = await accepted()

    found = {
        issue.subject: (issue.refusal, issue.text) for issue in plan.not_coming(REQUEST.instances)
    }

    assert found == {
        REFS[0].instance: (Refusal.UNKNOWN_INSTANCE, "plan p-1 says nothing of it"),
        REFS[4].instance: (Refusal.DEFERRED, "too late"),
        REFS[5].instance: (Refusal.UNSUPPORTED_SYNTAX, "no syntax"),
    }


async def test_a_loss_is_known_of_before_it_is_asked_for() -> None:
    """Of what is wanted; what else the plan sends with a loss is no matter."""
    plan = make_plan()
    first, *others = plan.instances
    coding = Coding(syntax=WISH.syntaxes[0], near=1)
    lossy = replace(first, action=DeliveryAction.LOSSY, coding=coding, derived=Uid("2.999.77"))
    losing = AcceptedPlan(replace(plan, instances=(lossy, *others)), (await accepted()).places)

    assert losing.loses(REQUEST.instances)
    assert not losing.loses([REQUEST.instances[0], *REQUEST.instances[4:]])
    assert not (await accepted()).loses(REQUEST.instances)


async def test_only_what_is_asked_for_afresh_is_to_be_sent() -> None:
    """What has begun is asked for by itself; everything else in the plan is here or not wanted."""
    plan = await accepted()
    some = replace(
        REQUEST,
        instances=tuple(pair for pair in REQUEST.instances if pair[0] in (REFS[1], REFS[2])),
        begun={REFS[1].instance: Begun(3, '"a"')},
    )

    wish = plan.wish(WISH, some)

    assert wish.plan == "p-1"
    assert wish.have == {0, 2, 3, 4}
    assert plan.view() == {"id": "p-1", "seconds": 0.0, "size_bytes": 30}


@pytest.mark.parametrize(
    "error",
    [BadRequest(Refusal.UNSUPPORTED, "none"), NotFound(Refusal.UNKNOWN_INSTANCE, "no such page")],
)
async def test_a_peer_that_plans_nothing_is_asked_without(error: ExchangeError) -> None:
    """It does not know our address, or says so."""
    assert await accept_plan(Planner(error), REQUEST, WISH, context_for("ihe")) is None


@pytest.mark.parametrize(
    ("error", "plan"),
    [
        (NotFound(Refusal.UNKNOWN_DOCUMENT, "no plan"), "p-2"),
        (NotNow(Refusal.PEER_UNREACHABLE, "gone"), ""),
    ],
)
async def test_a_plan_that_is_named_is_not_passed_over(error: ExchangeError, plan: str) -> None:
    """Nor is a peer that is down taken for one that plans nothing."""
    with pytest.raises(type(error)):
        await accept_plan(Planner(error), REQUEST, replace(WISH, plan=plan), context_for("ihe"))
