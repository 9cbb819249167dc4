"""What a FHIR server answers about documents: lists of them, one of them, and its bytes.

A DocumentReference is known by the UUID of its entry, and so are the resources that hold its
bytes: what a peer was told, it finds again without anything being kept for it here. ITI-67 and
ITI-68 (MHD 4.2), NCPeH API document search and retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain import (
    Association,
    CallContext,
    CommunityId,
    Document,
    DocumentEntry,
    DocumentLookup,
    EntryStatus,
    Exchange,
    Issue,
    NotFound,
    Outcome,
    PatientId,
    Refusal,
    Severity,
    refuse,
)
from gateway.transport.pages import NEXT_PAGE, Pages, owner_of
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.denials import not_there
from gateway.wire.fhir.document_reference_write import Relation, write_document_reference
from gateway.wire.fhir.mhd_parameters_read import DecodedSearch
from gateway.wire.fhir.mhd_retrieve import (
    attachment_url,
    entry_id,
    is_fhir_document,
    reference_id,
)
from gateway.wire.fhir.resources import Format, Json
from gateway.wire.fhir.search import Parameter, write_query

PAGE_ROWS = 100
RELATES_TO = "relatesto"
_EMPTY = frozenset({Refusal.UNKNOWN_PATIENT, Refusal.NO_DOCUMENTS})


class Withdrawn(NotFound):
    """A document that is no longer in force; `successor` is the address of the one that is."""

    def __init__(self, document: str, successor: str) -> None:
        text = f"document {document} is no longer in force"
        super().__init__(Refusal.UNKNOWN_DOCUMENT, text, subject=document)
        self.successor = successor


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCall:
    """Who asks, of whom, in which format, and under which address we were called."""

    exchange: Exchange
    context: CallContext
    base: str
    format: Format


@dataclass(frozen=True, slots=True)
class ListPage:
    """Rows of a list, in order, and what follows."""

    entries: tuple[DocumentEntry, ...]
    issues: tuple[Issue, ...]
    self_url: str
    total: int
    rows: int
    associations: tuple[Association, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundContent:
    """A document and the entry that lists it."""

    entry: DocumentEntry
    document: Document


class DocumentAnswers:
    """Answers about documents from the Exchange of whoever is asked."""

    def __init__(
        self,
        *,
        community: CommunityId,
        patient_of: Callable[[str, CallContext], PatientId | None],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._community = community
        self._patient_of = patient_of
        self._now = now
        self._new_id = new_id
        self._pages: Pages[ListPage] = Pages(now)

    def understood(self, parameters: Sequence[Parameter], call: DocumentCall) -> DecodedSearch:
        """What a search asks; raises `ExchangeError` and `DecodeError` for what is not offered."""
        return mhd_find.decode_request(
            parameters,
            answering=self._community,
            patients=lambda name: self._patient_of(name, call.context),
        )

    async def search(
        self, asked: DecodedSearch, call: DocumentCall, related: Sequence[Parameter] = ()
    ) -> tuple[Json, Outcome[DocumentEntry]]:
        """The first page of what fits a search (ITI-67).

        `related` are its parameters `relatesto`: of every one, the row relates to an alternative.
        """
        relating = [await self._relating(group, call) for group in related]
        try:
            outcome = await call.exchange.find_documents(asked.query, call.context)
        except NotFound as error:
            if error.refusal not in _EMPTY:
                raise
            # A search that finds nothing is a success (ITI TF-2 3.67.4.1.3).
            nothing = Issue(refusal=error.refusal, text=error.text, subject=error.subject)
            outcome = Outcome((), (nothing,))
        issues = [*outcome.issues, *asked.warnings, *_assumptions(asked)]
        rows: list[DocumentEntry] = []
        for entry in outcome.items:
            name = reference_id(entry.id)
            if not name:
                issues.append(_nameless(entry))
            elif asked.keeps(entry, name) and all(
                any(each.source == entry.id for each in group) for group in relating
            ):
                rows.append(entry)
        per_page = PAGE_ROWS if asked.count is None else asked.count
        page = ListPage(
            entries=tuple(rows) if per_page else (),
            issues=tuple(issues),
            self_url=f"{call.base}/DocumentReference?"
            + write_query((*asked.self_parameters, *related)),
            total=len(rows),
            rows=per_page,
            associations=tuple(each for group in relating for each in group),
        )
        return self._written(page, call)

    def next_page(self, token: str, call: DocumentCall) -> tuple[Json, Outcome[DocumentEntry]]:
        """A page after the first, of what was found then; raises `PageExpired`."""
        page = self._pages.get(token, owner_of(call.context))
        return self._written(page, call)

    async def read(self, name: str, call: DocumentCall) -> tuple[Json, DocumentEntry]:
        """One DocumentReference, of any status."""
        entry, associations = await self._entry(name, call)
        return (
            write_document_reference(
                entry,
                reference_id=name,
                attachment_url=attachment_url(call.base, entry),
                base=call.base,
                twin=_relations(entry, associations),
            ),
            entry,
        )

    async def fetch(self, kind: str, name: str, call: DocumentCall) -> FoundContent:
        """A document (ITI-68); `kind` is the resource asked for, Bundle or Binary.

        Raises `Withdrawn` for one that is no longer in force.
        """
        entry, associations = await self._entry(name, call)
        if (kind == "Bundle") is not is_fhir_document(entry.mime_type):
            text = f"document {name} is no {kind}"
            raise NotFound(Refusal.UNKNOWN_DOCUMENT, text, subject="_id")
        if entry.status is EntryStatus.DEPRECATED:
            newer = next(
                (
                    reference_id(each.source)
                    for each in associations
                    if each.target == entry.id and "RPLC" in each.kind.value
                ),
                "",
            )
            raise Withdrawn(name, f"{call.base}/DocumentReference/{newer}" if newer else "")
        outcome = await call.exchange.retrieve_documents((entry.ref,), call.context)
        if not outcome.items:
            first = outcome.issues[0] if outcome.issues else None
            if first is None:
                raise NotFound(Refusal.UNKNOWN_DOCUMENT, f"document {name} cannot be had")
            raise refuse(first.refusal, first.text, code=first.code, subject=first.subject)
        return FoundContent(entry, outcome.items[0])

    async def _relating(self, wanted: Parameter, call: DocumentCall) -> tuple[Association, ...]:
        """How entries relate to one of these, which are named by id or address."""
        names = [value.rstrip("/").rpartition("/")[2] for value in wanted.values]
        targets = tuple(entry for name in names if (entry := entry_id(name)) is not None)
        if not targets:
            return ()
        lookup = DocumentLookup(
            community=self._community, entry_ids=targets, entries=False, associations=True
        )
        outcome = await call.exchange.look_up_documents(lookup, call.context)
        return tuple(
            item
            for item in outcome.items
            if isinstance(item, Association) and item.target in targets
        )

    async def _entry(
        self, name: str, call: DocumentCall
    ) -> tuple[DocumentEntry, tuple[Association, ...]]:
        unknown = not_there("DocumentReference", name)
        wanted = entry_id(name)
        if wanted is None:
            raise unknown
        lookup = DocumentLookup(community=self._community, entry_ids=(wanted,), associations=True)
        outcome = await call.exchange.look_up_documents(lookup, call.context)
        entries = [item for item in outcome.items if isinstance(item, DocumentEntry)]
        if not entries:
            raise unknown
        related = tuple(item for item in outcome.items if isinstance(item, Association))
        return entries[0], related

    def _written(self, page: ListPage, call: DocumentCall) -> tuple[Json, Outcome[DocumentEntry]]:
        """The page as a resource, and what of it was told."""
        shown, rest = page.entries[: page.rows], page.entries[page.rows :]
        next_url = ""
        if rest:
            left = replace(page, entries=rest, issues=())
            token = self._pages.keep(left, len(rest), owner_of(call.context))
            next_url = f"{call.base}/DocumentReference?{NEXT_PAGE}={token}"
        told = Outcome(shown, page.issues)
        bundle = mhd_find.encode_response(
            told,
            ids={entry.id: reference_id(entry.id) for entry in shown},
            urls={entry.id: attachment_url(call.base, entry) for entry in shown},
            base=call.base,
            relations={entry.id: _relations(entry, page.associations) for entry in shown},
            bundle_id=self._new_id(),
            at=self._now(),
            self_url=page.self_url,
            total=page.total,
            next_url=next_url,
            ahead=call.format is Format.JSON,
        )
        return bundle, told


def _nameless(entry: DocumentEntry) -> Issue:
    text = "a row is left out: its id is no UUID, and it could not be found again"
    subject = str(entry.ref.document)
    return Issue(refusal=Refusal.UNSUPPORTED, text=text, subject=subject)


def _assumptions(asked: DecodedSearch) -> tuple[Issue, ...]:
    """What a dialect demands and the search left out."""
    return tuple(
        Issue(
            refusal=Refusal.MISSING_PARAMETER,
            severity=Severity.WARNING,
            text=f"The search does not say {name}; it was answered all the same.",
            subject=name,
        )
        for name in asked.assumed
    )


def _relations(entry: DocumentEntry, associations: Sequence[Association]) -> tuple[Relation, ...]:
    return tuple(
        Relation(kind=each.kind, reference_id=name)
        for each in associations
        if each.source == entry.id and (name := reference_id(each.target))
    )
