"""Texts of sections: ours character by character, those of others as a browser shows them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fhir.report_narrative import (
    GENERATED,
    made_narrative,
    narrative,
    read_narrative,
    told_of,
)
from gateway.wire.problems import DecodeError

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]) | st.just("\n"))


@given(TEXTS, st.lists(TEXTS, max_size=2).map(tuple))
def test_plain_text_comes_back_as_it_was(text: str, told: tuple[str, ...]) -> None:
    """White space and markup included; what was made of entries does not come back."""
    written = narrative(text, told=told, language="el-GR")

    assert read_narrative(written, "text") == text


@pytest.mark.parametrize(
    ("div", "text"),
    [
        (f"<div {XHTML}>One\n   two</div>", "One two"),
        (f"<div {XHTML}><p>One</p><p>two <b>three</b></p></div>", "One\ntwo three"),
        (f"<div {XHTML}>One<br/>two</div>", "One\ntwo"),
        (
            f"<div {XHTML}><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table></div>",
            "a b\nc",
        ),
        (f"<div {XHTML}><ul><li>a &lt; b</li><li>c</li></ul></div>", "a < b\nc"),
        (f'<div {XHTML}><p class="{GENERATED}">made</p>said</div>', "said"),
        (f"<div {XHTML}/>", ""),
        ("", ""),
    ],
)
def test_markup_of_others_reads_as_lines(div: str, text: str) -> None:
    """Blocks and rows are lines, cells stand side by side, white space is one blank."""
    assert read_narrative({"div": div}, "text") == text


@pytest.mark.parametrize("div", ["<div", "no markup", "<!DOCTYPE x><div/>", "\ud800"])
def test_what_is_no_markup_is_refused(div: str) -> None:
    """With the place of the div."""
    with pytest.raises(DecodeError, match=r"text\.div"):
        read_narrative({"div": div}, "text")


def test_the_status_tells_what_was_written_by_somebody() -> None:
    """Made of entries alone is generated; with words of a person it is more."""
    assert narrative("said")["status"] == "additional"
    assert made_narrative("made")["status"] == "generated"
    assert read_narrative(made_narrative("made"), "text") == ""


@pytest.mark.parametrize(
    ("resource", "line"),
    [
        ({"resourceType": "Basic"}, "Basic"),
        (
            {
                "resourceType": "Observation",
                "code": {"coding": [{"code": "1", "display": "Diameter"}]},
                "valueQuantity": {"value": 24, "unit": "mm"},
                "effectiveDateTime": "2026-03-01",
            },
            "Observation: Diameter; 2026-03-01; 24 mm",
        ),
        (
            {
                "resourceType": "Procedure",
                "code": {"text": "CT"},
                "performedPeriod": {"start": "2026", "end": "2027"},
                "note": [{"text": "well"}],
            },
            "Procedure: CT; 2026 – 2027; well",
        ),
        (
            {"resourceType": "Condition", "stage": [{"summary": {"text": "T1"}}]},
            "Condition: T1",
        ),
        (
            {"resourceType": "ImagingStudy", "identifier": [{"value": "urn:oid:2.999.1"}]},
            "ImagingStudy: urn:oid:2.999.1",
        ),
    ],
)
def test_an_entry_reads_as_a_line(resource: Any, line: str) -> None:
    """Its type, and what its main elements say."""
    assert told_of(resource) == line
