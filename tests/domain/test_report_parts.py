"""The parts of a report: what a concept reads as, who the authors are, and closed vocabularies."""

from __future__ import annotations

import pytest

from gateway.domain import (
    Certainty,
    Code,
    Concept,
    Criticality,
    HumanName,
    Organisation,
    Participant,
    ParticipantKind,
    Propensity,
    ReactionSeverity,
    ReportSection,
)
from gateway.domain.codes import SCT
from gateway.domain.report_parts import SNOMED_OF
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from tests.domain.test_report_elements import make_report


@pytest.mark.parametrize(
    ("concept", "words"),
    [
        (Concept(text="guz", codes=(Code("1", SCT, "Mass"),)), "guz"),
        (Concept(codes=(Code("1", SCT), Code("2", SCT, "Mass"))), "Mass"),
        (Concept(codes=(Code("1", SCT),)), "1"),
        (Concept(), ""),
    ],
)
def test_a_concept_reads_as_its_text_or_its_codes(concept: Concept, words: str) -> None:
    """The text, else what a code is called, else the code."""
    assert concept.words == words


def test_every_member_of_a_closed_vocabulary_has_its_snomed_code() -> None:
    """And no two have the same."""
    members = [*Propensity, *ReactionSeverity, *Criticality, *Certainty]

    codes = [SNOMED_OF[member] for member in members]

    assert len(SNOMED_OF) == len(members)
    assert len(set(codes)) == len(codes)
    assert {code.scheme for code in codes} == {SCT}


def test_the_first_author_stands_before_the_others() -> None:
    """A report that names nobody has none."""
    device = Participant(kind=ParticipantKind.DEVICE, name=HumanName(family="Reader 3000"))
    hospital = Organisation(name="Hospital")

    report = make_report(author_id="5", organisation=hospital, other_authors=(device,))

    assert report.authors == (Participant(id="5", organisation=hospital), device)
    assert make_report(other_authors=(device,)).authors == (device,)
    assert make_report().authors == ()


def test_the_text_under_a_heading_is_that_of_all_its_sections() -> None:
    """Headings are compared by code, whatever they are called."""
    named = Code(FINDINGS_SECTION.value, "LN", "Befund")
    sections = (
        ReportSection(code=FINDINGS_SECTION, title="Findings", text="one"),
        ReportSection(code=IMPRESSION_SECTION, title="Impression", text="none"),
        ReportSection(code=named, title="Befund", text="two"),
    )

    report = make_report(sections=sections)

    assert report.text_of(FINDINGS_SECTION) == "one\ntwo"
    assert make_report().text_of(FINDINGS_SECTION) == ""
