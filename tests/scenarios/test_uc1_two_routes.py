"""Two routes as a story."""

from __future__ import annotations

from pathlib import Path

from scenarios import uc1_two_routes
from scenarios.result import Verdict
from tests.scenarios.told import population, seeds_of, told


async def test_without_a_line_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """Countries that meet directly have nothing to tell."""
    country, info = population()

    story, _ = await told(uc1_two_routes.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert story.steps[0].note == uc1_two_routes.NO_ROUTE


def test_a_study_of_middling_size_is_taken() -> None:
    """The largest would take minutes."""
    studies = [{"uid": name, "instances": n} for name, n in (("a", 316), ("b", 1), ("c", 49))]

    assert uc1_two_routes._study(studies)["uid"] == "c"
    assert uc1_two_routes._study(studies[:1])["uid"] == "a"
