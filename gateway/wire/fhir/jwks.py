"""The keys of an issuer of tokens as a JWK Set: theirs read, ours written.

A set may hold more than we use: keys for encryption and of kinds that no algorithm here takes are
left out. A key that must not be there at all, secret or private, makes the whole set unusable: a
shared secret in a public document is how HMAC tokens come to be forged.

RFC 7517; RFC 7518 section 6.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.util import base64_to_int, int_to_base64

from gateway.wire.fhir.tokens import PublicKey, TokenSigner, algorithms_of
from gateway.wire.problems import DecodeError

# An issuer has a handful, even while it changes keys.
MAX_KEYS = 32
# 8192 bits in base64url; larger numbers only cost time.
MAX_NUMBER_TEXT = 1_366

_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}
_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384"}
_RULE = "RFC 7517"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """A public key, the issuer it speaks for, its name, and the algorithms it verifies."""

    issuer: str
    kid: str
    key: PublicKey
    algorithms: tuple[str, ...]


def read_jwks(data: bytes, *, issuer: str) -> tuple[IssuerKey, ...]:
    """The usable keys of an issuer's JWK Set; DecodeError when the set cannot be trusted."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise DecodeError("jwks", "no JSON", "a JWK Set", _RULE) from problem
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise DecodeError("jwks.keys", "none or too many", f"a list of at most {MAX_KEYS}", _RULE)
    found = (_read(item, issuer, f"jwks.keys[{index}]") for index, item in enumerate(keys))
    return tuple(key for key in found if key is not None)


def write_jwks(*signers: TokenSigner) -> dict[str, Any]:
    """The JWK Set of our own signers, each with its certificate."""
    return {"keys": [_write(signer) for signer in signers]}


def _read(item: object, issuer: str, where: str) -> IssuerKey | None:
    if not isinstance(item, dict):
        raise DecodeError(where, "something else", "an object", _RULE)
    members: dict[str, Any] = item
    if members.get("kty") == "oct" or "d" in members or "k" in members:
        raise DecodeError(where, "a secret or private key", "public keys only", _RULE)
    if members.get("use", "sig") != "sig":
        return None
    kid = members.get("kid", "")
    if not isinstance(kid, str):
        raise DecodeError(f"{where}.kid", "something else", "a text", _RULE)
    try:
        key = _public_key(members)
    except (TypeError, ValueError, UnsupportedAlgorithm) as problem:
        raise DecodeError(where, "numbers that make no key", "a public key", _RULE) from problem
    algorithms = algorithms_of(key)
    if "alg" in members:
        algorithms = tuple(name for name in algorithms if name == members["alg"])
    if key is None or not algorithms:
        return None
    return IssuerKey(issuer=issuer, kid=kid, key=key, algorithms=algorithms)


def _public_key(members: Mapping[str, Any]) -> PublicKey | None:
    if members.get("kty") == "RSA":
        numbers = rsa.RSAPublicNumbers(_number(members, "e"), _number(members, "n"))
        return numbers.public_key()
    if members.get("kty") == "EC" and members.get("crv") in tuple(_CURVES):
        curve = _CURVES[members["crv"]]()
        point = ec.EllipticCurvePublicNumbers(_number(members, "x"), _number(members, "y"), curve)
        return point.public_key()
    return None


def _number(members: Mapping[str, Any], name: str) -> int:
    text = members.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= MAX_NUMBER_TEXT:
        raise ValueError(f"{name} is not a number")
    return base64_to_int(text)


def _write(signer: TokenSigner) -> dict[str, Any]:
    key = signer.seal.key.public_key()
    common = {"kid": signer.kid, "use": "sig", "alg": signer.algorithm, "x5c": [signer.certificate]}
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers()
        return {
            "kty": "RSA",
            **common,
            "n": int_to_base64(modulus.n),
            "e": int_to_base64(modulus.e),
        }
    point, size = key.public_numbers(), (key.key_size + 7) // 8
    return {
        "kty": "EC",
        **common,
        "crv": _CURVE_NAMES[key.curve.name],
        "x": int_to_base64(point.x, size),
        "y": int_to_base64(point.y, size),
    }
