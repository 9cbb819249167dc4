"""An Exchange over FHIR, against a peer that answers as told: what is sent, what is made of it."""

from __future__ import annotations

import asyncio
import gzip
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config import LimitSection, PeerSection
from gateway.domain import (
    ExchangeError,
    HumanName,
    Issue,
    NotAllowed,
    NotNow,
    Outcome,
    PatientIdentity,
    PatientTraits,
    PeerMisbehaved,
    Refusal,
    Severity,
    Transaction,
)
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, serving
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.fhir_calls import ACCEPT, FhirCalls, FhirClientIdentity
from gateway.transport.fhir_client import FhirClient
from gateway.transport.record import Keeper
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.refusals import write_outcome
from gateway.wire.fhir.resources import Format, Json, write_resource
from gateway.wire.fhir.tokens import TokenSigner
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT, make_context
from tests.fhir_peers import Answer, FhirPeer, answered
from tests.gateways import settings_for
from tests.wire.fhir.minted import payload_of

ANNA = PatientIdentity(
    id=PATIENT, community=COUNTRY_A, names=(HumanName(family="Papadaki", given=("Anna",)),)
)
TRAITS = PatientTraits(ids=(PATIENT,), name=HumanName(family="Żak+1"))
FINGERPRINT = "ab" * 32
JSON = "application/fhir+json"


@dataclass(frozen=True)
class Asking:
    """A client of the peer, and what it keeps."""

    client: FhirClient
    peer: FhirPeer
    keeper: Keeper
    url: str

    async def identify(self, traits: PatientTraits = TRAITS) -> Outcome[PatientIdentity]:
        """Ask for a patient."""
        return await self.client.identify_patient(traits, make_context(patient=None))

    async def refused(self) -> ExchangeError:
        """The refusal that asking for a patient meets."""
        with pytest.raises(ExchangeError) as caught:
            await self.identify()
        return caught.value

    @property
    def event(self) -> str:
        """The audit message of the only exchange there was."""
        [record] = self.keeper.audit.events()
        return record.xml.decode()

    @property
    def transcript(self) -> dict[str, Any]:
        """The transcript of the only exchange there was."""
        [summary] = self.keeper.tap.summaries()
        assert summary["state"] == "closed"
        whole = self.keeper.tap.transcript(summary["id"])
        assert whole is not None
        return whole


@pytest.fixture
def asking(trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork) -> Any:
    """A client of a peer that answers as told, as a context manager."""

    @asynccontextmanager
    async def make(answer: Answer, *, url: str = "", **limits: Any) -> AsyncIterator[Asking]:
        peer = FhirPeer(answer)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", peer.serve)
        section = LimitSection(**limits)
        settings = settings_for(COUNTRY_B, "XB", tmp_path, tmp_path / "b", limits=section)
        keeper = keeper_of(settings, clockwork)
        async with (
            serving(Listener(name="peer", app=app, host="127.0.0.1", port=0)) as ports,
            aiohttp.ClientSession(auto_decompress=False) as session,
        ):
            base = url or f"http://127.0.0.1:{ports['peer']}/fhir/"
            calls = FhirCalls(
                peer_of_section(PeerSection(name="A", community=COUNTRY_A, fhir_url=base)),
                identity=FhirClientIdentity(
                    country="XB",
                    signer=TokenSigner(trust_domain.signer("XB")),
                    client_fingerprint=FINGERPRINT,
                    now=clockwork.now,
                    new_id=clockwork.new_id,
                ),
                session=session,
                keeper=keeper,
                limits=section,
            )
            client = FhirClient(calls)
            yield Asking(client, peer, keeper, f"{base.rstrip('/')}/Patient/_search")

    return make


def bundle(*identities: PatientIdentity, issues: tuple[Issue, ...] = ()) -> Json:
    """The searchset a peer of ours answers with."""
    return pdqm.encode_response(
        Outcome(identities, issues),
        ids=lambda identity: identity.id.value,
        base="https://a.example/fhir",
        bundle_id="b-1",
        at=NOON,
        self_url="https://a.example/fhir/Patient",
        scores=False,
    )


def outcome(code: str, severity: str = "error", text: str = "") -> Json:
    """An OperationOutcome of somebody who knows nothing of our codes."""
    issue: Json = {"severity": severity, "code": code}
    if text:
        issue["diagnostics"] = text
    return {"resourceType": "OperationOutcome", "issue": [issue]}


# --- requests -------------------------------------------------------------------------------------


async def test_a_search_is_posted_with_a_token_made_for_it(asking: Any) -> None:
    """Identifiers stand in the body alone; the token names the transaction, the peer and us."""
    async with asking(answered(bundle(ANNA))) as a:
        await a.identify()

        [(path, headers, form)] = a.peer.asked
        transcript, event = a.transcript, a.event
    assert path == "/fhir/Patient/_search"
    assert form == pdqm.encode_request(TRAITS)
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Accept"] == ACCEPT
    scheme, _, token = headers["Authorization"].partition(" ")
    claims = payload_of(token)
    assert (scheme, claims["scope"]) == ("Bearer", Transaction.SEARCH_PATIENTS.value)
    assert (claims["aud"], claims["client_id"]) == (COUNTRY_A.urn, COUNTRY_B.urn)
    assert "x5t#S256" in claims["cnf"]
    assert transcript["message_id"] == headers["X-Request-Id"]
    assert ["Authorization", "(redacted)"] in transcript["request"]["headers"]
    assert headers["X-Request-Id"] in event


async def test_every_request_has_an_id_and_a_token_of_its_own(asking: Any) -> None:
    """Neither is shown twice."""
    async with asking(answered(bundle())) as a:
        await a.identify()
        await a.identify()

    first, second = [headers for _, headers, _ in a.peer.asked]
    assert first["X-Request-Id"] != second["X-Request-Id"]
    tokens = [payload_of(each["Authorization"]) for each in (first, second)]
    assert tokens[0]["jti"] != tokens[1]["jti"]


async def test_a_question_that_says_nothing_is_never_sent(asking: Any) -> None:
    """It is audited as refused all the same."""
    async with asking(answered(bundle())) as a:
        with pytest.raises(ExchangeError) as caught:
            await a.identify(PatientTraits())

        assert caught.value.refusal is Refusal.MALFORMED_REQUEST
        assert a.peer.asked == []
        assert 'EventOutcomeIndicator="8"' in a.event


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format", list(Format))
async def test_patients_are_read_from_json_and_xml_packed_or_not(
    format: Format, packed: bool, asking: Any
) -> None:
    """What the answer says stands in the transcript, and what was asked in the audit."""
    body = write_resource(bundle(ANNA), format)
    headers = {"Content_Encoding": "gzip"} if packed else {}
    answer = answered(gzip.compress(body) if packed else body, format=format, **headers)
    async with asking(answer) as a:
        found = await a.identify()

        assert found == Outcome((ANNA,))
        assert (a.transcript["outcome"], a.transcript["status"]) == ("success", 200)
        assert a.transcript["answer"]["size_bytes"] == len(body)
        assert a.transcript["decoded"]["answer"]["items"]
        assert 'EventOutcomeIndicator="0"' in a.event
        assert 'csd-code="ITI-78"' in a.event
        asked = b64encode(f"POST {a.url}\n{pdqm.encode_request(TRAITS)}".encode())
        assert asked.decode() in a.event


async def test_issues_beside_the_patients_come_along(asking: Any) -> None:
    """An answer that lacks something is audited as one."""
    lost = Issue(refusal=Refusal.BACK_END_DOWN, text="a region is out of reach")
    async with asking(answered(bundle(ANNA, issues=(lost,)))) as a:
        found = await a.identify()

        assert found.items == (ANNA,)
        [issue] = found.issues
        assert (issue.refusal, issue.severity) == (Refusal.BACK_END_DOWN, Severity.ERROR)
        assert a.transcript["outcome"] == "partial"
        assert 'EventOutcomeIndicator="4"' in a.event


@pytest.mark.parametrize(
    "answer",
    [
        answered(bundle()),
        answered(outcome("informational", "information", "nobody fits")),
        answered(outcome("not-found"), status=404),
        answered(outcome("not-found", text="No patient fits"), status=404),
        answered(b"", status=204),
    ],
    ids=["bundle", "bare-outcome", "404", "404-with-text", "204"],
)
async def test_nobody_found_is_an_answer_however_it_is_put(answer: Answer, asking: Any) -> None:
    """Live gateways put it in each of these ways."""
    async with asking(answer) as a:
        found = await a.identify()

        assert found == Outcome()
        assert a.transcript["outcome"] == "success"
        assert 'EventOutcomeIndicator="0"' in a.event


async def test_an_outcome_that_speaks_of_an_error_is_kept_as_one(asking: Any) -> None:
    """Even under status 200: nobody was looked for, which is not the same as nobody found."""
    async with asking(answered(outcome("transient", text="index out of service"))) as a:
        found = await a.identify()

        [issue] = found.issues
        assert (issue.refusal, issue.severity) == (Refusal.BACK_END_DOWN, Severity.ERROR)
        assert a.transcript["outcome"] == "refused"


# --- refusals -------------------------------------------------------------------------------------

NO_CONSENT = write_outcome(NotAllowed(Refusal.NO_CONSENT, "no consent"))
UNKNOWN = write_outcome(ExchangeError(Refusal.UNKNOWN_PATIENT, "targetSystem not found"))
HTML = {"Content_Type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "kind", "refusal"),
    [
        (answered(NO_CONSENT, status=403), NotAllowed, Refusal.NO_CONSENT),
        (answered(UNKNOWN, status=404), ExchangeError, Refusal.UNKNOWN_PATIENT),
        (answered(outcome("not-supported"), status=404), ExchangeError, Refusal.UNSUPPORTED),
        (answered(b"", status=401), NotAllowed, Refusal.NO_ASSERTION),
        (answered(b"<html>oops</html>", status=500, **HTML), NotNow, Refusal.BACK_END_DOWN),
        (answered(b"<html>hello</html>", **HTML), PeerMisbehaved, Refusal.PEER_MISBEHAVED),
        (answered(b'{"resourceType": "Bun'), PeerMisbehaved, Refusal.PEER_MISBEHAVED),
        (answered(b"[1, 2]"), PeerMisbehaved, Refusal.PEER_MISBEHAVED),
        (answered(b""), PeerMisbehaved, Refusal.PEER_MISBEHAVED),
        (answered({"resourceType": "Patient"}), PeerMisbehaved, Refusal.PEER_MISBEHAVED),
        (answered(bundle(), format=Format.XML, Content_Type=JSON), PeerMisbehaved, None),
        (answered(b"not packed", Content_Encoding="gzip"), PeerMisbehaved, None),
        (answered(b"?", Content_Encoding="br"), PeerMisbehaved, None),
    ],
)
async def test_an_answer_that_is_none_is_a_refusal(
    answer: Answer, kind: type[ExchangeError], refusal: Refusal | None, asking: Any
) -> None:
    """By its status, by what it says, or because it cannot be read; the answer is kept."""
    async with asking(answer) as a:
        error = await a.refused()

        assert isinstance(error, kind)
        assert error.refusal is (refusal or Refusal.PEER_MISBEHAVED)
        assert a.transcript["outcome"] == "refused"
        assert a.transcript["answer"]["start_line"].startswith("HTTP/1.1 ")
        assert 'EventOutcomeIndicator="0"' not in a.event
        assert 'csd-code="ITI-78"' in a.event


@pytest.mark.parametrize("packed", [False, True])
async def test_a_peer_that_sends_too_much_is_stopped(packed: bool, asking: Any) -> None:
    """A little that unpacks to much counts as much."""
    big = b" " * 100_000
    headers = {"Content_Encoding": "gzip"} if packed else {}
    answer = answered(gzip.compress(big) if packed else big, **headers)
    async with asking(answer, answer_bytes=1000) as a:
        error = await a.refused()

        assert isinstance(error, PeerMisbehaved)
        assert "over 1000 bytes" in error.text
        assert a.transcript["status"] == 200
        assert 'EventOutcomeIndicator="8"' in a.event


async def test_a_redirect_is_not_followed(asking: Any) -> None:
    """The token was made for this address and for no other."""
    async with asking(answered(b"", status=307, Location="/elsewhere")) as a:
        error = await a.refused()

        assert error.refusal is Refusal.PEER_MISBEHAVED
        assert "307" in error.text
        assert [path for path, *_ in a.peer.asked] == ["/fhir/Patient/_search"]


async def test_an_answer_that_is_cut_is_no_answer(asking: Any) -> None:
    """What came of it is on record."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": JSON, "Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"resourceType"')
        assert request.transport is not None
        request.transport.close()
        return response

    async with asking(cut) as a:
        error = await a.refused()

        assert error.refusal in (Refusal.PEER_MISBEHAVED, Refusal.PEER_UNREACHABLE)
        assert a.transcript["status"] == 200
        assert a.event


async def test_a_silent_peer_is_given_up(asking: Any) -> None:
    """After the time the settings name; worth trying again."""
    over = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async with asking(silent, silence_seconds=0.05) as a:
        error = await a.refused()
        over.set()

        assert (error.refusal, error.retry) == (Refusal.PEER_TIMEOUT, True)
        assert 'EventOutcomeIndicator="12"' in a.event


async def test_a_peer_out_of_reach_is_told_as_such(asking: Any) -> None:
    """Nobody listens on port 1."""
    async with asking(answered(bundle()), url="http://127.0.0.1:1/fhir") as a:
        error = await a.refused()

        assert (error.refusal, error.retry) == (Refusal.PEER_UNREACHABLE, True)
        assert a.transcript["outcome"] == "refused"
        assert 'EventOutcomeIndicator="12"' in a.event
