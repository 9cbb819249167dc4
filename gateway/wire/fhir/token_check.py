"""One token, from its text to claims that may be believed: form, signature, time, addressee.

The rows are those of the check list of `security`, in its order. The signature comes before
everything that the payload says, so a token that is forged and expired is refused as forged. The
token never chooses: the key comes from the trust, the algorithm from the key, and what the header
says about either must only agree. A header that brings or points to a key of its own (`jwk`,
`jku`, `x5u`) or asks for something to be understood (`crit`, `b64`) is refused.

A certificate in the header (`x5c`) is judged by the trust store as that of an assertion is; a token
without one must be signed by a key that is configured for its issuer.

No text of a token ever stands in the text of a refusal; for the same reason refusals here have no
cause. RFC 7515 sections 4 and 7.1, RFC 7519, RFC 8705 section 3.1, RFC 8725.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from gateway.domain.ids import CommunityId
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.fhir.jwks import IssuerKey
from gateway.wire.fhir.token_claims import (
    Json,
    TokenClaims,
    json_object,
    malformed,
    read_claims,
    text_at,
)
from gateway.wire.fhir.tokens import (
    EC_ALGORITHMS,
    MAX_TOKEN,
    RSA_ALGORITHMS,
    TOKEN_TYPES,
    PublicKey,
    TokenPolicy,
    algorithms_of,
    thumbprint_of,
)
from gateway.wire.problems import EncodeError
from gateway.wire.trust import MAX_CHAIN, CertificateProblem, TrustStore

# A certificate with an 8192-bit key and long extensions stays below 8 KiB of DER.
MAX_CERTIFICATE_TEXT = 16_384

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
# A kid is only ever compared; one that looks like a way to a file is meant for somebody careless.
_KID = re.compile(r"(?!.*\.\.)(?!/)[!-\[\]-~]{1,256}")
_ALGORITHMS = frozenset(RSA_ALGORITHMS).union(*EC_ALGORITHMS.values())
_NOT_UNDERSTOOD = ("crit", "b64")
_OWN_KEYS = ("jwk", "jku", "x5u")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrust:
    """Whose tokens are believed: certificates by a trust store, bare keys by their issuer."""

    certificates: TrustStore = TrustStore()
    keys: tuple[IssuerKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    algorithm: str
    kid: str
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A key that may have signed: the issuer it is bound to, and the country, "" for any."""

    key: PublicKey
    algorithms: tuple[str, ...]
    issuer: str = ""
    country: str = ""


def read_token(
    text: str,
    trust: TokenTrust,
    *,
    now: datetime,
    policy: TokenPolicy,
    answering: CommunityId,
    fingerprint: str,
) -> TokenClaims:
    """What a token says, after rows 3 to 6; NotAllowed names the first that failed.

    `fingerprint` is the SHA-256 of the TLS client's certificate in lower-case hex, "" without TLS.
    """
    parts = _parts(text)
    header = _header(_decoded(parts[0]))
    payload = _decoded(parts[1])
    _decoded(parts[2])
    signer = _verified(parts, payload, header, trust, now)
    claims = read_claims(payload)
    _check_complete(claims, policy)
    _check_time(claims, policy, now)
    _check_addressee(claims, policy, answering)
    _check_issuer(claims, policy, signer)
    _check_client(claims, fingerprint)
    return claims


def read_own_token(
    text: str, trust: TokenTrust, *, now: datetime, policy: TokenPolicy, issuer: str
) -> Json:
    """The claims of a token of `issuer` that is in force; NotAllowed for any other.

    Whose it is and whom it is meant for is compared by who is shown it (RFC 7662 section 4).
    """
    parts = _parts(text)
    header, payload = _header(_decoded(parts[0])), _decoded(parts[1])
    _decoded(parts[2])
    _verified(parts, payload, header, trust, now)
    claims = read_claims(payload)
    _check_complete(claims, policy)
    _check_time(claims, policy, now)
    if claims.issuer != issuer:
        raise _invalid("it is of another issuer")
    return json_object(payload, "the payload")


def _invalid(text: str) -> NotAllowed:
    return NotAllowed(Refusal.SIGNATURE_INVALID, f"the token cannot be believed: {text}")


# --- row 3: format


def _parts(text: str) -> Sequence[str]:
    if len(text) > MAX_TOKEN:
        raise malformed(f"it is longer than {MAX_TOKEN} characters")
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise malformed("expected a compact JWS: three parts of base64url without padding")
    return match.groups()


def _decoded(part: str) -> bytes:
    """Base64url in its one canonical form, so that no two texts are the same token."""
    if len(part) % 4 == 1:
        raise malformed("a part is not base64url")
    content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != part:
        raise malformed("a part is not in the canonical form of base64url")
    return content


def _header(raw: bytes) -> _Header:
    header = json_object(raw, "the header")
    if any(name in header for name in _NOT_UNDERSTOOD):
        raise malformed("the header asks for something to be understood that is not")
    if "typ" in header and text_at(header, "typ").lower() not in TOKEN_TYPES:
        raise malformed(f"its type must be one of {', '.join(TOKEN_TYPES)}")
    algorithm, kid = text_at(header, "alg"), text_at(header, "kid")
    if not algorithm:
        raise malformed("the header names no algorithm")
    if "kid" in header and _KID.fullmatch(kid) is None:
        raise malformed("the name of the key is not a name")
    if any(name in header for name in _OWN_KEYS):
        raise _invalid("it brings or points to a key of its own")
    if algorithm not in _ALGORITHMS:
        raise _invalid(f"the algorithm must be one of {', '.join(sorted(_ALGORITHMS))}")
    return _Header(algorithm=algorithm, kid=kid, certificate=_certificate_text(header))


def _certificate_text(header: dict[str, object]) -> str:
    if "x5c" not in header:
        return ""
    chain = header["x5c"]
    # The first is the signer's; the way to the anchor is found in the store, never in a token.
    if not isinstance(chain, list) or not 1 <= len(chain) <= 1 + MAX_CHAIN:
        raise malformed(f"x5c must be a list of 1 to {1 + MAX_CHAIN} certificates")
    if not isinstance(chain[0], str) or not 0 < len(chain[0]) <= MAX_CERTIFICATE_TEXT:
        raise malformed("x5c must hold certificates in base64")
    return chain[0]


# --- row 4: signature


def _verified(
    parts: Sequence[str], payload: bytes, header: _Header, trust: TokenTrust, now: datetime
) -> _Candidate:
    if header.certificate:
        candidates: tuple[_Candidate, ...] = (_certified(header.certificate, trust, now),)
    else:
        candidates = tuple(
            _Candidate(key=known.key, algorithms=known.algorithms, issuer=known.issuer)
            for known in trust.keys
            if header.kid in ("", known.kid)
        )
    if not candidates:
        raise _invalid("the key is not known")
    fitting = [one for one in candidates if header.algorithm in one.algorithms]
    if not fitting:
        raise _invalid("the algorithm is not one of the key's")
    for candidate in fitting:
        if _matches(parts, payload, header.algorithm, candidate.key):
            return candidate
    raise _invalid("the signature does not match the content")


def _certified(text: str, trust: TokenTrust, now: datetime) -> _Candidate:
    certificate, key = _certificate(text)
    problem = ""
    try:
        trust.certificates.check(certificate, now)
    except CertificateProblem as found:
        # What follows the colon quotes the certificate, which is a text of the token.
        problem = str(found).partition(":")[0]
    if problem:
        raise _invalid(problem)
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)
    return _Candidate(
        key=key, algorithms=algorithms_of(key), country=str(names[0].value) if names else ""
    )


def _certificate(text: str) -> tuple[x509.Certificate, PublicKey]:
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        key = None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _invalid("the certificate cannot be used")
    return certificate, key


def _matches(parts: Sequence[str], payload: bytes, algorithm: str, key: PublicKey) -> bool:
    native: RSAKey | ECKey = (
        RSAKey.import_key(key) if isinstance(key, rsa.RSAPublicKey) else ECKey.import_key(key)
    )
    # The library is shown the algorithm that the key allows, and nothing else of the header.
    signed = jws.CompactSignature({"alg": algorithm}, payload)
    head, body, signature = (part.encode() for part in parts)
    signed.segments.update({"header": head, "payload": body, "signature": signature})
    try:
        return jws.validate_compact(signed, native, algorithms=[algorithm])
    except (JoseError, ValueError, UnsupportedAlgorithm):
        return False


# --- rows 5 and 6: what the payload says


def _check_complete(claims: TokenClaims, policy: TokenPolicy) -> None:
    present: tuple[tuple[str, object], ...] = (
        ("iss", claims.issuer),
        ("sub", claims.subject),
        ("client_id", claims.client),
        ("aud", claims.audiences),
        ("jti", claims.id),
        ("exp", claims.expires),
        ("iat", claims.issued),
        ("cnf", claims.thumbprint or not policy.bound),
        ("ncp.trc.jti", claims.treatment is None or claims.treatment.id),
        ("ncp.trc.asserted_at", claims.treatment is None or claims.treatment.asserted_at),
    )
    missing = [name for name, found in present if not found]
    if missing:
        raise NotAllowed(Refusal.ASSERTION_INCOMPLETE, f"the token lacks {', '.join(missing)}")


def _check_time(claims: TokenClaims, policy: TokenPolicy, now: datetime) -> None:
    # Always our own time is shifted: a peer's may be the last that a date can hold.
    skew = timedelta(seconds=policy.assertions.skew_seconds)
    issued, end = claims.issued, claims.expires
    if issued is None or end is None:
        raise NotAllowed(Refusal.ASSERTION_INCOMPLETE, "the token lacks iat or exp")
    start = claims.not_before or issued
    stated = None if claims.treatment is None else claims.treatment.asserted_at
    oldest = timedelta(seconds=policy.assertions.trc_max_seconds)
    problems: tuple[tuple[bool, str], ...] = (
        (now + skew < start, "is not yet valid"),
        (now - skew >= end, "has expired"),
        (end <= start, "is valid for no time at all"),
        (
            end - min(start, issued) > timedelta(seconds=policy.max_seconds),
            f"is valid for more than {policy.max_seconds} seconds",
        ),
        (issued > now + skew, "was issued in the future"),
        (stated is not None and stated > now + skew, "states a relation in the future"),
        (stated is not None and now - skew - stated >= oldest, "states a relation of long ago"),
    )
    for failed, text in problems:
        if failed:
            raise NotAllowed(Refusal.ASSERTION_NOT_VALID_NOW, f"the token {text}")


def _check_addressee(claims: TokenClaims, policy: TokenPolicy, answering: CommunityId) -> None:
    # A base address is the same with and without the slash at its end.
    ours = {str(answering), answering.urn, *(base.rstrip("/") for base in policy.audiences)}
    if not ours & {base.rstrip("/") for base in claims.audiences}:
        raise NotAllowed(Refusal.WRONG_AUDIENCE, "the token is meant for somebody else")


def _check_issuer(claims: TokenClaims, policy: TokenPolicy, signer: _Candidate) -> None:
    if policy.issuers and claims.issuer not in policy.issuers:
        raise _invalid("its issuer is not one of those agreed")
    if signer.issuer and claims.issuer != signer.issuer:
        raise _invalid("it was signed with the key of another issuer")
    if signer.country and claims.country and claims.country != signer.country:
        raise _invalid("it names another country than the certificate of its signer")


def _check_client(claims: TokenClaims, fingerprint: str) -> None:
    if not claims.thumbprint:
        return
    try:
        caller = thumbprint_of(fingerprint)
    except EncodeError:
        caller = ""
    if not hmac.compare_digest(claims.thumbprint.encode(), caller.encode()):
        raise NotAllowed(
            Refusal.ASSERTION_REUSED, "the token was given to another client than the one calling"
        )
