"""Viewers opened for peers over mutual TLS: sessions, and the plain IID address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from gateway.config import TranscriptSection
from gateway.domain import (
    CallContext,
    ManifestPatient,
    NotFound,
    Outcome,
    Refusal,
    Uid,
    ViewerLink,
)
from gateway.pki import TrustDomain
from gateway.transport.tap import Role
from tests.builders import PATIENT, make_manifest
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import bearer
from tests.gateways import Pair, pair_of
from tests.requests import audited, context_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

STUDY = make_manifest().study
SECRET = "https://localhost:9443/view/c2VjcmV0"
LINK = ViewerLink(SECRET, datetime(2026, 11, 22, 12, 1, tzinfo=UTC))
SESSIONS, PLAIN = "/dicom-web/viewer-sessions", "/IHEInvokeImageDisplay"
BODY = {"requestType": "STUDY", "studyUID": str(STUDY)}
CX = URL.build(query={"patientID": PATIENT.cx}).raw_query_string


@asynccontextmanager
async def served(
    domain: TrustDomain, folder: Path, **answers: Any
) -> AsyncIterator[tuple[Pair, ScriptedExchange]]:
    """A country that answers as told."""
    exchange = ScriptedExchange(**{"viewer": LINK} | answers)
    async with pair_of(exchange, domain, folder) as pair:
        yield pair, exchange


Served = tuple[Pair, ScriptedExchange]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def country(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """A country that opens what it is asked for; what was asked is told test by test."""
    async with served(trust_domain, tmp_path_factory.mktemp("country")) as (pair, exchange):
        yield pair, exchange


@pytest.fixture
def one(country: Served) -> Served:
    """The country, not asked anything yet."""
    country[1].asked.clear()
    return country


async def ask(
    pair: Pair,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    context: CallContext | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request as Country B; `token` is a flawless one by default, "" for none."""
    shown = bearer(pair, context, scope="RAD-106") if token is None else token
    headers = {"Authorization": shown} if shown else {}
    async with pair.session.request(
        method,
        URL(f"{URL(pair.url).origin()}{path}", encoded=True),
        data=None if body is None else body if isinstance(body, bytes) else json.dumps(body),
        headers=headers | {"Content-Type": "application/json"},
        allow_redirects=False,
    ) as response:
        return response.status, dict(response.headers), await response.read()


@pytest.mark.parametrize("path", [SESSIONS, "/dicom/viewer-sessions"])
async def test_a_session_is_made(path: str, one: Served) -> None:
    """201, the address in Location and body, and in no cache; the study is opened for the asker."""
    pair, exchange = one

    status, headers, body = await ask(pair, "POST", path, BODY | {"keyImagesOnly": "true"})

    assert status == 201
    assert headers["Location"] == SECRET
    assert json.loads(body) == {"url": SECRET, "expires": "2026-11-22T12:01:00+00:00"}
    assert headers["Cache-Control"] == "no-store"
    [(verb, question, context)] = exchange.asked
    assert (verb, question) == ("viewer", (STUDY, True))
    assert context.patient == PATIENT


@pytest.mark.parametrize("path", [PLAIN, f"/dicom-web{PLAIN}", f"/dicom{PLAIN}"])
async def test_the_plain_address_leads_to_the_page(path: str, one: Served) -> None:
    """For partners who follow IID to the letter, with the token in its header."""
    pair, exchange = one

    got = await ask(pair, "GET", f"{path}?requestType=STUDY&studyUID={STUDY}")

    assert (got[0], got[1]["Location"]) == (303, SECRET)
    assert [asked[1] for asked in exchange.asked] == [(STUDY, False)]


async def test_records_hold_nothing_that_opens_the_viewer(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Neither transcript nor audit; one event of each request, which names the study."""
    async with served(trust_domain, tmp_path) as (pair, _):
        await ask(pair, "POST", SESSIONS, BODY)
        await ask(pair, "GET", f"{PLAIN}?requestType=STUDY&studyUID={STUDY}")
        kept = [
            raw
            for summary in pair.serving.tap.summaries()
            for role in Role
            if (raw := pair.serving.tap.raw(summary["id"], role)) is not None
        ]
        text = b"".join(raw.head + raw.body.read_bytes() for raw in kept).decode()
        events = audited(pair)

    assert len(kept) == 4
    assert "c2VjcmV0" not in text
    assert "https://localhost:9443/(redacted)" in text
    assert len(events) == 2
    for event in events:
        assert "RAD-106" in event
        assert "110103" in event
        assert str(STUDY) in event
        assert "c2VjcmV0" not in event


async def test_an_accession_or_a_patient_means_one_study(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The one that is found is opened; of several none is chosen."""
    one = make_manifest()
    other = replace(one, study=Uid("1.2.9"))
    by_accession = f"{PLAIN}?requestType=STUDY&accessionNumber=ACC-1"
    by_patient = f"{PLAIN}?requestType=PATIENT&{CX}"

    async with served(trust_domain, tmp_path / "1", studies=Outcome((one,))) as (pair, exchange):
        statuses = [(await ask(pair, "GET", path))[0] for path in (by_accession, by_patient)]
        opened = [asked[1] for asked in exchange.asked if asked[0] == "viewer"]
        accession, patient = (asked[1] for asked in exchange.asked if asked[0] == "studies")
    async with served(trust_domain, tmp_path / "2", studies=Outcome((one, other))) as (pair, _):
        status, _, body = await ask(pair, "GET", by_patient)

    assert statuses == [303, 303]
    assert opened == [(STUDY, False)] * 2
    assert [each.value for each in accession.accessions] == ["ACC-1"]
    assert (patient.patient, patient.limit) == (PATIENT, 2)
    assert status == 400
    assert "mostRecentResults=1" in json.loads(body)["text"]


async def test_a_birth_date_has_to_be_the_patient_s(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Where both are known."""
    born = replace(make_manifest(), patient=ManifestPatient(birth_date=date(1980, 2, 29)))
    path = f"{PLAIN}?requestType=PATIENT&{CX}&mostRecentResults=1&patientBirthDate="

    async with served(trust_domain, tmp_path, studies=Outcome((born,))) as (pair, _):
        statuses = [(await ask(pair, "GET", path + given))[0] for given in ("19800229", "19800301")]

    assert statuses == [303, 404]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", SESSIONS, None, 405),
        ("POST", PLAIN, BODY, 405),
        ("HEAD", f"{PLAIN}?requestType=STUDY&studyUID=1.2", None, 405),
        ("POST", SESSIONS, b"{", 400),
        ("POST", SESSIONS, {}, 400),
        ("POST", SESSIONS, BODY | {"studyUID": "x"}, 400),
        ("POST", SESSIONS, BODY | {"diagnosticQuality": "true"}, 400),
        ("POST", SESSIONS, b" " * 20_000, 400),
        ("GET", f"{PLAIN}?studyUID=1.2", None, 400),
        ("GET", f"{PLAIN}?requestType=STUDY&studyUID=1.2&accessionNumber=x", None, 400),
        ("GET", f"{PLAIN}?requestType=STUDY&accessionNumber=unknown", None, 404),
    ],
)
async def test_what_cannot_be_opened_is_refused(
    method: str, path: str, body: Any, status: int, one: Served
) -> None:
    """With the status of the standard; audited, as every request is."""
    pair, exchange = one
    before = len(audited(pair))

    got = await ask(pair, method, path, body)

    [event] = audited(pair)[before:]
    assert got[0] == status
    assert 'EventOutcomeIndicator="8"' in event
    assert [asked for asked in exchange.asked if asked[0] == "viewer"] == []


async def test_an_unknown_study_is_not_found(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """As the country says."""
    gone = NotFound(Refusal.UNKNOWN_INSTANCE, "no such study")
    async with served(trust_domain, tmp_path, viewer=gone) as (pair, _):
        status, _, body = await ask(pair, "POST", SESSIONS, BODY)

    assert (status, json.loads(body)["text"]) == (404, "no such study")


async def test_who_shows_no_token_for_it_opens_nothing(one: Served) -> None:
    """None, one for another transaction, and one in the URL; a SMART scope for studies will do."""
    pair, exchange = one
    other = bearer(pair, context_for("ihe"), scope="RAD-107")
    token = bearer(pair, scope="RAD-106").removeprefix("Bearer ")
    in_url = f"{PLAIN}?requestType=STUDY&studyUID={STUDY}&access_token={token}"

    none = await ask(pair, "POST", SESSIONS, BODY, token="")
    narrow = await ask(pair, "POST", SESSIONS, BODY, token=other)
    named = await ask(pair, "GET", in_url, token="")
    refused = list(exchange.asked)
    smart = bearer(pair, scope="system/ImagingStudy.read")
    taken = await ask(pair, "POST", SESSIONS, BODY, token=smart)

    assert (none[0], narrow[0], named[0]) == (401, 403, 401)
    assert none[1]["WWW-Authenticate"].startswith("Bearer")
    assert refused == []
    assert taken[0] == 201


async def test_a_gateway_without_room_for_records_opens_nothing(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """What cannot be kept is not begun."""
    exchange = ScriptedExchange(viewer=LINK)
    full = TranscriptSection(quota_bytes=1)
    async with pair_of(exchange, trust_domain, tmp_path, transcripts=full) as pair:
        got = await ask(pair, "POST", SESSIONS, BODY)

    assert got[0] == 503
    assert exchange.asked == []


async def test_who_shows_no_certificate_is_not_even_heard(one: Served) -> None:
    """Viewers are opened for gateways; browsers come to another port."""
    pair, exchange = one

    async with aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.ClientError):
            await stranger.post(f"{URL(pair.url).origin()}{SESSIONS}", ssl=False)

    assert exchange.asked == []
