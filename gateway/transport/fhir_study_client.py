"""Studies of another gateway over FHIR: searched for as ImagingStudy, as the NCPeH API says.

The search is posted, and every page of its answer is read. What a peer leaves out of a search is
applied here: it is not bound to know a parameter, and it cannot be told every filter.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import (
    CallContext,
    ImagingManifest,
    Issue,
    Outcome,
    Refusal,
    StudyQuery,
    Transaction,
    Uid,
    is_asked_for,
    study_start,
)
from gateway.transport.fhir_calls import FhirCalls
from gateway.wire.fhir import imaging_study_search
from gateway.wire.fhir.imaging_study_read import read_imaging_study
from gateway.wire.fhir.imaging_study_search import DecodedResponse, Resolve
from gateway.wire.fhir.resources import Json

MAX_PAGES = 100
# Each may have thousands of instances; a patient with more is a search nobody narrowed.
MAX_STUDIES = 1_000


class FhirStudyClient:
    """Another gateway as a `StudySource` over FHIR."""

    def __init__(self, calls: FhirCalls) -> None:
        self._calls = calls

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`."""
        asked = replace(query, patient=query.patient or context.patient)
        # Endpoints that a peer keeps apart would not be in the answer without being asked for.
        search = self._calls.encoded(
            lambda: imaging_study_search.encode_request(asked, endpoints=True)
        )
        url, form = f"{self._calls.peer.fhir_url}/ImagingStudy/_search", search.text.encode()
        if self._calls.peer.fhir_dialect == "ncp":  # which knows GET alone
            url, form = f"{self._calls.peer.fhir_url}/ImagingStudy?{search.text}", b""
        studies: dict[Uid, ImagingManifest] = {}
        issues: list[Issue] = []
        for _ in range(MAX_PAGES):
            page = await self._page(url, form or None, asked, context)
            issues.extend(page.outcome.issues)
            for study in page.outcome.items:
                if is_asked_for(query, study):
                    studies.setdefault(study.study, study)
            if not page.next_url or _is_enough(query, studies):
                return Outcome(_newest_first(studies)[: query.limit], tuple(issues))
            if len(studies) > MAX_STUDIES:
                break
            url, form = self._calls.address(page.next_url), b""
        text = f"{self._calls.peer.name} tells of over {len(studies)} studies; the rest is left out"
        issues.append(Issue(refusal=Refusal.TOO_MANY_RESULTS, text=text))
        return Outcome(_newest_first(studies)[: query.limit], tuple(issues))

    async def _page(
        self, url: str, form: bytes | None, noun: StudyQuery, context: CallContext
    ) -> DecodedResponse:
        calls, transaction = self._calls, Transaction.SEARCH_IMAGING_STUDIES
        with calls.record(transaction, context) as record:
            record.asked(noun=noun, patients=(noun.patient,) if noun.patient else ())
            resource = await calls.ask(record, context, transaction, url, form=form)
            page = calls.decoded(
                lambda: imaging_study_search.decode_response(resource, read=self._read)
            )
            record.answered(noun=page.outcome, issues=page.outcome.issues)
            return page

    def _read(self, resource: Json, where: str, resolve: Resolve) -> Outcome[ImagingManifest]:
        """A study as it is told: no document of its own, so its UID is the study's."""
        base = f"{self._calls.peer.fhir_url}/"
        outcome = read_imaging_study(resource, where=where, resolve=resolve, base=base)
        told = tuple(replace(study, uid=study.study) for study in outcome.items)
        return Outcome(told, outcome.issues)


def _is_enough(query: StudyQuery, studies: dict[Uid, ImagingManifest]) -> bool:
    return query.limit is not None and len(studies) >= query.limit


def _newest_first(studies: dict[Uid, ImagingManifest]) -> tuple[ImagingManifest, ...]:
    """In the order of the port, whatever order a peer has; those without a date are the last."""
    dated = [(study_start(one), one) for one in studies.values()]
    known = sorted(
        ((start.at, one) for start, one in dated if start), key=lambda pair: pair[0], reverse=True
    )
    return (*(one for _, one in known), *(one for start, one in dated if start is None))
