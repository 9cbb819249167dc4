"""ITI-67 Find Document References: searches and their answers, in the dialects of peers.

Not the rows: those are in `document_reference_write` and `document_reference_read`; what the
parameters mean is in `mhd_parameters_write` and `mhd_parameters_read`. Clauses: ITI TF-2 3.67
(MHD 4.2), IHE MADO, MyHealth@EU NCPeH API 9.1, EU Health Data API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from gateway.domain import (
    CommunityId,
    DocumentEntry,
    DocumentQuery,
    EntryId,
    Issue,
    Oid,
    Organisation,
    Outcome,
    PatientId,
    Refusal,
    Severity,
)
from gateway.wire.fhir.bundles import read_searchset, searchset
from gateway.wire.fhir.document_reference_read import (
    MAX_INLINE,
    FoundDocument,
    read_document_reference,
)
from gateway.wire.fhir.document_reference_write import Relation, write_document_reference
from gateway.wire.fhir.foreign_outcomes import read_issues
from gateway.wire.fhir.mhd_parameters_read import DecodedSearch, read_parameters
from gateway.wire.fhir.mhd_parameters_write import (
    EncodedSearch,
    SearchDialect,
    write_parameters,
)
from gateway.wire.fhir.resources import Json
from gateway.wire.fhir.search import Parameter
from gateway.wire.problems import DecodeError

_NO_RELATIONS: Mapping[EntryId, tuple[Relation, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedResponse:
    """One page of an answer: the rows and issues, where each document is, and the next page.

    `full_urls` are the addresses of the DocumentReferences by entry id, against which a relative
    url is to be resolved. `next_url` is "" on the last page; `total` is None when it is not said.
    """

    outcome: Outcome[DocumentEntry]
    found: tuple[FoundDocument, ...] = ()
    full_urls: Mapping[EntryId, str]
    next_url: str = ""
    total: int | None = None

    @property
    def urls(self) -> dict[EntryId, str]:
        """Where each document is, as the peer wrote it; an entry without url is left out."""
        return {found.entry.id: found.url for found in self.found if found.url}


def encode_request(query: DocumentQuery, dialect: str) -> EncodedSearch:
    """The search as a query string of a dialect, `mhd` or `ncp`, and what it does not ask.

    `ValueError` for another dialect.
    """
    return write_parameters(query, SearchDialect(dialect))


def decode_request(
    parameters: Iterable[Parameter],
    *,
    answering: CommunityId,
    patients: Callable[[str], PatientId | None] | None = None,
) -> DecodedSearch:
    """What a search of any dialect asks; errors and tolerances as `read_parameters`."""
    return read_parameters(parameters, answering=answering, patients=patients)


def encode_response(
    outcome: Outcome[DocumentEntry],
    *,
    ids: Mapping[EntryId, str],
    urls: Mapping[EntryId, str],
    base: str,
    bundle_id: str,
    at: datetime,
    self_url: str,
    relations: Mapping[EntryId, tuple[Relation, ...]] = _NO_RELATIONS,
    custodian: Organisation | None = None,
    patient_reference: str = "",
    total: int | None = None,
    next_url: str = "",
    ahead: bool = False,
) -> Json:
    """The answer as a searchset: a match for every entry, one outcome entry for all issues.

    `ids` and `urls` are the FHIR id and the address of the document of every entry; `base` is
    this gateway's FHIR base. The rest is as for `write_document_reference` and `searchset`.
    """
    root = base.rstrip("/")
    rows = (
        (
            f"{root}/DocumentReference/{ids[entry.id]}",
            write_document_reference(
                entry,
                reference_id=ids[entry.id],
                attachment_url=urls[entry.id],
                base=root,
                twin=relations.get(entry.id, ()),
                patient_reference=patient_reference,
                custodian=custodian,
            ),
        )
        for entry in outcome.items
    )
    return searchset(
        rows,
        bundle_id=bundle_id,
        at=at,
        self_url=self_url,
        issues=outcome.issues,
        total=total,
        next_url=next_url,
        ahead=ahead,
    )


def _issue(text: str, subject: str, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(refusal=Refusal.PEER_MISBEHAVED, severity=severity, text=text, subject=subject)


def decode_response(
    resource: Json,
    *,
    community: CommunityId,
    repository: Oid,
    patient: PatientId | None = None,
    where: str = "Bundle",
    inline_limit: int = MAX_INLINE,
) -> DecodedResponse:
    """The rows of a page and what is to be said about them and about the whole.

    A row that cannot be used is an error issue and costs no other row. An OperationOutcome in
    place of a Bundle is an answer without rows. `patient` is who was asked for, see
    `read_document_reference`. `DecodeError` for another resource and for a Bundle that is none.
    """
    page = read_searchset(resource, where)
    issues = [issue for each in page.outcomes for issue in read_issues(each, f"{where}.outcome")]
    rows: dict[EntryId, FoundDocument] = {}
    full_urls: dict[EntryId, str] = {}
    for i, (full_url, match) in enumerate(page.matches):
        kind = match.get("resourceType")
        if kind != "DocumentReference":
            text = f"a {kind} among the documents is passed over"
            issues.append(_issue(text, "", Severity.WARNING))
            continue
        try:
            read = read_document_reference(
                match,
                community=community,
                repository=repository,
                where=f"DocumentReference[{i}]",
                patient=patient,
                inline_limit=inline_limit,
            )
        except DecodeError as error:
            issues.append(_issue(f"a row cannot be used: {error}", full_url[:256]))
            continue
        issues += read.issues
        for row in read.found:
            if row.entry.id in rows:
                text = "a row comes twice and is left out the second time"
                issues.append(_issue(text, str(row.entry.ref.document), Severity.WARNING))
                continue
            rows[row.entry.id] = row
            full_urls[row.entry.id] = full_url
    entries = tuple(row.entry for row in rows.values())
    return DecodedResponse(
        outcome=Outcome(entries, tuple(issues)),
        found=tuple(rows.values()),
        full_urls=full_urls,
        next_url=page.next_url,
        total=page.total,
    )
