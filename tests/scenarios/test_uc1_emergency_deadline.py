"""A deadline in an emergency as a story."""

from __future__ import annotations

from pathlib import Path

from scenarios import deliveries, uc1_emergency_deadline
from scenarios.result import Verdict
from tests.scenarios.planned import plan, planned
from tests.scenarios.told import population, seeds_of, told


async def test_without_a_line_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """Countries that meet directly have nothing to tell."""
    country, info = population()

    story, _ = await told(uc1_emergency_deadline.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert story.steps[0].note == deliveries.NO_LINK


def test_ratios_are_of_raw_bytes_to_what_came_by_series() -> None:
    """Only of images that lost something, each with the cap of its series."""
    derived = [{"series": "1.3", "size_bytes": size} for size in (400_000, 600_000)]

    [(ratio, cap)] = uc1_emergency_deadline._ratios(plan(planned(1, "lossy")), derived)

    assert ratio == 4.0
    assert cap["ratio"] == 8.0
