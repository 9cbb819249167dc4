"""The sections of the Composition: what is said under each heading, and which entries it has.

Written are the sections of the noun in their order, and those the profile demands or the entries
need; a mandatory one that is empty says why. What somebody wrote stands in the text and as a note,
what was made of the entries in the text alone. Sections within sections are read as if they stood
beside each other. Clauses: HL7 Europe imaging report, CompositionEuImaging and its invariants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.domain import Code, ReportSection
from gateway.domain.codes import LOINC, same_scheme
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from gateway.wire.fhir.concepts import read_concept, write_concept
from gateway.wire.fhir.report_bundle import Made
from gateway.wire.fhir.report_narrative import narrative, read_narrative, told_of
from gateway.wire.fhir.report_terms import EMPTY_REASONS, NOTE, SECTIONS
from gateway.wire.fhir.report_values import extension, extensions_of, filled
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError

MAX_SECTIONS: Final = 200  # a report has ten
MAX_DEPTH: Final = 8  # of sections within sections
UNAVAILABLE: Final = Code("unavailable", EMPTY_REASONS, "Unavailable")

Entries = Mapping[Code, list[Json]]


def write_sections(
    sections: tuple[ReportSection, ...], entries: Entries, made: Made, language: str
) -> list[Json]:
    """The sections; `entries` are references by the code of their section."""
    written: dict[Code, Json] = {}
    for section in sections:
        if section.code in written:
            # One section a heading: what else stands under it goes within.
            written[section.code].setdefault("section", []).append(
                _section(section, [], made, language)
            )
        else:
            held = entries.get(section.code, [])
            written[section.code] = _section(section, held, made, language)
    for rule in SECTIONS:
        held = entries.get(rule.code, [])
        if rule.code not in written and (held or rule.required):
            blank = ReportSection(code=rule.code, title=rule.title, text="")
            written[rule.code] = _section(blank, held, made, language)
    return list(written.values())


def _section(section: ReportSection, held: list[Json], made: Made, language: str) -> Json:
    told = tuple(told_of(resource) for one in held if (resource := made.resource(one)))
    empty = not held and not section.text
    return filled(
        {
            "extension": [extension(NOTE, "Annotation", {"text": section.text})]
            if section.text
            else [],
            "title": section.title,
            "code": write_concept(section.code),
            "text": narrative(section.text, told=("–",) if empty else told, language=language),
            "entry": held,
            "emptyReason": write_concept(UNAVAILABLE) if empty else {},
        }
    )


def read_sections(composition: Json, where: str) -> list[tuple[Json, Code, str]]:
    """Every section with its code and its place, those within others after them."""
    found: list[tuple[Json, Code, str]] = []
    for section, place in _all(composition, where, 0):
        if len(found) == MAX_SECTIONS:
            raise DecodeError(place, "one more section", f"at most {MAX_SECTIONS}")
        found.append((section, _code(section, place), place))
    return found


def _all(holder: Json, where: str, depth: int) -> Iterator[tuple[Json, str]]:
    for i, section in enumerate(objects_at(holder, "section", where)):
        place = f"{where}.section[{i}]"
        if depth == MAX_DEPTH:
            raise DecodeError(place, f"sections {depth + 1} deep", f"at most {MAX_DEPTH}")
        yield section, place
        yield from _all(section, place, depth + 1)


def _code(section: Json, where: str) -> Code:
    """The LOINC code of a section, else its first, else one without a value."""
    codes = read_concept(object_at(section, "code", where), f"{where}.code")
    loinc = (code for code in codes if same_scheme(code.scheme) == LOINC)
    return next(loinc, None) or next(iter(codes), Code("", ""))


def read_texts(
    composition: Json, where: str, *, notes: str = "", conclusion: str = ""
) -> tuple[ReportSection, ...]:
    """What is said in the sections; those that only say that they are empty are left out.

    `notes` and `conclusion` are those of the DiagnosticReport: they stand in for findings and
    impression that no section tells.
    """
    elsewhere = {FINDINGS_SECTION: notes, IMPRESSION_SECTION: conclusion}
    read = []
    for section, code, place in read_sections(composition, where):
        is_empty = bool(object_at(section, "emptyReason", place))
        text = "" if is_empty and not _notes(section, place) else _said(section, place)
        text = text or elsewhere.get(code, "")
        if text:
            title = text_at(section, "title", place)
            read.append(ReportSection(code=code, title=title, text=text))
            elsewhere.pop(code, None)
    for code, text in elsewhere.items():
        if text:
            read.append(ReportSection(code=code, title=code.display, text=text))
    return tuple(read)


def _said(section: Json, where: str) -> str:
    """The text of a section, and those of its notes that the text does not have."""
    text = read_narrative(object_at(section, "text", where), f"{where}.text")
    for note in _notes(section, where):
        if _squeezed(note) not in _squeezed(text):
            text = f"{text}\n{note}" if text else note
    return text


def _notes(section: Json, where: str) -> list[str]:
    texts = (
        text_at(object_at(one, "valueAnnotation", at), "text", at)
        for one, at in extensions_of(section, NOTE, where)
    )
    return [text for text in texts if text]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def entries_of(composition: Json, where: str) -> dict[Code, tuple[Json, ...]]:
    """The references of the sections by their code, those of all its sections together."""
    found: dict[Code, tuple[Json, ...]] = {}
    for section, code, place in read_sections(composition, where):
        found[code] = (*found.get(code, ()), *objects_at(section, "entry", place))
    return found
