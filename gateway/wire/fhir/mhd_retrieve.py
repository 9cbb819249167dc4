"""ITI-68 Retrieve Document: where a document is found, and what really came back.

Ids and addresses of documents, the Binary wrapper, and the judgement of content by its first
bytes. Not the exchange over HTTP, and no judgement by hash: that needs the whole document.
Clauses: ITI TF-2 3.68 (MHD 4.2), FHIR R4 binary.html and references.html.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from gateway.domain import DocumentEntry, EntryId
from gateway.wire.fhir.resources import Json, expect_type, text_at
from gateway.wire.problems import DecodeError

MAX_BINARY = 64 * 1024 * 1024  # bytes of a document inside a Binary resource
HEAD = 2048  # as many first bytes as `judge_content` looks at

DICOM = "application/dicom"
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
PDF = "application/pdf"
XML = "text/xml"
HTML = "text/html"
GZIP = "application/gzip"
UNTYPED = "application/octet-stream"

_URN = "urn:uuid:"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# MIME types that name one thing, by the name we use.
_SAME = {
    "application/json+fhir": FHIR_JSON,
    "text/json": "application/json",
    "application/xml+fhir": FHIR_XML,
    "application/xml": XML,
    "application/dicom+octet-stream": DICOM,
    "application/x-pdf": PDF,
}
_RESOURCE_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,63}:)?([A-Za-z_][\w.-]{0,63})[\s/>]")
_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}")


def reference_id(entry: EntryId) -> str:
    """The FHIR id of an entry and of the resource with its bytes: its UUID.

    "" for one whose own id is no UUID, and so could not be found again by `entry_id`.
    """
    bare = str(entry).removeprefix(_URN)
    return bare if _UUID.fullmatch(bare) else ""


def entry_id(reference: str) -> EntryId | None:
    """The entry of a FHIR id; None for an id that `reference_id` never gives."""
    return EntryId(f"{_URN}{reference}") if _UUID.fullmatch(reference) else None


def bare_type(mime: str) -> str:
    """Type and subtype of a MIME type in lower case, without parameters; "" when it is none."""
    text = mime.partition(";")[0].strip().lower().replace(" ", "+")
    return text if _TYPE.fullmatch(text) else ""


def is_fhir_document(mime: str) -> bool:
    """Whether a document of this type is a FHIR resource, which is never wrapped in a Binary."""
    return bare_type(mime) in (FHIR_JSON, FHIR_XML)


def attachment_url(base: str, entry: DocumentEntry) -> str:
    """Where this gateway hands a document over: `Bundle/…` for FHIR, `Binary/…` for the rest."""
    kind = "Bundle" if is_fhir_document(entry.mime_type) else "Binary"
    return f"{base.rstrip('/')}/{kind}/{reference_id(entry.id)}"


def accept_header(mime: str) -> str:
    """The Accept header that asks for a document in its own type, and takes what there is."""
    wanted = bare_type(mime)
    if not wanted or wanted == UNTYPED:
        return "*/*"
    if is_fhir_document(wanted):
        return f"{wanted}, */*;q=0.1"
    return f"{wanted}, {FHIR_JSON};q=0.5, */*;q=0.1"


# --- Binary ---------------------------------------------------------------------------------------


def wrap_binary(document: bytes, mime: str, *, binary_id: str = "") -> Json:
    """A document as a Binary resource, for who asks for FHIR in place of the bytes."""
    binary: Json = {"resourceType": "Binary"}
    if binary_id:
        binary["id"] = binary_id
    binary["contentType"] = mime
    if document:
        binary["data"] = base64.b64encode(document).decode("ascii")
    return binary


def unwrap_binary(
    resource: Json, *, where: str = "Binary", limit: int = MAX_BINARY
) -> tuple[str, bytes]:
    """The MIME type and the bytes in a Binary resource.

    `DecodeError` for another resource, for no MIME type, for data that are not base64 or are more
    than `limit` bytes.
    """
    expect_type(resource, "Binary", where=where)
    mime = bare_type(text_at(resource, "contentType", where))
    if not mime:
        raise DecodeError(f"{where}.contentType", "no MIME type", "one", "FHIR R4 binary.html")
    return mime, read_base64(text_at(resource, "data", where), f"{where}.data", limit)


def read_base64(text: str, where: str, limit: int) -> bytes:
    """The bytes of a base64Binary, white space allowed; `DecodeError` beyond `limit` bytes."""
    # Checked before decoding: the text is the larger of the two.
    if len(text) > limit * 2 + 16:
        raise DecodeError(where, f"{len(text)} characters", f"at most {limit} bytes")
    try:
        data = base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError(where, "no base64", "base64", "FHIR R4 datatypes") from None
    if len(data) > limit:
        raise DecodeError(where, f"{len(data)} bytes", f"at most {limit} bytes")
    return data


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a body is by its first bytes.

    `mime` is the type it is to be treated as. `wrapped` says that it is a Binary resource around
    a document of another type. `warning` is "" when all was as announced.
    """

    mime: str
    wrapped: bool = False
    warning: str = ""


def judge_content(expected_mime: str, content_type: str, head: bytes) -> Judgement:
    """What came, by the type the list gave, the type the answer gave, and the first bytes.

    The bytes decide where they speak; else the answer's type, else the list's. Give `HEAD` bytes
    where there are as many. Never fails.
    """
    expected, declared = _one_name(expected_mime), _one_name(content_type)
    found, said = _sniff(head[:HEAD])
    if found == _BINARY:
        as_json = head.lstrip(_BLANK)[:1] == b"{"
        mime = FHIR_JSON if as_json else FHIR_XML
        return Judgement(mime=mime, wrapped=True, warning="the document came inside a Binary")
    mime = found or (declared if declared not in ("", UNTYPED) else expected) or UNTYPED
    for announced in (expected, declared):
        # The bytes tell the syntax, a name may tell more than that.
        if (mime == _JSON and announced.endswith("json")) or (
            mime == XML and announced.endswith("xml")
        ):
            mime = announced
    notes = [said] if said else []
    plain = {"", mime, *((_JSON,) if mime == FHIR_JSON else (XML,) if mime == FHIR_XML else ())}
    if declared not in plain:
        notes.append(f"the answer calls it {declared}")
    if expected not in plain:
        notes.append(f"the list calls it {expected}")
    return Judgement(mime=mime, warning="; ".join([f"{mime} came", *notes]) if notes else "")


_BINARY = "Binary"
_JSON = "application/json"
_BLANK = b"\xef\xbb\xbf \t\r\n"  # white space, and the mark that some write before UTF-8


def _one_name(mime: str) -> str:
    bare = bare_type(mime)
    return _SAME.get(bare, bare)


def _sniff(head: bytes) -> tuple[str, str]:
    # The type that the bytes tell, "" when they tell none, and what is odd about them.
    if head[128:132] == b"DICM":
        return DICOM, ""
    # Groups 0002 and 0008 in little endian, as the first element of a file without preamble.
    if head[:4] == b"\x02\x00\x00\x00" or (head[:2] == b"\x08\x00" and head[3:4] == b"\x00"):
        return DICOM, "DICOM without a preamble"
    if head[:2] == b"\x1f\x8b":
        return GZIP, "compressed without being asked"
    text = head.lstrip(_BLANK)
    if text[:5] == b"%PDF-":
        return PDF, ""
    if text[:1] == b"{":
        return _sniff_json(text)
    return _sniff_xml(text) if text[:1] == b"<" else ("", "")


def _sniff_json(text: bytes) -> tuple[str, str]:
    match = _RESOURCE_TYPE.search(text)
    if match is None:
        return _JSON, ""
    if match[1] == b"Binary":
        return _BINARY, ""
    if match[1] == b"OperationOutcome":
        return FHIR_JSON, "an OperationOutcome came in place of a document"
    return FHIR_JSON, ""


def _sniff_xml(text: bytes) -> tuple[str, str]:
    match = _ROOT.search(text)
    root = match[1] if match else b""
    if root.lower() == b"html" or text[:9].lower() == b"<!doctype":
        return HTML, "a web page came in place of a document"
    if b"http://hl7.org/fhir" in text and root != b"ClinicalDocument":
        if root == b"Binary":
            return _BINARY, ""
        odd = "an OperationOutcome came in place of a document"
        return FHIR_XML, odd if root == b"OperationOutcome" else ""
    return XML, ""
