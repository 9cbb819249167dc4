"""A report as one page of HTML that needs no other file and runs nothing.

What was coded stands in the reader's language beside the original, what somebody wrote as it was
written. A report of a legacy form, a PDF or a CDA that carries one, is shown as it is: the
document first, and of the rest what its header says. Every value is escaped by the template; the
page's own policy forbids scripts whatever its content (Content Security Policy, level 3).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from country_b.report_rows import Row, RowMaker
from country_b.report_view import view
from gateway.designations import Designations, designations, languages, subtag
from gateway.domain import ImagingReport, PresentedForm

TEMPLATES: Final = Path(__file__).parent / "templates"
STYLE: Final = (TEMPLATES / "report.css").read_text(encoding="utf-8")
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The page may show what it holds itself and the documents of this portal, and nothing else.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; object-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
PDF: Final = "application/pdf"
MAX_TEXT_SHOWN: Final = 100_000  # characters of a form of plain text; the form itself is whole

_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_PAGES: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLink:
    """A form to be read as the page offers it; `text` is shown in the page, `href` leads to it."""

    href: str
    media_type: str
    title: str
    size: str
    text: str = ""


def render_report(
    report: ImagingReport | None,
    *,
    language: str,
    forms: Sequence[PresentedForm] = (),
    in_portal: bool = False,
) -> str:
    """The page in a language of the table (`UnknownLanguage` for any other).

    `report` is None for a document that has nothing but a form. `forms` are offered under
    `forms/0` and so on, relative to the page; `in_portal` whether the page can be asked for again
    in another language.
    """
    words = designations(language)
    spoken = report.language if report and _LANGUAGE_TAG.fullmatch(report.language) else ""
    return _PAGES.get_template("report.html.j2").render(
        language=words.language,
        label=words.labels,
        style=Markup(STYLE),
        title=report.title if report else "",
        original_lang=Markup(' lang="{}"').format(spoken) if spoken else "",
        tag=subtag(spoken),
        origin=words.name_of(spoken) if spoken else "",
        foreign=subtag(spoken) != words.language,
        banner=_banner(report, words) if report else (),
        sections=view(report, words) if report else (),
        legacy=is_legacy(report),
        forms=[_link(number, form) for number, form in enumerate(forms)],
        languages=[(one, designations(one).names[one]) for one in languages()] if in_portal else (),
    )


def forms_of(report: ImagingReport) -> tuple[PresentedForm, ...]:
    """What the report has to be read as it is: its PDF first."""
    pdf = PresentedForm(
        media_type=PDF, content=report.presented, language=report.language, title=report.title
    )
    return (*((pdf,) if report.presented else ()), *report.other_forms)


def is_legacy(report: ImagingReport | None) -> bool:
    """Whether there is nothing to show but the document itself and its header."""
    return report is None or not any(
        (
            report.sections,
            report.orders,
            report.problems,
            report.specimens,
            report.studies,
            report.procedures,
            report.medications,
            report.reactions,
            report.observations,
            report.conclusions,
            report.care_plans,
            report.key_images,
            report.comparisons,
        )
    )


def _banner(report: ImagingReport, words: Designations) -> tuple[Row, ...]:
    """Who the report is about and how far it is: what must not be scrolled for."""
    make = RowMaker(words=words, language=report.language)
    return (
        *make.row("patient", make.plain(report.patient_name.full)),
        *make.row("birth_date", make.at(report.birth_date)),
        *make.row("identifier", *(make.plain(one.value) for one in report.patient_ids[:1])),
        *make.row("created", make.at(report.created)),
        *make.row("status", make.label(f"status_{report.status.value}")),
        *make.row("organisation", make.plain(_organisation(report))),
    )


def _organisation(report: ImagingReport) -> str:
    return report.organisation.name if report.organisation else ""


def _link(number: int, form: PresentedForm) -> FormLink:
    kind = form.media_type.partition(";")[0].strip().lower()
    text = ""
    if kind == "text/plain":
        text = form.content.decode("utf-8", "replace")[:MAX_TEXT_SHOWN]
    return FormLink(
        href=f"forms/{number}",
        media_type=kind,
        title=form.title,
        size=f"{-(-len(form.content) // 1024)} KiB",
        text=text,
    )
