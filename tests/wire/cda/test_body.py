"""The structured body: sections in the order of the headings, texts and statements side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import Code, ImagingReport, PresentedForm, ReportSection
from gateway.domain.codes import LOINC
from gateway.domain.report_losses import held_by_cda
from gateway.domain.reports import COMMUNICATION_SECTION, FINDINGS_SECTION, IMPRESSION_SECTION
from gateway.wire.cda import body
from gateway.wire.cda.elements import all_of, one_of
from gateway.wire.cda.report import decode_report, encode_report
from gateway.wire.cda.values import read_code
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, parse_xml
from tests.wire.fhir.report_nouns import full


def structured(report: ImagingReport) -> Element:
    """The body as it is written."""
    found = one_of(parse_xml(encode_report(report, structured=True)), "component/structuredBody")
    assert found is not None
    return found


def codes(sections: list[Element]) -> list[str]:
    """The headings, "" for a section of none."""
    found = (read_code(one_of(section, "code")) for section in sections)
    return [code.value if code else "" for code in found]


def test_sections_stand_in_the_order_of_the_headings() -> None:
    """Those nobody wrote a text for among those somebody did, the forms at the end."""
    found = all_of(structured(full()), "component/section")

    assert codes(found) == [
        *("18726-0", "55115-0", "11329-0", "55111-9", "18834-2", "59776-5", "19005-8"),
        *("18783-1", "55113-5", "", ""),
    ]


def test_statements_stand_within_the_section_of_their_heading() -> None:
    """Listed for people in a text derived from them; the author's own text stays as it was."""
    found = all_of(structured(full()), "component/section")
    findings = found[5]
    inner = one_of(findings, "component/section")

    assert all_of(findings, "entry") == []
    assert len(all_of(inner, "entry/observation")) == len(full().observations)
    assert len(all_of(inner, "text/list/item")) == len(full().observations)
    assert {entry.get("typeCode") for entry in all_of(inner, "entry")} == {"DRIV"}


def test_sections_of_any_code_are_kept_as_text() -> None:
    """Known or not, in their order, with every line."""
    sections = (
        ReportSection(code=Code("X-1", "2.999.4"), title="Own", text="one\ntwo"),
        ReportSection(code=COMMUNICATION_SECTION, title="Told", text="The ward was called."),
        ReportSection(code=FINDINGS_SECTION, title="", text=""),
    )
    report = replace(held_by_cda(full()), sections=sections)

    assert decode_report(encode_report(report, structured=True)) == report


def test_a_text_that_says_more_than_its_statements_is_kept() -> None:
    """A foreign list beside entries may hold what no entry does."""
    data = encode_report(full(), structured=True).decode()
    spoilt = data.replace("</item></list></text><entry", " ?</item></list></text><entry", 1)

    read = decode_report(spoilt.encode())

    assert len(read.sections) == len(full().sections) + 1
    assert read.sections[0].text.endswith("?")


def test_forms_keep_their_title_and_language() -> None:
    """Beside the PDF, which is the first of its kind."""
    form = PresentedForm(media_type="text/plain", content=b"x", language="pl-PL", title="Bare")
    report = replace(held_by_cda(full()), other_forms=(form, replace(form, title="Two")))

    read = decode_report(encode_report(report, structured=True))

    assert read.other_forms == report.other_forms
    assert read.presented == report.presented


def test_a_section_may_be_all_there_is() -> None:
    """A report of one impression has a body of one section."""
    impression = ReportSection(code=IMPRESSION_SECTION, title="Impression", text="Normal.")
    report = replace(
        full(),
        sections=(impression,),
        presented=b"",
        **dict.fromkeys(
            [
                *("studies", "orders", "problems", "procedures", "specimens", "medications"),
                *("reactions", "comparisons", "observations", "conclusions", "care_plans"),
                *("key_images", "other_forms"),
            ],
            (),
        ),
    )

    assert codes(all_of(structured(report), "component/section")) == ["19005-8"]
    assert Code("19005-8", LOINC) == IMPRESSION_SECTION


@pytest.mark.parametrize(
    ("limit", "reason"), [("MAX_SECTIONS", "sections"), ("MAX_STATEMENTS", "one more entry")]
)
def test_a_body_has_limits(limit: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of endless sections or entries is refused."""
    monkeypatch.setattr(body, limit, 3)

    with pytest.raises(DecodeError, match=reason):
        decode_report(encode_report(full(), structured=True))
