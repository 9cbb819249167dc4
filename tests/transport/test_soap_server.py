"""A SOAP endpoint: its contract, its caller, and what is kept of what it refused or cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import structlog

from gateway.config import PeerSection
from gateway.domain import (
    Document,
    ExchangeError,
    NotAllowed,
    Outcome,
    Refusal,
)
from gateway.pki import TrustDomain
from gateway.wire.soap import xca_retrieve
from gateway.wire.soap.contract import Endpoint
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_B, make_entry, make_query
from tests.exchanges import ScriptedExchange
from tests.gateways import Pair, pair_of
from tests.requests import RETRIEVE, audited, context_for, enveloped, find_request, kept, post

WSDL = "http://schemas.xmlsoap.org/wsdl/"


@pytest.mark.parametrize("endpoint", list(Endpoint))
async def test_the_contract_is_served_with_the_address_it_was_asked_at(
    endpoint: Endpoint, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """?wsdl in any case; a GET without it is told what to do instead."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, endpoint=endpoint) as pair:
        answer = await pair.session.get(f"{pair.url}?WSDL")
        contract = parse_xml(await answer.read())
        plain = await pair.session.get(pair.url)

        assert answer.content_type == "text/xml"
        (address,) = contract.iterfind(f"{{{WSDL}}}service/{{{WSDL}}}port/*[@location]")
        assert address.get("location") == pair.url
        assert plain.status == 405
        assert plain.headers["Allow"] == "POST"
        assert "?wsdl" in await plain.text()
        assert kept(pair) == []


async def test_an_action_of_the_other_endpoint_is_not_offered(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The imaging source answers RAD-69 and nothing else."""
    source = Endpoint.IMAGING_SOURCE
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, endpoint=source) as pair:
        answer = await post(pair, find_request(pair))

        assert answer.fault is not None
        assert answer.fault.subcode == "wsa:ActionNotSupported"


async def test_an_answer_to_somewhere_else_is_refused(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Answers go back where the request came from."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        anonymous = b"http://www.w3.org/2005/08/addressing/anonymous"
        root = find_request(pair).replace(anonymous, b"https://elsewhere.example/")

        answer = await post(pair, root)

        assert answer.fault is not None
        assert answer.fault.subcode == "wsa:InvalidAddressingHeader"


async def test_the_caller_is_on_record_by_its_certificate(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """In the transcript and in the audit event."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        await pair.client.find_documents(make_query(), context_for("ihe"))

        (summary,) = kept(pair)
        assert "XB" in summary["caller"]
        assert summary["caller"] in audited(pair)[0]


def retrieve_request(pair: Pair) -> bytes:
    return enveloped(pair, xca_retrieve.encode_request((make_entry().ref,)), RETRIEVE)


async def test_what_was_refused_is_audited_with_what_it_was_about(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Patient and documents asked for stand in the event, though nobody got them."""
    refusing = ScriptedExchange(documents=NotAllowed(Refusal.NO_CONSENT, "no"))
    async with pair_of(refusing, trust_domain, tmp_path) as pair:
        answer = await post(pair, retrieve_request(pair), action=RETRIEVE, mtom=True)

        assert answer.codes
        (event,) = audited(pair)
        assert 'EventOutcomeIndicator="8"' in event
        assert "A-0001^^^" in event
        assert f'ParticipantObjectID="{make_entry().ref.document}"' in event


@dataclass(frozen=True)
class _Breaking:
    """A content that breaks after its first piece."""

    error: Exception
    size_bytes: int = 400

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise self.error


@pytest.mark.parametrize(
    "error",
    [ExchangeError(Refusal.BACK_END_DOWN, "disk"), LookupError("a mistake of ours")],
    ids=["refusal", "mistake"],
)
async def test_an_answer_that_breaks_half_way_is_cut(
    error: Exception, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Nothing that follows can be taken for the rest of it; and it is audited as a failure."""
    document = Document(
        ref=make_entry().ref, mime_type="application/pdf", content=_Breaking(error), sha1=""
    )
    exchange = ScriptedExchange(documents=Outcome((document,)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        with pytest.raises(aiohttp.ClientPayloadError), structlog.testing.capture_logs():
            await post(pair, retrieve_request(pair), action=RETRIEVE, mtom=True)

        assert kept(pair)[0]["outcome"] == "refused"
        assert 'EventOutcomeIndicator="0"' not in audited(pair)[0]


async def test_a_known_peer_speaks_for_its_own_community_alone(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Whose TLS certificate it is and what the assertion says must agree."""
    subject = trust_domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    for community, refused in ((COUNTRY_B, False), ("2.999.77", True)):
        exchange = ScriptedExchange()
        peer = PeerSection(name="B", community=community, tls_subjects=(subject,))
        folder = tmp_path / community
        async with pair_of(exchange, trust_domain, folder, callers=(peer,)) as pair:
            answer = await post(pair, find_request(pair))
        assert (answer.fault is not None) is refused
        assert bool(exchange.asked) is not refused
