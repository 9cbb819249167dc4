"""A report read from the bytes of any form it travels in: FHIR of R4 or R5, CDA, PDF.

The form is told by the first bytes, never by what a peer calls it. A PDF is for people: of it there
is nothing to read.
"""

from __future__ import annotations

from typing import Final

from gateway.domain import ImagingReport
from gateway.wire.cda import report as cda
from gateway.wire.fhir.report_read import decode_report as decode_fhir
from gateway.wire.fhir.resources import Format
from gateway.wire.problems import DecodeError
from gateway.wire.xml import HL7, parse_xml, quoted, tag_of

_MARKS: Final = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, white space
_PDF: Final = b"%PDF-"
_HEAD: Final = 1024  # bytes among which the mark of a PDF may stand (ISO 32000-1, annex H)


def is_pdf(data: bytes) -> bool:
    """Whether a document is a PDF."""
    return _PDF in data[:_HEAD]


def read_report_form(data: bytes) -> ImagingReport | None:
    """The report, None for a PDF; `DecodeError` for what is none of the forms."""
    head = data[:64].lstrip(_MARKS)
    if head.startswith(b"{"):
        return decode_fhir(data, Format.JSON)
    if head.startswith(b"<"):
        root = parse_xml(data, max_bytes=cda.MAX_REPORT_BYTES, where="report", large_text=True)
        if tag_of(root) == f"{{{HL7}}}ClinicalDocument":
            return cda.decode_report(data)
        return decode_fhir(data, Format.XML)
    if is_pdf(data):
        return None
    found = quoted(data[:16].decode("latin-1")) if data else "nothing"
    raise DecodeError("report", found, "a report in FHIR, CDA or PDF")
