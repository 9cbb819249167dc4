"""Every filter of the guideline's Article 10, one at a time and together.

What each must give is worked out here from the unfiltered list, by rules of our own; the answer
must be exactly that, and Country A must have filtered itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scenarios import steps
from scenarios.client import Json, Visit
from scenarios.story import Story, Telling, check, equal

Rule = Callable[[Json], bool]


async def tell(story: Story) -> None:
    """The list without filters, then each filter, then two of them, then one nothing fits."""
    async with story.step(4, steps.IDENTIFIED):
        visit = await steps.confirmed(story, story.seeds.role("main"))
    async with story.step(6, "List without filters") as step:
        everything = (await visit.post("list", {}))["rows"]
        check(len(everything) > 1, "the list is too short to be filtered")
        step.note(f"{len(everything)} rows")

    for name, body, rule in _cases(everything):
        async with story.step(5, f"Filter by {name}") as step:
            await _filtered(visit, everything, body, rule, step)

    cases = {name: (body, rule) for name, body, rule in _cases(everything)}
    if {"document class report", "modality"} <= cases.keys():
        async with story.step(5, "Two filters together") as step:
            (one, first), (two, second) = cases["document class report"], cases["modality"]
            both = one | two
            await _filtered(visit, everything, both, lambda row: first(row) and second(row), step)
    async with story.step(5, "A filter that nothing fits gives an empty list"):
        try_for = {"study": "2.999.0.0.1"}
        equal("rows", (await visit.post("list", try_for))["rows"], [])


async def _filtered(
    visit: Visit, everything: list[Json], body: Json, rule: Rule, step: Telling
) -> None:
    answer = await visit.post("list", body)
    found = {row["id"] for row in answer["rows"]}
    expected = {row["id"] for row in everything if rule(row)}
    check(
        found == expected,
        f"{len(found)} rows, expected {len(expected)}; too many: {sorted(found - expected)}, "
        f"missing: {sorted(expected - found)}",
    )
    equal("entries that Country A did not filter", answer["dropped"], {})
    step.note(f"{len(found)} of {len(everything)} rows")


def _cases(rows: list[Json]) -> list[tuple[str, Json, Rule]]:
    """A filter for each of the eight values, made from what the list holds."""
    cases: list[tuple[str, Json, Rule]] = [
        ("document class report", {"document_class": "report"}, _is("document_class", "report")),
        (
            "document class manifest",
            {"document_class": "manifest"},
            _is("document_class", "manifest"),
        ),
    ]
    for key, name in (
        ("modalities", "modality"),
        ("regions", "region"),
        ("procedures", "procedure"),
    ):
        code = next((code for row in rows for code in row[key]), None)
        if code is not None:
            body = {name: {"value": code["value"], "scheme": code["scheme"]}}
            cases.append((name, body, _has_code(key, code)))
    date = next((row["performed"][:10] for row in rows if len(row["performed"]) >= 10), "")
    if date:
        cases.append(
            (
                "procedure date",
                {"performed_from": date, "performed_to": date},
                lambda row: row["performed"][:10] == date,
            )
        )
    study = next((study for row in rows for study in row["studies"]), None)
    if study is not None:
        cases.append(("study instance UID", {"study": study}, lambda row: study in row["studies"]))
    for key, name, words in (
        ("accessions", "accession", "accession number"),
        ("orders", "order", "order identifier"),
    ):
        reference = next((item for row in rows for item in row[key]), None)
        if reference is not None:
            cases.append((words, {name: dict(reference)}, _has(key, reference)))
    return cases


def _is(key: str, value: str) -> Rule:
    return lambda row: bool(row[key] == value)


def _has(key: str, value: Any) -> Rule:
    return lambda row: value in row[key]


def _has_code(key: str, code: Json) -> Rule:
    wanted = (code["value"], code["scheme"])
    return lambda row: any((held["value"], held["scheme"]) == wanted for held in row[key])
