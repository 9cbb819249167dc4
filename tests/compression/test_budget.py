"""Losses stay within caps and fit; what does not fit is deferred, whole series first."""

from __future__ import annotations

from gateway.compression.budget import bar_of, near_levels
from gateway.compression.ways import SeriesMenu
from gateway.domain.delivery import DeliveryWish, SyntaxChoice
from gateway.domain.delivery_plan import DeliveryAction
from tests.compression.plan_studies import SYNTAXES, study
from tests.compression.planning import SENDER, plan_of

WISH = DeliveryWish(syntaxes=(SYNTAXES["80"],), choice=SyntaxChoice.SENDER, deadline_seconds=4.0)


def test_a_smaller_series_goes_whole_where_a_greater_one_does_not() -> None:
    plan = plan_of([study("ct"), study("mr")], WISH)
    gone = {one.ref.series for one in plan.instances if one.action is DeliveryAction.DEFERRED}
    assert gone == {study("ct")[0].series}
    assert plan.seconds <= 4.0


def test_what_is_deferred_says_when_it_would_be_there() -> None:
    last = plan_of([study("ct")], WISH).instances[-1]
    assert last.action is DeliveryAction.DEFERRED
    assert "within 4 s over 10 Mbit/s" in last.reason
    assert "after" in last.reason


def test_key_images_and_small_ones_stay_lossless() -> None:
    menu = SeriesMenu(*study("ct", keys=1, count=2), WISH, SENDER)
    assert bar_of(menu, menu.series.instances[0]) == ""
    assert "key image" in bar_of(menu, menu.series.instances[1])
    small = SeriesMenu(*study("pt", count=1), WISH, SENDER)
    assert "small" in bar_of(small, small.series.instances[0])


def test_levels_grow_to_the_greatest_step() -> None:
    assert [(each.near, each.kappa) for each in near_levels(2, 0.75)] == [(1, 0.375), (2, 0.75)]
