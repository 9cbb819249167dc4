"""Documents: the question, the row of the list, the thing itself.

`DocumentQuery` carries every filter the exchange knows; the guideline's Article 10 filters are
special cases of it (`article10`). `DocumentEntry` is one row with all its metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.domain.codes import (
    Code,
    DocumentClass,
    as_region,
    is_modality,
    same_region,
)
from gateway.domain.ids import (
    CommunityId,
    DocumentId,
    EntryId,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Uid,
)
from gateway.domain.people import Author
from gateway.domain.times import TimeRange, Timestamp


class EntryStatus(StrEnum):
    """Whether an entry is the version in force."""

    APPROVED = "approved"
    DEPRECATED = "deprecated"


class EntryKind(StrEnum):
    """Whether a document exists as bytes, or is made when asked for."""

    STABLE = "stable"
    ON_DEMAND = "on-demand"


class ReturnType(StrEnum):
    """How much of each entry is wanted: everything, or its id alone."""

    LEAF_CLASS = "LeafClass"
    OBJECT_REF = "ObjectRef"


class AssociationKind(StrEnum):
    """How one entry relates to another, read as "source … target"."""

    APPENDS = "APND"
    REPLACES = "RPLC"
    TRANSFORMS = "XFRM"
    TRANSFORMS_AND_REPLACES = "XFRM_RPLC"
    SIGNS = "signs"


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """What names a document for retrieval: its community, repository and unique id."""

    community: CommunityId
    repository: Oid
    document: DocumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """One row of the list: all metadata of one version of one document.

    `sha1` is lower-case hex of the decoded bytes and `size_bytes` their count; both are "" and
    None where a peer left them out. `source_patient_info` keeps the PID-style strings as they
    are. `uri` and `availability` are as published.
    """

    id: EntryId
    ref: DocumentRef
    patient: PatientId
    status: EntryStatus = EntryStatus.APPROVED
    kind: EntryKind = EntryKind.STABLE
    logical_id: str = ""
    version: str = ""
    mime_type: str
    title: str = ""
    comments: str = ""
    class_code: Code
    type_code: Code
    format_code: Code
    facility_type: Code
    practice_setting: Code
    confidentiality: tuple[Code, ...] = ()
    event_codes: tuple[Code, ...] = ()
    authors: tuple[Author, ...] = ()
    legal_authenticator: str = ""
    created: Timestamp | None = None
    service_start: Timestamp | None = None
    service_stop: Timestamp | None = None
    language: str = ""
    sha1: str = ""
    size_bytes: int | None = None
    references: tuple[ReferenceId, ...] = ()
    source_patient: PatientId | None = None
    source_patient_info: tuple[str, ...] = ()
    uri: str = ""
    availability: str = ""

    def referenced(self, kind: ReferenceKind) -> tuple[ReferenceId, ...]:
        """The related identifiers of one kind."""
        return tuple(reference for reference in self.references if reference.kind == kind)

    @property
    def studies(self) -> tuple[str, ...]:
        """The Study Instance UIDs this document is about."""
        return tuple(reference.value for reference in self.referenced(ReferenceKind.STUDY))

    @property
    def modalities(self) -> tuple[Code, ...]:
        """The modalities among the event codes."""
        return tuple(code for code in self.event_codes if is_modality(code))

    @property
    def regions(self) -> tuple[Code, ...]:
        """The anatomical regions among the event codes, synonyms resolved."""
        return tuple(region for code in self.event_codes if (region := as_region(code)))

    @property
    def procedures(self) -> tuple[Code, ...]:
        """The event codes that are neither modality nor region: imaging procedures."""
        return tuple(
            code for code in self.event_codes if not is_modality(code) and as_region(code) is None
        )


@dataclass(frozen=True, slots=True)
class EntryRef:
    """An entry named and not described: the answer to a query for object references."""

    id: EntryId
    community: CommunityId


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A relation between two entries, with its own id and status."""

    id: EntryId
    kind: AssociationKind
    source: EntryId
    target: EntryId
    community: CommunityId
    status: EntryStatus = EntryStatus.APPROVED


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """A search for one patient's entries. Empty filters do not limit; filters combine with AND.

    Tuples of codes are alternatives. `event_codes`, `confidentiality` and `references` are
    groups: an entry must satisfy every group, and satisfies a group by any of its members
    (ITI TF-2 3.18.4.1.2.3.5). `author_patterns` and the value of a reference may hold the
    wildcards % and _ ; `references` non-empty makes it a search by reference id.
    `max_size_bytes`, `created_after` and `created_before` are the eHDSI filters of original
    clinical documents: an entry of unknown size or age is not excluded by them.
    """

    patient: PatientId
    community: CommunityId | None = None
    return_type: ReturnType = ReturnType.LEAF_CLASS
    statuses: tuple[EntryStatus, ...] = (EntryStatus.APPROVED,)
    kinds: tuple[EntryKind, ...] = (EntryKind.STABLE,)
    class_codes: tuple[Code, ...] = ()
    type_codes: tuple[Code, ...] = ()
    format_codes: tuple[Code, ...] = ()
    practice_settings: tuple[Code, ...] = ()
    facility_types: tuple[Code, ...] = ()
    confidentiality: tuple[tuple[Code, ...], ...] = ()
    event_codes: tuple[tuple[Code, ...], ...] = ()
    references: tuple[tuple[ReferenceId, ...], ...] = ()
    author_patterns: tuple[str, ...] = ()
    created: TimeRange = field(default_factory=TimeRange)
    service_start: TimeRange = field(default_factory=TimeRange)
    service_stop: TimeRange = field(default_factory=TimeRange)
    max_size_bytes: int | None = None
    created_after: Timestamp | None = None
    created_before: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Article10:
    """The guideline's eight filters as a person fills them in; empty means any."""

    document_class: DocumentClass | None = None
    modality: Code | None = None
    region: Code | None = None
    procedure: Code | None = None
    performed: TimeRange = field(default_factory=TimeRange)
    study: Uid | None = None
    accession: ReferenceId | None = None
    order: ReferenceId | None = None

    def query(
        self,
        patient: PatientId,
        community: CommunityId,
        class_codes: dict[DocumentClass, tuple[Code, ...]],
    ) -> DocumentQuery:
        """The query that asks for this; `class_codes` is how the peer codes each class.

        A region is asked for by every code that names it: who holds an entry compares codes.
        """
        groups = (
            (self.modality,) if self.modality else (),
            same_region(self.region) if self.region else (),
            (self.procedure,) if self.procedure else (),
        )
        wanted = [ReferenceId.of_study(self.study)] if self.study else []
        wanted += [reference for reference in (self.accession, self.order) if reference]
        return DocumentQuery(
            patient=patient,
            community=community,
            class_codes=class_codes[self.document_class] if self.document_class else (),
            event_codes=tuple(group for group in groups if group),
            references=tuple((reference,) for reference in wanted),
            service_start=self.performed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLookup:
    """A request for entries already known: by entry id or by unique id, never by both.

    `associations` asks for their associations as well; `entries` False asks for those alone.
    """

    community: CommunityId
    entry_ids: tuple[EntryId, ...] = ()
    document_ids: tuple[DocumentId, ...] = ()
    entries: bool = True
    associations: bool = False
    return_type: ReturnType = ReturnType.LEAF_CLASS


class Content(Protocol):
    """The bytes of a document, wherever they lie. May be read more than once."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in order, in pieces of the holder's choosing."""
        ...


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Content small enough to be a value."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in one piece."""
        yield self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A retrieved document. `sha1` is of the bytes as they are here, in lower-case hex."""

    ref: DocumentRef
    mime_type: str
    content: Content
    sha1: str

    @classmethod
    def of_bytes(cls, ref: DocumentRef, mime_type: str, data: bytes) -> Document:
        """A document whose bytes are at hand."""
        digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return cls(ref=ref, mime_type=mime_type, content=BytesContent(data), sha1=digest)


async def read_content(content: Content, limit: int) -> bytes:
    """All bytes of a content of at most `limit` bytes; `ValueError` if it holds more."""
    if content.size_bytes > limit:
        raise ValueError(f"found {content.size_bytes} bytes, expected at most {limit}")
    return b"".join([chunk async for chunk in content.chunks()])
