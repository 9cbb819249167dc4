"""Access tokens that carry assertions: OpenNCP's JWT around SAML, and IUA's SAML token option.

What says who asks is the assertion inside, verified by the same code as in a SOAP header
(`saml_context`). OpenNCP's JWT is sealed by a secret both gateways know (HS512); that proves
nothing about a country and is checked before anything inside is looked at, so that nobody without
the secret has XML parsed here:

    header   {"alg": "HS512"}
    payload  {"sub": "user", "exp": …, "HCP": base64 of an assertion, "TRC": …, "NOK": …}

The SAML token option of IUA is base64url of exactly one assertion, and nothing around it.

Not here: which peers may send these (`TokenPolicy.form`), tokens of our own (`token_check`). No
text of a token stands in the text of a refusal, and refusals here have no cause.

OpenNCP 9; IHE ITI IUA 3.72.4.1.2, RFC 7522; RFC 7518 section 3.2.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.fhir.token_claims import Json, json_object, malformed
from gateway.wire.fhir.tokens import MAX_TOKEN, TokenPolicy
from gateway.wire.problems import DecodeError
from gateway.wire.saml import Kind
from gateway.wire.xml import SAML, Element, parse_xml

ALGORITHM: Final = "HS512"
# RFC 7518 section 3.2: a key of HS512 has 512 bits or more.
MIN_SECRET_BYTES: Final = 64
# Random bytes written in hexadecimal have 16 different ones; a word said again and again has few.
MIN_DIFFERENT_BYTES: Final = 12
# By the claim, the kind of assertion it must hold; the first is indispensable.
CLAIMS: Final[dict[str, Kind]] = {"HCP": Kind.HCP, "TRC": Kind.TRC, "NOK": Kind.NOK}
# An hour, as OpenNCP gives it; nobody's may last longer.
MAX_SECONDS: Final = 60 * 60

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Of 64 random characters of base64 one at least is a digit.
_WORDS: Final = re.compile(rb"[A-Za-z\s.,!?_-]+")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")


def weakness_of(secret: bytes) -> str:
    """Why a shared secret must not be used, "" for one that may."""
    if len(secret) < MIN_SECRET_BYTES:
        return f"{len(secret)} bytes; {ALGORITHM} needs {MIN_SECRET_BYTES} or more"
    if len(set(secret)) < MIN_DIFFERENT_BYTES:
        return f"{len(set(secret))} different bytes; a secret is random"
    if _WORDS.fullmatch(secret):
        return "words alone; a secret is random"
    return ""


def read_sealed(text: str, policy: TokenPolicy, *, now: datetime) -> tuple[Element, ...]:
    """The assertions in an OpenNCP token whose seal holds, to be verified one by one.

    NotAllowed for a token that is not built so, is sealed with another secret, or is not valid
    now. None of the assertions has been looked at beyond its being one.
    """
    match = _COMPACT.fullmatch(text) if len(text) <= MAX_TOKEN else None
    if match is None:
        raise malformed("expected a compact JWS with assertions inside")
    header, payload, seal = match.groups()
    if json_object(_decoded(header), "the header").get("alg") != ALGORITHM:
        raise _unsealed(f"the algorithm must be {ALGORITHM}")
    if weakness_of(policy.secret):
        raise _unsealed("no secret is agreed with this peer")
    right = hmac.digest(policy.secret, f"{header}.{payload}".encode(), "sha512")
    if not hmac.compare_digest(right, _decoded(seal)):
        raise _unsealed("the seal does not match the content")
    claims = json_object(_decoded(payload), "the payload")
    _check_time(claims, policy, now)
    found = [_assertion(claims, name) for name in CLAIMS if claims.get(name) is not None]
    if claims.get("HCP") is None:
        raise NotAllowed(Refusal.NO_ASSERTION, "the token holds no HCP assertion")
    return tuple(found)


def read_single(text: str) -> tuple[Element, ...]:
    """The one assertion that a SAML token is; NotAllowed for a text that is none."""
    if len(text) > MAX_TOKEN or _BASE64URL.fullmatch(text) is None:
        raise malformed("expected base64url of one assertion")
    return (_element(_decoded(text.rstrip("="))),)


def _unsealed(text: str) -> NotAllowed:
    return NotAllowed(Refusal.SIGNATURE_INVALID, f"the token cannot be believed: {text}")


def _decoded(part: str) -> bytes:
    if len(part) % 4 == 1:
        raise malformed("a part is not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _check_time(claims: Json, policy: TokenPolicy, now: datetime) -> None:
    skew = timedelta(seconds=policy.assertions.skew_seconds)
    end = _moment(claims.get("exp"))
    start = _moment(claims.get("nbf")) or _moment(claims.get("iat"))
    if end is None:
        raise NotAllowed(Refusal.ASSERTION_INCOMPLETE, "the token lacks exp")
    problems: Sequence[tuple[bool, str]] = (
        (now - skew >= end, "has expired"),
        (end - now - skew > timedelta(seconds=MAX_SECONDS), "is valid for too long"),
        (start is not None and now + skew < start, "is not yet valid"),
    )
    for failed, text in problems:
        if failed:
            raise NotAllowed(Refusal.ASSERTION_NOT_VALID_NOW, f"the token {text}")


def _moment(found: Any) -> datetime | None:
    if found is None:
        return None
    moment = None
    if isinstance(found, int | float) and not isinstance(found, bool):
        try:
            moment = datetime.fromtimestamp(found, UTC)
        except (ValueError, OverflowError, OSError):
            moment = None
    if moment is None:
        raise malformed("a time is not a number of seconds")
    return moment


def _assertion(claims: Json, name: str) -> Element:
    # Java's encoder of MIME breaks lines; white space means nothing in base64.
    held = claims[name]
    text = "".join(held.split()) if isinstance(held, str) else ""
    content = b""
    try:
        content = base64.b64decode(text.encode("ascii", "replace"), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise malformed(f"{name} is not base64 of an assertion")
    return _element(content)


def _element(content: bytes) -> Element:
    element = None
    try:
        element = parse_xml(content, max_bytes=MAX_TOKEN, where="token")
    except DecodeError:
        element = None
    if element is None or element.tag != f"{{{SAML}}}Assertion":
        raise malformed("what it holds is not an assertion")
    return element
