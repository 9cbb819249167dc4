"""What Country A's gateway expects of its national systems, and the nouns of the image store.

Five ports: patient index, registry, repository, image store, consent register. Nothing here
waits or opens; `NationalSystems` only holds the five together. A port answers questions and
knows no policy: who may see what, and which refusal crosses the border, is the responder's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gateway.domain import (
    Association,
    Code,
    Content,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryId,
    EntryStatus,
    ImagingRequest,
    InstanceRef,
    Organisation,
    PatientId,
    PatientIdentity,
    PatientTraits,
    PixelFacts,
    Uid,
)


class ConsentRule(StrEnum):
    """What a patient decided about the exchange; a patient nobody recorded is ALLOW."""

    ALLOW = "allow"
    DENY = "deny"
    DENY_EXCEPT_EMERGENCY = "deny-except-emergency"


class PatientIndex(Protocol):
    """Who is who."""

    async def search(self, traits: PatientTraits) -> tuple[PatientIdentity, ...]:
        """Patients who fit, best match first, each with its degree.

        Identifiers decide where any are given: a patient must hold at least one of them and
        contradict none. Without them name and birth date are both needed. A birth date or a
        gender that is known and different excludes. Empty when nothing reaches the
        minimum degree of the traits, or of this country when they state none.
        """
        ...

    async def get(self, patient: PatientId) -> PatientIdentity | None:
        """The patient who holds this identifier, primary or other."""
        ...

    async def add(self, patients: Sequence[PatientIdentity]) -> None:
        """Record patients; one already known by its primary identifier is replaced."""
        ...

    async def ping(self) -> None:
        """Raise when the system behind cannot be reached."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """Entries and associations found by a look-up."""

    entries: tuple[DocumentEntry, ...] = ()
    associations: tuple[Association, ...] = ()


class Registry(Protocol):
    """Which documents there are: all versions, with how they relate."""

    async def find(self, query: DocumentQuery) -> tuple[DocumentEntry, ...]:
        """The same entries in the same order as `gateway.domain.selection.select`."""
        ...

    async def look_up(self, lookup: DocumentLookup) -> RegistryAnswer:
        """Entries by entry id or unique id, in the order asked for, of any status.

        Associations are those with one of the entries named at either end. What is not known
        is left out. `community` and `return_type` are not looked at.
        """
        ...

    async def documents(self, ids: Sequence[DocumentId]) -> dict[DocumentId, DocumentEntry]:
        """The entries of documents by unique id; unknown ones are missing from the answer."""
        ...

    async def add(
        self, entries: Sequence[DocumentEntry], associations: Sequence[Association] = ()
    ) -> None:
        """Register entries and associations together.

        The target of a replacing association becomes deprecated (ITI TF-2 3.42.4.1.3.5).
        `ValueError` when an id is already registered.
        """
        ...

    async def add_many(self, batch: Sequence[DocumentEntry]) -> None:
        """Register many new entries at once, by one writer: for loading."""
        ...

    async def set_status(self, entry: EntryId, status: EntryStatus) -> bool:
        """Change the status of an entry; False when there is no such entry."""
        ...

    async def ping(self) -> None:
        """Raise when the system behind cannot be reached."""
        ...


class Repository(Protocol):
    """The documents themselves."""

    async def get(self, document: DocumentId) -> Content | None:
        """The bytes of a document, or None when it is not held.

        Reading them raises `InternalFault` when they are no longer those that were put.
        """
        ...

    async def put(self, document: DocumentId, data: bytes, *, sha1: str = "") -> None:
        """Keep a document.

        `ValueError` when the bytes do not have the SHA-1 given (lower-case hex), or when other
        bytes are already held under the same id. The same bytes again are accepted.
        """
        ...

    async def ping(self) -> None:
        """Raise when the system behind cannot be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study of the image store. Dates and times are local to `offset_minutes`."""

    uid: Uid
    patient: PatientId | None
    study_date: date | None = None
    study_time: time | None = None
    offset_minutes: int | None = None
    description: str = ""
    requests: tuple[ImagingRequest, ...] = ()
    procedures: tuple[Code, ...] = ()
    institution: Organisation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSeries:
    """A series of the image store; `body_part` and `laterality` as DICOM writes them.

    `region` is the coded region where the images carry one.
    """

    uid: Uid
    study: Uid
    modality: str
    number: int | None = None
    description: str = ""
    started: date | None = None
    started_time: time | None = None
    body_part: str = ""
    region: Code | None = None
    laterality: str = ""
    instance_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """An instance of the image store: where its file lies and what its header says.

    `size_bytes` and `sha256` (lower-case hex) are of the whole DICOM file as stored,
    `native_sha256` of its pixels, "" where they do not stand there as they decode.
    `bits_stored`, `rows` and `columns` are 0 without pixels; `pixels` is what else the header
    says of them. `note_title` and
    `note_description` are there for key-image notes alone.
    """

    ref: InstanceRef
    sop_class: Uid
    transfer_syntax: Uid
    file: str
    size_bytes: int
    sha256: str = ""
    native_sha256: str = ""
    patient: PatientId | None = None
    number: int | None = None
    frames: int | None = None
    rows: int = 0
    columns: int = 0
    bits_stored: int = 0
    has_pixels: bool = False
    burned_in: str = ""
    note_title: Code | None = None
    note_description: str = ""
    pixels: PixelFacts | None = None

    @property
    def path(self) -> Path:
        """Where its file lies."""
        return Path(self.file)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was not taken, and why, in words for a person."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What became of files handed to the image store."""

    stored: tuple[StoredInstance, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Pacs(Protocol):
    """The image store. Manifest order: series number, instance number, then UID."""

    async def study(self, study: Uid) -> StoredStudy | None:
        """One study, or None."""
        ...

    async def studies(self, patient: PatientId) -> tuple[StoredStudy, ...]:
        """The studies of a patient, newest first."""
        ...

    async def series(self, study: Uid) -> tuple[StoredSeries, ...]:
        """The series of a study, in manifest order."""
        ...

    async def instances(
        self, study: Uid, *, series: Uid | None = None, instance: Uid | None = None
    ) -> tuple[StoredInstance, ...]:
        """The instances of a study, of a series in it, or the one named; in manifest order."""
        ...

    async def find(self, ref: InstanceRef) -> StoredInstance | None:
        """The instance at exactly this place; None when study or series are not its own."""
        ...

    async def find_all(self, refs: Sequence[InstanceRef]) -> tuple[StoredInstance | None, ...]:
        """As `find`, for many at once, in the order asked for."""
        ...

    async def add(self, files: Iterable[Path]) -> StoreReport:
        """Index DICOM files where they lie; an instance already known is replaced."""
        ...

    async def ping(self) -> None:
        """Raise when the system behind cannot be reached."""
        ...


class ConsentRegister(Protocol):
    """What patients decided."""

    async def rule(self, patient: PatientId) -> ConsentRule:
        """The decision in force; ALLOW where none is recorded."""
        ...

    async def set_rule(self, patient: PatientId, rule: ConsentRule) -> None:
        """Record a decision, in place of any earlier one."""
        ...

    async def ping(self) -> None:
        """Raise when the system behind cannot be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalSystems:
    """The five systems behind the gateway."""

    patients: PatientIndex
    registry: Registry
    repository: Repository
    pacs: Pacs
    consent: ConsentRegister
