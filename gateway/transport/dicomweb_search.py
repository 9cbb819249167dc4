"""Searches over DICOMweb: answered from an Exchange, and asked of a peer (QIDO-RS, RAD-129).

What a search means and how it is written, `wire/dicom/qido_*` says. A search is of the patient
the token is about; nobody searches all there is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from gateway.domain import (
    CallContext,
    CommunityId,
    ImagingManifest,
    Issue,
    Outcome,
    Refusal,
    StudyQuery,
    Transaction,
    Uid,
    is_asked_for,
    refuse,
)
from gateway.transport.fhir_calls import FhirCalls
from gateway.wire.dicom.accept import DICOM_JSON
from gateway.wire.dicom.json_write import write_metadata
from gateway.wire.dicom.qido_answer import encode_response, write_warning
from gateway.wire.dicom.qido_asking import EncodedSearch, encode_request
from gateway.wire.dicom.qido_attributes import Level
from gateway.wire.dicom.qido_found import decode_response
from gateway.wire.dicom.qido_query import decode_request
from gateway.wire.dicom.qido_search import DecodedSearch
from gateway.wire.dicom.web_refusals import read_refusal

MAX_STUDIES: Final = 200  # each is asked for its instances by a request of its own
MAX_REFUSAL_BYTES: Final = 64 * 1024


def read_search(
    path: str, query: str, *, community: CommunityId, context: CallContext
) -> DecodedSearch:
    """What a search asks, by its raw path and query; raises as `qido_query.decode_request`."""
    return decode_request(path, query, community=community, patient=context.patient)


def write_found(
    search: DecodedSearch, found: Outcome[ImagingManifest], *, base: str, service: str
) -> tuple[bytes, tuple[str, ...]]:
    """The body of an answer, and its Warning headers; what could not be told is among them."""
    objects, warnings = encode_response(search, found.items, base)
    told = (*warnings, *(issue.text for issue in found.issues))
    return write_metadata(objects), tuple(write_warning(service, text) for text in told)


class DicomwebSearch:
    """The studies of one peer, told over DICOMweb."""

    def __init__(self, calls: FhirCalls) -> None:
        self._calls = calls
        self._peer = calls.peer

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`: a search, and one more for what each study has."""
        asked = replace(query, patient=query.patient or context.patient)
        listed = await self._search(self._calls.encoded(lambda: encode_request(asked)), context)
        if len(listed.items) > MAX_STUDIES:
            text = f"{len(listed.items)} studies fit, at most {MAX_STUDIES} can be told; narrow it"
            raise refuse(Refusal.TOO_MANY_RESULTS, text)
        studies: list[ImagingManifest] = []
        issues: list[Issue] = list(listed.issues)
        for study in listed.items:
            # Without the filters: a study is told whole, whatever part of it they were about.
            inside = StudyQuery(community=query.community, patient=asked.patient)
            request = self._calls.encoded(
                partial(encode_request, inside, level=Level.INSTANCE, study=study.study)
            )
            held = await self._search(request, context, study.study)
            issues += held.issues
            series = tuple(one for each in held.items for one in each.series)
            whole = replace(study, series=series)
            if is_asked_for(query, whole):
                studies.append(whole)
        return Outcome(tuple(studies), tuple(issues))

    async def _search(
        self, search: EncodedSearch, context: CallContext, study: Uid | None = None
    ) -> Outcome[ImagingManifest]:
        calls, transaction = self._calls, Transaction.SEARCH_STUDIES
        url = self._peer.dicomweb_url + search.path
        whole = f"{url}?{search.query}" if search.query else url
        with calls.record(transaction, context, endpoint=url) as record:
            record.asked(noun=search, patients=(context.patient,) if context.patient else ())
            async with calls.opened(
                record, context, transaction, whole, accept=DICOM_JSON
            ) as response:
                body = await calls.body(response, record)
            if response.status == 204:
                body = b""
            elif response.status != 200:
                text = body[:MAX_REFUSAL_BYTES].decode("utf-8", "replace")
                raise read_refusal(response.status, text, self._peer.name)
            found = calls.decoded(lambda: decode_response(body or b"[]", study=study))
            record.answered(noun=found, issues=found.issues)
            return found
