"""Whoever calls a REST route is made out from TLS and token, told to the record, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from gateway.config import PeerSection
from gateway.domain import CommunityId
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_B
from tests.dicomweb_requests import fetch
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import bearer
from tests.gateways import pair_of
from tests.requests import audited, context_for

PATH = "/studies/1.2.3"
TOKENS = {
    "foreign community": lambda pair: bearer(
        pair, replace(context_for("ihe"), asking=CommunityId("2.999.404")), scope="RAD-107"
    ),
    "another client": lambda pair: bearer(pair, client_fingerprint="ab" * 32, scope="RAD-107"),
}


async def test_the_caller_is_on_record_before_anything_is_decided(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The study is not there; who asked for it is known all the same."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        got = await fetch(pair, PATH)
        [event] = audited(pair)

    assert got.status == 404
    assert context_for("ihe").professional.name.family in event


@pytest.mark.parametrize("case", ["foreign community", "another client"])
async def test_a_token_of_somebody_else_is_refused(
    trust_domain: TrustDomain, tmp_path: Path, case: str
) -> None:
    """A gateway speaks for its own community, and a token is bound to its TLS client."""
    leaf = x509.load_pem_x509_certificates(trust_domain.files()["xb/tls-client.pem"])[0]
    known = PeerSection(
        name="Country B", community=COUNTRY_B, tls_subjects=(leaf.subject.rfc4514_string(),)
    )
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, callers=(known,)) as pair:
        got = await fetch(pair, PATH, token=TOKENS[case](pair))

    assert got.status in (401, 403)
