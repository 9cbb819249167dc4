"""Stand-ins for tests: an Exchange that answers from what it is given, and its imaging files.

`FakeExchange` keeps to the port; its knobs make it misbehave in the ways peers do. `FakeReading`
reads manifests, notes and images that are JSON instead of DICOM, so that tests of Country B need
no pydicom.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from country_b.reading import DicomReading, ReceivedInstance
from country_b.stored import pack, unpack
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    Association,
    CallContext,
    Code,
    CommunityId,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryId,
    ExchangeError,
    Gender,
    HumanName,
    ImageChunk,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    ImagingReport,
    InstanceRef,
    Issue,
    KeyImageNote,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    NotFound,
    Oid,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    PeerMisbehaved,
    ReferenceId,
    ReferenceKind,
    Refusal,
    Timestamp,
    Uid,
    ViewerLink,
    refuse,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    DCM,
    FORMAT_KOS,
    FORMAT_PDF,
    ISO_COUNTRY,
    LOINC,
    REGIONS,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)
from gateway.domain.documents import EntryStatus
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.domain.people import Author, Organisation
from gateway.domain.selection import select

COUNTRY_A = CommunityId("2.999.1.1")
REPOSITORY = Oid("2.999.1.1.2")
IMAGING_SOURCE = Oid("2.999.1.1.3")
AUTHORITY = Oid("2.999.1.1.1")
PATIENT = PatientId("P-1", AUTHORITY)
CT_IMAGE = Uid("1.2.840.10008.5.1.4.1.1.2")


@dataclass
class FakeExchange:
    """Answers from tuples and dictionaries; every call is written down in `calls`."""

    community: CommunityId = COUNTRY_A
    patients: tuple[PatientIdentity, ...] = ()
    entries: tuple[DocumentEntry, ...] = ()
    documents: dict[DocumentId, bytes] = field(default_factory=dict)
    instances: dict[Uid, bytes] = field(default_factory=dict)
    refusals: dict[str, ExchangeError] = field(default_factory=dict)
    ignores_filters: bool = False
    extra_documents: tuple[Document, ...] = ()
    issues: dict[str, tuple[Issue, ...]] = field(default_factory=dict)
    silent_about: frozenset[Uid] = frozenset()
    unasked: tuple[Uid, ...] = ()
    cut_after_bytes: int | None = None
    chunk_bytes: int = 64 * 1024
    tells_digests: bool = False
    sends_instead: dict[Uid, bytes] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    asked_for_images: asyncio.Event = field(default_factory=asyncio.Event)
    viewer: ViewerLink = ViewerLink("https://viewer.example/view/x")
    certificate: Callable[[str, Uid], bytes] | None = None
    calls: list[tuple[str, object, CallContext]] = field(default_factory=list)

    def _called(self, verb: str, asked: object, context: CallContext) -> None:
        self.calls.append((verb, asked, context))
        if verb in self.refusals:
            raise self.refusals[verb]

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        self._called("identify", traits, context)
        found = tuple(
            patient
            for patient in self.patients
            if (patient.id in traits.ids)
            or (
                traits.name is not None
                and any(name.family == traits.name.family for name in patient.names)
                and traits.birth_date in (None, patient.birth_date)
            )
        )
        return Outcome(found, self.issues.get("identify", ()))

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        self._called("find", query, context)
        found = self.entries if self.ignores_filters else select(query, self.entries)
        return Outcome(found, self.issues.get("find", ()))

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        self._called("look-up", lookup, context)
        return Outcome(
            tuple(entry for entry in self.entries if entry.ref.document in lookup.document_ids)
        )

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        self._called("retrieve", tuple(refs), context)
        mime = {entry.ref: entry.mime_type for entry in self.entries}
        found, issues = [], []
        for ref in refs:
            data = self.documents.get(ref.document)
            if data is None:
                issues.append(
                    Issue(
                        refusal=Refusal.UNKNOWN_DOCUMENT,
                        text="no such document",
                        code="XDSDocumentUniqueIdError",
                        subject=str(ref.document),
                    )
                )
            else:
                found.append(Document.of_bytes(ref, mime.get(ref, ""), data))
        return Outcome((*found, *self.extra_documents), (*issues, *self.issues.get("retrieve", ())))

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        self._called("viewer", (study, key_images_only), context)
        return self.viewer

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        self._called("plan", (request, wish), context)
        raise refuse(Refusal.UNSUPPORTED, "nothing is planned here")

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        self._called("certify", (delivery, study), context)
        if self.certificate is None:
            raise refuse(Refusal.UNSUPPORTED, "nothing is certified here")
        return self.certificate(delivery, study)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        self._called("images", request, context)
        self.asked_for_images.set()
        known = [pair for pair in request.instances if pair[0].instance in self.instances]
        issues = tuple(
            Issue(
                refusal=Refusal.UNKNOWN_INSTANCE,
                text="no such image",
                code="XDSDocumentUniqueIdError",
                subject=str(ref.instance),
            )
            for ref, _ in request.instances
            if ref.instance not in self.instances
        )
        if not known:
            raise NotFound(Refusal.UNKNOWN_INSTANCE, "none of the images is here")
        return FakeDelivery(self, known, issues)


@dataclass
class FakeDelivery:
    """Sends the instances of a `FakeExchange` in the order asked for."""

    exchange: FakeExchange
    pairs: Sequence[tuple[InstanceRef, Oid]]
    issues: tuple[Issue, ...]
    closed: bool = False
    id: str = ""
    digests: dict[Uid, str] = field(default_factory=dict)

    @property
    def announced(self) -> tuple[AnnouncedInstance, ...]:
        return tuple(
            AnnouncedInstance(
                ref=ref,
                repository=location,
                transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
                size_bytes=len(self.exchange.instances[ref.instance]),
                sha256=self._digest_of(ref.instance) if self.exchange.tells_digests else "",
            )
            for ref, location in self.pairs
        )

    def _digest_of(self, instance: Uid) -> str:
        return hashlib.sha256(self.exchange.instances[instance]).hexdigest()

    def hashed(self, instance: Uid, sha256: str) -> None:
        self.digests[instance] = sha256

    async def settle(self) -> None:
        return None

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        sent = 0
        uids = [*self.exchange.unasked, *(ref.instance for ref, _ in self.pairs)]
        for uid in uids:
            if uid in self.exchange.silent_about:
                continue
            data = self.exchange.sends_instead.get(uid, self.exchange.instances[uid])
            size = self.exchange.chunk_bytes
            pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
            for number, piece in enumerate(pieces, 1):
                if self.exchange.gate is not None:
                    await self.exchange.gate.wait()
                cut = self.exchange.cut_after_bytes
                if cut is not None and sent + len(piece) > cut:
                    raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, "the answer broke off")
                sent += len(piece)
                yield ImageChunk(uid, piece, number == len(pieces))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed = True


class FakeReading:
    """Reads what `manifest_bytes`, `note_bytes` and `instance_bytes` write."""

    def manifest(
        self, data: bytes, *, called: Sequence[str] = (), base: str = ""
    ) -> Outcome[ImagingManifest]:
        try:
            return Outcome((unpack(ImagingManifest, json.loads(data)),))
        except ValueError as error:
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, "the manifest is not one") from error

    def note(self, data: bytes) -> KeyImageNote:
        _, _, body = data.partition(b"\n")
        try:
            return unpack(KeyImageNote, json.loads(body))
        except ValueError as error:
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, "the note is not one") from error

    def report(self, data: bytes) -> ImagingReport | None:
        return DicomReading().report(data)

    def instance(self, file: str, head: bytes) -> ReceivedInstance:
        try:
            return ReceivedInstance(
                ref=unpack(InstanceRef, json.loads(head.partition(b"\n")[0])),
                transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
                patient=ManifestPatient(),
            )
        except ValueError as error:
            raise PeerMisbehaved(Refusal.INTEGRITY_FAILED, "the image is not one") from error


def manifest_bytes(manifest: ImagingManifest) -> bytes:
    """A manifest as `FakeReading` reads it."""
    return json.dumps(pack(manifest)).encode()


def instance_bytes(ref: InstanceRef, size: int = 1000) -> bytes:
    """An image of some size as `FakeReading` reads it."""
    head = json.dumps(pack(ref)).encode() + b"\n"
    return head + bytes(max(0, size - len(head)))


def note_bytes(ref: InstanceRef, note: KeyImageNote) -> bytes:
    """A key-image note as `FakeReading` reads it, as an image and as a note."""
    return json.dumps(pack(ref)).encode() + b"\n" + json.dumps(pack(note)).encode()


def make_identity(
    value: str = "P-1", family: str = "Borg", given: str = "Ġanni"
) -> PatientIdentity:
    """A patient of Country A."""
    return PatientIdentity(
        id=PatientId(value, AUTHORITY),
        community=COUNTRY_A,
        names=(HumanName(family=family, given=(given,)),),
        birth_date=datetime(1980, 1, 2, tzinfo=UTC).date(),
        gender=Gender.MALE,
    )


def make_study(
    number: int = 1,
    *,
    series: int = 2,
    images: int = 3,
    notes: Mapping[str, Sequence[int]] | None = None,
) -> ImagingManifest:
    """A manifest with some series of images; notes by title code, with the images they name."""
    study = Uid(f"2.999.7.{number}")
    made = [
        ManifestSeries(
            uid=Uid(f"{study}.{s}"),
            modality=Code("CT", DCM, "Computed Tomography"),
            number=s,
            location=IMAGING_SOURCE,
            instances=tuple(
                ManifestInstance(uid=Uid(f"{study}.{s}.{i}"), sop_class=CT_IMAGE, number=i)
                for i in range(1, images + 1)
            ),
        )
        for s in range(1, series + 1)
    ]
    if notes:
        made.append(
            ManifestSeries(
                uid=Uid(f"{study}.99"),
                modality=Code("KO", DCM),
                instances=tuple(
                    ManifestInstance(
                        uid=Uid(f"{study}.99.{n}"),
                        sop_class=KEY_OBJECT_SOP_CLASS,
                        note_title=Code(title, DCM),
                    )
                    for n, title in enumerate(notes, 1)
                ),
            )
        )
    return ImagingManifest(
        uid=Uid(f"{study}.1000"),
        form=ManifestForm.MADO,
        study=study,
        patient=ManifestPatient(ids=(PATIENT,)),
        title=Code("113030", DCM, "Manifest"),
        study_description="CT of the chest",
        modalities=(Code("CT", DCM, "Computed Tomography"),),
        series=tuple(made),
    )


def files_of(
    manifest: ImagingManifest,
    notes: Mapping[str, Sequence[int]] | None = None,
    size: int = 1000,
) -> dict[Uid, bytes]:
    """The image files of a made study, notes included."""
    refs = manifest.instances()
    pictures = [ref for ref in refs if ref not in manifest.notes()]
    files = {ref.instance: instance_bytes(ref, size) for ref in pictures}
    for ref, (title, named) in zip(manifest.notes(), (notes or {}).items(), strict=True):
        note = KeyImageNote(
            instance=ref.instance,
            title=Code(title, DCM),
            images=tuple(pictures[index] for index in named),
        )
        files[ref.instance] = note_bytes(ref, note)
    return files


def make_entry(
    document: str,
    data: bytes,
    *,
    study: str = "2.999.7.1",
    manifest: bool = True,
    **changes: object,
) -> DocumentEntry:
    """The entry of a manifest or a report, valid, with digest and size of its bytes."""
    import hashlib

    given: dict[str, object] = {
        "id": EntryId(f"urn:uuid:00000000-0000-4000-8000-{abs(hash(document)) % 10**12:012d}"),
        "ref": DocumentRef(COUNTRY_A, REPOSITORY, DocumentId(document)),
        "patient": PATIENT,
        "status": EntryStatus.APPROVED,
        "mime_type": "application/dicom" if manifest else "application/pdf",
        "title": "CT of the chest" if manifest else "Report on CT of the chest",
        "class_code": CLASS_IMAGES if manifest else CLASS_REPORTS,
        "type_code": TYPE_STUDY if manifest else TYPE_REPORT,
        "format_code": FORMAT_KOS if manifest else FORMAT_PDF,
        "facility_type": Code("XA", ISO_COUNTRY),
        "practice_setting": Code("394914008", SCT, "Radiology"),
        "confidentiality": (Code("N", "2.16.840.1.113883.5.25"),),
        "event_codes": (
            Code("CT", DCM, "Computed Tomography"),
            REGIONS[1],
            Code("24627-2", LOINC, "CT Chest"),
        ),
        "authors": (
            Author(
                name=HumanName(family="Vella", given=("Marija",)),
                institutions=(Organisation(name="Hospital of the Harbour"),),
            ),
        ),
        "created": Timestamp.parse("20260304120000"),
        "service_start": Timestamp.parse("20260304101112"),
        "language": "en",
        "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        "size_bytes": len(data),
        "references": (
            ReferenceId.of_study(Uid(study)),
            ReferenceId("ACC-1", ReferenceKind.ACCESSION, "2.999.1.1.5"),
            ReferenceId("ORD-1", ReferenceKind.ORDER, "2.999.1.1.6"),
        ),
    }
    return DocumentEntry(**(given | changes))  # type: ignore[arg-type]


def make_house(
    *, notes: Mapping[str, Sequence[int]] | None = None, images: int = 3, size: int = 1000
) -> FakeExchange:
    """A country with one patient, one study of two series, and the report on it."""
    manifest = make_study(notes=notes, images=images)
    report = b"%PDF-1.7 a report"
    kos = manifest_bytes(manifest)
    return FakeExchange(
        patients=(make_identity(),),
        entries=(
            make_entry(str(manifest.uid), kos),
            make_entry("2.999.8.1", report, manifest=False),
        ),
        documents={DocumentId(str(manifest.uid)): kos, DocumentId("2.999.8.1"): report},
        instances=files_of(manifest, notes, size),
    )
