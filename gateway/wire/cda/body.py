"""The structured body of a report: headed sections, the statements under them, forms to be read.

What somebody wrote stands in a section of its own words; what was made of statements in a section
whose text lists them, inside that of the same heading where there is one. A text that says no
more than its statements do is left out when it is read: the statements say it. The PDF and other
forms stand in sections without a heading. Sections of unknown codes are kept as text.
Clauses: HL7 CDA Release 2, 4.3; LOINC headings of the HL7 Europe imaging report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from gateway.domain.codes import LOINC, Code
from gateway.domain.report_parts import PresentedForm
from gateway.domain.reports import (
    COMPARISON_SECTION,
    FINDINGS_SECTION,
    HISTORY_SECTION,
    IMPRESSION_SECTION,
    ORDER_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    STUDY_SECTION,
    ImagingReport,
    ReportSection,
)
from gateway.wire.cda import entries, entries_read
from gateway.wire.cda.elements import HL7_TAG, all_of, attribute, element, one_of, worded, words_at
from gateway.wire.cda.entries import Statement, listed, media
from gateway.wire.cda.values import read_code, read_concept, write_code
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, escape_text, path_of

PDF: Final = "application/pdf"
MAX_SECTIONS: Final = 200  # a report has ten
MAX_STATEMENTS: Final = 2000  # of all sections; the largest reports have some hundred
KEY_IMAGES_SECTION: Final = Code("55113-5", LOINC, "Key images Document Radiology")

_BREAKS = frozenset(HL7_TAG + name for name in ("br", "paragraph", "item", "tr", "list", "table"))


@dataclass(frozen=True, slots=True)
class _Heading:
    """A section with statements: its title where nobody gave one, and what is stated in it."""

    code: Code
    title: str
    statements: Callable[[ImagingReport], Iterator[Statement]]


def _procedures(report: ImagingReport) -> Iterator[Statement]:
    yield from map(entries.procedure_statement, report.procedures)
    yield from map(entries.specimen_statement, report.specimens)
    yield from map(entries.medication_statement, report.medications)
    yield from map(entries.reaction_statement, report.reactions)


# In the order in which they are written.
_HEADINGS: Final[tuple[_Heading, ...]] = (
    _Heading(STUDY_SECTION, "Imaging study", lambda r: map(entries.study_statement, r.studies)),
    _Heading(ORDER_SECTION, "Order", lambda r: map(entries.order_statement, r.orders)),
    _Heading(HISTORY_SECTION, "History", lambda r: map(entries.problem_statement, r.problems)),
    _Heading(PROCEDURE_SECTION, "Procedure", _procedures),
    _Heading(
        COMPARISON_SECTION,
        "Comparison",
        lambda r: map(entries.comparison_statement, r.comparisons),
    ),
    _Heading(
        FINDINGS_SECTION, "Findings", lambda r: map(entries.observation_statement, r.observations)
    ),
    _Heading(
        IMPRESSION_SECTION,
        "Impression",
        lambda r: map(entries.conclusion_statement, r.conclusions),
    ),
    _Heading(
        RECOMMENDATION_SECTION,
        "Recommendation",
        lambda r: map(entries.plan_statement, r.care_plans),
    ),
    _Heading(
        KEY_IMAGES_SECTION,
        "Key images",
        lambda r: map(entries.key_image_statement, r.key_images),
    ),
)


# --- writing --------------------------------------------------------------------------------------


def write_body(report: ImagingReport) -> str:
    """The structured body, "" of a report that has nothing to say in it."""
    stated = {
        heading.code: _stated(heading, statements)
        for heading in _HEADINGS
        if (statements := tuple(heading.statements(report)))
    }
    headed = {section.code for section in report.sections}
    order = [heading.code for heading in _HEADINGS]
    sections: list[str] = []
    waiting = [code for code in stated if code not in headed]
    for section in report.sections:
        # What nobody wrote a section for stands where a reader of the headings looks for it.
        while waiting and section.code in order and _before(order, waiting[0], section.code):
            sections.append(stated[waiting.pop(0)])
        inner = stated.pop(section.code, "") if section.code in headed else ""
        sections.append(_section(section, inner))
    sections.extend(stated[code] for code in waiting)
    if not sections:
        return ""
    if report.presented:
        sections.append(_form(PresentedForm(media_type=PDF, content=report.presented), "PDF"))
    sections += [_form(form, f"form{i}") for i, form in enumerate(report.other_forms)]
    return element("structuredBody", {}, *sections)


def _before(order: list[Code], code: Code, other: Code) -> bool:
    return order.index(code) < order.index(other)


def _stated(heading: _Heading, statements: Iterable[Statement]) -> str:
    held = tuple(statements)
    inside = element(
        "section",
        {},
        write_code("code", heading.code),
        worded("title", heading.title),
        listed(held),
        *(element("entry", {"typeCode": "DRIV"}, one.xml) for one in held),
    )
    return element("component", {}, inside)


def _section(section: ReportSection, inner: str) -> str:
    lines = "<br/>".join(escape_text(line) for line in section.text.split("\n"))
    inside = element(
        "section",
        {},
        write_code("code", section.code),
        element("title", {}, escape_text(section.title)),
        element("text", {}, lines),
        inner,
    )
    return element("component", {}, inside)


def _form(form: PresentedForm, name: str) -> str:
    shown = element("text", {}, element("renderMultiMedia", {"referencedObject": name}))
    held = media(form.content, form.media_type, name=name, language=form.language)
    title = form.title or ("PDF" if form.media_type == PDF and name == "PDF" else "")
    inside = element(
        "section", {}, element("title", {}, escape_text(title)), shown, element("entry", {}, held)
    )
    return element("component", {}, inside)


# --- reading --------------------------------------------------------------------------------------


def read_body(report: ImagingReport, body: Element) -> ImagingReport:
    """The report with what its structured body says."""
    sections = _sections(body)
    report = _with_forms(_with_statements(report, sections), body, sections)
    told = {
        heading.code: [one.words or "–" for one in heading.statements(report)]
        for heading in _HEADINGS
    }
    read = []
    for section, code in sections:
        text = narrative(one_of(section, "text"))
        repeats = bool(all_of(section, "entry")) and _lines(text) == told.get(code, [])
        if code.value and not repeats:
            title = words_at(section, "title")
            read.append(ReportSection(code=code, title=title, text=text))
    return replace(report, sections=tuple(read))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _sections(body: Element) -> list[tuple[Element, Code]]:
    """Every section with its code, those within others after them; no code has no value."""
    found = []
    for count, section in enumerate(body.iter(HL7_TAG + "section")):
        if count >= MAX_SECTIONS:
            raise DecodeError(path_of(body), f"over {MAX_SECTIONS} sections", "a report")
        code = read_code(one_of(section, "code")) or Code("", "")
        found.append((section, code if code.scheme else Code(code.value, LOINC, code.display)))
    return found


def _with_statements(report: ImagingReport, sections: list[tuple[Element, Code]]) -> ImagingReport:
    held: dict[Code, list[Element]] = {}
    count = 0
    for section, code in sections:
        for entry in all_of(section, "entry"):
            count += 1
            if count > MAX_STATEMENTS:
                raise DecodeError(path_of(entry), "one more entry", f"at most {MAX_STATEMENTS}")
            held.setdefault(code, []).append(entry)

    def under(heading: Code, tag: str, *moods: str) -> list[Element]:
        return [
            found
            for entry in held.get(heading, ())
            for found in all_of(entry, tag)
            if not moods or found.get("moodCode") in moods
        ]

    done = under(PROCEDURE_SECTION, "procedure")
    specimens = [one for one in done if one_of(one, "specimen") is not None]
    problems = (read_concept(one_of(one, "value")) for one in under(HISTORY_SECTION, "observation"))
    concluded = map(entries_read.read_conclusion, under(IMPRESSION_SECTION, "observation"))
    return replace(
        report,
        studies=tuple(map(entries_read.read_study, under(STUDY_SECTION, "act"))),
        orders=tuple(
            entries_read.read_order(one, report.references)
            for one in under(ORDER_SECTION, "act", "RQO")
        ),
        problems=tuple(one for one in problems if one is not None),
        procedures=tuple(entries_read.read_procedure(one) for one in done if one not in specimens),
        specimens=tuple(map(entries_read.read_specimen, specimens)),
        medications=tuple(
            map(entries_read.read_medication, under(PROCEDURE_SECTION, "substanceAdministration"))
        ),
        reactions=tuple(map(entries_read.read_reaction, under(PROCEDURE_SECTION, "observation"))),
        comparisons=tuple(map(entries_read.read_comparison, under(COMPARISON_SECTION, "act"))),
        observations=tuple(
            map(entries_read.read_observation, under(FINDINGS_SECTION, "observation"))
        ),
        conclusions=tuple(one for one in concluded if one is not None),
        care_plans=tuple(
            map(entries_read.read_plan, under(RECOMMENDATION_SECTION, "act", "INT", "PRP"))
        ),
        key_images=tuple(
            image
            for study in under(KEY_IMAGES_SECTION, "act")
            for image in entries_read.read_key_images(study)
        ),
    )


def _with_forms(
    report: ImagingReport, body: Element, sections: list[tuple[Element, Code]]
) -> ImagingReport:
    """The first PDF, wherever it stands, and the other forms of sections without a heading."""
    pdf = next(
        (
            value
            for value in body.iter(HL7_TAG + "value")
            if value.get("mediaType") == PDF and value.get("representation") == "B64"
        ),
        None,
    )
    presented = b"" if pdf is None else read_pdf(pdf)
    forms = []
    for section, code in sections:
        for found in () if code.value else all_of(section, "entry/observationMedia"):
            value = one_of(found, "value")
            if value is None or value is pdf or value.get("representation") != "B64":
                continue
            forms.append(
                PresentedForm(
                    media_type=attribute(value, "mediaType"),
                    content=entries_read.read_media(value),
                    language=attribute(one_of(found, "languageCode"), "code"),
                    title=words_at(section, "title"),
                )
            )
    return replace(report, presented=presented, other_forms=tuple(forms))


def read_pdf(value: Element) -> bytes:
    """The PDF of a value; `DecodeError` for what is none."""
    where = path_of(value)
    if value.get("mediaType") not in (PDF, None) or value.get("representation") != "B64":
        found = f"{value.get('mediaType')} as {value.get('representation') or 'text'}"
        raise DecodeError(where, found[:100], f"{PDF} as B64", "ITI TF-3 5.2.3.9")
    data = entries_read.read_media(value)
    if b"%PDF-" not in data[:1024]:
        raise DecodeError(where, "bytes that are no PDF", PDF, "ITI TF-3 5.2.3.9")
    return data


def narrative(block: Element | None) -> str:
    """The words of a narrative block, a line for each break, paragraph, list item and row."""
    if block is None:
        return ""
    pieces: list[str] = []
    for event, found in etree.iterwalk(block, events=("start", "end")):
        if event == "start":
            pieces.append("\n" if found.tag in _BREAKS else "")
            pieces.append(found.text or "")
        elif found is not block:
            pieces.append(found.tail or "")
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(lines).strip()
