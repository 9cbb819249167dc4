"""What stories read of plans and jobs, and what they make of it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from scenarios import deliveries
from scenarios.client import Portal
from scenarios.deliveries import Delivery
from scenarios.links import Link
from scenarios.seeds import Seeds
from scenarios.story import Story
from tests.scenarios.planned import Line, plan, planned

SEEDS = Seeds(community="2.999.1.1", roles={}, nobody={}, folders=())


def make_story(**links: Line) -> Story:
    """A story with these links and no portal."""
    lines = cast(dict[str, Link], links)
    return Story(cast(Portal, None), SEEDS, say=lambda _line: None, links=lines)


def make_delivery(**job: Any) -> Delivery:
    """Two images, the second a second after the first."""
    view = {"state": "complete", "seconds": 5.0, "bytes": 3000, "first_image_seconds": 4.0} | job
    kept = tuple(
        {"instance": f"1.4.{n}", "at": f"2026-11-23T12:00:0{n}+00:00", "size_bytes": 1500}
        for n in (1, 2)
    )
    return Delivery(job=view, timeline=((1.0, 100.0), (4.0, 1500.0)), kept=kept)


def test_totals_of_a_plan_are_of_what_comes() -> None:
    """Deferred images count for nothing; as stored counts everything."""
    found = plan(planned(1), planned(2, seconds=2.5), planned(3, "deferred"))

    assert deliveries.planned_bytes(found) == 2000
    assert deliveries.planned_seconds(found) == 2.5
    assert deliveries.stored_bytes(found) == 6_002_000
    assert [one["ref"]["instance"] for one in deliveries.actions(found, "deferred")] == ["1.4.3"]
    assert deliveries.planned_words(found) == "2.00 kB in 2.50 s predicted"
    assert deliveries.caption(found).startswith("Link: 4 Mbit/s, 80 ms there and back (declared).")
    assert "2 lossless (JPEG-LS), 1 deferred" in deliveries.caption(found)


def test_one_codec_for_everything_is_one_that_the_plan_does_not_take() -> None:
    """And is no codec at all where pixels stay plain; notes go as they are."""
    assert list(deliveries.single_codecs(plan(planned(1)))) == [("HTJ2K", 5.0, 2_502_000)]


def test_lines_of_a_picture_add_up() -> None:
    """The plan instance by instance, what came to its end, the others from nothing."""
    found = plan(planned(2, seconds=2.0), planned(1))
    delivery = make_delivery()

    assert deliveries.planned_line(found).points == ((1.0, 1000.0), (2.0, 2000.0))
    assert deliveries.came_line(delivery, "x").points[-1] == (5.0, 3000.0)
    assert [line.seconds for line in deliveries.other_lines(found)] == [12.9, 5.0]
    assert [line.seconds for line in deliveries.other_lines(found, stored=False)] == [5.0]


def test_moments_are_those_the_job_tells() -> None:
    """A job without key images has no such moment."""
    delivery = make_delivery()
    line = deliveries.came_line(delivery, "x")

    moments = deliveries.moments_of(delivery, line, "again: ")

    words = [(moment.words, moment.seconds) for moment in moments]
    assert words == [("again: first image", 4.0), ("again: last image", 5.0)]
    assert deliveries.looks_words(delivery) == "first image after 4.00 s, everything after 5.00 s"


def test_when_an_image_came_is_counted_back_from_the_end() -> None:
    """None for one that is not there."""
    assert make_delivery().came_at("1.4.1") == 4.0
    assert make_delivery().came_at("1.4.2") == 5.0
    assert make_delivery().came_at("1.4.3") is None


def test_a_delivery_is_held_against_its_plan() -> None:
    """As shares of what was predicted."""
    assert deliveries.off(110, 100) == pytest.approx(0.1)
    assert deliveries.off(1, 0) == 0.0
    words = deliveries.against_plan(make_delivery(), plan(planned(1, size=2500, seconds=4.0)))
    assert words == "against the plan: bytes +20.0%, time +25.0%"


async def test_images_go_by_their_own_line_if_they_have_one() -> None:
    """Else by the other; what is known of it is a need, and a line without a rate is none."""
    both = make_story(metadata=Line("a"), images=Line("b", 8e6))
    one = make_story(metadata=Line("a"))

    assert await deliveries.own_link(both) == {"link": {"mbit": 8.0, "round_trip_ms": 80.0}}
    assert await deliveries.own_link(one) == {}
    assert await deliveries.own_link(make_story()) == {}
    assert deliveries.image_link(make_story()) is None


def test_what_cannot_be_told_says_why() -> None:
    """No line, or no study worth one."""
    studies = [{"uid": "1.2", "instances": 49}, {"uid": "1.3", "instances": 316}]

    assert deliveries.why_not(make_story(), studies) == deliveries.NO_LINK
    assert deliveries.why_not(make_story(metadata=Line()), studies[1:]) == deliveries.TOO_SMALL
    assert deliveries.why_not(make_story(metadata=Line()), studies) == ""
