"""The table of designations: five languages for every label and for every code the seed uses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import country_b
from country_a.entries import HOSPITAL_RADIOLOGY, NORMAL, RADIOLOGY
from country_a.manifests import modality_code
from country_a.seed.notes import OF_INTEREST, REJECTED
from country_a.seed.studies import KINDS
from gateway.designations import TABLE, UnknownLanguage, designations, languages, subtag
from gateway.domain import Code, Gender
from gateway.domain.codes import REGIONS, SCT, TYPE_REPORT, TYPE_STUDY
from gateway.domain.report_parts import SNOMED_OF
from gateway.domain.reports import (
    COMMUNICATION_SECTION,
    COMPARISON_SECTION,
    FINDINGS_SECTION,
    HISTORY_SECTION,
    IMPRESSION_SECTION,
    ORDER_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    STUDY_SECTION,
)
from tests.wire.fhir.report_nouns import full

ROWS = tomllib.loads(TABLE.read_text(encoding="utf-8"))
UNITS = "2.16.840.1.113883.6.8"  # UCUM: units are the same in every language


def _codes(value: Any) -> Iterator[Code]:
    """Every code in a noun."""
    if isinstance(value, Code):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from _codes(getattr(value, one.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from _codes(one)


def used() -> set[Code]:
    """What the seed writes into reports, manifests and entries, and what reports are made of."""
    kinds = [code for kind in KINDS.values() for code in (kind.procedure,) if code]
    return {
        *(code for code in _codes(full()) if code.scheme != UNITS),
        *kinds,
        *(modality_code(kind.modality) for kind in KINDS.values()),
        *REGIONS,
        *SNOMED_OF.values(),
        *(Code(one.value, "2.16.840.1.113883.5.1") for one in Gender),
        *(NORMAL, RADIOLOGY, HOSPITAL_RADIOLOGY, TYPE_REPORT, TYPE_STUDY, OF_INTEREST, REJECTED),
        *(STUDY_SECTION, ORDER_SECTION, HISTORY_SECTION, PROCEDURE_SECTION, COMPARISON_SECTION),
        *(FINDINGS_SECTION, IMPRESSION_SECTION, RECOMMENDATION_SECTION, COMMUNICATION_SECTION),
    }


@pytest.mark.parametrize("language", languages())
def test_every_code_of_the_seed_has_a_designation(language: str) -> None:
    """In every language of the table."""
    words = designations(language)

    missing = {code for code in used() if not words.of(code)}

    assert missing == set()
    assert len(languages()) == 5


def test_every_row_has_a_word_in_every_language() -> None:
    """None empty, none with white space around it."""
    rows = {
        (name, key): row
        for name, table in ROWS.items()
        if isinstance(table, dict)
        for key, row in table.items()
    }

    bad = {
        key
        for key, row in rows.items()
        if len(row) != len(languages()) or any(not one or one != one.strip() for one in row)
    }
    assert bad == set()
    assert set(ROWS["names"]) == set(languages())


def test_every_label_is_used_by_the_page() -> None:
    """A word of the table that nothing shows is a word too many."""
    folder = Path(country_b.__file__).parent
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in (*folder.glob("report_*.py"), *folder.glob("templates/*.j2"))
    )
    named = set(re.findall(r"\"([a-z_]+)\"|label\.([a-z_]+)", text))
    shown = {one for pair in named for one in pair if one}

    composed = {key for key in ROWS["labels"] if key.startswith("status_")}
    media = {"image", "video", "audio"}
    assert set(ROWS["labels"]) - shown - composed - media == set()


def test_codes_that_mean_the_same_share_their_word() -> None:
    """However a scheme is spelt, and whichever code of the spine is used."""
    words = designations("de")

    assert words.of(Code("7771000", "SNOMED-CT")) == "Links"
    assert words.of(Code("737561001", SCT)) == "Wirbelsäule"
    assert words.of(Code("7771000", "2.999")) == ""


def test_languages_are_known_by_their_subtag() -> None:
    """A region says nothing here; a language that is not in the table is refused."""
    assert designations("fr-BE").labels["patient"] == "Patient"
    assert subtag("PL_pl") == "pl"
    assert designations("de").name_of("pl-PL") == "Polnisch"
    assert designations("de").name_of("xx-XX") == "xx-XX"
    with pytest.raises(UnknownLanguage, match="expected one of: en, de, fr, es, pl"):
        designations("tlh")
