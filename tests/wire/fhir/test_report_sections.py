"""Sections: which are written, in which order, and what those of others say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import Code, Concept, ReportSection
from gateway.domain.codes import LOINC
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from gateway.wire.fhir.report_read import read_report
from gateway.wire.fhir.report_sections import entries_of, read_sections, read_texts
from gateway.wire.fhir.report_terms import NOTE, SECTIONS
from gateway.wire.fhir.report_write import write_report
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import least
from tests.wire.fhir.test_report_read import section


def note(text: str) -> Any:
    """A note of a section."""
    return {"url": NOTE, "valueAnnotation": {"text": text}}


def codes(bundle: Any) -> list[str]:
    """The codes of the sections of a document, in their order."""
    return [one["code"]["coding"][0]["code"] for one in bundle["entry"][0]["resource"]["section"]]


def test_sections_keep_their_order_and_the_mandatory_ones_follow() -> None:
    """What nobody wrote comes last."""
    sections = (
        ReportSection(code=IMPRESSION_SECTION, title="I", text="x"),
        ReportSection(code=Code("1", "2.999.8"), title="Own", text="y"),
        ReportSection(code=FINDINGS_SECTION, title="F", text="z"),
    )

    bundle = write_report(least(sections=sections, problems=(Concept(text="asthma"),)))

    assert codes(bundle) == ["19005-8", "1", "59776-5", "18726-0", "55115-0", "11329-0", "55111-9"]
    assert read_report(bundle).sections == sections


def test_two_sections_of_one_heading_stand_within_each_other() -> None:
    """The profile has each once; read, they stand beside each other again."""
    sections = tuple(
        ReportSection(code=FINDINGS_SECTION, title=title, text=title) for title in ("a", "b")
    )

    bundle = write_report(least(sections=sections))

    assert codes(bundle).count("59776-5") == 1
    assert read_report(bundle).sections == sections


def test_every_section_of_the_profile_is_in_the_table_once() -> None:
    """Ten, of which four must be there."""
    values = [rule.code.value for rule in SECTIONS]

    assert len(set(values)) == len(values) == 10
    assert sum(rule.required for rule in SECTIONS) == 4


@pytest.mark.parametrize(
    ("json", "texts"),
    [
        (section("59776-5", "said"), ["said"]),
        (section("59776-5", "said", extension=[note("s a i d"), note("more")]), ["said\nmore"]),
        (section("59776-5", extension=[note("noted")]), ["noted"]),
        (section("59776-5", "none known", emptyReason={"text": "x"}), []),
        (
            section("59776-5", "none", emptyReason={"text": "x"}, extension=[note("but")]),
            ["none\nbut"],
        ),
        (section("59776-5", section=[section("59776-5", "inner")]), ["inner"]),
        (section("59776-5"), []),
    ],
)
def test_what_a_section_says_is_its_text_and_its_notes(json: Any, texts: list[str]) -> None:
    """A note that the text has is not said twice; a reason for nothing is nothing said."""
    assert [one.text for one in read_texts({"section": [json]}, "c")] == texts


def test_the_code_of_a_section_is_the_one_of_loinc() -> None:
    """Among several; else the first; one without any has none."""
    local = {"system": "urn:oid:2.999.8", "code": "X"}
    loinc = {"system": "http://loinc.org", "code": "59776-5"}
    composition = {
        "section": [{"code": {"coding": [local, loinc]}}, {"code": {"coding": [local]}}, {}]
    }

    found = [code for _, code, _ in read_sections(composition, "c")]

    assert found == [Code("59776-5", LOINC), Code("X", "2.999.8"), Code("", "")]


def test_entries_are_gathered_by_heading() -> None:
    """Those of inner sections too."""
    inner = section("59776-5", entry=[{"reference": "b"}])
    composition = {"section": [section("59776-5", entry=[{"reference": "a"}], section=[inner])]}

    assert entries_of(composition, "c") == {
        Code("59776-5", LOINC): ({"reference": "a"}, {"reference": "b"})
    }


def test_sections_without_end_are_refused() -> None:
    """Too many, or too deep."""
    deep: Any = {}
    for _ in range(9):
        deep = {"section": [deep]}

    with pytest.raises(DecodeError, match="at most 200"):
        read_sections({"section": [{}] * 201}, "c")
    with pytest.raises(DecodeError, match="deep"):
        read_sections(deep, "c")
