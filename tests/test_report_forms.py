"""A report is told by its bytes: FHIR of either release, CDA, PDF."""

from __future__ import annotations

import pytest

from gateway.report_forms import is_pdf, read_report_form
from gateway.wire.cda.report import encode_report as encode_cda
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_write import encode_report
from gateway.wire.fhir.resources import Format
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import full


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("format", Format)
def test_fhir_is_read_in_every_release_and_syntax(release: Release, format: Format) -> None:
    """Whole: the noun comes back."""
    report = read_report_form(encode_report(full(), release=release, format=format))

    assert report is not None
    assert report.observations == full().observations


@pytest.mark.parametrize("structured", [True, False])
def test_clinical_documents_are_read(structured: bool) -> None:
    """With sections or as the envelope of a PDF, a byte order mark before it or not."""
    data = encode_cda(full(), structured=structured)

    for written in (data, b"\xef\xbb\xbf" + data):
        report = read_report_form(written)
        assert report is not None
        assert report.presented == full().presented
        assert bool(report.sections) is structured


def test_a_pdf_is_for_people() -> None:
    """There is nothing to read of it, wherever its mark stands."""
    assert read_report_form(b"%PDF-1.7 ...") is None
    assert read_report_form(b"\n\n%PDF-1.4 ...") is None
    assert is_pdf(b"%PDF-1.7")
    assert not is_pdf(b" " * 2000 + b"%PDF-1.7")


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"{", b"{}", b"<a/>", b"<!DOCTYPE a><a/>", b"\x00" * 200]
)
def test_anything_else_is_no_report(data: bytes) -> None:
    """And never an error of ours."""
    with pytest.raises(DecodeError):
        read_report_form(data)
