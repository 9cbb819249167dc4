"""Tokens that are not believed, over DICOMweb: no byte of an image, and the challenge of RFC 6750.

What makes a token unbelievable is tested row by row in `test_token_rows`; here, that images stand
behind the same gate.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from gateway.pki import TrustDomain
from gateway.transport.compose import token_signer_of
from gateway.wire.fhir.tokens import TokenSigner
from tests.conftest import Seeded
from tests.dicomweb_requests import fetch
from tests.fhir_requests import bearer
from tests.served import Served, serving_patient
from tests.wire.fhir.minted import b64, header_of, payload_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """Country A as it is seeded."""
    folder = tmp_path_factory.mktemp("tokens")
    async with serving_patient("main", seeded, trust_domain, folder) as opened:
        yield opened


def _token(served: Served) -> str:
    return served.token().removeprefix("Bearer ")


def _changed(served: Served, **claims: Any) -> str:
    """A flawless token with other claims, signed by who may sign."""
    token = _token(served)
    own = token_signer_of(served.pair.asking_settings.seal).seal.key
    native = (RSAKey if isinstance(own, rsa.RSAPrivateKey) else ECKey).import_key(own)
    header = header_of(token)
    content = json.dumps(payload_of(token) | claims).encode()
    return jws.serialize_compact(header, content, native, algorithms=[header["alg"]])


def _forged(served: Served) -> str:
    head, payload, signature = _token(served).split(".")
    said = payload_of(f"{head}.{payload}.{signature}") | {"sub": "somebody-else"}
    return f"{head}.{b64(json.dumps(said).encode())}.{signature}"


def _none(served: Served) -> str:
    head, payload, _ = _token(served).split(".")
    return (
        f"{b64(json.dumps(header_of(f'{head}.{payload}.') | {'alg': 'none'}).encode())}.{payload}."
    )


def _confused(served: Served) -> str:
    """HS256, keyed with the public key that everybody has."""
    token = _token(served)
    public = token_signer_of(served.pair.asking_settings.seal).seal.key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = b64(json.dumps(header_of(token) | {"alg": "HS256"}).encode())
    signing = f"{head}.{token.split('.')[1]}"
    return f"{signing}.{b64(hmac.digest(secret, signing.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_forged, id="forged"),
        pytest.param(_none, id="alg none"),
        pytest.param(_confused, id="key confusion"),
        pytest.param(lambda served: _changed(served, exp=1_700_000_000), id="expired"),
        pytest.param(lambda served: _changed(served, aud="https://other.example"), id="audience"),
        pytest.param(lambda served: "no.token.at-all", id="garbage"),
    ],
)
async def test_a_token_that_is_not_believed_opens_no_image(
    served: Served, make: Callable[[Served], str]
) -> None:
    """401 and `invalid_token`, whichever way it is bad."""
    path = f"/studies/{served.studies[0].study}"

    got = await fetch(served.pair, path, token=f"Bearer {make(served)}")

    assert got.status == 401
    assert 'error="invalid_token"' in got.headers["WWW-Authenticate"]
    assert json.loads(got.body)["status"] == 401


async def test_a_token_signed_by_a_stranger_opens_no_image(
    served: Served, trust_domain: TrustDomain
) -> None:
    """Its certificate is of a CA nobody knows."""
    stranger = TokenSigner(trust_domain.broken["unknown-ca"].signer)
    header = {"typ": "JWT", "alg": stranger.algorithm, "x5c": [stranger.certificate]}
    kind: Any = RSAKey if stranger.algorithm.startswith("RS") else ECKey
    content = json.dumps(payload_of(_token(served))).encode()
    key = kind.import_key(stranger.seal.key)
    token = jws.serialize_compact(header, content, key, algorithms=[stranger.algorithm])

    path = f"/studies/{served.studies[0].study}"
    got = await fetch(served.pair, path, token=f"Bearer {token}")

    assert got.status == 401
    assert 'error="invalid_token"' in got.headers["WWW-Authenticate"]


async def test_a_scope_that_is_not_of_images_opens_none(served: Served) -> None:
    """403 and `insufficient_scope`."""
    token = bearer(served.pair, served.context(), scope="ITI-67")

    got = await fetch(served.pair, f"/studies/{served.studies[0].study}", token=token)

    assert got.status == 403
    assert 'error="insufficient_scope"' in got.headers["WWW-Authenticate"]
    assert json.loads(got.body)["status"] == 403
