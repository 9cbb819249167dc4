"""A study over a narrow link as a story."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios import deliveries, uc1_narrow_link
from scenarios.deliveries import Delivery
from scenarios.result import Verdict
from scenarios.story import CheckFailed, Telling
from tests.scenarios.planned import plan, planned
from tests.scenarios.told import population, seeds_of, told


async def test_without_a_line_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """Countries that meet directly have nothing to tell."""
    country, info = population()

    story, _ = await told(uc1_narrow_link.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert story.steps[0].note == deliveries.NO_LINK


def delivery(seconds: float, size: int) -> Delivery:
    """What came in some time."""
    return Delivery(job={"seconds": seconds, "bytes": size}, timeline=(), kept=())


PLAN = plan(planned(1, size=2_000_000, seconds=4.0))


@pytest.mark.parametrize(
    ("stored", "came", "says"),
    [
        ((12.9, 6_000_000), (4.2, 2_050_000), "34% of the bytes and 33% of the time as stored"),
        ((25.0, 6_000_000), (10.0, 2_000_000), "this machine is slower than the line"),
    ],
)
def test_half_and_as_predicted_passes(
    stored: tuple[float, int], came: tuple[float, int], says: str
) -> None:
    """Bytes are judged always; times where the line, and not this machine, was the limit."""
    step = Telling(8, "x")

    uc1_narrow_link._check(step, PLAN, delivery(*stored), delivery(*came))

    assert says in "; ".join(step.notes)
    assert not step.incomplete


def test_a_machine_too_slow_for_the_line_leaves_it_open() -> None:
    """Neither a pass, for it was not sooner, nor a failure of the plan."""
    step = Telling(8, "x")

    uc1_narrow_link._check(step, PLAN, delivery(25.0, 6_000_000), delivery(20.0, 2_000_000))

    assert step.incomplete


@pytest.mark.parametrize(
    ("stored", "came", "says"),
    [
        ((12.9, 6_000_000), (5.9, 2_000_000), r"it was there \+1.90 s from when"),
        ((12.9, 6_000_000), (4.2, 2_500_000), r"the bytes are \+25% off"),
        ((12.9, 6_000_000), (8.0, 2_000_000), "more than 50% of the time"),
        ((12.9, 3_900_000), (4.0, 2_000_000), "more than 50% of the bytes"),
    ],
)
def test_more_than_half_or_not_as_predicted_fails(
    stored: tuple[float, int], came: tuple[float, int], says: str
) -> None:
    """With the number that is wrong."""
    with pytest.raises(CheckFailed, match=says):
        uc1_narrow_link._check(Telling(8, "x"), PLAN, delivery(*stored), delivery(*came))


def test_a_line_on_which_nothing_is_gained_asks_for_nothing() -> None:
    """The plan said so beforehand."""
    step = Telling(8, "x")
    plan_of_a_fast_line = plan(planned(1, size=2_000_000, seconds=4.0), stored_seconds=5.0)

    uc1_narrow_link._check(
        step, plan_of_a_fast_line, delivery(5.0, 3_000_000), delivery(4.0, 2_000_000)
    )

    assert "50% is not asked for" in step.notes[-1]


def looked(count: int, **more: object) -> Delivery:
    """A first look at so many images."""
    job = {"seconds": 1.5, "bytes": 250_000, "looked": count, "stopped_by": None, "missing": []}
    return Delivery(job={**job, **more}, timeline=(), kept=())


def test_a_first_look_says_what_it_costs() -> None:
    """And how much of the study has none."""
    step = Telling(8, "x")

    uc1_narrow_link._look(step, looked(48, missing=[{}]), delivery(4.0, 2_000_000))

    told = "; ".join(step.notes)
    assert "48 images to be looked at, a quarter of each side, after 1.50 s, for 12%" in told
    assert "1 object has no first look" in told


@pytest.mark.parametrize("wrong", [looked(0), looked(3, stopped_by={"text": "the line broke"})])
def test_a_first_look_at_nothing_is_none(wrong: Delivery) -> None:
    """Neither is one that was stopped."""
    with pytest.raises(CheckFailed):
        uc1_narrow_link._look(Telling(8, "x"), wrong, delivery(4.0, 2_000_000))
