"""Filters as a story."""

from __future__ import annotations

from pathlib import Path

from gateway.domain import PatientId
from scenarios import uc1_filters
from scenarios.result import Verdict
from tests.fakes import AUTHORITY, make_entry
from tests.scenarios.told import population, seeds_of, told


async def test_each_filter_gives_what_it_must(tmp_path: Path) -> None:
    """All eight values of Article 10 are filtered by, one at a time and two together."""
    country, info = population()
    main = PatientId("main", AUTHORITY)
    country.entries += (make_entry("2.999.9", b"x", study="2.999.7.77", patient=main),)

    story, lines = await told(uc1_filters.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.PASS, lines
    names = " ".join(step.name for step in story.steps)
    for words in (
        "class report", "class manifest", "modality", "region", "procedure", "procedure date",
        "study instance UID", "accession number", "order identifier", "Two filters",
    ):  # fmt: skip
        assert words in names


async def test_a_country_that_does_not_filter_is_caught(tmp_path: Path) -> None:
    """Rows that Country B had to drop fail the step, although the list shown is right."""
    country, info = population()
    country.ignores_filters = True
    country.entries = tuple(entry for entry in country.entries if entry.patient.value == "main")

    story, _ = await told(uc1_filters.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.FAIL
    assert "did not filter" in story.steps[-1].note
