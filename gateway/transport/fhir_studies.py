"""What a FHIR server answers about studies: the search for ImagingStudy, and one of them.

A study is known by its UID, which is fit to be a FHIR id; so nothing is kept for what was told.
Its patient, endpoints and orders are contained in it, or, where the search includes the
endpoints, beside it. NCPeH API 9.1, ImagingStudy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from gateway.domain import (
    CallContext,
    CommunityId,
    Exchange,
    ImagingManifest,
    InvalidIdentifier,
    Issue,
    NotFound,
    Outcome,
    PatientId,
    Refusal,
    StudyQuery,
    Uid,
    refuse,
)
from gateway.transport.pages import NEXT_PAGE, Pages, owner_of
from gateway.wire.fhir import imaging_study_search
from gateway.wire.fhir.denials import not_there
from gateway.wire.fhir.imaging_study_parameters_read import DecodedSearch
from gateway.wire.fhir.imaging_study_parts import with_endpoints_apart
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.resources import Json
from gateway.wire.fhir.search import Parameter, write_query

PAGE_STUDIES = 50
# A row of a document list is as large as so many instances of a study.
INSTANCES_PER_ROW = 20
_KIND = "ImagingStudy"
_EMPTY = frozenset({Refusal.UNKNOWN_PATIENT, Refusal.NO_DOCUMENTS, Refusal.UNKNOWN_INSTANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCall:
    """Who asks, of whom, and under which address we were called."""

    exchange: Exchange
    context: CallContext
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """Studies in order, of which the first `count` are told now, and how."""

    search: DecodedSearch
    studies: tuple[ImagingManifest, ...]
    issues: tuple[Issue, ...]
    total: int
    count: int


class StudyAnswers:
    """Answers about studies from the Exchange of whoever is asked."""

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
        self._pages: Pages[StudyPage] = Pages(now)

    def understood(self, parameters: Sequence[Parameter], call: StudyCall) -> DecodedSearch:
        """What a search asks; raises `ExchangeError` and `DecodeError` for what is not offered."""
        return imaging_study_search.decode_request(
            parameters,
            answering=self._community,
            patients=lambda name: self._patient_of(name, call.context),
        )

    async def search(
        self, search: DecodedSearch, call: StudyCall
    ) -> tuple[Json, Outcome[ImagingManifest]]:
        """The first page of what fits a search."""
        outcome = await _found(search.query, call)
        studies = imaging_study_search.found(
            search,
            outcome.items,
            str,
            partial(_endpoint_ids, call.base) if search.endpoints else None,
        )
        count = PAGE_STUDIES if search.count is None else search.count
        page = StudyPage(
            search=search,
            studies=studies if count else (),
            issues=(*outcome.issues, *search.warnings),
            total=len(studies),
            count=count,
        )
        return self._written(page, call)

    def next_page(self, token: str, call: StudyCall) -> tuple[Json, Outcome[ImagingManifest]]:
        """A page after the first, of what was found then; raises `PageExpired`."""
        return self._written(self._pages.get(token, owner_of(call.context)), call)

    async def read(self, name: str, call: StudyCall) -> tuple[Json, ImagingManifest]:
        """One study, by its UID."""
        try:
            query = StudyQuery(community=self._community, studies=(Uid(name),))
        except InvalidIdentifier:
            raise not_there(_KIND, name) from None
        outcome = await _found(query, call)
        for study in outcome.items:
            if study.study in query.studies:
                return _write(study), study
        for issue in outcome.errors:
            if issue.refusal not in _EMPTY:
                raise refuse(issue.refusal, issue.text, code=issue.code, subject=issue.subject)
        raise not_there(_KIND, name)

    def _written(self, page: StudyPage, call: StudyCall) -> tuple[Json, Outcome[ImagingManifest]]:
        """The page as a resource, and what of it was told."""
        shown, rest = page.studies[: page.count], page.studies[page.count :]
        next_url = ""
        if rest:
            rows = sum(1 + one.instance_count // INSTANCES_PER_ROW for one in rest)
            left = replace(page, studies=rest, issues=())
            token = self._pages.keep(left, rows, owner_of(call.context))
            next_url = f"{call.base}/{_KIND}?{NEXT_PAGE}={token}"
        bundle = imaging_study_search.encode_response(
            page.search,
            shown,
            write=_write,
            base=call.base,
            bundle_id=self._new_id(),
            at=self._now(),
            self_url=f"{call.base}/{_KIND}?{write_query(page.search.self_parameters)}",
            issues=page.issues,
            total=page.total,
            next_url=next_url,
        )
        return bundle, Outcome(shown, page.issues)


async def _found(query: StudyQuery, call: StudyCall) -> Outcome[ImagingManifest]:
    """What the Exchange has; that there is nothing is an answer, whatever it is called."""
    try:
        return await call.exchange.find_studies(query, call.context)
    except NotFound as error:
        if error.refusal not in _EMPTY:
            raise
        issue = Issue(refusal=error.refusal, text=error.text, subject=error.subject)
        return Outcome((), (issue,))


def _write(study: ImagingManifest) -> Json:
    return write_imaging_study(study, resource_id=str(study.study))


def _endpoint_ids(base: str, study: ImagingManifest) -> tuple[str, ...]:
    """The ids of a study's endpoints: inside it, as they are contained, and beside it."""
    resource = _write(study)
    contained = [one for one in resource.get("contained", ()) if one["resourceType"] == "Endpoint"]
    _, apart = with_endpoints_apart(resource, f"{base}/{_KIND}/{study.study}")
    return tuple(str(one["id"]) for one in (*contained, *(each for _, each in apart)))
