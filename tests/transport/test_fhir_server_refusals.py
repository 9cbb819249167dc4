"""A FHIR base over mutual TLS: who and what is refused, how that is said and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.config import LimitSection, PeerSection, TranscriptSection
from gateway.domain import (
    NotAllowed,
    Refusal,
)
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_B, make_professional
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import (
    BOTH,
    FHIR_JSON,
    FORM,
    SEARCH,
    Breaking,
    ask,
    bearer,
)
from tests.gateways import pair_of, session_with
from tests.requests import audited, context_for, kept

# What is asked, and the answer's status, our refusal, and Allow.
TABLE: tuple[tuple[str, str, dict[str, str], int, Refusal, str], ...] = (
    ("GET", "/Observation", {}, 404, Refusal.UNSUPPORTED, ""),
    ("GET", "", {}, 404, Refusal.UNSUPPORTED, ""),
    ("DELETE", "/Patient", {}, 405, Refusal.UNSUPPORTED, "GET"),
    ("GET", "/Patient/_search", {}, 405, Refusal.UNSUPPORTED, "POST"),
    ("GET", f"/Patient?{SEARCH}", {"Accept": "image/png"}, 406, Refusal.UNSUPPORTED, ""),
    ("GET", f"/Patient?{SEARCH}&_format=html", {}, 406, Refusal.UNSUPPORTED, ""),
    ("POST", "/Patient/$match", {"Content-Type": "text/plain"}, 415, Refusal.UNSUPPORTED, ""),
    ("POST", "/Patient/$match", {}, 415, Refusal.UNSUPPORTED, ""),
    ("POST", "/Patient/_search", FHIR_JSON, 415, Refusal.UNSUPPORTED, ""),
    ("POST", "/Patient/$match", FHIR_JSON, 400, Refusal.MALFORMED_REQUEST, ""),
    ("POST", "/Patient/_search", FORM, 400, Refusal.MALFORMED_REQUEST, ""),
    ("GET", "/Patient?family=%zz", {}, 400, Refusal.MALFORMED_REQUEST, ""),
    ("GET", "/Patient?gender=female", {}, 400, Refusal.MISSING_PARAMETER, ""),
    ("GET", f"/Patient?{SEARCH}&family:missing=true", {}, 400, Refusal.UNSUPPORTED, ""),
)


async def test_what_is_not_offered_is_refused_by_its_status(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Always an OperationOutcome, kept and audited; nobody below is asked."""
    exchange = ScriptedExchange()
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        told = []
        for method, path, headers, *_ in TABLE:
            body = b"\xff\xfe{" if method == "POST" else None
            got = await ask(pair, method, path, body=body, **headers)
            told.append(
                (method, path, headers, got.status, got.refusal, got.headers.get("Allow", ""))
            )

        assert told == list(TABLE)
        assert exchange.asked == []
        assert [each["outcome"] for each in kept(pair)] == ["refused"] * len(TABLE)
        assert len(audited(pair)) == len(TABLE)
        assert all('EventOutcomeIndicator="8"' in event for event in audited(pair))


async def test_a_token_is_needed_and_only_a_flawless_one_is_one(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """401 with the error of RFC 6750; without any token, without an error."""
    exchange = ScriptedExchange(identities=BOTH)
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        head, _, signature = bearer(pair).rpartition(".")
        forged = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        invalid = 'Bearer realm="ncp", error="invalid_token"'
        for token, refusal, code, challenge in (
            ("", Refusal.NO_ASSERTION, "login", 'Bearer realm="ncp"'),
            ("Basic YTpi", Refusal.NO_ASSERTION, "login", 'Bearer realm="ncp"'),
            ("Bearer gibberish", Refusal.ASSERTION_MALFORMED, "security", invalid),
            (forged, Refusal.SIGNATURE_INVALID, "security", invalid),
            (bearer(pair, now=long_ago), Refusal.ASSERTION_NOT_VALID_NOW, "expired", invalid),
            (bearer(pair, audience=COUNTRY_B.urn), Refusal.WRONG_AUDIENCE, "security", invalid),
        ):
            got = await ask(pair, token=token)

            assert (got.status, got.refusal) == (401, refusal)
            assert got.resource["issue"][0]["code"] == code
            assert got.headers["WWW-Authenticate"] == challenge

        assert exchange.asked == []
        assert len(audited(pair)) == len(kept(pair)) == 6
        assert all('csd-code="ITI-78"' in event for event in audited(pair))


async def test_a_token_is_worth_nothing_to_another_client(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """It is bound to the TLS certificate it was made for."""
    exchange = ScriptedExchange(identities=BOTH)
    async with (
        pair_of(exchange, trust_domain, tmp_path) as pair,
        session_with(tmp_path / "certs", "xa/tls-client") as other,
    ):
        got = await ask(pair, session=other)

    assert (got.status, got.refusal) == (401, Refusal.ASSERTION_REUSED)
    assert got.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert exchange.asked == []


async def test_rights_are_those_of_the_scope_and_of_the_professional(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """403 for a scope of something else, and for a professional without the permission."""
    exchange = ScriptedExchange(identities=BOTH)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        powerless = context_for("ihe", professional=make_professional(permissions=("PRD-003",)))
        for token in (bearer(pair, scope="ITI-67"), bearer(pair, powerless)):
            got = await ask(pair, token=token)

            assert (got.status, got.refusal) == (403, Refusal.INSUFFICIENT_RIGHTS)
            assert got.resource["issue"][0]["code"] == "forbidden"
            assert 'error="insufficient_scope"' in got.headers["WWW-Authenticate"]
        assert exchange.asked == []

        smart = await ask(pair, token=bearer(pair, scope="system/Patient.rs"))
        assert smart.ids == ["A-0001", "A-0002"]


@pytest.mark.parametrize("assertions", ["reusable", "single-use"])
async def test_whether_a_token_serves_twice_is_a_setting_of_the_peer(
    assertions: Any, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Another user of the same client never gets in with its id."""
    subject = trust_domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    peer = PeerSection(
        name="B", community=COUNTRY_B, tls_subjects=(subject,), assertions=assertions
    )
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, callers=(peer,)) as pair:
        own = bearer(pair, new_id=lambda: "the-same")
        else_ = context_for("ihe", professional=make_professional(id="hcp-78"))
        others = bearer(pair, else_, new_id=lambda: "the-same")
        statuses = [(await ask(pair, token=token)).status for token in (own, own, others)]

    assert statuses == [200, 200 if assertions == "reusable" else 401, 401]


async def test_a_known_peer_speaks_for_its_own_community_alone(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Whose TLS certificate it is and what the token says must agree."""
    subject = trust_domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    peer = PeerSection(name="B", community="2.999.77", tls_subjects=(subject,))
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, callers=(peer,)) as pair:
        got = await ask(pair)

    assert (got.status, got.refusal) == (403, Refusal.ATTRIBUTES_INVALID)


async def test_no_consent_is_told_as_suppressed(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """403 without a challenge: no other token would help."""
    refusing = ScriptedExchange(identities=NotAllowed(Refusal.NO_CONSENT, "no consent"))
    async with pair_of(refusing, trust_domain, tmp_path) as pair:
        got = await ask(pair, path="/Patient?identifier=urn:oid:2.999.1.2%7CA-0001")

        assert (got.status, got.refusal) == (403, Refusal.NO_CONSENT)
        assert got.resource["issue"][0]["code"] == "suppressed"
        assert "WWW-Authenticate" not in got.headers
        [event] = audited(pair)
        assert 'EventOutcomeIndicator="8"' in event


async def test_a_body_over_the_limit_is_refused(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """413, and it goes no further."""
    exchange, limits = ScriptedExchange(), LimitSection(request_bytes=100)
    async with pair_of(exchange, trust_domain, tmp_path, limits=limits) as pair:
        body = b"family=" + b"x" * 200
        got = await ask(pair, "POST", "/Patient/_search", body=body, **FORM)

        assert (got.status, got.refusal) == (413, Refusal.MALFORMED_REQUEST)
        assert got.resource["issue"][0]["code"] == "too-long"
        assert "100 bytes" in got.resource["issue"][0]["details"]["text"]
        assert exchange.asked == []
        assert len(audited(pair)) == 1


async def test_what_cannot_be_kept_is_not_begun(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """A full store of transcripts answers 503, under the id of the request."""
    exchange, full = ScriptedExchange(), TranscriptSection(quota_bytes=1)
    async with pair_of(exchange, trust_domain, tmp_path, transcripts=full) as pair:
        got = await ask(pair, X_Request_Id="req-1")

    assert (got.status, got.refusal) == (503, Refusal.STORE_FULL)
    assert got.headers["X-Request-Id"] == "req-1"
    assert got.headers["Retry-After"].isdigit()
    assert exchange.asked == []


async def test_a_mistake_of_ours_says_nothing_of_the_inside(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """500 and the id under which the log knows more."""
    async with pair_of(Breaking(), trust_domain, tmp_path) as pair:
        with structlog.testing.capture_logs() as logs:
            got = await ask(pair, X_Request_Id="req-1")

        assert (got.status, got.refusal) == (500, Refusal.INTERNAL)
        assert got.headers["X-Request-Id"] == got.headers["X-Correlation-ID"] == "req-1"
        assert b"secret" not in got.body
        [logged] = [each for each in logs if each["event"] == "request.failed"]
        assert logged["correlation_id"].encode() in got.body
        assert kept(pair)[0]["outcome"] == "refused"
        assert 'EventOutcomeIndicator="12"' in audited(pair)[0]
