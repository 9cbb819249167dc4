"""Documents of another gateway over FHIR: searched for and fetched, as MHD says.

A peer lists documents under addresses of its own. Where the document of a row is, is remembered
from the list; after a restart the row is searched for once more, by the id of its document. What
comes is judged by its bytes, not by its label, and a Binary around it is taken off.
Clauses: ITI TF-2 3.67 and 3.68 (MHD 4.2), NCPeH API 9.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from gateway.domain import (
    Association,
    AuditedDocument,
    CallContext,
    CommunityId,
    Document,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryId,
    EntryStatus,
    ExchangeError,
    InvalidIdentifier,
    Issue,
    NotFound,
    Oid,
    Outcome,
    PatientId,
    PeerMisbehaved,
    Refusal,
    Severity,
    Transaction,
    refuse,
)
from gateway.domain.selection import select
from gateway.transport.fhir_calls import FhirCalls, answer_message
from gateway.transport.record import Record
from gateway.transport.spool import SpooledContent, TooLarge
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.bundles import searchset
from gateway.wire.fhir.document_identifiers import of_document_id
from gateway.wire.fhir.identifiers import of_patient_id
from gateway.wire.fhir.mhd_find import DecodedResponse
from gateway.wire.fhir.mhd_retrieve import (
    FHIR_JSON,
    HEAD,
    accept_header,
    judge_content,
    reference_id,
    unwrap_binary,
)
from gateway.wire.fhir.resources import Format, read_resource
from gateway.wire.fhir.search import Parameter, Token, write_query, write_token

MAX_PAGES = 100
MAX_ROWS = 20_000
# Where so many documents are is remembered; a row of a list is a few hundred bytes of it.
MAX_PLACES = 20_000
_ASSOCIATIONS = uuid.UUID("3f0a86f2-3f5b-5a0f-8f2e-9b1d4e6c7a21")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a document is, or the document itself where it came in the list."""

    url: str
    mime_type: str
    inline: bytes | None = None


class FhirDocumentClient:
    """Another gateway as a `DocumentSource` over FHIR.

    FHIR knows no repositories; `repository` stands for the one the peer has.
    """

    def __init__(self, calls: FhirCalls, *, repository: Oid) -> None:
        self._calls = calls
        self._repository = repository
        self._places: dict[DocumentRef, _Place] = {}

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """Entries that satisfy every filter, newest study first (ITI-67).

        The peer is asked for as much of the query as its dialect can say, and every row is
        judged by the whole query again. Raises `ExchangeError` when the peer refuses, and when it
        does not know the patient, which FHIR says beside an empty list.
        """
        self._own_community(query.community)
        search = self._calls.encoded(
            lambda: mhd_find.encode_request(query, self._calls.peer.fhir_dialect)
        )
        found = await self._search(search.text, query, query.patient, context)
        if not found.items:
            for issue in found.issues:
                if issue.refusal is Refusal.UNKNOWN_PATIENT:
                    raise refuse(issue.refusal, issue.text, code=issue.code, subject=issue.subject)
        issues = found.issues
        if "statuses" in search.unasked and _wants_old(query):
            text = f"{self._calls.peer.name} lists documents in force alone in this dialect"
            issues += (_warning(Refusal.UNSUPPORTED, text, "status"),)
        if search.assumed_types:
            types = " and ".join(code.display or code.value for code in search.assumed_types)
            text = f"{self._calls.peer.name} is asked in this dialect for these alone: {types}"
            issues += (_warning(Refusal.UNSUPPORTED, text, "type"),)
        return Outcome(select(query, found.items), issues)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """Entries by id, of any status, and their associations in both directions.

        An entry says itself what it relates to; what relates to it is searched for beside the
        patient who is treated.
        """
        self._own_community(lookup.community)
        items: list[DocumentEntry | Association] = []
        issues: list[Issue] = []
        pages = [await self._read(name, context) for name in lookup.entry_ids]
        pages += [await self._by_document_id(name, lookup, context) for name in lookup.document_ids]
        for found in pages:
            issues.extend(found.outcome.issues)
            if lookup.entries:
                items.extend(found.outcome.items)
            if lookup.associations:
                items.extend(_associations(found))
                for entry in found.outcome.items:
                    items.extend(_associations(await self._relating_to(entry, context)))
        return Outcome(tuple(items), tuple(issues))

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """The documents named, one by one; each that cannot be had is an issue (ITI-68)."""
        documents: list[Document] = []
        issues: list[Issue] = []
        for ref in refs:
            try:
                self._own_community(ref.community)
                if ref.repository != self._repository:
                    text = f"{self._calls.peer.name} has no repository {ref.repository} over FHIR"
                    raise NotFound(Refusal.UNKNOWN_REPOSITORY, text)
                place = self._places.get(ref) or await self._located(ref, context)
                document, said = await self._fetched(ref, place, context)
            except ExchangeError as error:
                issues.append(
                    Issue(
                        refusal=error.refusal,
                        text=error.text,
                        subject=str(ref.document),
                        code=error.code,
                    )
                )
                continue
            documents.append(document)
            issues.extend(said)
        return Outcome(tuple(documents), tuple(issues))

    # --- lists ------------------------------------------------------------------------------------

    async def _search(
        self, text: str, noun: object, patient: PatientId, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """Every page of a search. The first is posted: identifiers do not belong into addresses."""
        base = self._calls.peer.fhir_url
        url, form = f"{base}/DocumentReference/_search", text.encode()
        if self._calls.peer.fhir_dialect == "ncp":  # which knows GET alone
            url, form = f"{base}/DocumentReference?{text}", b""
        rows: dict[EntryId, DocumentEntry] = {}
        issues: list[Issue] = []
        for _ in range(MAX_PAGES):
            page = await self._page(url, form or None, noun, patient, context)
            issues.extend(page.outcome.issues)
            for entry in page.outcome.items:
                rows.setdefault(entry.id, entry)
            if not page.next_url:
                return Outcome(tuple(rows.values()), tuple(issues))
            if len(rows) > MAX_ROWS:
                break
            url, form = self._calls.address(page.next_url), b""
        text = f"{self._calls.peer.name} lists over {len(rows)} documents; the rest is left out"
        issues.append(Issue(refusal=Refusal.TOO_MANY_RESULTS, text=text))
        return Outcome(tuple(rows.values()), tuple(issues))

    async def _page(
        self, url: str, form: bytes | None, noun: object, patient: PatientId, context: CallContext
    ) -> DecodedResponse:
        calls, transaction = self._calls, Transaction.SEARCH_DOCUMENTS
        with calls.record(transaction, context) as record:
            record.asked(noun=noun, patients=(patient,))
            resource = await calls.ask(record, context, transaction, url, form=form)
            page = calls.decoded(
                lambda: mhd_find.decode_response(
                    resource,
                    community=calls.community(context),
                    repository=self._repository,
                    patient=patient,
                )
            )
            record.answered(noun=page.outcome, issues=page.outcome.issues)
            self._remember(page)
            return page

    async def _read(self, entry: EntryId, context: CallContext) -> DecodedResponse:
        """The DocumentReference of an entry, as a list of one or none."""
        calls, transaction = self._calls, Transaction.SEARCH_DOCUMENTS
        name = reference_id(entry)
        if not name:
            text = f"FHIR has no id for entry {entry}"
            raise NotFound(Refusal.UNKNOWN_DOCUMENT, text, subject=str(entry))
        url = f"{calls.peer.fhir_url}/DocumentReference/{name}"
        with calls.record(transaction, context) as record:
            record.asked(noun=entry)
            resource = await calls.ask(record, context, transaction, url)
            if resource.get("resourceType") == "DocumentReference":
                resource = searchset(
                    [(url, resource)], bundle_id="read", at=calls.now(), self_url=url
                )
            page = calls.decoded(
                lambda: mhd_find.decode_response(
                    resource,
                    community=calls.community(context),
                    repository=self._repository,
                    patient=context.patient,
                )
            )
            record.answered(noun=page.outcome, issues=page.outcome.issues)
            self._remember(page)
            return page

    async def _by_document_id(
        self, document: DocumentId, noun: object, context: CallContext
    ) -> DecodedResponse:
        """The entries of a document of the patient who is treated, whatever their status."""
        wanted = of_document_id(document)
        token = write_token(Token(wanted.system or None, wanted.value))
        return await self._of_patient(Parameter("identifier", "", (token,)), noun, context)

    async def _relating_to(self, entry: DocumentEntry, context: CallContext) -> DecodedResponse:
        """The entries that relate to another one of their patient."""
        target = f"DocumentReference/{reference_id(entry.id)}"
        return await self._of_patient(Parameter("relatesto", "", (target,)), entry.id, context)

    async def _of_patient(
        self, limit: Parameter, noun: object, context: CallContext
    ) -> DecodedResponse:
        """One page of what the patient who is treated has, of any status, under one limit."""
        if context.patient is None:
            text = "FHIR finds documents only beside their patient, who is not known"
            raise refuse(Refusal.MISSING_PARAMETER, text, subject=limit.name)
        patient = of_patient_id(context.patient)
        token = write_token(Token(patient.system, patient.value))
        text = write_query(
            (
                Parameter("patient.identifier", "", (token,)),
                limit,
                Parameter("status", "", ("current", "superseded")),
            )
        )
        url = f"{self._calls.peer.fhir_url}/DocumentReference/_search"
        return await self._page(url, text.encode(), noun, context.patient, context)

    def _own_community(self, community: CommunityId | None) -> None:
        own = self._calls.peer.community
        if community is not None and own is not None and community != own:
            text = f"{self._calls.peer.name} answers for community {own}, not for {community}"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text)

    def _remember(self, page: DecodedResponse) -> None:
        for row in page.found:
            ref = row.entry.ref
            if not row.url and row.inline is None:
                continue
            self._places.pop(ref, None)
            self._places[ref] = _Place(
                url=_below_base(page.full_urls.get(row.entry.id, ""), row.url),
                mime_type=row.entry.mime_type,
                inline=row.inline,
            )
        for ref in list(self._places)[: max(0, len(self._places) - MAX_PLACES)]:
            del self._places[ref]

    # --- documents --------------------------------------------------------------------------------

    async def _located(self, ref: DocumentRef, context: CallContext) -> _Place:
        await self._by_document_id(ref.document, ref, context)
        place = self._places.get(ref)
        if place is None:
            text = f"{self._calls.peer.name} lists no document {ref.document} that can be fetched"
            raise NotFound(Refusal.UNKNOWN_DOCUMENT, text, subject=str(ref.document))
        return place

    async def _fetched(
        self, ref: DocumentRef, place: _Place, context: CallContext
    ) -> tuple[Document, tuple[Issue, ...]]:
        if place.inline is not None:
            return Document.of_bytes(ref, place.mime_type, place.inline), ()
        calls, transaction = self._calls, Transaction.FETCH_DOCUMENT
        about = AuditedDocument(
            document=ref.document, repository=ref.repository, community=ref.community
        )
        with calls.record(transaction, context) as record:
            patients = (context.patient,) if context.patient else ()
            record.asked(noun=ref, patients=patients, documents=(about,))
            url = calls.address(place.url)
            accept = accept_header(place.mime_type)
            async with calls.opened(record, context, transaction, url, accept=accept) as response:
                if response.status != 200:
                    calls.resource(response, await calls.body(response, record))
                    text = f"{calls.peer.name} answered with status {response.status}"
                    raise NotFound(Refusal.UNKNOWN_DOCUMENT, text, subject=str(ref.document))
                content, head = await self._received(response, record)
            document, warning = await self._judged(ref, place, response, content, head)
            subject = str(ref.document)
            issues = (_warning(Refusal.PEER_MISBEHAVED, warning, subject),) if warning else ()
            record.answered(noun=Outcome((ref,)), issues=issues)
            return document, issues

    async def _received(
        self, response: aiohttp.ClientResponse, record: Record
    ) -> tuple[SpooledContent, bytes]:
        """The body, on disk beyond a small size, and how it begins."""
        limit = self._calls.limits.document_bytes
        content, head = SpooledContent(limit), b""
        record.got_answer(answer_message(response, b""))
        recorder = record.part((("Content-Type", response.headers.get("Content-Type", "")),))
        try:
            async for data in self._calls.pieces(response):
                head += data[: HEAD - len(head)] if len(head) < HEAD else b""
                recorder.update(data)
                content.write(data)
        except TooLarge as error:
            text = f"{self._calls.peer.name} sends a document of over {limit} bytes"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from error
        recorder.done()
        return content, head

    async def _judged(
        self,
        ref: DocumentRef,
        place: _Place,
        response: aiohttp.ClientResponse,
        content: SpooledContent,
        head: bytes,
    ) -> tuple[Document, str]:
        """What came, and what is odd about it: a Binary is taken off, the bytes say the type."""
        judged = judge_content(place.mime_type, response.headers.get("Content-Type", ""), head)
        if not judged.wrapped:
            return (
                Document(ref=ref, mime_type=judged.mime, content=content, sha1=content.sha1),
                judged.warning,
            )
        whole = b"".join([data async for data in content.chunks()])
        format = Format.JSON if judged.mime == FHIR_JSON else Format.XML
        mime, data = self._calls.decoded(
            lambda: unwrap_binary(read_resource(whole, format, where="Binary"))
        )
        return Document.of_bytes(ref, mime, data), judged.warning


def _below_base(full_url: str, url: str) -> str:
    """A reference as it is meant: relative to the base of the row's address (R4 references.html).

    Whether it is the peer's own host is asked when it is called.
    """
    root, found, _ = full_url.rpartition("/DocumentReference/")
    return urljoin(f"{root}/", url) if url and found and root.startswith("http") else url


def _wants_old(query: DocumentQuery) -> bool:
    return not query.statuses or EntryStatus.DEPRECATED in query.statuses


def _warning(refusal: Refusal, text: str, subject: str) -> Issue:
    return Issue(refusal=refusal, severity=Severity.WARNING, text=text, subject=subject)


def _associations(page: DecodedResponse) -> tuple[Association, ...]:
    """What the rows say of how they relate; a relation to an address without a UUID is left out."""
    found: list[Association] = []
    for row in page.found:
        for kind, address in row.relations:
            try:
                target = EntryId(f"urn:uuid:{uuid.UUID(address.rpartition('/')[2])}")
            except (ValueError, InvalidIdentifier):
                continue
            name = uuid.uuid5(_ASSOCIATIONS, f"{row.entry.id}|{kind}|{target}")
            found.append(
                Association(
                    id=EntryId(name.urn),
                    kind=kind,
                    source=row.entry.id,
                    target=target,
                    community=row.entry.ref.community,
                )
            )
    return tuple(found)
