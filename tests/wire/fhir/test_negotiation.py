"""Which format is answered in and read, by the table of HTTP in FHIR."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import BadRequest
from gateway.wire.fhir.negotiation import (
    NotAcceptable,
    UnsupportedMediaType,
    answer_format,
    document_form,
    request_format,
)
from gateway.wire.fhir.resources import Format

J, X = Format.JSON, Format.XML
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
JSON_NAMES = ["application/fhir+json", "application/json", "text/json", "application/json+fhir"]
XML_NAMES = ["application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"]


HEADERS = [
    ("", J),
    (" , ", J),
    ("*/*", J),
    ("*", J),
    ("application/*", J),
    ("text/*", J),
    *((name, J) for name in JSON_NAMES),
    *((name, X) for name in XML_NAMES),
    ("Application/FHIR+XML; Charset=UTF-8", X),
    ("application/fhir+json;q=1, application/fhir+xml;q=0.5", J),
    ("application/fhir+json;q=0.4, application/fhir+xml;q=0.5", X),
    ("application/fhir+xml, application/fhir+json", J),
    ("application/fhir+xml, */*;q=0.1", X),
    ("application/fhir+json;q=0, */*", X),
    ("application/fhir+json;q=0.2, application/*;q=0.9", X),
    ("*/*, application/fhir+xml;q=0.5", J),
    ("text/html", J),
    (BROWSER, J),
    ("application/fhir+xml, text/html;q=0.5", X),
    ("application/pdf, application/fhir+xml;q=0.1", X),
    ("application/fhir+xml; fhirVersion=4.0", X),
    ('application/fhir+xml; fhirVersion="4.0"; q=0.3', X),
    ("application/fhir+xml; fhirVersion=4.0.1", X),
    ("application/fhir+xml; fhirVersion=4.3", X),
    ("application/fhir+json; fhirVersion=5.0, application/fhir+xml; fhirVersion=4.0", X),
    ('application/fhir+xml; profile="a,b;q=0", application/pdf', X),
]


def test_the_header_decides() -> None:
    """Weights count, an exact name before a range, and equals give JSON (RFC 9110 12.5.1)."""
    wrong = [accept for accept, format in HEADERS if answer_format(accept, "") is not format]

    assert wrong == []


PARAMETERS = [
    ("json", J),
    ("xml", X),
    ("XML", X),
    *((name, J) for name in JSON_NAMES),
    *((name, X) for name in XML_NAMES),
    ("application/fhir xml", X),
    ("application/fhir json; fhirVersion=4.0", J),
]


def test_the_parameter_wins_over_the_header() -> None:
    """`_format` is for those who cannot set a header; a "+" may have become a space."""
    for parameter, format in PARAMETERS:
        for accept in ("application/fhir+json", "application/fhir+xml", "application/pdf"):
            assert answer_format(accept, parameter) is format, (parameter, accept)


@pytest.mark.parametrize(
    ("accept", "parameter", "subject"),
    [
        ("application/pdf", "", "Accept"),
        ("application/fhir+turtle", "", "Accept"),
        ("application/fhir+json; fhirVersion=5.0", "", "Accept"),
        ("application/fhir+json; fhirVersion=3.0", "", "Accept"),
        ("*/*; fhirVersion=5.0", "", "Accept"),
        ("application/fhir+json;q=0", "", "Accept"),
        ("application/fhir+json;q=much", "", "Accept"),
        ("*/*;q=0.0", "", "Accept"),
        ("nonsense", "", "Accept"),
        ("application/fhir+json", "ttl", "_format"),
        ("application/fhir+json", "text/html", "_format"),
        ("application/fhir+json", "application/fhir+json; fhirVersion=5.0", "_format"),
        ("", "*/*", "_format"),
    ],
)
def test_nothing_that_fits_is_not_acceptable(accept: str, parameter: str, subject: str) -> None:
    """R5 and formats nobody writes here are refused rather than answered with another."""
    with pytest.raises(NotAcceptable) as refused:
        answer_format(accept, parameter)

    assert refused.value.subject == subject


@pytest.mark.parametrize(
    ("content_type", "format"),
    [
        *((name, J) for name in JSON_NAMES),
        *((name, X) for name in XML_NAMES),
        ("application/fhir+json; charset=UTF-8", J),
        ('application/fhir+xml;charset="utf-8";fhirVersion=4.0', X),
    ],
)
def test_a_body_says_its_format(content_type: str, format: Format) -> None:
    """All names a format has had are read."""
    assert request_format(content_type) is format


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        " ",
        "json",
        "*/*",
        "text/html",
        "application/x-www-form-urlencoded",
        "application/fhir+json; fhirVersion=5.0",
        "application/fhir+json; charset=utf-16",
        "application/fhir+json, application/fhir+xml",
    ],
)
def test_another_body_is_not_supported(content_type: str) -> None:
    """Nothing is guessed from the bytes."""
    with pytest.raises(UnsupportedMediaType):
        request_format(content_type)


@given(st.text(alphabet=' ,;="\\q01.*/+abxmljson-') | st.text())
def test_no_header_does_harm(text: str) -> None:
    """Whatever stands in a header, the answer is a format or a refusal."""
    for read in (request_format, answer_format, lambda value: answer_format("", value)):
        with suppress(BadRequest):
            assert isinstance(read(text), Format)


def test_a_hostile_header_takes_no_time() -> None:
    """Reading is linear, whatever quotes and commas say."""
    for text in ('"' * 65_000, '\\"' * 32_000, ";" * 65_000, 'a;b="' * 13_000, ",;=" * 20_000):
        with suppress(BadRequest):
            answer_format(text, "")


@pytest.mark.parametrize(
    ("accept", "native", "form"),
    [
        ("", "application/dicom", None),
        ("*/*", "application/dicom", None),
        ("application/dicom", "application/dicom", None),
        ("application/*", "application/pdf", None),
        ("application/pdf, application/fhir+json;q=0.5", "application/pdf", None),
        ("application/pdf;q=0.2, application/fhir+json", "application/pdf", Format.JSON),
        ("application/fhir+xml", "application/pdf", Format.XML),
        ("application/fhir+json, */*;q=0.1", "application/fhir+json", None),
        ("application/json", "application/fhir+json", None),
        ("*/*;q=0.1, application/fhir+xml", "application/fhir+json", None),
    ],
)
def test_a_document_goes_out_as_it_is_unless_fhir_is_liked_better(
    accept: str, native: str, form: Format | None
) -> None:
    """FHIR R4 binary.html; of what is FHIR itself there is nothing but the bytes."""
    assert document_form(accept, native) is form


@pytest.mark.parametrize(
    ("accept", "native"),
    [
        ("image/png", "application/pdf"),
        ("application/pdf;q=0, image/png", "application/pdf"),
        ("application/fhir+xml", "application/fhir+json"),
        ("application/fhir+json; fhirVersion=5.0", "application/pdf"),
    ],
)
def test_a_document_nobody_can_take_is_not_sent(accept: str, native: str) -> None:
    """What is offered is named."""
    with pytest.raises(NotAcceptable, match=re.escape(native)):
        document_form(accept, native)
