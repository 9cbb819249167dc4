"""Values inside a foreign DocumentReference, each read as tolerantly as sense allows.

Used by `document_reference_read`; knows elements, not rows. A value that is no such thing is told
in a note and left out; a wrong JSON type is a `DecodeError`, for it is no slip of a person.
Clauses: IHE MHD 4.2.4, MADO, FHIR R4 DocumentReference and Attachment.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain import (
    AssociationKind,
    Code,
    EntryStatus,
    InvalidIdentifier,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Timestamp,
)
from gateway.domain.codes import FORMAT_FHIR_MANIFEST, IHE_CLASS, same_scheme
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir.concepts import OID_URN, read_concept
from gateway.wire.fhir.elements import read_datetime
from gateway.wire.fhir.identifiers import URIS, Identifier, as_reference, read_identifier
from gateway.wire.fhir.mhd_retrieve import UNTYPED, bare_type, read_base64
from gateway.wire.fhir.resources import Json, integer_at, object_at, objects_at, text_at
from gateway.wire.fhir.source_patient import read_patient_ids, read_source_patient
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

MAX_CODES = 500  # event codes, labels or related identifiers of one row

NO_CODE = Code("", "")
_STATUS = {"current": EntryStatus.APPROVED, "superseded": EntryStatus.DEPRECATED}
_HEX_SHA1 = re.compile(r"[0-9A-Fa-f]{40}")
_SHA1_BYTES = 20
_MAX_SIZE = 10**18  # an exabyte; more is not a size


class Notes:
    """What is to be said about one resource: what is missing, what is no such thing."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def missing(self, element: str, taken: str = "") -> None:
        """An element is not there, and what is `taken` in its place."""
        self.texts.append(f"{element} is missing{taken}")

    def wrong(self, element: str, value: str, expected: str) -> None:
        """An element holds something else than is expected."""
        self.texts.append(f"{element} is {quoted(value)!r}, expected {expected}")

    def moment(self, holder: Json, key: str, where: str) -> Timestamp | None:
        """A dateTime, None and a note when it is none."""
        text = text_at(holder, key, where)
        if not text:
            return None
        try:
            return read_datetime(text, f"{where}.{key}")
        except DecodeError as error:
            self.wrong(key, text[:40], error.expected)
            return None


def refuse_modifiers(holder: Json, where: str) -> None:
    """Nothing, or `DecodeError`: an unknown modifier may turn round what the rest means."""
    for key in ("modifierExtension", "implicitRules"):
        if holder.get(key):
            raise DecodeError(f"{where}.{key}", "a modifier", "none", "IHE MHD 4.2, 0..0")


def read_status(resource: Json, where: str, notes: Notes) -> EntryStatus:
    """Whether it is in force; one that nobody knows is taken not to be."""
    text = text_at(resource, "status", where)
    if text in _STATUS:
        return _STATUS[text]
    if not text:
        notes.missing("status", ", taken to be current")
        return EntryStatus.APPROVED
    notes.wrong("status", text, "current or superseded; taken to be superseded")
    return EntryStatus.DEPRECATED


def extension_text(resource: Json, url: str, value: str, where: str) -> str:
    """The value of the first extension of an URL, "" when there is none."""
    for i, extension in enumerate(objects_at(resource, "extension", where)):
        if extension.get("url") == url:
            return text_at(extension, value, f"{where}.extension[{i}]")
    return ""


# --- codes ----------------------------------------------------------------------------------------


def _few(codes: list[Code], where: str) -> list[Code]:
    if len(codes) > MAX_CODES:
        raise DecodeError(where, f"{len(codes)} codes", f"at most {MAX_CODES}")
    return codes


def read_codes(holder: Json, key: str, where: str) -> list[Code]:
    """The codes of an array of concepts, in their order."""
    found: list[Code] = []
    for i, concept in enumerate(objects_at(holder, key, where)):
        found += read_concept(concept, f"{where}.{key}[{i}]")
    return _few(found, f"{where}.{key}")


def read_one_code(holder: Json, key: str, where: str, notes: Notes) -> Code:
    """The first code of a concept; the empty code and a note when there is none."""
    codes = read_concept(object_at(holder, key, where), f"{where}.{key}")
    if not codes:
        notes.missing(key)
    return codes[0] if codes else NO_CODE


def read_class_code(resource: Json, where: str, notes: Notes) -> Code:
    """Of the codings of the category, IHE's class code, else the first, which is the preferred."""
    codes = read_codes(resource, "category", where)
    if not codes:
        notes.missing("category")
        return NO_CODE
    return next((code for code in codes if same_scheme(code.scheme) == IHE_CLASS), codes[0])


def _extension_codes(resource: Json, where: str) -> list[Code]:
    # Modality and body site of MADO and the EU API; the body site has its concept inside.
    found: list[Code] = []
    for i, extension in enumerate(objects_at(resource, "extension", where)):
        place = f"{where}.extension[{i}]"
        url = text_at(extension, "url", place)
        if url not in (terms.MODALITY_EXTENSION, terms.BODY_SITE_EXTENSION):
            continue
        holders = [(extension, place)]
        for j, inner in enumerate(objects_at(extension, "extension", place)):
            at = f"{place}.extension[{j}]"
            if text_at(inner, "url", at) == terms.BODY_SITE_CONCEPT:
                holders.append((inner, at))
        for holder, at in holders:
            concept = object_at(holder, "valueCodeableConcept", at)
            found += read_concept(concept, f"{at}.valueCodeableConcept")
    return _few(found, f"{where}.extension")


def read_event_codes(resource: Json, context: Json, where: str) -> tuple[Code, ...]:
    """Modality, region and procedure from `context.event` and the extensions, each once."""
    events = read_codes(context, "event", f"{where}.context")
    merged: list[Code] = []
    for code in (*events, *_extension_codes(resource, where)):
        if not any(code.means(other) for other in merged):
            merged.append(code)
    return tuple(merged)


# --- what is related ------------------------------------------------------------------------------


def _reference(identifier: Identifier, kind: str, where: str) -> ReferenceId | None:
    value, types = identifier.value, identifier.types
    if kind and not types:
        types = (Code(kind, URIS),)
    elif not types and identifier.system == URIS:
        # A bare URI that is related and of no stated kind: the id of another document.
        value, types = value.removeprefix(OID_URN), (Code(ReferenceKind.UNIQUE_ID, URIS),)
    system = "" if value != identifier.value else identifier.system
    try:
        return as_reference(Identifier(value=value, system=system, types=types), where)
    except InvalidIdentifier as error:
        raise DecodeError(where, repr(error.found), error.expected) from None


def read_references(context: Json, where: str, notes: Notes) -> tuple[ReferenceId, ...]:
    """The identifiers of `related` and `encounter`, each once; one of no stated kind is told."""
    found: dict[ReferenceId, None] = {}
    for key, kind in (("related", ""), ("encounter", str(ReferenceKind.ENCOUNTER))):
        targets = objects_at(context, key, where)
        if len(targets) > MAX_CODES:
            raise DecodeError(f"{where}.{key}", f"{len(targets)} items", f"at most {MAX_CODES}")
        for i, target in enumerate(targets):
            place = f"{where}.{key}[{i}]"
            inner = object_at(target, "identifier", place)
            identifier = read_identifier(inner, f"{place}.identifier")
            if not identifier.value:
                continue  # a reference to a resource, which is no identifier to share
            try:
                reference = _reference(identifier, kind, place)
            except DecodeError as error:
                notes.wrong(key, identifier.value, error.expected)
                continue
            if reference is None:
                notes.wrong(f"the type of {key}", identifier.value, "one that says what it is")
            else:
                found[reference] = None
    return tuple(found)


def read_relations(resource: Json, where: str) -> tuple[tuple[AssociationKind, str], ...]:
    """What the document replaces, transforms, appends or signs, by the address of each."""
    found = []
    for i, each in enumerate(objects_at(resource, "relatesTo", where)):
        place = f"{where}.relatesTo[{i}]"
        kind = terms.RELATION_KINDS.get(text_at(each, "code", place))
        target = object_at(each, "target", place)
        text = text_at(target, "reference", f"{place}.target")
        if kind is not None and text:
            found.append((kind, text))
    return tuple(found)


def read_source(
    context: Json, contained: Mapping[str, Json], where: str
) -> tuple[PatientId | None, tuple[str, ...]]:
    """The patient at the source: the contained Patient, or the identifier of the reference."""
    place = f"{where}.sourcePatientInfo"
    reference = object_at(context, "sourcePatientInfo", where)
    target = contained.get(text_at(reference, "reference", place))
    if target is not None:
        return read_source_patient(target, place)
    identifier = object_at(reference, "identifier", place)
    ids = read_patient_ids({"identifier": [identifier]} if identifier else {}, place)
    return (ids[0] if ids else None), ()


# --- content --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One content of a DocumentReference: an attachment and its format."""

    mime_type: str
    title: str
    language: str
    created: Timestamp | None
    format_code: Code
    sha1: str
    size_bytes: int | None
    url: str
    inline: bytes | None


def _sha1(attachment: Json, where: str, notes: Notes) -> str:
    text = text_at(attachment, "hash", where).strip()
    if _HEX_SHA1.fullmatch(text):
        notes.wrong("hash", text, "base64, not hexadecimal digits")
        return text.lower()
    try:
        digest = base64.b64decode(text.encode(errors="replace"), validate=True)
    except binascii.Error:
        digest = b"?"
    if digest and len(digest) != _SHA1_BYTES:
        notes.wrong("hash", text, "the base64 of a SHA-1")
        return ""
    return digest.hex()


def _size(attachment: Json, where: str, notes: Notes) -> int | None:
    size = integer_at(attachment, "size", where)
    if size is not None and not 0 <= size <= _MAX_SIZE:
        notes.wrong("size", "out of range", "a number of bytes")
        return None
    return size


def _inline(attachment: Json, sha1: str, size: int | None, limit: int, where: str) -> bytes | None:
    if "data" not in attachment:
        return None
    data = read_base64(text_at(attachment, "data", where), f"{where}.data", limit)
    rule = "FHIR R4 Attachment"
    if size is not None and size != len(data):
        raise DecodeError(f"{where}.data", f"{len(data)} bytes", f"{size}, as size says", rule)
    if sha1 and hashlib.sha1(data, usedforsecurity=False).hexdigest() != sha1:
        raise DecodeError(f"{where}.data", "bytes of another hash", f"SHA-1 {sha1}", rule)
    return data


def read_content(content: Json, limit: int, where: str, notes: Notes) -> Content:
    """One content; `DecodeError` for a modifier, and for inline data beyond `limit` bytes or other
    than size and hash say."""
    refuse_modifiers(content, where)
    place = f"{where}.attachment"
    attachment = object_at(content, "attachment", where)
    mime_type = bare_type(text_at(attachment, "contentType", place))
    if not mime_type:
        notes.missing("contentType")
    coding = object_at(content, "format", where)
    formats = read_concept({"coding": [coding]}, f"{where}.format")
    if not formats:
        notes.missing("format")
    format_code = formats[0] if formats else NO_CODE
    if format_code.means(FORMAT_FHIR_MANIFEST):
        # FHIR has one system for the code system and the value set; XDS keeps MADO's choice.
        format_code = replace(format_code, scheme=FORMAT_FHIR_MANIFEST.scheme)
    sha1, size = _sha1(attachment, place, notes), _size(attachment, place, notes)
    url = text_at(attachment, "url", place).strip()
    inline = _inline(attachment, sha1, size, limit, place)
    if not url and inline is None:
        notes.missing("the document", ": neither url nor data")
    return Content(
        mime_type=mime_type or UNTYPED,
        title=text_at(attachment, "title", place),
        language=text_at(attachment, "language", place),
        created=notes.moment(attachment, "creation", place),
        format_code=format_code,
        sha1=sha1,
        size_bytes=size,
        url=url,
        inline=inline,
    )
