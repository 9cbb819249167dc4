"""Studies of a FHIR peer that answers as told: every page, filtered again, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.domain import (
    Code,
    ExchangeError,
    ImagingManifest,
    Outcome,
    Refusal,
    StudyQuery,
    Uid,
)
from gateway.domain.codes import DCM
from gateway.pki import TrustDomain
from gateway.transport import fhir_study_client
from gateway.transport.compose import Clockwork
from gateway.transport.fhir_study_client import FhirStudyClient
from gateway.wire.fhir.imaging_study_parameters_read import DecodedSearch
from gateway.wire.fhir.imaging_study_search import encode_response
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.resources import Format, write_resource
from tests.builders import COUNTRY_A, NOON, PATIENT, make_context, make_manifest
from tests.told_peers import Told, told_peer

STUDY = make_manifest()
OLDER = replace(STUDY, study=Uid("2.999.10.2"), study_date=date(2024, 5, 1))
UNDATED = replace(STUDY, study=Uid("2.999.10.3"), study_date=None, study_time=None)
QUERY = StudyQuery(community=COUNTRY_A, patient=PATIENT)
LIST, MORE = "/fhir/ImagingStudy/_search", "/fhir/more"

Replies = dict[str, Callable[[web.Request], web.Response]]


def page(*studies: ImagingManifest, next_url: str = "", apart: bool = True) -> Any:
    """A page of an answer, with the endpoints beside the studies or inside."""
    search = DecodedSearch(query=QUERY, endpoints_included=apart)

    def reply(request: web.Request) -> web.Response:
        base = f"http://{request.host}/fhir"
        resource = encode_response(
            search,
            studies,
            write=lambda one: write_imaging_study(one, resource_id=str(one.study)),
            base=base,
            bundle_id="b-1",
            at=NOON,
            self_url=base,
            next_url=next_url.replace("BASE", base),
        )
        headers = {"Content-Type": "application/fhir+json"}
        return web.Response(body=write_resource(resource, Format.JSON), headers=headers)

    return reply


async def find(
    replies: Replies,
    domain: TrustDomain,
    folder: Path,
    clockwork: Clockwork,
    query: StudyQuery = QUERY,
    **settings: Any,
) -> tuple[Outcome[ImagingManifest], Told]:
    """Ask a peer that answers so, path by path."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return replies[request.path](request)

    async with told_peer(answer, domain, folder, clockwork, **settings) as told:
        client = FhirStudyClient(told.calls)
        return await client.find_studies(query, make_context()), told


@pytest.mark.parametrize("apart", [True, False])
async def test_every_page_is_read_and_put_in_order(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork, apart: bool
) -> None:
    """By the address the peer gives; endpoints are found inside a study or beside it."""
    replies = {
        LIST: page(OLDER, UNDATED, next_url="BASE/more?t=1", apart=apart),
        MORE: page(STUDY, OLDER, apart=apart),
    }

    found, told = await find(replies, trust_domain, tmp_path, clockwork)

    assert [one.study for one in found.items] == [STUDY.study, OLDER.study, UNDATED.study]
    assert told.paths == [LIST, MORE]
    assert "patient.identifier=" in told.peer.asked[0][2]
    newest = found.items[0]
    assert newest.uid == newest.study, "no document has it"
    for read, held in zip(newest.series, STUDY.series, strict=True):
        assert (read.uid, read.location, read.retrieve_url) == (
            held.uid,
            held.location,
            held.retrieve_url,
        )


async def test_the_dialect_that_knows_get_alone_is_asked_so(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """NCPeH API 9.1."""
    replies = {"/fhir/ImagingStudy": page(STUDY)}

    found, told = await find(replies, trust_domain, tmp_path, clockwork, fhir_dialect="ncp")

    assert [one.study for one in found.items] == [STUDY.study]
    assert told.peer.asked[0][2] == ""


async def test_what_a_peer_did_not_filter_is_filtered_here(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """It is free to leave out parameters it does not know; no more pages than are needed."""
    nowhere = replace(QUERY, modalities=(Code("ES", DCM),))
    first = replace(QUERY, limit=1)
    replies = {LIST: page(STUDY, OLDER, next_url="BASE/more")}

    none, _ = await find({LIST: page(STUDY)}, trust_domain, tmp_path / "1", clockwork, nowhere)
    one, told = await find(replies, trust_domain, tmp_path / "2", clockwork, first)

    assert none.items == ()
    assert [each.study for each in one.items] == [STUDY.study]
    assert told.paths == [LIST]


async def test_an_answer_without_end_is_cut_and_told(
    trust_domain: TrustDomain,
    tmp_path: Path,
    clockwork: Clockwork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer whose next page is always the same one."""
    monkeypatch.setattr(fhir_study_client, "MAX_PAGES", 3)
    replies = {LIST: page(STUDY, next_url="BASE/more"), MORE: page(OLDER, next_url="BASE/more")}

    found, told = await find(replies, trust_domain, tmp_path, clockwork)

    assert len(told.paths) == 3
    assert [issue.refusal for issue in found.issues] == [Refusal.TOO_MANY_RESULTS]


async def test_a_next_page_elsewhere_is_not_turned_to(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """Our token would go there."""
    replies = {LIST: page(STUDY, next_url="https://evil.example/more")}

    with pytest.raises(ExchangeError, match="not its own host"):
        await find(replies, trust_domain, tmp_path, clockwork)
