"""Options that are given up for a tie, and the crossovers that were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.compression.lossless import _load, open_options
from gateway.compression.timeline import Processors
from gateway.compression.ways import SeriesMenu
from gateway.domain.delivery import Decoding, DeliveryWish, SyntaxChoice
from gateway.domain.delivery_plan import DeliveryAction
from tests.compression.plan_studies import SYNTAXES, coding, study
from tests.compression.planning import SENDER, plan_of

HOP = DeliveryWish(
    syntaxes=tuple(SYNTAXES[name] for name in ("110", "80", "202", "90", "ele")),
    choice=SyntaxChoice.SENDER,
    decoding=Decoding.GATEWAY,
)


def _first_rate_without(name: str) -> float:
    """Mbit/s from which on a CT is not sent in a coding any more."""
    low, high = 0.1, 10_000.0
    for _ in range(12):
        middle = (low * high) ** 0.5
        taken = plan_of([study("ct", count=100)], HOP, middle).instances[-1]
        stored = taken.action is DeliveryAction.AS_STORED
        ladder = ["110e7", "110e3", "80", "202"]
        place = 4 if stored else [coding(one) for one in ladder].index(taken.coding or HOP_NONE)
        if place <= ladder.index(name):
            low = middle
        else:
            high = middle
    return low


HOP_NONE = coding("ele")


@pytest.mark.parametrize(
    ("name", "least", "most"),
    # 7 instead of 4-5 Mbit/s for effort 7: two cores code at once. 130 instead of 150 Mbit/s for
    # JPEG-LS: the cores that code send too. 600 instead of 1,000 Mbit/s for HTJ2K: it is decoded by
    # OpenJPEG, at half the speed of the study's OpenJPH.
    [("110e7", 3.5, 8), ("110e3", 35, 55), ("80", 125, 175), ("202", 400, 1800)],
)
def test_crossovers_are_as_measured(name: str, least: float, most: float) -> None:
    assert least < _first_rate_without(name) < most


def test_what_ties_with_a_preferred_coding_is_given_up() -> None:
    wish = DeliveryWish(syntaxes=(SYNTAXES["202"], SYNTAXES["80"]), choice=SyntaxChoice.SENDER)
    menu = SeriesMenu(*study("mr"), wish, SENDER)
    assert [each.coding for each in open_options(menu)] == [coding("202")]


def test_the_first_image_does_not_keep_the_link_waiting_for_a_slow_effort() -> None:
    plan = plan_of([study("ct", count=30)], HOP, 2.0)
    assert [one.coding for one in plan.instances[:3]] == [
        coding("110e3"),
        coding("110e7"),
        coding("110e7"),
    ]
    assert {one.coding for one in plan.instances[1:]} == {coding("110e7")}
    assert "comes first" in plan.instances[0].reason
    assert [each.coding for each in plan.series[0].forecasts if each.chosen] == [coding("110e7")]


def test_a_note_before_the_first_image_changes_nothing_of_that() -> None:
    notes, images = study("sr", count=1, number=0), study("ct", count=30, number=1)
    plan = plan_of([notes, images], HOP, 2.0)
    coded = [one.coding for one in plan.instances if one.action is DeliveryAction.LOSSLESS]
    assert coded[0] == coding("110e3")
    assert set(coded[1:]) == {coding("110e7")}


def test_a_quick_beginning_is_not_taken_where_its_bytes_are_too_many() -> None:
    facts, sample = study("ct", count=30)
    size = plan_of([(facts, sample)], HOP, 2.0).instances[-1].size_bytes
    most = 30 * size * (1 + SeriesMenu(facts, sample, HOP, SENDER).estimate.reserve)
    plan = plan_of([(facts, sample)], replace(HOP, max_bytes=int(most) + 1), 2.0)
    assert {one.coding for one in plan.instances} == {coding("110e7")}


def test_the_load_of_a_series_counts_the_sending_of_each_of_its_images() -> None:
    (stored, *_) = SeriesMenu(*study("ct", count=40), HOP, SENDER).options
    assert _load(stored, Processors(2, 2, handling_seconds=0.1)) == pytest.approx(40 * 0.1 / 2)
