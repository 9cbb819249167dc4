"""Plans for tests, with few words."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.compression.facts import SeriesFacts, SeriesSample
from gateway.compression.plan import make_plan
from gateway.compression.speeds import Sender
from gateway.domain.delivery import DeliveryWish, LinkProfile
from gateway.domain.delivery_plan import DeliveryPlan
from tests.compression.plan_studies import derived_uid

SENDER = Sender()
Study = tuple[SeriesFacts, SeriesSample | None]


def plan_of(studies: Sequence[Study], wish: DeliveryWish, mbit: float = 10.0) -> DeliveryPlan:
    """A plan of several series over a link."""
    return make_plan(
        [facts for facts, _ in studies],
        {facts.series: sample for facts, sample in studies if sample},
        wish,
        LinkProfile(bits_per_second=mbit * 1e6),
        sender=SENDER,
        derived_uid=derived_uid,
        id="plan-1",
    )
