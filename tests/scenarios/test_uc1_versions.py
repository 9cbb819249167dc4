"""Versions as a story."""

from __future__ import annotations

from pathlib import Path

from scenarios import uc1_versions
from scenarios.result import Verdict
from tests.scenarios.told import population, seeds_of, told


async def test_versions_in_force_pass(tmp_path: Path) -> None:
    """Corrected report, grown study, preliminary report, nothing: all as they must be."""
    country, info = population()

    story, lines = await told(uc1_versions.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.PASS, lines
    assert len(story.steps) == 6


async def test_a_listed_preliminary_report_fails(tmp_path: Path) -> None:
    """A draft that crosses the border is caught."""
    country, info = population(report_of_preliminary=True)

    story, _ = await told(uc1_versions.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.FAIL
    assert story.steps[-1].name == "A preliminary report is never listed; its study is"
