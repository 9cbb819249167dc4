"""Attacks on tokens: forged, confused, tampered with, blown up; and arbitrary input."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from gateway.domain import NotAllowed, Refusal
from tests.wire.fhir.minted import (
    b64,
    bad_signer,
    by_hand,
    header_of,
    minted,
    payload_of,
    read,
    refused,
    signer,
    with_header,
)

STRANGER = ec.generate_private_key(ec.SECP256R1())
PUBLIC = signer().seal.key.public_key()
PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CERTIFICATE = signer().seal.certificate


def macced(secret: bytes, digest: str = "sha256", **members: Any) -> str:
    name = {"sha256": "HS256", "sha384": "HS384", "sha512": "HS512"}[digest]
    header = header_of(minted()) | {"alg": name} | members
    text = f"{b64(json.dumps(header).encode())}.{minted().split('.')[1]}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), digest).digest())}"


# --- forged


def test_a_token_signed_by_somebody_else_is_refused() -> None:
    """Under the certificate of the rightful signer."""
    forged = by_hand(header_of(minted()), payload_of(minted()), STRANGER)

    assert refused(forged) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("name", ["sub", "jti", "aud", "scope", "exp"])
def test_a_tampered_payload_is_refused(name: str) -> None:
    """Whatever was changed in it."""
    head, _, signature = minted().split(".")
    payload = payload_of(minted()) | {name: "x"}

    forged = f"{head}.{b64(json.dumps(payload).encode())}.{signature}"

    assert refused(forged) is Refusal.SIGNATURE_INVALID


def test_a_tampered_header_is_refused() -> None:
    """Even where nothing in it was read."""
    _, body, signature = minted().split(".")
    header = header_of(minted()) | {"extra": 1}

    forged = f"{b64(json.dumps(header).encode())}.{body}.{signature}"

    assert refused(forged) is Refusal.SIGNATURE_INVALID


def test_the_certificate_of_another_is_of_no_use() -> None:
    """Neither a stranger's key under ours, nor our signature under another's."""
    assert refused(with_header(x5c=[bad_signer("wrong-eku").certificate])) is (
        Refusal.SIGNATURE_INVALID
    )


@pytest.mark.parametrize("signature", [b"", b"\x00" * 64, b"\xff" * 64, b"\x00" * 63, b"x" * 72])
def test_a_signature_that_is_none_is_refused(signature: bytes) -> None:
    """Empty, of noughts, beyond the order of the curve, too short, too long."""
    head, body, _ = minted().split(".")

    assert refused(f"{head}.{body}.{b64(signature)}") is Refusal.SIGNATURE_INVALID


# --- algorithms and keys


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_alg_none_is_refused(name: str) -> None:
    """With a signature, and without."""
    header = header_of(minted()) | {"alg": name}
    head, body = b64(json.dumps(header).encode()), minted().split(".")[1]

    assert refused(f"{head}.{body}.") is Refusal.SIGNATURE_INVALID
    assert refused(with_header(alg=name)) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_the_public_key_is_no_shared_secret(digest: str) -> None:
    """Key confusion: HMAC with what everybody knows, in all its forms."""
    der = PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pems = (PEM, PEM.rstrip(b"\n"), CERTIFICATE.public_bytes(Encoding.PEM))

    for secret in (*pems, der, CERTIFICATE.public_bytes(Encoding.DER), b""):
        assert refused(macced(secret, digest)) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("name", ["RS256", "PS256", "ES384", "ES512", "EdDSA", "ES256K", "es256"])
def test_an_algorithm_that_is_not_the_keys_is_refused(name: str) -> None:
    """The key decides, not the token."""
    assert refused(with_header(alg=name)) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("value", [None, 7, ["ES256"], {}, "", "ES256\n"])
def test_an_algorithm_that_is_no_name_is_malformed(value: Any) -> None:
    """And so is a header without one."""
    assert refused(with_header(alg=value)) is Refusal.ASSERTION_MALFORMED


def test_a_key_that_comes_with_the_token_is_refused() -> None:
    """By value or by address; nothing is fetched."""
    key = ECKey.import_key(STRANGER).as_dict(private=False)
    for own in ({"jwk": key}, {"jku": "https://x.example/keys"}, {"x5u": "https://x.example/c"}):
        header = {"typ": "JWT", "alg": "ES256"} | own
        assert refused(by_hand(header, payload_of(minted()), STRANGER)) is Refusal.SIGNATURE_INVALID
        assert refused(with_header(**own)) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "members", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}]
)
def test_what_must_be_understood_is_refused(members: dict[str, Any]) -> None:
    """No extension of the format is understood here (RFC 7515 section 4.1.11)."""
    assert refused(with_header(**members)) is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "keys\\..\\x",
        "x' UNION SELECT 'key",
        "a\x00b",
        "",
        "k" * 257,
        7,
        None,
        ["a"],
    ],
)
def test_a_key_name_that_is_a_trick_is_refused(kid: Any) -> None:
    """Though it is never used but to compare."""
    assert refused(with_header(kid=kid)) is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize("kid", ["https://b.example/keys#1", "1", "urn:x:y", "a/b+c=="])
def test_a_key_may_be_named_as_its_owner_likes(kid: str) -> None:
    """With a certificate the name says nothing."""
    assert read(with_header(kid=kid)).subject == "hcp-77"


# --- certificates


@pytest.mark.parametrize("chain", ["x", 7, None, [], {}, [7], [""], ["A" * 20_000], ["A"] * 9])
def test_certificates_of_another_form_are_malformed(chain: Any) -> None:
    """A short list of texts."""
    assert refused(with_header(x5c=chain)) is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize(
    "text", ["!", "AAAA", "AAA", "\u00e9", signer().certificate[:-4], PEM.decode()]
)
def test_a_certificate_that_cannot_be_read_is_refused(text: str) -> None:
    """Not base64, not DER, cut off, a key alone."""
    assert refused(with_header(x5c=[text])) is Refusal.SIGNATURE_INVALID


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    """The library has an error of its own for it."""
    der = CERTIFICATE.public_bytes(Encoding.DER)
    version = b"\xa0\x03\x02\x01"
    assert version + b"\x02" in der

    future = der.replace(version + b"\x02", version + b"\x0f", 1)

    token = with_header(x5c=[base64.b64encode(future).decode()])
    assert refused(token) is Refusal.SIGNATURE_INVALID


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_damaged_certificate_is_refused() -> None:
    """One byte is wrong, anywhere."""
    der = CERTIFICATE.public_bytes(Encoding.DER)
    chance = random.Random(1)
    for place in chance.sample(range(len(der)), 150):
        damaged = der[:place] + bytes([der[place] ^ chance.randint(1, 255)]) + der[place + 1 :]
        token = with_header(x5c=[base64.b64encode(damaged).decode()])
        assert refused(token) is Refusal.SIGNATURE_INVALID


# --- arbitrary input


@given(st.lists(st.text(), max_size=3))
def test_any_header_is_refused(values: list[str]) -> None:
    """Whatever stands in it, and with nothing else than a refusal."""
    for scheme in ("", "Bearer "):
        assert refused(*[], header=scheme + "".join(values)) in Refusal


@given(
    st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}", fullmatch=True)
)
def test_any_text_of_the_form_of_a_token_is_refused(text: str) -> None:
    """Three parts are not yet a token."""
    assert refused(header=f"Bearer {text}") in Refusal


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        found.items()
        if isinstance(found, dict)
        else enumerate(found)
        if isinstance(found, list)
        else ()
    )
    places = [path] if path else []
    return places + [place for key, child in children for place in _places(child, (*path, key))]


def _replaced(whole: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    holder: Any = whole
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return whole


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_places(payload_of(minted()))), JSON)
def test_any_value_in_a_signed_payload_is_accepted_or_refused(
    path: tuple[Any, ...], value: Any
) -> None:
    """A peer that we trust may still write nonsense."""
    token = by_hand(header_of(minted()), _replaced(payload_of(minted()), path, value))

    with suppress(NotAllowed):
        read(token)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["typ", "alg", "kid", "x5c", "x5t", "crit", "new"]), JSON)
def test_any_value_in_a_header_is_accepted_or_refused(name: str, value: Any) -> None:
    """The header is read before anything is believed."""
    with suppress(NotAllowed):
        read(with_header(**{name: value}))


def test_no_refusal_quotes_a_token() -> None:
    """Not its parts, not its values, not the digest by which it might be known."""
    token = with_header(alg="none")

    with pytest.raises(NotAllowed) as caught:
        read(token)

    shown = f"{caught.value!r} {caught.value.subject} {caught.value.code}"
    assert hashlib.sha256(token.encode()).hexdigest() not in shown
    assert "none" not in shown
