"""The imaging report as a clinical document, and the PDF inside it, to and from `ImagingReport`.

Two bodies: level 1, a PDF in a non-XML body (IHE ITI XDS-SD), and a structured body with headed
sections and coded statements, which may hold the PDF as well. Not a renderer and not a validator
of templates: a foreign document is read for what the noun holds and no further. What a document
cannot hold is in `domain/report_losses.py`.
Clauses: HL7 CDA Release 2 (4.2 header, 4.3 body), IHE ITI TF-3 5.2 (XDS-SD).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.domain.ids import DocumentId
from gateway.domain.reports import ImagingReport
from gateway.wire.cda.body import PDF, read_body, read_pdf, write_body
from gateway.wire.cda.elements import HL7_TAG, element, one_of
from gateway.wire.cda.entries import embedded
from gateway.wire.cda.header import read_header, write_header
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import HL7, XSI, parse_xml, path_of

SCANNED_DOCUMENT: Final = "1.3.6.1.4.1.19376.1.2.20"  # template of XDS-SD, ITI TF-3 5.2.3
MAX_REPORT_BYTES: Final = 64 * 1024 * 1024  # a report with its PDF and its key images


def encode_report(
    report: ImagingReport, *, structured: bool | None = None, set_id: DocumentId | None = None
) -> bytes:
    """The report as a CDA document.

    `structured` asks for headed sections, with the PDF beside them; False for the PDF alone;
    left open, a report that has a PDF becomes that PDF's envelope. `set_id` is the id shared by
    all versions of the report; without it that of the report, of the version replaced, or its own
    stands in. Raises `EncodeError` when there is nothing to carry in that form.
    """
    if structured is None:
        structured = not report.presented
    if not structured and not report.presented:
        raise EncodeError("a report without sections needs a PDF")
    body = write_body(report) if structured else _scanned_body(report)
    if not body:
        raise EncodeError("a structured report needs at least one section")
    header = write_header(report, template="" if structured else SCANNED_DOCUMENT, set_id=set_id)
    document = element(
        "ClinicalDocument",
        {"xmlns": HL7, "xmlns:xsi": XSI},
        header,
        element("component", {}, body),
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>{document}'.encode()


def _scanned_body(report: ImagingReport) -> str:
    return element("nonXMLBody", {}, embedded("text", report.presented, PDF))


def decode_report(data: bytes) -> ImagingReport:
    """The report in a CDA document, ours or a foreign one.

    Raises `DecodeError` for what is no CDA document, has no id, no time or no body, or holds a
    PDF that is not one.
    """
    root = parse_xml(data, max_bytes=MAX_REPORT_BYTES, where="CDA document", large_text=True)
    if root.tag != HL7_TAG + "ClinicalDocument":
        raise DecodeError(path_of(root), "another document", "ClinicalDocument", "CDA R2 4.2.1")
    report = read_header(root)
    scanned = one_of(root, "component/nonXMLBody/text")
    if scanned is not None:
        return replace(report, presented=read_pdf(scanned))
    body = one_of(root, "component/structuredBody")
    if body is None:
        raise DecodeError(path_of(root), "no body", "nonXMLBody or structuredBody", "CDA R2 4.3")
    return read_body(report, body)
