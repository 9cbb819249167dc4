"""Tokens made for tests: a trust domain, good tokens, tokens put together by hand."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.domain import CallContext, Caller, NotAllowed, Refusal, TreatmentRelation
from gateway.pki import TrustDomain, mint_trust
from gateway.pki_profile import Role, TrustProfile
from gateway.wire.fhir.security import AcceptedToken, read_context
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy, TokenSigner, mint_token
from tests.builders import COUNTRY_A, NOON, make_context

BASE = "https://gateway.a.example/fhir"
SCOPE = "ITI-67 ITI-68 system/Patient.rs"
NEEDED = frozenset({"ITI-67", "system/DocumentReference.s"})
FINGERPRINT = hashlib.sha256(b"a client certificate").hexdigest()
CALLER = Caller(subject="CN=gateway-b,C=XB", fingerprint=FINGERPRINT, address="192.0.2.7")
TRC = make_context(relation=TreatmentRelation.TRC)
POLICY = TokenPolicy(audiences=(BASE,))

_SEALS = {"seal": Role(key="ec-p256"), "rsa": Role(key="rsa-2048"), "p384": Role(key="ec-p384")}


@cache
def domain() -> TrustDomain:
    """A made-up trust domain whose Country B seals with keys of three kinds."""
    return mint_trust(now=NOON, countries=("XB",), profile=TrustProfile(roles=_SEALS))


@cache
def signer(role: str = "seal") -> TokenSigner:
    """A signer of Country B."""
    return TokenSigner(domain().leaves["xb", role].signer)


@cache
def bad_signer(kind: str) -> TokenSigner:
    """A signer with a deliberately bad certificate."""
    return TokenSigner(domain().broken[kind].signer)


def trust() -> TokenTrust:
    """What a receiver in Country A believes."""
    return TokenTrust(certificates=domain().trust_store)


def new_ids() -> Callable[[], str]:
    """Ids that count."""
    numbers = count(1)
    return lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"


def minted(context: CallContext = TRC, by: TokenSigner | None = None, **changes: Any) -> str:
    """A flawless token, but for the changes."""
    options: dict[str, Any] = {
        "now": NOON,
        "token_id": "token-1",
        "relation_id": "relation-1",
        "audience": BASE,
        "client_fingerprint": FINGERPRINT,
        "country": "XB",
        "scope": SCOPE,
    }
    return mint_token(context, by or signer(), **(options | changes))


def payload_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    return _decoded(token.split(".")[1])


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unverified."""
    return _decoded(token.split(".")[0])


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def b64(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(
    header: dict[str, Any] | bytes,
    payload: dict[str, Any] | bytes,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> str:
    """A compact JWS over any bytes, signed with ES256 whatever its header says."""
    raw = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    signing_input = ".".join(map(b64, raw))
    if key is None:
        seal = signer().seal.key
        assert isinstance(seal, ec.EllipticCurvePrivateKey)
        key = seal
    r, s = decode_dss_signature(key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signing_input}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def edited(edit: Callable[[dict[str, Any]], object], context: CallContext = TRC) -> str:
    """A token whose payload was changed and then signed by the rightful signer."""
    token = minted(context)
    payload = payload_of(token)
    edit(payload)
    return by_hand(header_of(token), payload)


def with_header(**members: Any) -> str:
    """A token with other members in its header, signed by the rightful signer."""
    token = minted()
    return by_hand(header_of(token) | members, payload_of(token))


def policy(**changes: Any) -> TokenPolicy:
    """The policy of the tests with some of the assertions' rules changed."""
    return replace(POLICY, assertions=replace(POLICY.assertions, **changes))


def read(*tokens: str, header: str | None = None, **changes: Any) -> AcceptedToken:
    """What a gateway of Country A makes of a request that carries these tokens."""
    values = [f"Bearer {token}" for token in tokens] if header is None else [header]
    options: dict[str, Any] = {
        "trust": trust(),
        "policy": POLICY,
        "now": NOON,
        "caller": CALLER,
        "correlation_id": "corr-1",
        "answering": COUNTRY_A,
        "patient_specific": True,
        "scopes": NEEDED,
    }
    return read_context(values, **(options | changes))


def refusal(*tokens: str, **changes: Any) -> NotAllowed:
    """The refusal of a request; it must quote nothing of what was sent, nor must its causes."""
    with pytest.raises(NotAllowed) as caught:
        read(*tokens, **changes)
    found = caught.value
    assert found.__cause__ is None
    assert found.__context__ is None
    for token in tokens:
        assert_silent(f"{found} {found.subject} {found.code}", token)
    return found


def refused(*tokens: str, **changes: Any) -> Refusal:
    """Why a request is refused."""
    return refusal(*tokens, **changes).refusal


def assert_silent(text: str, token: str) -> None:
    """No text contains a part of the token, or a value that is in one."""
    secrets = [part for part in token.split(".") if len(part) > 8]
    secrets += [TRC.professional.id, TRC.professional.name.family, "A-0001", "token-1"]
    assert not [secret for secret in secrets if secret in text]
