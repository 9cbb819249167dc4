"""JWK Sets: ours read back, those of others judged."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.wire.fhir.jwks import MAX_KEYS, read_jwks, write_jwks
from gateway.wire.problems import DecodeError
from tests.wire.fhir.minted import signer

ISSUER = "https://issuer.b.example"


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_our_own_set_is_read_back() -> None:
    """The same keys, by name, each with the algorithms of its kind."""
    signers = (signer("rsa"), signer("seal"), signer("p384"))

    found = read_jwks(json.dumps(write_jwks(*signers)).encode(), issuer=ISSUER)

    assert [key.kid for key in found] == [one.kid for one in signers]
    assert [key.key for key in found] == [one.seal.key.public_key() for one in signers]
    assert [key.algorithms for key in found] == [("RS256",), ("ES256",), ("ES384",)]
    assert {key.issuer for key in found} == {ISSUER}


def test_a_set_holds_no_secret_of_ours() -> None:
    """The numbers of the public key, and nothing besides."""
    text = json.dumps(write_jwks(signer("rsa"), signer()))

    assert not {'"d"', '"p"', '"q"', '"k"'} & set(text.replace(":", " ").split())


def test_a_key_without_an_algorithm_verifies_all_of_its_kind() -> None:
    """RSA is used with either padding."""
    key = RSAKey.generate_key(2048).as_dict(private=False)

    assert read_jwks(jwks(key), issuer=ISSUER)[0].algorithms == ("RS256", "PS256")


def test_keys_for_other_ends_are_left_out() -> None:
    """For encryption, of other kinds, for other algorithms, too short."""
    ours = ECKey.generate_key("P-256").as_dict(private=False)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    others = (
        ours | {"use": "enc"},
        ours | {"alg": "ES512"},
        ours | {"alg": ["ES256"]},
        OKPKey.generate_key("Ed25519").as_dict(private=False),
        ECKey.generate_key("P-521").as_dict(private=False),
        RSAKey(short, short).as_dict(private=False),
        {"kty": "unheard of"},
    )

    assert read_jwks(jwks(*others), issuer=ISSUER) == ()


@pytest.mark.parametrize(
    "key",
    [
        OctKey.generate_key(256).as_dict(private=True),
        ECKey.generate_key("P-256").as_dict(private=True),
        RSAKey.generate_key(2048).as_dict(private=True),
    ],
    ids=["shared secret", "private EC", "private RSA"],
)
def test_a_set_with_a_secret_in_it_is_not_used(key: dict[str, Any]) -> None:
    """Who publishes a secret has no secret."""
    with pytest.raises(DecodeError, match=r"jwks\.keys\[0\]: found a secret or private key"):
        read_jwks(jwks(key), issuer=ISSUER)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b'{"keys": [{"kty": "EC", "kid": 1}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": 1, "y": null}]}',
        b'{"keys": [{"kty": "RSA", "n": "=", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "n": "' + b"A" * 2_000 + b'", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "Ag"}]}',
        b"[" * 100_000,
        jwks(*[{}] * (MAX_KEYS + 1)),
    ],
)
def test_a_broken_set_is_refused(data: bytes) -> None:
    """No JSON, no set, keys whose numbers make no key."""
    with pytest.raises(DecodeError, match="jwks"):
        read_jwks(data, issuer=ISSUER)


MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "alg", "kid", "d"])
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=8),
    st.sampled_from(["EC", "RSA", "oct", "P-256", "AQAB", "sig"]),
    st.lists(st.text(max_size=3), max_size=2),
)


@given(st.lists(st.dictionaries(MEMBERS, VALUES), max_size=3))
def test_whatever_a_set_holds_it_is_read_or_refused(keys: list[dict[str, Any]]) -> None:
    """Nothing but `DecodeError` comes of members of the wrong kind."""
    with suppress(DecodeError):
        read_jwks(jwks(*keys), issuer=ISSUER)
