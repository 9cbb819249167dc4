"""Where documents are found, the Binary around them, and what really came back."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import EntryId
from gateway.wire.fhir.mhd_retrieve import (
    DICOM,
    FHIR_JSON,
    FHIR_XML,
    GZIP,
    HTML,
    PDF,
    UNTYPED,
    XML,
    accept_header,
    attachment_url,
    bare_type,
    entry_id,
    judge_content,
    reference_id,
    unwrap_binary,
    wrap_binary,
)
from gateway.wire.fhir.resources import validated
from gateway.wire.problems import DecodeError
from tests.builders import make_entry
from tests.wire.fhir.spoiling import spoilt

ENTRY = make_entry()
KOS = b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00"
BUNDLE = b'{"resourceType":"Bundle","type":"document"}'
BINARY = b'{"resourceType":"Binary","contentType":"application/dicom","data":"AAAA"}'
XML_BUNDLE = b'<?xml version="1.0"?><Bundle xmlns="http://hl7.org/fhir">'
CDA = b'<?xml version="1.0"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'


def test_an_entry_is_found_again_by_the_id_it_is_known_under() -> None:
    """Nothing has to be kept for it."""
    name = reference_id(ENTRY.id)

    assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", name)
    assert entry_id(name) == ENTRY.id


@pytest.mark.parametrize("own", ["doc-1", "urn:oid:2.999.1", "urn:uuid:6F1D6B1E", "urn:uuid:"])
def test_an_entry_without_a_uuid_has_no_id(own: str) -> None:
    """It could not be found again, and a FHIR id holds fewer characters than its own may."""
    assert reference_id(EntryId(own)) == ""
    assert entry_id(own.removeprefix("urn:uuid:")) is None


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("application/fhir+json", "Bundle"),
        ("application/fhir+xml; charset=utf-8", "Bundle"),
        ("application/dicom", "Binary"),
        ("text/xml", "Binary"),
    ],
)
def test_fhir_documents_are_bundles_and_others_binaries(mime: str, kind: str) -> None:
    """The NCPeH API and the EU API agree on that."""
    expected = f"https://a.example/fhir/{kind}/{reference_id(ENTRY.id)}"

    assert attachment_url("https://a.example/fhir/", replace(ENTRY, mime_type=mime)) == expected


def test_the_accept_header_prefers_the_type_of_the_list() -> None:
    """And takes what there is, for sniffing tells it apart."""
    assert accept_header(PDF) == "application/pdf, application/fhir+json;q=0.5, */*;q=0.1"
    assert accept_header(FHIR_JSON) == "application/fhir+json, */*;q=0.1"
    assert accept_header("") == accept_header(UNTYPED) == "*/*"


def test_a_mime_type_without_its_parameters() -> None:
    """A plus that was decoded as a space is put back."""
    assert bare_type(" Application/FHIR json; fhirVersion=4.0") == FHIR_JSON
    assert bare_type("text/html") == HTML
    assert bare_type("pdf") == bare_type("a/b/c") == bare_type("") == ""


@given(st.binary(max_size=300))
def test_a_document_comes_out_of_its_binary(document: bytes) -> None:
    """Valid as a resource, and the same bytes."""
    binary = wrap_binary(document, DICOM, binary_id="b1")

    validated(binary)
    assert unwrap_binary(binary) == (DICOM, document)


def test_a_binary_of_someone_else_is_read() -> None:
    """IHE's example; base64 in lines is base64."""
    assert unwrap_binary(
        {"resourceType": "Binary", "contentType": "text/plain;charset=UTF-8", "data": "AA\nAA "}
    ) == ("text/plain", b"\0\0\0")


@pytest.mark.parametrize(
    "binary",
    [
        {"resourceType": "Bundle"},
        {"resourceType": "Binary", "data": "AAAA"},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "?"},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "é"},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "A" * 40},
        {"resourceType": "Binary", "contentType": "text/plain", "data": " " * 400},
    ],
)
def test_what_is_no_binary_is_refused(binary: dict[str, str]) -> None:
    """Another resource, no type, no base64, or more than the limit."""
    with pytest.raises(DecodeError):
        unwrap_binary(binary, limit=20)


def test_whatever_stands_in_a_binary_only_decode_errors_come_out() -> None:
    """Every value replaced by every other kind of value, or removed."""
    for binary in spoilt(wrap_binary(b"abc", DICOM, binary_id="b1")):
        try:
            mime, _ = unwrap_binary(binary)
        except DecodeError:
            continue
        assert mime == DICOM


@pytest.mark.parametrize(
    ("expected", "declared", "head", "mime"),
    [
        (DICOM, DICOM, KOS, DICOM),
        (PDF, "application/pdf; version=1.7", b"%PDF-1.7", PDF),
        (FHIR_JSON, "application/fhir+json; charset=utf-8", BUNDLE, FHIR_JSON),
        (FHIR_JSON, "application/json", b"\xef\xbb\xbf " + BUNDLE, FHIR_JSON),
        (FHIR_XML, "application/xml", XML_BUNDLE, FHIR_XML),
        (XML, "application/xml", CDA, XML),
        ("application/hl7-cda+xml", "application/hl7-cda+xml", CDA, "application/hl7-cda+xml"),
        ("application/json", "application/json", b'{"summary":1}', "application/json"),
        ("text/plain", "text/plain", b"hello", "text/plain"),
        ("text/plain", "", b"hello", "text/plain"),
        (DICOM, DICOM, b"", DICOM),
    ],
)
def test_what_is_as_announced_needs_no_word(
    expected: str, declared: str, head: bytes, mime: str
) -> None:
    """Parameters and looser names of the same type are as announced."""
    judged = judge_content(expected, declared, head)

    assert (judged.mime, judged.wrapped, judged.warning) == (mime, False, "")


@pytest.mark.parametrize(
    ("expected", "declared", "head", "mime", "said"),
    [
        (DICOM, UNTYPED, KOS, DICOM, "the answer calls it application/octet-stream"),
        (DICOM, DICOM, KOS[132:], DICOM, "without a preamble"),
        (DICOM, DICOM, b"\x08\x00\x05\x00CS\x0a\x00", DICOM, "without a preamble"),
        (DICOM, DICOM, BUNDLE, FHIR_JSON, "the list calls it application/dicom"),
        (FHIR_JSON, FHIR_JSON, KOS, DICOM, "the list calls it application/fhir+json"),
        (PDF, PDF, b"\x1f\x8b\x08", GZIP, "compressed"),
        (PDF, "text/html", b"<!DOCTYPE html><html>", HTML, "a web page"),
        (
            PDF,
            FHIR_JSON,
            b'{"resourceType": "OperationOutcome"}',
            FHIR_JSON,
            "an OperationOutcome came in place",
        ),
        (PDF, "text/plain", b"hello", "text/plain", "the list calls it application/pdf"),
    ],
)
def test_what_is_something_else_is_told(
    expected: str, declared: str, head: bytes, mime: str, said: str
) -> None:
    """The bytes decide where they speak."""
    judged = judge_content(expected, declared, head)

    assert judged.mime == mime
    assert said in judged.warning


@pytest.mark.parametrize(
    ("head", "mime"),
    [(BINARY, FHIR_JSON), (b'<Binary xmlns="http://hl7.org/fhir">', FHIR_XML)],
)
@pytest.mark.parametrize("expected", [DICOM, FHIR_JSON, ""])
def test_a_wrapper_is_recognised(head: bytes, mime: str, expected: str) -> None:
    """Whatever was asked for: a document is never itself a Binary."""
    judged = judge_content(expected, mime, head)

    assert (judged.mime, judged.wrapped) == (mime, True)
    assert "Binary" in judged.warning


@given(st.text(max_size=40), st.text(max_size=40), st.binary(max_size=200))
def test_judging_never_fails(expected: str, declared: str, head: bytes) -> None:
    """There is always a type to go on with."""
    assert judge_content(expected, declared, head).mime
