"""Rows of a list from ebXML, read as tolerantly as patients need: a slip never costs a row.

What a foreign entry left out is empty and told in one warning; only an entry that nobody could
ask for (no entry id, no document id) or that belongs to nobody (no patient) is dropped, with an
error. The writer is `entry_write`; tolerances: ITI TF-3 4.2.3.2 against what peers really send.
"""

from __future__ import annotations

from typing import TypeAlias

from gateway.domain import (
    Association,
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    EntryKind,
    EntryRef,
    InvalidIdentifier,
    Issue,
    Oid,
    PatientId,
    Refusal,
    Severity,
)
from gateway.wire.soap.ebxml import (
    CLASSIFICATION,
    DESCRIPTION,
    EXTERNAL_IDENTIFIER,
    NAME,
    VERSION_INFO,
    Scheme,
    association_of_urn,
    kind_of_urn,
    read_coding,
    read_localized,
    read_slots,
)
from gateway.wire.soap.entry_values import (
    Notes,
    Unusable,
    first,
    home_warning,
    read_authors,
    read_code,
    read_hash,
    read_home,
    read_references,
    read_repository,
    read_size,
    read_source_patient,
    read_status,
    read_uri,
)
from gateway.wire.xml import RIM, Element, quoted

EXTRINSIC_OBJECT = f"{{{RIM}}}ExtrinsicObject"
OBJECT_REF = f"{{{RIM}}}ObjectRef"
ASSOCIATION = f"{{{RIM}}}Association"

MAX_SUBJECT = 256  # as much of an id as an issue repeats

_NO_CODE = Code("", "")
_REFERENCES = "urn:ihe:iti:xds:2013:referenceIdList"
_UNTYPED = "application/octet-stream"  # the default of ExtrinsicObject/@mimeType in rim.xsd
# Plain strings: a member of an enum costs as much to look up as a slot to read.
_AUTHOR = Scheme.AUTHOR.value
_CONFIDENTIALITY = Scheme.CONFIDENTIALITY.value
_EVENT = Scheme.EVENT.value
_PATIENT_ID = Scheme.PATIENT_ID.value
_UNIQUE_ID = Scheme.UNIQUE_ID.value
_SINGLE = (
    (Scheme.CLASS.value, "classCode"),
    (Scheme.TYPE.value, "typeCode"),
    (Scheme.FORMAT.value, "formatCode"),
    (Scheme.FACILITY.value, "healthcareFacilityTypeCode"),
    (Scheme.PRACTICE.value, "practiceSettingCode"),
)


def _identifiers(element: Element) -> dict[str, str]:
    # Values by scheme; the first of a scheme counts.
    found: dict[str, str] = {}
    for identifier in element.iterchildren(EXTERNAL_IDENTIFIER):
        scheme = (identifier.get("identificationScheme") or "").strip()
        found.setdefault(scheme, (identifier.get("value") or "").strip())
    return found


def _entry_id(text: str, what: str) -> EntryId:
    try:
        return EntryId(text.strip())
    except InvalidIdentifier as error:
        raise Unusable(f"{what}: {error}") from None


def read_entry(
    element: Element,
    *,
    default_home: CommunityId | None = None,
    patients: dict[str, PatientId] | None = None,
) -> tuple[DocumentEntry | None, tuple[Issue, ...]]:
    """A `rim:ExtrinsicObject` as an entry, and what is to be said about it.

    None when the row cannot be used: then one of the issues is an error. `default_home` is the
    community the answer came from, taken (with a warning) for a row that does not name its own.
    `patients` remembers the patient ids read so far in the same answer.
    """
    subject = (element.get("id") or "").strip()[:MAX_SUBJECT]
    try:
        identifiers = _identifiers(element)
        unique_id = identifiers.get(_UNIQUE_ID, "")
        subject = unique_id[:MAX_SUBJECT] or subject
        return _entry(element, identifiers, default_home, Notes(patients))
    except Unusable as error:
        text = f"a row cannot be used: {error}"
        return None, (Issue(refusal=Refusal.PEER_MISBEHAVED, text=text, subject=subject),)


def _ref(
    identifiers: dict[str, str], home: CommunityId, repository: str, notes: Notes
) -> tuple[PatientId, DocumentRef]:
    try:
        document = DocumentId(identifiers.get(_UNIQUE_ID, ""))
    except InvalidIdentifier as error:
        raise Unusable(f"uniqueId: {error}") from None
    try:
        patient = notes.patient(identifiers.get(_PATIENT_ID, ""))
    except InvalidIdentifier as error:
        raise Unusable(f"patientId: {error}") from None
    try:
        return patient, DocumentRef(home, read_repository(repository), document)
    except InvalidIdentifier as error:
        # Gateways that keep no repositories name their community there; asking so may succeed.
        notes.texts.append(f"repositoryUniqueId: {error}; taken to be the community")
        return patient, DocumentRef(home, Oid(home), document)


def _classified(element: Element) -> tuple[dict[str, list[Code]], list[Author]]:
    # The codes by scheme, in order, and the authors.
    codes: dict[str, list[Code]] = {}
    authors: list[Author] = []
    for classification in element.iterchildren(CLASSIFICATION):
        scheme = (classification.get("classificationScheme") or "").strip()
        if scheme == _AUTHOR:
            authors += read_authors(read_slots(classification))
            continue
        value = (classification.get("nodeRepresentation") or "").strip()
        code = read_code(value, *read_coding(classification))
        if scheme in codes:
            codes[scheme].append(code)
        else:
            codes[scheme] = [code]
    return codes, authors


def _entry(
    element: Element,
    identifiers: dict[str, str],
    default_home: CommunityId | None,
    notes: Notes,
) -> tuple[DocumentEntry, tuple[Issue, ...]]:
    entry_id = _entry_id(element.get("id") or "", "id")
    home, about_home = read_home(element, default_home, "ExtrinsicObject")
    slots = read_slots(element)
    patient, ref = _ref(identifiers, home, first(slots, "repositoryUniqueId"), notes)
    codes, authors = _classified(element)
    one = {}
    for scheme, field in _SINGLE:
        one[field] = code = codes[scheme][0] if scheme in codes else _NO_CODE
        if not code.value:
            notes.missing(field)
    confidentiality = codes.get(_CONFIDENTIALITY, ())
    if not confidentiality:
        notes.missing("confidentialityCode")
    mime_type = (element.get("mimeType") or "").strip()
    if not mime_type:
        notes.missing("mimeType")
    versions = [version.get("versionName") for version in element.iterchildren(VERSION_INFO)]
    entry = DocumentEntry(
        id=entry_id,
        ref=ref,
        patient=patient,
        status=read_status(element, notes),
        kind=kind_of_urn(element.get("objectType") or "") or EntryKind.STABLE,
        logical_id=(element.get("lid") or "").strip(),
        version=((versions[0] if versions else "") or "").strip(),
        mime_type=mime_type or _UNTYPED,
        title=read_localized(element, NAME),
        comments=read_localized(element, DESCRIPTION),
        class_code=one["classCode"],
        type_code=one["typeCode"],
        format_code=one["formatCode"],
        facility_type=one["healthcareFacilityTypeCode"],
        practice_setting=one["practiceSettingCode"],
        confidentiality=tuple(confidentiality),
        event_codes=tuple(codes.get(_EVENT, ())),
        authors=tuple(authors),
        legal_authenticator=first(slots, "legalAuthenticator"),
        created=notes.time("creationTime", slots),
        service_start=notes.time("serviceStartTime", slots),
        service_stop=notes.time("serviceStopTime", slots),
        language=first(slots, "languageCode"),
        sha1=read_hash(first(slots, "hash"), notes),
        size_bytes=read_size(first(slots, "size"), notes),
        references=read_references(slots.get(_REFERENCES, []), notes),
        source_patient=read_source_patient(first(slots, "sourcePatientId"), notes),
        source_patient_info=tuple(slots.get("sourcePatientInfo", ())),
        uri=read_uri(slots.get("URI", [])),
        availability=first(slots, "documentAvailability"),
    )
    issues: tuple[Issue, ...] = ()
    if about_home:
        issues = (home_warning(about_home, ref.document),)
    if notes.texts:
        text = "metadata: " + "; ".join(notes.texts)
        issues += (_warning(text, ref.document),)
    return entry, issues


def _warning(text: str, subject: str) -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED, severity=Severity.WARNING, text=text, subject=subject
    )


def read_ref(
    element: Element, *, default_home: CommunityId | None = None
) -> tuple[EntryRef | None, tuple[Issue, ...]]:
    """A `rim:ObjectRef`, as `read_entry`."""
    subject = (element.get("id") or "").strip()[:MAX_SUBJECT]
    try:
        entry_id = _entry_id(subject, "ObjectRef/@id")
        home, about_home = read_home(element, default_home, "ObjectRef")
    except Unusable as error:
        return None, (Issue(refusal=Refusal.PEER_MISBEHAVED, text=str(error), subject=subject),)
    return EntryRef(entry_id, home), (home_warning(about_home, entry_id),) if about_home else ()


def read_association(
    element: Element, *, default_home: CommunityId | None = None
) -> tuple[Association | None, tuple[Issue, ...]]:
    """A `rim:Association`, as `read_entry`; a kind we have no noun for is left out and told.

    Its home and status may be missing: it belongs where its entries do (ITI TF-2 3.38.4.1.3 asks
    for neither).
    """
    subject = (element.get("id") or "").strip()[:MAX_SUBJECT]
    kind_urn = element.get("associationType") or ""
    kind = association_of_urn(kind_urn)
    if kind is None:
        return None, (
            Issue(
                refusal=Refusal.UNSUPPORTED,
                severity=Severity.WARNING,
                text=f"an association of type {quoted(kind_urn)!r} is left out",
                subject=subject,
            ),
        )
    notes = Notes()
    try:
        home, about_home = read_home(element, default_home, "Association")
        association = Association(
            id=_entry_id(subject, "Association/@id"),
            kind=kind,
            source=_entry_id(element.get("sourceObject") or "", "Association/@sourceObject"),
            target=_entry_id(element.get("targetObject") or "", "Association/@targetObject"),
            community=home,
            status=read_status(element, notes),
        )
    except Unusable as error:
        return None, (Issue(refusal=Refusal.PEER_MISBEHAVED, text=str(error), subject=subject),)
    said = [_warning(text, subject) for text in notes.texts if element.get("status")]
    if about_home and element.get("home"):
        said.append(home_warning(about_home, subject))
    return association, tuple(said)


Row: TypeAlias = DocumentEntry | EntryRef | Association


def read_object_list(
    listed: Element, *, default_home: CommunityId | None = None
) -> tuple[tuple[Row, ...], tuple[Issue, ...]]:
    """The rows of a `rim:RegistryObjectList` and what is to be said about them.

    Folders and submission sets (RegistryPackage) and other registry objects are passed over.
    """
    rows: list[Row] = []
    issues: list[Issue] = []
    patients: dict[str, PatientId] = {}
    nearby: CommunityId | None = None
    for element in listed.iterchildren(EXTRINSIC_OBJECT, OBJECT_REF, ASSOCIATION):
        row: Row | None
        if element.tag == EXTRINSIC_OBJECT:
            row, about = read_entry(element, default_home=default_home, patients=patients)
        elif element.tag == OBJECT_REF:
            row, about = read_ref(element, default_home=default_home)
        else:
            row, about = read_association(element, default_home=default_home or nearby)
        if row is not None:
            rows.append(row)
            nearby = row.ref.community if isinstance(row, DocumentEntry) else row.community
        issues += about
    return tuple(rows), tuple(issues)
