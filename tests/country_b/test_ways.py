"""A visit keeps to the way in which it was told to ask the other country."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from country_b.initiator import Community
from tests.country_b.portal import IDENTIFY, MANIFEST, REPORT, Visit, portal
from tests.fakes import COUNTRY_A, FakeExchange, make_house

FHIR = {"way": "fhir"}


@asynccontextmanager
async def visit_of(usual: FakeExchange, other: FakeExchange, state: Path) -> AsyncIterator[Visit]:
    """A visit about to identify, where Country A can be asked in the usual way and in another."""
    community = Community(id=COUNTRY_A, ways=("fhir",))
    async with portal(
        usual,
        state,
        communities={COUNTRY_A: community},
        ways={(COUNTRY_A, "fhir"): other},
    ) as client:
        yield await Visit(client).prepared()


async def test_every_verb_goes_the_way_that_was_chosen(tmp_path: Path) -> None:
    """From the patient to the images; nothing goes the usual way, and the visit says which."""
    usual, other = make_house(), make_house()
    async with visit_of(usual, other, tmp_path) as visit:
        await visit.post("identify", IDENTIFY | FHIR)
        shown = await visit.post("confirm")
        await visit.post("list")
        await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})
        job = await visit.images()

    assert shown["way"] == "fhir"
    assert job["state"] == "complete"
    assert [verb for verb, *_ in other.calls] == ["identify", "find", "retrieve", "images"]
    assert usual.calls == []


async def test_without_a_choice_the_usual_way_is_gone(tmp_path: Path) -> None:
    """And who looks for another patient chooses anew."""
    usual, other = make_house(), make_house()
    async with visit_of(usual, other, tmp_path) as visit:
        await visit.post("identify", IDENTIFY | FHIR)
        await visit.post("identify", IDENTIFY)
        shown = await visit.post("confirm")
        await visit.post("list")

    assert shown["way"] == ""
    assert [verb for verb, *_ in usual.calls] == ["identify", "find"]
    assert [verb for verb, *_ in other.calls] == ["identify"]


async def test_ways_are_named_and_another_is_refused(tmp_path: Path) -> None:
    """Before anybody is asked, with the names there are."""
    usual, other = make_house(), make_house()
    async with visit_of(usual, other, tmp_path) as visit:
        listed = await visit.call("GET", "/api/communities")
        refused = await visit.post("identify", IDENTIFY | {"way": "pigeon"}, status=400)

    assert [each["ways"] for each in listed["communities"]] == [["fhir"]]
    assert refused["fields"] == {"way": "expected one of: fhir"}
    assert usual.calls == other.calls == []
