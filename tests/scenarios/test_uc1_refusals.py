"""Refusals as a story."""

from __future__ import annotations

from pathlib import Path

from scenarios import uc1_refusals
from scenarios.result import Verdict
from tests.fakes import FakeExchange
from tests.scenarios.told import population, seeds_of, told


async def test_every_refusal_is_as_expected(tmp_path: Path) -> None:
    """Order, identity, consent and emergency: each is refused for its reason."""
    country, info = population()

    story, lines = await told(uc1_refusals.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.PASS, lines
    assert len(story.steps) == 9


async def test_a_country_without_consent_fails(tmp_path: Path) -> None:
    """A country that lists in spite of a denial is caught."""
    country, info = population()
    lax = FakeExchange(patients=country.patients, entries=country.entries)

    story, _ = await told(uc1_refusals.tell, lax, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.FAIL
    assert story.steps[-1].note.startswith("accepted, expected a refusal: no-consent")
