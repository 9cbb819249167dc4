"""Stated needs: what can be wished for, and what is refused with its reason."""

from __future__ import annotations

import pytest

from gateway.domain import DeliveryWish, InvalidWish, LinkProfile


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 1e13])
def test_a_link_of_no_possible_rate_is_refused(rate: float) -> None:
    """A link that is not one is refused where it is stated."""
    with pytest.raises(InvalidWish, match="link"):
        LinkProfile(bits_per_second=rate)


def test_seconds_are_bits_over_the_rate_and_the_round_trips() -> None:
    """The time of a size is its bits over the rate, and a round trip for asking."""
    link = LinkProfile(bits_per_second=8e6, round_trip_seconds=0.1)

    assert link.seconds_for(1_000_000) == pytest.approx(1.1)
    assert link.seconds_for(1_000_000, round_trips=3) == pytest.approx(1.3)


def test_the_first_image_cannot_be_wanted_after_the_last() -> None:
    """Needs that contradict each other are refused, naming both."""
    with pytest.raises(InvalidWish, match=r"first image: found 30, expected at most the 10 s"):
        DeliveryWish(deadline_seconds=10, first_image_seconds=30)


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("deadline", {"deadline_seconds": -1.0}),
        ("deadline", {"deadline_seconds": float("nan")}),
        ("first image", {"first_image_seconds": 0.0}),
        ("maximum bytes", {"max_bytes": 0}),
        ("transfer syntaxes", {"syntaxes": ()}),
        ("first look", {"first_look": 6}),
        ("first look", {"first_look": 1, "plan": "p-1"}),
    ],
)
def test_a_need_that_nothing_can_meet_is_refused_by_its_name(name: str, needs: dict) -> None:  # type: ignore[type-arg]
    """Each need says which it is when it cannot be one."""
    with pytest.raises(InvalidWish, match=name):
        DeliveryWish(**needs)
