"""A DocumentReference of any dialect as rows of the list: one row for each of its contents.

Tolerant: what a foreign resource left out is empty and told in one warning, as for SOAP. Refused
with `DecodeError` is what nobody could use or would misread: wrong JSON types, no content, no id,
no patient, an unknown modifier, inline data that are not what they are said to be.

Dropped, because the noun has no place for it: `text`, `date`, `docStatus`, `custodian`, content
profiles, references to other resources without identifier, further codings of type, facility and
practice setting, categories beside the class code, MIME parameters, and of authors and patients
what `contained_people` and `source_patient` drop. A description that only repeats title or type
is no comment. The writer is `document_reference_write`.
Clauses: IHE MHD 4.2.4, IHE MADO, MyHealth@EU NCPeH API 9.1, EU Health Data API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain import (
    AssociationKind,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    InvalidIdentifier,
    Issue,
    Oid,
    PatientId,
    Refusal,
    Severity,
)
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir.contained_people import read_authenticator, read_authors, read_contained
from gateway.wire.fhir.document_identifiers import as_document_id
from gateway.wire.fhir.document_reference_values import (
    NO_CODE,
    Content,
    Notes,
    extension_text,
    read_class_code,
    read_codes,
    read_content,
    read_event_codes,
    read_one_code,
    read_references,
    read_relations,
    read_source,
    read_status,
    refuse_modifiers,
)
from gateway.wire.fhir.document_reference_write import default_description
from gateway.wire.fhir.identifiers import Identifier, as_patient_id, read_identifier
from gateway.wire.fhir.resources import Json, expect_type, object_at, objects_at, text_at
from gateway.wire.fhir.source_patient import read_patient_ids
from gateway.wire.problems import DecodeError

MAX_INLINE = 10 * 1024 * 1024  # bytes of a document inside its DocumentReference
MAX_CONTENTS = 50
MAX_SUBJECT = 256  # as much of an id as an issue repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDocument:
    """A row, where its document is, and the document itself where it came along.

    `url` is as written, relative or absolute, and "" when there is none. `relations` name other
    DocumentReferences by their address: the twin in another format, the version replaced.
    """

    entry: DocumentEntry
    url: str = ""
    inline: bytes | None = None
    relations: tuple[tuple[AssociationKind, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReference:
    """The rows of one DocumentReference, and what is to be said about it."""

    found: tuple[FoundDocument, ...] = ()
    issues: tuple[Issue, ...] = ()


Placed = tuple[Identifier, str]


def _identifiers(resource: Json, where: str) -> list[Placed]:
    places = [
        (each, f"{where}.identifier[{i}]")
        for i, each in enumerate(objects_at(resource, "identifier", where))
    ]
    found = [(read_identifier(each, place), place) for each, place in places]
    return [(identifier, place) for identifier, place in found if identifier.value]


def _document_id(resource: Json, others: Sequence[Placed], where: str, notes: Notes) -> DocumentId:
    place = f"{where}.masterIdentifier"
    master = read_identifier(object_at(resource, "masterIdentifier", where), place)
    if master.value:
        return as_document_id(master, place)
    candidates = [
        (identifier, at)
        for typed in (True, False)
        for identifier, at in others
        if terms.ENTRY_UUID not in identifier.types
        and (terms.UNIQUE_ID in identifier.types) is typed
    ]
    if candidates:
        notes.missing("masterIdentifier", ", an identifier is taken for it")
        return as_document_id(*candidates[0])
    resource_id = text_at(resource, "id", where)
    if not resource_id:
        raise DecodeError(place, "nothing", "an identifier", "IHE MHD 4.2, 1..1")
    notes.missing("masterIdentifier", ", the id of the resource is taken for it")
    return as_document_id(Identifier(value=resource_id), f"{where}.id")


def _entry_id(
    resource: Json, others: Sequence[Placed], document: DocumentId, where: str
) -> EntryId:
    # The typed one; else a UUID that is not the document's own; else what FHIR knows it by.
    typed = [each.value for each, _ in others if terms.ENTRY_UUID in each.types]
    uuids = [
        each.value
        for each, _ in others
        if not each.types and each.value.startswith("urn:uuid:") and each.value != document
    ]
    candidates = [*typed, *uuids, text_at(resource, "id", where), str(document)]
    try:
        return EntryId(next(text for text in candidates if text))
    except InvalidIdentifier as error:
        raise DecodeError(f"{where}.identifier", repr(error.found), error.expected) from None


def _home(resource: Json, default: CommunityId, where: str, notes: Notes) -> CommunityId:
    text = extension_text(resource, terms.HOME_EXTENSION, "valueOid", where)
    try:
        return CommunityId.parse(text) if text else default
    except InvalidIdentifier as error:
        notes.wrong("homeCommunityId", error.found, error.expected)
        return default


def _patient(
    resource: Json,
    contained: Mapping[str, Json],
    asked_for: PatientId | None,
    where: str,
    notes: Notes,
) -> PatientId:
    place = f"{where}.subject"
    subject = object_at(resource, "subject", where)
    inner = f"{place}.identifier"
    identifier = read_identifier(object_at(subject, "identifier", place), inner)
    if identifier.value:
        patient = as_patient_id(identifier, inner)
        if patient is not None:
            return patient
        notes.wrong("the system of subject.identifier", identifier.system, "an OID")
    target = contained.get(text_at(subject, "reference", place))
    ids = read_patient_ids(target, place) if target is not None else ()
    if ids:
        return ids[0]
    if asked_for is None:
        raise DecodeError(place, "no identifier", "one whose system is an OID", "IHE MHD 4.2")
    return asked_for


def _warning(text: str, subject: str) -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED,
        severity=Severity.WARNING,
        text=text,
        subject=subject[:MAX_SUBJECT],
    )


def _with_content(entry: DocumentEntry, content: Content, number: int, where: str) -> DocumentEntry:
    document, entry_id = entry.ref.document, entry.id
    if number > 1:
        try:
            document = DocumentId(f"{document}#{number}")
            entry_id = EntryId(f"{entry_id}#{number}")
        except InvalidIdentifier as error:
            raise DecodeError(where, repr(error.found), error.expected) from None
    said = default_description(content.title, entry.type_code)
    return replace(
        entry,
        id=entry_id,
        ref=DocumentRef(entry.ref.community, entry.ref.repository, document),
        mime_type=content.mime_type,
        title=content.title,
        comments="" if entry.comments == said else entry.comments,
        language=content.language,
        created=content.created,
        format_code=content.format_code,
        sha1=content.sha1,
        size_bytes=content.size_bytes,
    )


def _entry(
    resource: Json,
    contained: Mapping[str, Json],
    where: str,
    notes: Notes,
    *,
    entry_id: EntryId,
    ref: DocumentRef,
    patient: PatientId,
) -> DocumentEntry:
    # What all contents share; what differs is put in by `_with_content`.
    place = f"{where}.context"
    context = object_at(resource, "context", where)
    refuse_modifiers(context, place)
    period = object_at(context, "period", place)
    started = notes.moment(period, "start", f"{place}.period")
    source, info = read_source(context, contained, place)
    confidentiality = tuple(read_codes(resource, "securityLabel", where))
    if not confidentiality:
        notes.missing("securityLabel")
    if text_at(resource, "docStatus", where) == "preliminary":
        notes.wrong("docStatus", "preliminary", "only what is final")
    authors = objects_at(resource, "author", where)
    authenticator = object_at(resource, "authenticator", where)
    return DocumentEntry(
        id=entry_id,
        ref=ref,
        patient=patient,
        status=read_status(resource, where, notes),
        version=extension_text(resource, terms.VERSION_EXTENSION, "valueString", where),
        mime_type="",
        comments=text_at(resource, "description", where),
        class_code=read_class_code(resource, where, notes),
        type_code=read_one_code(resource, "type", where, notes),
        format_code=NO_CODE,
        facility_type=read_one_code(context, "facilityType", place, notes),
        practice_setting=read_one_code(context, "practiceSetting", place, notes),
        confidentiality=confidentiality,
        event_codes=read_event_codes(resource, context, where),
        authors=read_authors(authors, contained, f"{where}.author"),
        legal_authenticator=read_authenticator(authenticator, contained, f"{where}.authenticator"),
        service_start=started,
        # An open end would make an examination last for ever: it is taken to end as it starts.
        service_stop=notes.moment(period, "end", f"{place}.period") or started,
        references=read_references(context, place, notes),
        source_patient=source,
        source_patient_info=info,
    )


def read_document_reference(
    resource: Json,
    *,
    community: CommunityId,
    repository: Oid,
    where: str = "DocumentReference",
    patient: PatientId | None = None,
    inline_limit: int = MAX_INLINE,
) -> ReadReference:
    """The rows of a DocumentReference, one for each content, and one warning about its metadata.

    `community` is where it comes from, taken when it does not name its home; `repository` names
    what FHIR has no name for. `patient` is who was asked for, taken for a subject that is but a
    reference or an identifier of a system that is no OID; without it such a resource is refused.
    Contents after the first have `#2` and so on appended to both ids, so that each is a document
    of its own. A resource that was entered in error gives no row and one issue.
    """
    expect_type(resource, "DocumentReference", where=where)
    refuse_modifiers(resource, where)
    if text_at(resource, "status", where) == "entered-in-error":
        text = "a document that was entered in error is left out"
        return ReadReference(issues=(_warning(text, text_at(resource, "id", where)),))
    notes = Notes()
    others = _identifiers(resource, where)
    contained = read_contained(resource, where)
    contents = objects_at(resource, "content", where)
    if not 0 < len(contents) <= MAX_CONTENTS:
        expected = f"1 to {MAX_CONTENTS}"
        raise DecodeError(f"{where}.content", f"{len(contents)} contents", expected, "FHIR R4")
    document = _document_id(resource, others, where, notes)
    entry = _entry(
        resource,
        contained,
        where,
        notes,
        entry_id=_entry_id(resource, others, document, where),
        ref=DocumentRef(_home(resource, community, where, notes), repository, document),
        patient=_patient(resource, contained, patient, where, notes),
    )
    relations = read_relations(resource, where)
    found = []
    for i, each in enumerate(contents):
        place = f"{where}.content[{i}]"
        content = read_content(each, inline_limit, place, notes)
        found.append(
            FoundDocument(
                entry=_with_content(entry, content, i + 1, place),
                url=content.url,
                inline=content.inline,
                relations=relations,
            )
        )
    if not notes.texts:
        return ReadReference(found=tuple(found))
    about = _warning("metadata: " + "; ".join(notes.texts), document)
    return ReadReference(found=tuple(found), issues=(about,))
