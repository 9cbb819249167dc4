"""Every filter of Article 10, alone and in pairs, gives the same list whichever wire carries it.

Country A is asked in each way that Country B has to ask it. The first is the measure of the others:
the same documents in the same order. A way whose dialect asks for documents of some types alone,
and says so, is held to those; it is sent the whole list whatever is asked for, so that pairs of
filters are left out there where the list is long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations

from scenarios import steps
from scenarios.client import Json, Visit
from scenarios.seeds import Patient
from scenarios.story import CheckFailed, Story, Telling, check, equal

WAYS_STEP = "Country A is asked in every way there is"
# What a dialect that needs a type asks for: imaging studies and reports (LOINC).
IMAGING_TYPES = frozenset({"18748-4", "85430-7"})
MARGIN = timedelta(days=15)
LONG = 500  # documents; twenty-eight times the whole of a longer list fills a store of transcripts


async def tell(story: Story) -> None:
    """A visit a way, the list without filters, then each filter and each two of them."""
    communities = await story.portal.communities()
    ways: list[str] = next(
        (each.get("ways", []) for each in communities if each["id"] == story.seeds.community), []
    )
    if len(ways) < 2:
        story.skip(5, WAYS_STEP, "Country B has no ways to choose from (peers.ways)")
        return
    patient = _patient(story)
    visits: dict[str, Visit] = {}
    async with story.step(4, steps.IDENTIFIED) as step:
        for way in ways:
            visits[way] = await steps.confirmed(story, patient, way=way)
        step.note(", ".join(visits))
    async with story.step(6, "List without filters") as step:
        answers = await _same(visits, {}, step)
        rows: list[Json] = answers[ways[0]]["rows"]
        filters = _filters(rows)
    able = visits
    if len(_documents(rows)) > LONG:
        able = {way: visits[way] for way in ways if not _needs_types(answers[way])}
    found = []
    cases = {name: [name] for name in filters}
    cases |= {f"{one} + {two}": [one, two] for one, two in combinations(filters, 2)}
    for name, together in cases.items():
        async with story.step(5, name[0].upper() + name[1:]) as step:
            body = {key: value for each in together for key, value in filters[each].items()}
            answers = await _same(able if len(together) > 1 else visits, body, step)
            found.append(bool(answers[ways[0]]["rows"]))
    async with story.step(6, "Every filter and every two of them find something") as step:
        step.note(f"{len(filters)} filters, {len(cases) - len(filters)} pairs")
        if left := visits.keys() - able.keys():
            step.note(f"pairs over {', '.join(sorted(left))} left out, for the list is long")
        check(all(found), f"{found.count(False)} of {len(found)} lists are empty")


def _patient(story: Story) -> Patient:
    """Who has the longest list."""
    return story.seeds.many or story.seeds.role("many-studies")


def _needs_types(answer: Json) -> bool:
    return any(issue["subject"] == "type" for issue in answer["issues"])


async def _same(visits: dict[str, Visit], body: Json, step: Telling) -> dict[str, Json]:
    """Ask the same in every way: all must have the documents of the first. The answers, by way."""
    answers = {way: await visit.post("list", body) for way, visit in visits.items()}
    first, *others = answers
    rows: list[Json] = answers[first]["rows"]
    wanted = _documents(rows)
    told = [f"{first} {len(wanted)}"]
    for way in others:
        expected = _documents(rows, IMAGING_TYPES) if _needs_types(answers[way]) else wanted
        _compare(f"{way} against {first}", _documents(answers[way]["rows"]), expected)
        less = len(wanted) - len(expected)
        told.append(f"{way} the same" + (f" but {less} of no imaging type" if less else ""))
    for way, answer in answers.items():
        equal(f"rows that Country A did not filter ({way})", answer["dropped"], {})
    step.note(", ".join(told))
    return answers


def _documents(rows: list[Json], types: frozenset[str] | None = None) -> list[str]:
    """The documents of a list in their order, of some types or of any."""
    return [
        str(document["id"])
        for row in rows
        for document in row["documents"]
        if types is None or document["type"]["value"] in types
    ]


def _compare(what: str, found: Sequence[str], expected: Sequence[str]) -> None:
    extra, missing = set(found) - set(expected), set(expected) - set(found)
    check(
        not extra and not missing,
        f"{what}: {len(extra)} too many {sorted(extra)[:3]}, "
        f"{len(missing)} missing {sorted(missing)[:3]}",
    )
    moved = next((i for i, pair in enumerate(zip(found, expected, strict=False), 1)
                  if pair[0] != pair[1]), 0)  # fmt: skip
    check(list(found) == list(expected), f"{what}: another order, from place {moved} on")


def _filters(rows: list[Json]) -> dict[str, Json]:
    """The eight filters, each with what one and the same row has: so that every two find it."""
    row = next(
        (
            each
            for each in rows
            if all(each[key] for key in ("modalities", "regions", "procedures", "studies"))
            and all(each[key] for key in ("accessions", "orders"))
            and len(each["performed"]) >= len("2026-11-22")
        ),
        None,
    )
    if row is None:
        raise CheckFailed("no row of the list has everything that one can filter by")
    day = date.fromisoformat(row["performed"][:10])

    def code(key: str) -> Json:
        return {"value": row[key][0]["value"], "scheme": row[key][0]["scheme"]}

    return {
        "document class": {"document_class": row["document_class"]},
        "modality": {"modality": code("modalities")},
        "region": {"region": code("regions")},
        "procedure": {"procedure": code("procedures")},
        "procedure date": {
            "performed_from": f"{day - MARGIN}",
            "performed_to": f"{day + MARGIN}",
        },
        "study": {"study": row["studies"][0]},
        "accession number": {"accession": dict(row["accessions"][0])},
        "order": {"order": dict(row["orders"][0])},
    }
