"""What of a report the page shows: everything of the guideline's data set that it carries."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from country_b.report_rows import Free, Plain, Term
from country_b.report_view import view
from gateway.designations import designations
from gateway.domain import (
    REPORT_ELEMENTS,
    Code,
    ImagingReport,
    ReportSection,
    Timestamp,
)
from gateway.domain.report_elements import Words
from gateway.domain.reports import FINDINGS_SECTION
from tests.wire.fhir.report_nouns import full, least


def said(report: ImagingReport, language: str = "en") -> str:
    """Every word of the page's sections, on a line each."""
    lines: list[str] = []
    for section in view(report, designations(language)):
        lines.append(section.title)
        for passage in section.passages:
            lines += [passage.title, passage.code, passage.text]
        for group in section.groups:
            lines.append(group.caption)
            for row in group.rows:
                lines.append(row.label)
                for value in row.values:
                    if isinstance(value, Term):
                        lines += [value.own, value.original, *value.codes]
                    elif isinstance(value, Free | Plain):
                        lines.append(value.text)
                    else:
                        lines += [value.alternative, value.url]
    return "\n".join(lines)


def leaves(value: Any) -> list[str]:
    """What must stand in the page for a value of an element."""
    if value is None or value == "" or isinstance(value, bytes | Enum):
        return []
    if isinstance(value, Code):
        return [value.value]
    if isinstance(value, Words):
        return value.text.split("\n")
    if isinstance(value, Timestamp):
        return [f"{value.at:%Y-%m-%d}"]
    if isinstance(value, date | datetime):
        return [f"{value:%Y-%m-%d}"]
    if isinstance(value, Decimal | int):
        return [str(value)]
    if isinstance(value, str):
        return [value.removeprefix("tel:").removeprefix("mailto:")]
    if is_dataclass(value):
        return [leaf for one in fields(value) for leaf in leaves(getattr(value, one.name))]
    return [leaf for one in value for leaf in leaves(one)]


# The language of the report is named by its tag and in words; the PDF and other forms are offered
# beside the sections (tests of the page).
def test_every_element_of_the_data_set_is_shown() -> None:
    """Each value of the report that says everything stands in the page."""
    report = full()
    shown = said(report)

    wanted = [
        (element.id, leaf)
        for element in REPORT_ELEMENTS
        for value in element.values(report)
        for leaf in leaves(value)
    ]

    missing = [(id, leaf) for id, leaf in wanted if leaf not in shown and leaf not in UNITS]
    assert missing == []


UNITS = frozenset({"mL", "2.16.840.1.113883.6.8"})  # the printed unit is shown, not its code


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ("Leicht", "Niedrig", "Wahrscheinlich", "Allergie", "Bild", "endgültig")),
        ("es", ("Leve", "Baja", "Probable", "Alergia", "Imagen", "definitivo")),
    ],
)
def test_closed_vocabularies_are_in_the_readers_language(
    language: str, words: tuple[str, ...]
) -> None:
    """Severity, criticality, certainty, propensity, medium and status."""
    lines = said(full(), language).split("\n")

    assert [word for word in words if word not in lines] == []


def test_sections_of_other_codes_are_shown_under_their_own_title() -> None:
    """With the code they came with."""
    own = ReportSection(code=Code("X-9", "2.999.4"), title="Dodatek", text="Inne.")

    (section,) = (
        one for one in view(replace(least(), sections=(own,)), designations()) if one.passages
    )

    assert (section.title, section.passages[0].code, section.passages[0].text) == (
        *("Dodatek", "2.999.4 X-9"),
        "Inne.",
    )


def test_texts_of_one_heading_stand_together() -> None:
    """Two findings are two passages of one section."""
    text = ReportSection(code=FINDINGS_SECTION, title="Opis", text="Eins.")
    report = replace(least(), sections=(text, replace(text, text="Zwei."), replace(text, text="")))

    found = {one.id: one for one in view(report, designations())}

    assert [one.text for one in found["findings"].passages] == ["Eins.", "Zwei."]


def test_what_a_report_does_not_say_has_no_section() -> None:
    """A short report is a short page."""
    ids = [one.id for one in view(least(), designations())]

    assert "key_images" not in ids
    assert ids[0] == "patient"
    assert len(ids) == len(set(ids))
