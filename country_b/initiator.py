"""Country B asks: identify, list, retrieve, over whatever `Exchange` reaches the other country.

Nothing a peer says is taken on trust: entries are filtered again, documents are compared with the
digest and size their entry announced, a manifest must be of the study and the patient it was
listed for. What fails is kept aside and said; it is never presented as good. Images have a module
of their own (`image_jobs`).

Guideline, table 1: steps 4 to 8. Article 10: filters.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from country_b.blobs import Blob
from country_b.kept import KeptDocument, KeptStore
from country_b.reading import Reading, uncalled_addresses
from country_b.session import Listing, Session
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Article10,
    CallContext,
    Code,
    CommunityId,
    Document,
    DocumentClass,
    DocumentEntry,
    DocumentId,
    Exchange,
    ExchangeError,
    ImagingManifest,
    ImagingReport,
    Issue,
    LinkProfile,
    ManifestPatient,
    Outcome,
    PatientIdentity,
    PatientTraits,
    Refusal,
    Severity,
    TreatmentRelation,
    Uid,
    ViewerLink,
    refuse,
)
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS
from gateway.domain.manifest_checks import check_manifest, refuse_wrong
from gateway.domain.selection import document_class, why_not

MAX_MANIFEST_BYTES = 64 * 1024 * 1024  # some 300 bytes an instance: 200 000 instances

MAX_REPORT_BYTES = 64 * 1024 * 1024  # with its PDF and its key images

# What both gateways hold of a request for images and its answer is some 10 KiB an instance: a study
# of any size takes no more memory than twice this many. It is some 400 KiB of XML; peers limit
# theirs at a few MiB.
IMAGES_PER_REQUEST = 1000

IHE_CLASS_CODES: Mapping[DocumentClass, tuple[Code, ...]] = {
    DocumentClass.REPORT: (CLASS_REPORTS,),
    DocumentClass.MANIFEST: (CLASS_IMAGES,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """A country one can ask: how it is shown, how it codes classes, what it needs to answer.

    `is_planned` is whether it plans how images come where a visit states no need, and `link` what
    it is told of the link they come by. `viewer` is whether it opens viewers on request. `ways`
    names the ways to ask it beside the usual one, whose name is ""; `images_per_request` is how
    many images are asked for at once, by the name of the way, and `names_first` the ways whose
    answers name every image in them before the first byte of one. `fhir_base` is where relative
    addresses in its FHIR documents begin; `image_hosts` are what those may point at, by the name
    of each way in which images are fetched from where a manifest says.
    """

    id: CommunityId
    name: str = ""
    country: str = ""
    class_codes: Mapping[DocumentClass, tuple[Code, ...]] = field(
        default_factory=lambda: IHE_CLASS_CODES
    )
    relation: TreatmentRelation = TreatmentRelation.NONE
    syntaxes: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,)
    is_planned: bool = False
    link: LinkProfile | None = None
    viewer: bool = False
    ways: tuple[str, ...] = ()
    images_per_request: Mapping[str, int] = field(default_factory=dict)
    names_first: frozenset[str] = frozenset()
    fhir_base: str = ""
    image_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedDocument:
    """A document that came, or did not: `problem` is "" when it may be presented."""

    id: DocumentId
    entry: DocumentEntry
    kept: KeptDocument | None = None
    problem: Issue | None = None
    manifest: ImagingManifest | None = None
    report: ImagingReport | None = None
    warnings: tuple[Issue, ...] = ()


def wrong_patient(patient: PatientIdentity, named: ManifestPatient) -> bool:
    """Whether a document names someone else: another id of an authority we have an id of."""
    ours = {patient.id, *patient.other_ids}
    authorities = {known.authority for known in ours}
    comparable = [given for given in named.ids if given.authority in authorities]
    return bool(comparable) and not any(given in ours for given in comparable)


class Initiator:
    """Drives the exchanges: one per community, and one for each further way to ask it."""

    def __init__(
        self,
        *,
        own: CommunityId,
        exchanges: Mapping[CommunityId, Exchange],
        communities: Mapping[CommunityId, Community],
        kept: KeptStore,
        reading: Reading,
        now: Callable[[], datetime],
        ways: Mapping[tuple[CommunityId, str], Exchange] | None = None,
    ) -> None:
        self._own = own
        self._exchanges = exchanges
        self._communities = communities
        self._kept = kept
        self._reading = reading
        self._now = now
        self._ways = ways or {}

    def exchange(self, community: CommunityId, way: str = "") -> Exchange:
        """The way to a country, the usual one unless named; `UNKNOWN_COMMUNITY` if we have none.

        `KeyError` for a way that is none of its `Community.ways`.
        """
        if community not in self._exchanges:
            raise refuse(
                Refusal.UNKNOWN_COMMUNITY,
                "no country is known here by this community id",
                subject=str(community),
            )
        return self._ways[community, way] if way else self._exchanges[community]

    def community(self, community: CommunityId) -> Community:
        """What we know of a country."""
        return self._communities.get(community) or Community(id=community)

    def context(
        self, session: Session, community: CommunityId, correlation_id: str, *, patient: bool = True
    ) -> CallContext:
        """Who asks, for whom and why, as a visit has established it."""
        if session.professional is None or session.authentication is None:
            raise ValueError("a visit without a professional cannot ask")
        if session.purpose is None:
            raise ValueError("a visit without a purpose of use cannot ask")
        known = session.patient.id if patient and session.patient else None
        return CallContext(
            correlation_id=correlation_id,
            asking=self._own,
            answering=community,
            professional=session.professional,
            purpose=session.purpose,
            authentication=session.authentication,
            patient=known,
            relation=(self.community(community).relation if known else TreatmentRelation.NONE),
        )

    async def identify(
        self,
        session: Session,
        community: CommunityId,
        traits: PatientTraits,
        correlation_id: str,
        *,
        way: str = "",
    ) -> Outcome[PatientIdentity]:
        """Patients who fit (step 4). None at all is a refusal: `UNKNOWN_PATIENT`.

        `way` is how the country is to be asked; what follows asks as the visit says.
        """
        context = self.context(session, community, correlation_id, patient=False)
        outcome = await self.exchange(community, way).identify_patient(traits, context)
        strangers = [item for item in outcome.items if item.community != community]
        items = tuple(item for item in outcome.items if item.community == community)
        issues = outcome.issues + tuple(
            Issue(
                refusal=Refusal.PEER_MISBEHAVED,
                text=f"an identity of community {item.community} was not asked for",
                severity=Severity.WARNING,
            )
            for item in strangers
        )
        if not items:
            if outcome.errors:
                raise refusal_of_issue(outcome.errors[0])
            raise refuse(
                Refusal.UNKNOWN_PATIENT, "the other country knows nobody who fits what was given"
            )
        return Outcome(items, issues)

    async def find(self, session: Session, filters: Article10, correlation_id: str) -> Listing:
        """The list (steps 5 and 6), filtered once more here, doubles and strangers taken out."""
        patient = _patient(session)
        community = patient.community
        codes = dict(self.community(community).class_codes)
        query = filters.query(patient.id, community, codes)
        context = self.context(session, community, correlation_id)

        started = time.perf_counter()
        outcome = await self.exchange(community, session.way).find_documents(query, context)
        seconds = time.perf_counter() - started

        dropped: dict[str, int] = {}
        entries: dict[tuple[str, str], DocumentEntry] = {}
        for entry in outcome.items:
            failed = why_not(query, entry)
            wanted = filters.document_class
            if not failed and wanted is not None and document_class(entry) is not wanted:
                failed = "class_codes"
            if not failed and (entry.ref.repository, entry.ref.document) in entries:
                failed = "double"
            if failed:
                dropped[failed] = dropped.get(failed, 0) + 1
            else:
                entries[entry.ref.repository, entry.ref.document] = entry
        issues = outcome.issues + tuple(_dropped_issue(name, n) for name, n in dropped.items())
        if not entries and outcome.errors:
            raise refusal_of_issue(outcome.errors[0])
        return Listing(
            at=self._now(),
            community=community,
            seconds=seconds,
            entries=tuple(entries.values()),
            issues=issues,
            dropped=dropped,
        )

    async def retrieve(
        self,
        session: Session,
        entries: Sequence[DocumentEntry],
        correlation_id: str,
    ) -> tuple[tuple[RetrievedDocument, ...], tuple[Issue, ...]]:
        """Documents (steps 7 and 8), each checked against its entry, and issues about none."""
        patient = _patient(session)
        context = self.context(session, patient.community, correlation_id)
        refs = tuple(entry.ref for entry in entries)
        outcome = await self.exchange(patient.community, session.way).retrieve_documents(
            refs, context
        )

        wanted = {entry.ref.document: entry for entry in entries}
        came: dict[DocumentId, RetrievedDocument] = {}
        others: list[Issue] = []
        try:
            for document in outcome.items:
                name = document.ref.document
                if name not in wanted or name in came:
                    others.append(_unasked(name))
                    continue
                came[name] = await self._take_in(document, wanted[name], patient, session.way)
        finally:
            # Those that are whole are in the index whatever ended the rest: files that are in
            # none would never be removed.
            await self._kept.add_documents(
                session.id, [item.kept for item in came.values() if item.kept is not None]
            )
        for issue in outcome.issues:
            about = next((name for name in wanted if str(name) == issue.subject), None)
            if about is None or about in came:
                others.append(issue)
            else:
                came[about] = RetrievedDocument(id=about, entry=wanted[about], problem=issue)
        if not came and others:
            raise refusal_of_issue(others[0])
        for name, entry in wanted.items():
            if name not in came:
                came[name] = RetrievedDocument(id=name, entry=entry, problem=_not_sent(name))
        return tuple(came[name] for name in wanted), tuple(others)

    async def open_viewer(
        self, session: Session, study: Uid, correlation_id: str, *, key_images_only: bool
    ) -> ViewerLink:
        """A link to the other country's viewer (step 9); whose study it is was asked before."""
        patient = _patient(session)
        context = self.context(session, patient.community, correlation_id)
        exchange = self.exchange(patient.community, session.way)
        return await exchange.open_viewer(study, context, key_images_only=key_images_only)

    async def _take_in(
        self, document: Document, entry: DocumentEntry, patient: PatientIdentity, way: str
    ) -> RetrievedDocument:
        manifest: list[Outcome[ImagingManifest]] = []
        report: list[Outcome[ImagingReport]] = []
        kind = document_class(entry)
        writer = self._kept.blobs.writer(sha1=True)
        try:
            async for piece in document.content.chunks():
                await writer.write(piece)
        except BaseException:
            await writer.discard()
            raise

        def inspect(incoming: Blob) -> str:
            found = _departure(entry, incoming.sha1, incoming.size_bytes)
            if found:
                return found
            if kind is DocumentClass.MANIFEST:
                read, found = self._read_manifest(incoming.path, document, entry, patient, way)
                manifest.append(read)
            elif kind is DocumentClass.REPORT:
                told, found = self._read_report(incoming.path, entry, patient)
                report.append(told)
            return found

        blob = await writer.finish(inspect)
        read: Outcome[ImagingManifest] = manifest[0] if manifest else Outcome()
        told: Outcome[ImagingReport] = report[0] if report else Outcome()
        usable = read.items[0] if read.items and not blob.problem else None
        kept = KeptDocument(
            ref=entry.ref,
            mime_type=document.mime_type or entry.mime_type,
            study="" if usable is None else str(usable.study),
            sha256=blob.sha256,
            size_bytes=blob.size_bytes,
            at=self._now(),
            problem=blob.problem,
        )
        problem = None
        if blob.problem:
            problem = Issue(
                refusal=Refusal.INTEGRITY_FAILED, text=blob.problem, subject=str(entry.ref.document)
            )
        return RetrievedDocument(
            id=entry.ref.document,
            entry=entry,
            kept=kept,
            problem=problem,
            manifest=usable,
            report=told.items[0] if told.items and not blob.problem else None,
            warnings=(*read.issues, *told.issues),
        )

    def _read_manifest(
        self,
        path: Path,
        document: Document,
        entry: DocumentEntry,
        patient: PatientIdentity,
        way: str,
    ) -> tuple[Outcome[ImagingManifest], str]:
        """The manifest, and what forbids using it ("" if nothing does)."""
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            return Outcome(), f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes"
        community = self.community(entry.ref.community)
        called = [name for name in (entry.mime_type, document.mime_type) if name]
        try:
            outcome = self._reading.manifest(
                path.read_bytes(), called=called, base=community.fhir_base
            )
        except ExchangeError as error:
            return Outcome(), error.text
        if not outcome.items:
            return outcome, "the manifest lists no study"
        issues = check_manifest(
            outcome.items[0],
            patient=patient,
            studies=entry.studies,
            home=document.ref.community,
            expected_home=entry.ref.community,
        )
        warnings = [issue for issue in issues if issue.severity is Severity.WARNING]
        if way in community.image_hosts:
            warnings += uncalled_addresses(outcome.items[0], community.image_hosts[way])
        outcome = Outcome(outcome.items, tuple(dict.fromkeys((*outcome.issues, *warnings))))
        try:
            refuse_wrong(issues)
        except ExchangeError as error:
            return outcome, error.text
        return outcome, ""

    def _read_report(
        self, path: Path, entry: DocumentEntry, patient: PatientIdentity
    ) -> tuple[Outcome[ImagingReport], str]:
        """The report, and what forbids using it ("" if nothing does).

        One that cannot be read is kept: people may read what we cannot, as they do a PDF.
        """
        try:
            report = self._read_report_of(path)
        except ExchangeError as error:
            subject = str(entry.ref.document)
            issue = Issue(
                refusal=error.refusal, text=error.text, severity=Severity.WARNING, subject=subject
            )
            return Outcome((), (issue,)), ""
        if report is None:
            return Outcome(), ""
        if wrong_patient(patient, ManifestPatient(ids=report.patient_ids)):
            return Outcome((report,)), "the report is of another patient"
        return Outcome((report,)), ""

    def _read_report_of(self, path: Path) -> ImagingReport | None:
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise refuse(
                Refusal.PEER_MISBEHAVED, f"the report is larger than {MAX_REPORT_BYTES} bytes"
            )
        return self._reading.report(path.read_bytes())

    async def report(self, kept: KeptDocument) -> ImagingReport | None:
        """The report of a document that was kept as good, read again; None for a PDF."""
        path = self._kept.blobs.path_of(kept.sha256)
        return await asyncio.to_thread(self._read_report_of, path)

    async def manifest(self, kept: KeptDocument) -> ImagingManifest:
        """The manifest of a document that was kept as good, read again."""
        path = self._kept.blobs.path_of(kept.sha256)
        base = self.community(kept.ref.community).fhir_base
        # Reading one of ten thousand instances takes a second, in which nobody else should wait.
        outcome = await asyncio.to_thread(
            lambda: self._reading.manifest(path.read_bytes(), base=base)
        )
        return outcome.items[0]


def _patient(session: Session) -> PatientIdentity:
    if session.patient is None:
        raise ValueError("a visit without a confirmed patient cannot ask about one")
    return session.patient


def refusal_of_issue(issue: Issue) -> ExchangeError:
    """An issue that took everything away, as the refusal it is."""
    return refuse(issue.refusal, issue.text, subject=issue.subject, code=issue.code)


def _dropped_issue(name: str, count: int) -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED,
        text=f"{count} entries did not meet the filter {name!r} and were left out here",
        severity=Severity.WARNING,
        subject=name,
    )


def _unasked(name: DocumentId) -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED,
        text="a document came that was not asked for, or came twice; it was not kept",
        severity=Severity.WARNING,
        subject=str(name),
    )


def _not_sent(name: DocumentId) -> Issue:
    return Issue(
        refusal=Refusal.UNKNOWN_DOCUMENT,
        text="the other country sent neither the document nor a reason",
        subject=str(name),
    )


def _departure(entry: DocumentEntry, sha1: str, size_bytes: int) -> str:
    """How bytes differ from what their entry announced; "" when they agree or nothing was said."""
    if entry.size_bytes is not None and entry.size_bytes != size_bytes:
        return f"{size_bytes} bytes came, the list announced {entry.size_bytes}"
    if entry.sha1 and entry.sha1.lower() != sha1:
        return "the SHA-1 of what came is not the one the list announced"
    return ""
