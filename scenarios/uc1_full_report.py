"""A report of every element is read in another language, beside its original, in every form.

The report that says something for each element of the guideline's data set A crosses as FHIR and as
CDA, and a short one as PDF and PDF in CDA. Report and study lead to each other; the pages hold what
both languages call a thing, and leave free text as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from scenarios import steps
from scenarios.client import Json, Visit
from scenarios.story import Story, Telling, check, equal

_TAG = re.compile(r"<[^>]*>")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Reader:
    """A language, and words that its page must have: headings, then coded values."""

    language: str
    headings: tuple[str, ...]
    values: tuple[str, ...]


READERS = (
    Reader("en", ("Order", "Findings", "Impression"), ("Left breast", "Urticaria", "Diameter")),
    Reader(
        "de", ("Auftrag", "Befunde", "Beurteilung"), ("Linke Brust", "Urtikaria", "Durchmesser")
    ),
    Reader("fr", ("Résultats", "Conclusion"), ("Sein gauche", "Urticaire", "Diamètre")),
    Reader("es", ("Hallazgos", "Impresión diagnóstica"), ("Mama izquierda", "Diámetro")),
    Reader("pl", ("Opis zmian", "Wnioski"), ("Lewa pierś", "Pokrzywka", "Średnica")),
)
# What the report itself says, in the language it was written in: words of codes, and free text.
_ORIGINAL = ("sutek lewy", "pokrzywka", "średnica zmiany", "Wskazana weryfikacja biopsyjna.")
_CODES = ("SNOMED CT 126485001", "LOINC 59776-5", "ATC V08AB05", "ICD-10 N63", "24.0 ± 0.5 mm")
# Said of every free text, in the reader's language.
_UNTRANSLATED = {
    "en": "Original, not translated (Polish)",
    "de": "Original, nicht übersetzt (Polnisch)",
    "fr": "Original, non traduit (polonais)",
    "es": "Original, sin traducir (polaco)",
}


async def tell(story: Story) -> None:
    """The page of each form of the reports of one patient."""
    patient = story.seeds.role("greek")
    full = next((one for one in patient["reports"] if one.get("fhir")), None)
    short = next((one for one in patient["reports"] if one.get("pdf")), None)
    if full is None or short is None:
        story.skip(8, steps.PROVIDED, "the seed has no report of every element")
        return
    structured, legacy = [full["fhir"], full["cda"]], [short["pdf"], short["cda"]]

    async with story.step(6, "Report and study lead to each other") as step:
        visit = await steps.confirmed(story, patient)
        rows = (await visit.post("list", {}))["rows"]
        _check_links(rows, full["studies"][0], [*structured, *legacy])
        step.note(f"{len(structured) + len(legacy)} documents of reports on one study")
    async with story.step(8, steps.PROVIDED) as step:
        answer = await visit.post("retrieve", {"documents": [*structured, *legacy]})
        for item in answer["documents"]:
            equal(f"status of {item['id']}", item["status"], "good")
            check(not item["warnings"], f"warnings about {item['id']}: {item['warnings']}")
        step.moved(sum(int(item["size_bytes"]) for item in answer["documents"]))
    for reader in READERS:
        async with story.step(9, f"Read in {reader.language}, beside the original") as step:
            for document in structured:
                _check_page(await visit.page(document, reader.language), reader)
            step.note("as FHIR and as CDA")
    async with story.step(9, "Legacy forms are shown as they are") as step:
        for document in legacy:
            await _check_legacy(visit, document, step)
        step.note("PDF, and PDF in CDA")
    async with story.step(10, steps.USED):
        await visit.post("use", {})
        await visit.post("close", {"keep": False})


def _check_links(rows: list[Json], study: str, reports: list[str]) -> None:
    (shown,) = (
        row for row in rows if row["document_class"] == "manifest" and study in row["studies"]
    )
    check(set(reports) <= set(shown["reports"]), "the study does not lead to each of its reports")
    for row in rows:
        if row["id"] in reports:
            check(shown["id"] in row["images"], f"{row['id']} does not lead to its study")


def words_of(page: str) -> str:
    """The words of a page, without its tags, single spaces between them."""
    return _SPACES.sub(" ", unescape(_TAG.sub(" ", page)))


def _check_page(page: str, reader: Reader) -> None:
    check(f'<html lang="{reader.language}">' in page, "the page is of another language")
    headings = [words_of(one).strip() for one in re.findall(r"<h2[^>]*>(.*?)</h2>", page)]
    missing = [one for one in reader.headings if one not in headings]
    check(not missing, f"the page has no heading {missing}")
    words = words_of(page)
    missing = [one for one in (*reader.values, *_CODES) if one.casefold() not in words.casefold()]
    check(not missing, f"the page does not show {missing}")
    missing = [one for one in _ORIGINAL if one not in words]
    check(not missing, f"the original is missing: {missing}")
    mark = _UNTRANSLATED.get(reader.language)
    check(mark is None or mark in words, "free text is not marked as untranslated")


async def _check_legacy(visit: Visit, document: str, step: Telling) -> None:
    page = await visit.page(document, "en")
    check("It is shown as it is." in page, "the page does not say that this is a legacy form")
    check('<object data="forms/0" type="application/pdf"' in page, "the page does not show the PDF")
    pdf = await visit.form(document, 0)
    check(pdf.head.startswith(b"%PDF-"), "what the page leads to is no PDF")
    equal("type of the PDF", pdf.content_type, "application/pdf")
    step.moved(pdf.size_bytes)
