"""Equal answers as a story: what counts as the same, and what does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from country_b.initiator import Community
from gateway.domain import (
    CallContext,
    Code,
    DocumentEntry,
    DocumentQuery,
    Issue,
    Outcome,
    PatientId,
    Refusal,
    Severity,
    Timestamp,
)
from gateway.domain.codes import LOINC
from scenarios import uc1_equal_answers
from scenarios.result import Verdict
from scenarios.seeds import Seeds
from scenarios.story import Story
from tests.fakes import AUTHORITY, COUNTRY_A, FakeExchange, make_entry
from tests.scenarios.told import population, seeds_of, told

PATIENT = PatientId("main", AUTHORITY)
OTHER = replace(
    make_entry("2.999.9.2", b"y", study="2.999.7.78", patient=PATIENT, manifest=False),
    type_code=Code("18842-5", LOINC),
)

THESE_ALONE = Issue(
    refusal=Refusal.UNSUPPORTED,
    text="is asked for these alone",
    severity=Severity.WARNING,
    subject="type",
)


def country_of(*more: DocumentEntry) -> tuple[FakeExchange, Seeds]:
    """A country whose longest list has a study, its report, another study, and what is given."""
    country, info = population()
    country.entries += (make_entry("2.999.9.1", b"x", study="2.999.7.77", patient=PATIENT), *more)
    info["roles"]["many-studies"] = info["roles"]["main"]
    return country, seeds_of(info)


async def compared(
    usual: FakeExchange, other: FakeExchange, seeds: Seeds, state: Path
) -> tuple[Story, list[str]]:
    """The story, where one way leads to each of two countries."""
    ways: dict[str, Any] = {"soap": usual, "fhir": other}
    return await told(
        uc1_equal_answers.tell,
        usual,
        seeds,
        state,
        communities={COUNTRY_A: Community(id=COUNTRY_A, ways=tuple(ways))},
        ways={(COUNTRY_A, name): exchange for name, exchange in ways.items()},
    )


async def test_every_filter_and_every_two_are_asked_in_every_way(tmp_path: Path) -> None:
    """Eight and twenty-eight; each says how many documents came and that they are the same."""
    country, seeds = country_of()
    other, _ = country_of()

    story, lines = await compared(country, other, seeds, tmp_path)

    assert story.verdict is Verdict.PASS, lines
    assert len(story.steps) == 1 + 1 + 8 + 28 + 1
    assert story.steps[1].note == "soap 3, fhir the same"
    asked = [[verb for verb, *_ in exchange.calls] for exchange in (country, other)]
    assert asked[0] == asked[1] == ["identify", *["find"] * 37]


@dataclass
class Odd(FakeExchange):
    """A country that answers as the other does, but for the last row or its time."""

    how: str = ""

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """One too few, or the last of them said to be the newest."""
        *items, last = (await super().find_documents(query, context)).items
        if self.how == "later":
            items.append(replace(last, service_start=Timestamp.parse("2030")))
        return Outcome(tuple(items))


@pytest.mark.parametrize(("how", "words"), [("fewer", "1 missing"), ("later", "another order")])
async def test_other_rows_and_another_order_are_seen(tmp_path: Path, how: str, words: str) -> None:
    """The step fails and names the way."""
    country, seeds = country_of()
    odd = Odd(patients=country.patients, entries=country.entries, how=how)

    story, _ = await compared(country, odd, seeds, tmp_path)

    assert story.verdict is Verdict.FAIL
    assert "fhir against soap" in story.steps[-1].note
    assert words in story.steps[-1].note


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_dialect_that_needs_a_type_is_held_to_what_it_can_ask_for(
    tmp_path: Path, says_so: bool
) -> None:
    """Only where it says so: else a document is missing."""
    country, seeds = country_of(OTHER)
    other, _ = country_of()
    if says_so:
        other.issues["find"] = (THESE_ALONE,)

    story, _ = await compared(country, other, seeds, tmp_path)

    assert story.verdict is (Verdict.PASS if says_so else Verdict.FAIL)
    if says_so:
        assert story.steps[1].note == "soap 4, fhir the same but 1 of no imaging type"


async def test_pairs_are_left_out_where_a_long_list_comes_whole_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single filters are asked for all the same, and the last step says what was left out."""
    monkeypatch.setattr(uc1_equal_answers, "LONG", 2)
    country, seeds = country_of()
    other, _ = country_of()
    other.issues["find"] = (THESE_ALONE,)

    story, _ = await compared(country, other, seeds, tmp_path)

    assert story.verdict is Verdict.PASS
    assert [verb for verb, *_ in other.calls] == ["identify", *["find"] * 9]
    assert "pairs over fhir left out" in story.steps[-1].note


async def test_one_way_is_nothing_to_compare(tmp_path: Path) -> None:
    """Skipped, with the setting that names ways."""
    country, seeds = country_of()

    story, _ = await told(uc1_equal_answers.tell, country, seeds, tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert "peers.ways" in story.steps[0].note
