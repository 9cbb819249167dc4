"""The page of a report: one file, accessible, in two languages, and nothing in it can run."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from lxml import html

from country_b.report_page import POLICY, STYLE, forms_of, is_legacy, render_report
from gateway.designations import UnknownLanguage, designations, languages
from gateway.domain import ImagingReport, PresentedForm
from gateway.wire.cda.report import decode_report, encode_report
from tests.wire.fhir.report_nouns import full, least


def page(report: ImagingReport | None = None, language: str = "de", **how: Any) -> Any:
    """The page, parsed."""
    report = report or full()
    how = {"forms": forms_of(report)} | how
    return html.document_fromstring(render_report(report, language=language, **how))


def words_of(element: Any) -> str:
    """The text of an element with single spaces."""
    return " ".join(element.text_content().split())


@pytest.mark.parametrize("language", languages())
def test_every_language_has_its_page(language: str) -> None:
    """Headings and labels are in it, and nothing is left to fill."""
    root = page(language=language)
    labels = designations(language).labels

    assert root.get("lang") == language
    assert [words_of(one) for one in root.cssselect("h2")] == [
        labels[key]
        for key in (
            *("patient", "order", "history", "examination", "comparison", "findings"),
            *("impression", "recommendation", "key_images", "people", "document", "presented"),
        )
    ]
    assert "{{" not in words_of(root)
    assert "None" not in words_of(root)


def test_coded_values_stand_beside_their_original() -> None:
    """Each marked with its language, the code below."""
    term = next(
        one for one in page().cssselect(".term") if "Gerät für die Bildgebung" in words_of(one)
    )

    assert words_of(term.cssselect(".own")[0]) == "Gerät für die Bildgebung"
    original = term.cssselect(".original")[0]
    assert original.get("lang") == "pl-PL"
    assert "mammograf" in words_of(original)
    assert "SNOMED CT 314789007" in words_of(term.cssselect(".code")[0])


def test_free_text_is_marked_as_untranslated() -> None:
    """Every one, with its language; to those who read it nothing need be said."""
    mark = "Original, nicht übersetzt (Polnisch)"

    foreign, own = page(language="de"), page(language="pl")

    said = foreign.cssselect(".said")
    assert {one.get("lang") for one in said} == {"pl-PL"}
    assert all(mark in words_of(one.getparent()) for one in said)
    assert own.cssselect(".mark") == []
    assert len(own.cssselect(".said")) == len(said)


def test_the_page_can_be_heard() -> None:
    """Headings in order, tables with captions and row headers, pictures with words, landmarks."""
    root = page()

    levels = [int(one.tag[1]) for one in root.cssselect("h1, h2, h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(words_of(one.cssselect("caption")[0]) for one in root.cssselect("table"))
    assert all(one.cssselect("th[scope=row]") for one in root.cssselect("tr"))
    assert all(one.get("alt") for one in root.cssselect("img"))
    assert len(root.cssselect("main")) == len(root.cssselect("header")) == 1
    assert len(root.cssselect("nav[aria-label]")) == 1
    assert root.cssselect("a.skip")[0].get("href") == "#report"


def test_links_within_the_page_lead_somewhere() -> None:
    """Every target exists once."""
    root = page()
    ids = [one.get("id") for one in root.cssselect("[id]")]

    targets = [one.get("href")[1:] for one in root.cssselect("a[href^='#']")]

    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)


def _luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(one * 2 for one in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *[("--ink", one) for one in ("--paper", "--ground", "--free")],
        *[("--soft", one) for one in ("--paper", "--ground", "--free")],
        *[("--accent", one) for one in ("--paper", "--ground")],
        *[("#6b4e00", one) for one in ("--paper", "--free")],
        *[(one, "--accent") for one in ("#fff", "#e3eefa", "#d6e6f6")],
    ],
)
def test_every_colour_can_be_read_on_its_ground(ink: str, ground: str) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1."""
    named = dict(re.findall(r"(--[a-z-]+):(#[0-9a-f]+)", STYLE))

    light, dark = sorted((_luminance(named.get(one, one)) for one in (ink, ground)), reverse=True)

    assert ink in named or ink in STYLE
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_page_needs_no_other_file_and_runs_nothing() -> None:
    """No script, no handler, no address but those of the report's own forms."""
    root = page(in_portal=True)

    assert root.cssselect("script, link, iframe, form, base, [style]") == []
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on")]
    addresses = {one.get("href") or one.get("src") or one.get("data") for one in root.iter()}
    assert {one for one in addresses if one and not one.startswith(("#", "data:image/png"))} == {
        *("forms/0", "forms/1"),
        *(f"?language={one}" for one in languages()),
    }
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "script-src" not in POLICY
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")


HOSTILE = "</style></p></td><script>alert(1)</script><img src=x onerror=alert(1)>\" ' {{7*7}} <!--"


def _spoilt(value: Any) -> Any:
    """A noun with markup at the end of every string in it."""
    if is_dataclass(value) and not isinstance(value, type):
        spoilt = object.__new__(type(value))
        for one in fields(value):
            object.__setattr__(spoilt, one.name, _spoilt(getattr(value, one.name)))
        return spoilt
    if isinstance(value, tuple):
        return tuple(map(_spoilt, value))
    if isinstance(value, str) and (type(value) is str or type(value).__module__.endswith(".ids")):
        return str(value) + HOSTILE
    return value


@pytest.mark.parametrize("language", languages())
def test_markup_in_any_field_stays_text(language: str) -> None:
    """Codes, identifiers, languages, media types: none of them breaks out of where it stands."""
    hostile = _spoilt(full())

    text = render_report(hostile, language=language, forms=forms_of(hostile), in_portal=True)

    root = html.document_fromstring(text)
    assert HOSTILE in root.text_content()
    assert root.cssselect("script, [onerror], [src=x]") == []
    assert len(root.cssselect("style")) == 1
    assert "49" not in words_of(root.cssselect("h1")[0])
    assert {one.tag for one in root.iter() if isinstance(one.tag, str)} <= {
        one.tag for one in page(in_portal=True).iter()
    } | {"object"}


LEGACY = (None, decode_report(encode_report(full(), structured=False)))


@pytest.mark.parametrize("report", LEGACY, ids=["pdf", "pdf in cda"])
def test_legacy_forms_are_shown_as_they_are(report: ImagingReport | None) -> None:
    """The document first; of a CDA what its header says."""
    forms = (
        forms_of(report)
        if report
        else (PresentedForm(media_type="application/pdf", content=b"%PDF-"),)
    )

    root = html.document_fromstring(render_report(report, language="es", forms=forms))

    assert is_legacy(report)
    assert root.cssselect(".notice")
    assert root.cssselect("section")[0].get("id") == "presented"
    (shown,) = root.cssselect("object")
    assert (shown.get("data"), shown.get("type")) == ("forms/0", "application/pdf")
    assert bool(root.cssselect("#patient")) is (report is not None)
    assert not is_legacy(least())


def test_forms_of_plain_text_are_shown_in_the_page() -> None:
    """All others are offered."""
    forms = (
        PresentedForm(media_type="text/plain; charset=utf-8", content="Zażółć".encode()),
        PresentedForm(media_type="application/rtf", content=b"{\\rtf1"),
    )
    root = page(replace(full(), presented=b"", other_forms=forms))

    assert "Zażółć" in words_of(root.cssselect("#presented .said")[0])
    assert [one.get("href") for one in root.cssselect(".forms a")] == ["forms/0", "forms/1"]
    assert root.cssselect("object") == []


def test_a_language_the_table_does_not_have_is_refused() -> None:
    """Rather than another shown."""
    with pytest.raises(UnknownLanguage):
        render_report(full(), language="tlh")
