"""A line that is cut as a story."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from scenarios import deliveries, uc1_cut_and_resume
from scenarios.deliveries import Delivery
from scenarios.links import Link
from scenarios.result import Verdict
from tests.scenarios.planned import Line
from tests.scenarios.told import population, seeds_of, told


async def test_without_a_line_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """Countries that meet directly have nothing to tell."""
    country, info = population()

    story, _ = await told(uc1_cut_and_resume.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert story.steps[0].note == deliveries.NO_LINK


async def test_a_line_is_cut_once_for_each_share_that_is_here() -> None:
    """Counted over all jobs; nothing is cut when nothing moves."""
    line = Line()
    cutter = uc1_cut_and_resume._Cutter(cast(Link, line), [100.0, 200.0])

    for size in (50, 120, 130, 210, 300):
        await cutter.look({"bytes": size, "seconds": size / 100})

    assert (line.cuts, cutter.connections) == (2, 4)
    assert cutter.cuts == [1.2, 2.1]


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ([{}, {}], "the job ended short and was asked for again 1 times"),
        ([{"resumed": 3, "again_bytes": 1000}], "the gateway resumed 3 times by itself, 1.00 kB"),
        ([{"resumed": 1}, {}], "the gateway resumed 1 times, and was asked again 1 times"),
        ([{}], "the job went on by itself, and does not say how often"),
    ],
)
def test_who_went_on_is_told(jobs: list[dict[str, int]], says: str) -> None:
    """The gateway by itself, or whoever asked again."""
    told_jobs = [Delivery(job=job, timeline=(), kept=()) for job in jobs]

    assert uc1_cut_and_resume._how(told_jobs).startswith(says)


def test_places_are_many_and_within_what_is_predicted() -> None:
    """Every time the same, so that two runs can be compared."""
    found = uc1_cut_and_resume.places(1000)

    assert found == sorted(uc1_cut_and_resume.places(1000))
    assert len(set(found)) == uc1_cut_and_resume.CUTS == 20
    assert 20 <= found[0] < found[-1] <= 900
