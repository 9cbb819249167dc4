"""Requests for a token and what answers them: forms read, JSON written (ITI-71, ITI-102).

One grant is offered, client credentials, and one way to prove who the client is, its TLS
certificate; what else a form may bring for that is refused rather than passed over. Beyond
RFC 6749 a form may say who is treated: `person_id`, the patient as CX (`id^^^&oid&ISO`), and
`purpose_of_use`, a code of ActReason; both are this project's own names, for IUA names neither in
a request. Whether the client may have what it asks for is decided where clients are known.

    POST /token   grant_type=client_credentials&scope=ITI-67&resource=urn:oid:2.999.1.1
                  &person_id=A-0001^^^%262.999.1.2%26ISO&purpose_of_use=TREAT

RFC 6749 sections 4.4 and 5, RFC 7662, RFC 8693 section 3, RFC 8707; IHE ITI IUA 3.71 and 3.102.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.domain.context import PurposeOfUse
from gateway.domain.ids import InvalidIdentifier, PatientId
from gateway.wire.fhir.tokens import REASONS

Json = dict[str, Any]

FORM: Final = "application/x-www-form-urlencoded"
GRANT: Final = "client_credentials"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
MAX_FORM: Final = 64 * 1024
MAX_FIELDS: Final = 40
# Ways to prove who a client is that are not offered here: RFC 6749 2.3.1, RFC 7523 2.2.
_OTHER_PROOFS: Final = ("client_secret", "client_assertion", "client_assertion_type")
_PURPOSES: Final = {code.value: purpose for code, purpose in REASONS}


class TokenError(StrEnum):
    """The errors of RFC 6749 section 5.2, and of RFC 8707 section 2."""

    REQUEST = "invalid_request"
    CLIENT = "invalid_client"
    GRANT = "invalid_grant"
    UNAUTHORISED = "unauthorized_client"
    GRANT_TYPE = "unsupported_grant_type"
    SCOPE = "invalid_scope"
    TARGET = "invalid_target"


class TokenRefused(Exception):
    """A request that gets no token; `text` is for people and repeats nothing of the request."""

    def __init__(self, error: TokenError, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text

    @property
    def status(self) -> int:
        """401 where the client is not known, 400 for everything else."""
        return 401 if self.error is TokenError.CLIENT else 400


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What a client asks for; no `scopes` are all it may have, no `resource` the only one."""

    scopes: tuple[str, ...] = ()
    resource: str = ""
    client_id: str = ""
    patient: PatientId | None = None
    purpose: PurposeOfUse = PurposeOfUse.TREATMENT


def read_token_request(content_type: str, body: bytes) -> TokenRequest:
    """A request of ITI-71; `TokenRefused` for one that is not understood or not offered."""
    form = _form(content_type, body)
    grant = form.get("grant_type", "")
    if not grant:
        raise TokenRefused(TokenError.REQUEST, "grant_type is missing")
    if grant != GRANT:
        raise TokenRefused(TokenError.GRANT_TYPE, f"the only grant here is {GRANT}")
    if any(name in form for name in _OTHER_PROOFS):
        text = "a client is known here by its TLS certificate, and by nothing else"
        raise TokenRefused(TokenError.CLIENT, text)
    if form.get("requested_token_type", JWT) not in (JWT, ACCESS_TOKEN):
        raise TokenRefused(TokenError.REQUEST, f"the only token type here is {JWT}")
    return TokenRequest(
        scopes=tuple(dict.fromkeys(form.get("scope", "").split())),
        resource=form.get("resource", ""),
        client_id=form.get("client_id", ""),
        patient=_patient(form.get("person_id", "")),
        purpose=_purpose(form.get("purpose_of_use", "")),
    )


def read_introspection(content_type: str, body: bytes) -> str:
    """The token that a request of ITI-102 asks about."""
    token = _form(content_type, body).get("token", "")
    if not token:
        raise TokenRefused(TokenError.REQUEST, "token is missing")
    return token


def write_token(token: str, *, seconds: int, scopes: tuple[str, ...]) -> Json:
    """The answer with a token (RFC 6749 section 5.1)."""
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": seconds,
        "scope": " ".join(scopes),
        "issued_token_type": JWT,
    }


def write_refusal(refused: TokenRefused) -> Json:
    """The answer without one (RFC 6749 section 5.2)."""
    return {"error": refused.error.value, "error_description": refused.text}


def write_introspection(claims: Json | None) -> Json:
    """What is said of a token: its claims, or of one not in force that, and nothing else."""
    if claims is None:
        return {"active": False}
    return {**claims, "active": True, "token_type": "Bearer"}


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form, each of which occurs once (RFC 6749 section 3.2)."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise TokenRefused(TokenError.REQUEST, f"expected {FORM}")
    if len(body) > MAX_FORM:
        raise TokenRefused(TokenError.REQUEST, f"expected at most {MAX_FORM} bytes")
    try:
        pairs = parse_qsl(
            body.decode("utf-8").strip(),
            keep_blank_values=True,
            strict_parsing=bool(body.strip()),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise TokenRefused(TokenError.REQUEST, "the form cannot be read") from None
    fields = {name: value.strip() for name, value in pairs}
    if len(fields) != len(pairs):
        raise TokenRefused(TokenError.REQUEST, "a parameter occurs twice")
    if any(not value.isprintable() for value in fields.values()):
        raise TokenRefused(TokenError.REQUEST, "a parameter holds control characters")
    # A parameter without a value counts as left out (RFC 6749 section 3.2).
    return {name: value for name, value in fields.items() if value}


def _patient(text: str) -> PatientId | None:
    if not text:
        return None
    try:
        return PatientId.parse_cx(text)
    except InvalidIdentifier:
        text = "person_id is not of the form id^^^&oid&ISO"
        raise TokenRefused(TokenError.REQUEST, text) from None


def _purpose(text: str) -> PurposeOfUse:
    if not text:
        return PurposeOfUse.TREATMENT
    if text not in _PURPOSES:
        known = ", ".join(_PURPOSES)
        raise TokenRefused(TokenError.REQUEST, f"purpose_of_use is none of {known}")
    return _PURPOSES[text]
