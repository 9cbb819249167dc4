"""Narratives: a string in JSON, a tree in XML."""

from __future__ import annotations

import pytest
from lxml import etree

from gateway.wire.fhir.xhtml import read_div, write_div
from gateway.wire.problems import DecodeError, EncodeError

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"<div {XHTML}>a</div>", f"<div {XHTML}>a</div>"),
        (f"<div {XHTML}/>", f"<div {XHTML}/>"),
        (f"<div {XHTML}><p>a<br />b</p> c</div>", f"<div {XHTML}><p>a<br/>b</p> c</div>"),
        (f"<div {XHTML}>a &lt; &#160;<!-- no -->b</div>", f"<div {XHTML}>a &lt; \xa0b</div>"),
        (
            f'<div {XHTML} xml:lang="de" class="x"><b>A</b></div>',
            f'<div {XHTML} xml:lang="de" class="x"><b>A</b></div>',
        ),
        (
            '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b>A</h:b></h:div>',
            f"<div {XHTML}><b>A</b></div>",
        ),
    ],
)
def test_a_narrative_keeps_its_tree(text: str, written: str) -> None:
    """One namespace, declared on the div; the rest as it was."""
    assert write_div(text, "text.div") == written


def test_a_narrative_within_a_document_is_its_own() -> None:
    """Namespaces of the document around it do not leak into the string, nor does what follows."""
    root = etree.fromstring(
        f'<f:text xmlns:f="http://hl7.org/fhir"><div {XHTML}><p>a</p>b</div>tail</f:text>'
    )

    assert read_div(root[0], "text.div") == f"<div {XHTML}><p>a</p>b</div>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no markup",
        "<div>no namespace</div>",
        f"<p {XHTML}>no div</p>",
        f"<div {XHTML}>&nbsp;</div>",
        f"<div {XHTML}>open",
        f"<div {XHTML}/><div {XHTML}/>",
        f'<!DOCTYPE div [<!ENTITY e "x">]><div {XHTML}>&e;</div>',
        f'<div {XHTML}><svg xmlns="http://www.w3.org/2000/svg"/></div>',
        f'<div {XHTML} xmlns:x="urn:x" x:y="z"/>',
        f"<div {XHTML}>\ud800</div>",
    ],
)
def test_what_is_no_xhtml_is_not_written(text: str) -> None:
    """It would break the document around it, or smuggle something into it."""
    with pytest.raises(EncodeError):
        write_div(text, "text.div")


def test_another_element_is_no_narrative() -> None:
    """A div of FHIR's own namespace is none."""
    with pytest.raises(DecodeError, match="div of"):
        read_div(etree.fromstring('<div xmlns="http://hl7.org/fhir"/>'), "text.div")
