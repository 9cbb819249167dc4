"""What a verified token says, as plain values: the JSON is read once, here, and then left.

Reading is also the structural check: a name that occurs twice, a number where a text belongs, a
time that is no time make the token malformed. What is merely absent stays absent in
`TokenClaims` and is judged by `token_check` and `security`. No text of a token ever stands in the
text of a refusal; for the same reason refusals here have no cause.

RFC 7519 section 4, RFC 8259; IHE ITI IUA 3.71.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from gateway.domain.codes import Code
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.fhir.tokens import (
    IHE_BPPC,
    NCP,
    THUMBPRINT,
    TOKEN_CLAIMS,
    Form,
    TokenClaim,
)
from gateway.wire.saml import PERMISSION, Claim, Kind, coded, rules_for

# Purposes and roles are one or two; a list of thousands is not a claim.
MAX_VALUES = 64
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
# Control characters, and halves of surrogate pairs, which no text can be written with.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Claims that assertions too may state several times.
_SEVERAL = frozenset(rule.claim for rule in rules_for(Kind.HCP) if rule.many)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatmentClaim:
    """The treatment relation: its id, when it was stated, and the patient as system and value."""

    id: str
    asserted_at: datetime | None
    system: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """Everything a token says that we read; "" and None where it says nothing.

    `kind` is HCP where the token has our extension, and XUA where it is plain IUA. `texts` and
    `codes` hold the claims of `TOKEN_CLAIMS` that are there.
    """

    kind: Kind
    id: str
    issuer: str
    subject: str
    client: str
    audiences: tuple[str, ...]
    issued: datetime | None
    not_before: datetime | None
    expires: datetime | None
    scope: str
    authenticated_at: datetime | None
    authentication: str
    thumbprint: str
    country: str
    treatment: TreatmentClaim | None
    consent_patient: str
    texts: dict[Claim, tuple[str, ...]]
    codes: dict[Claim, tuple[Code, ...]]

    def first(self, claim: Claim) -> str:
        """The first text of a claim, or ""."""
        values = self.texts.get(claim, ())
        return values[0] if values else ""


def malformed(text: str) -> NotAllowed:
    """The refusal of a token that is not built as a token is."""
    return NotAllowed(Refusal.ASSERTION_MALFORMED, f"the token is malformed: {text}")


def read_claims(payload: bytes) -> TokenClaims:
    """Read the payload of a verified token; NotAllowed(ASSERTION_MALFORMED) when it is broken."""
    claims = json_object(payload, "the payload")
    extensions = object_at(claims, "extensions")
    ours = object_at(extensions, NCP)
    texts: dict[Claim, tuple[str, ...]] = {}
    codes: dict[Claim, tuple[Code, ...]] = {}
    for place in TOKEN_CLAIMS:
        holder = object_at(extensions, place.extension)
        if place.form is Form.CODINGS:
            codes[place.claim] = _codings(holder, place.name)
        else:
            texts[place.claim] = _texts(holder, place)
    return TokenClaims(
        kind=Kind.HCP if NCP in extensions else Kind.XUA,
        id=text_at(claims, "jti"),
        issuer=text_at(claims, "iss"),
        subject=text_at(claims, "sub"),
        client=text_at(claims, "client_id"),
        audiences=texts_at(claims, "aud"),
        issued=_moment(claims, "iat"),
        not_before=_moment(claims, "nbf"),
        expires=_moment(claims, "exp"),
        scope=text_at(claims, "scope"),
        authenticated_at=_moment(claims, "auth_time"),
        authentication=text_at(claims, "acr"),
        thumbprint=text_at(object_at(claims, "cnf"), THUMBPRINT),
        country=text_at(ours, "country"),
        treatment=_treatment(ours),
        consent_patient=text_at(object_at(extensions, IHE_BPPC), "patient_id"),
        texts=texts,
        codes=codes,
    )


def json_object(raw: bytes, what: str) -> Json:
    """A JSON object in UTF-8, with every name once and nothing that JSON does not know."""
    found: object = None
    try:
        found = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise malformed(f"{what} is not a JSON object with every name once")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def object_at(holder: Json, name: str) -> Json:
    """An object of a token, empty where it is absent."""
    found = holder.get(name, {})
    if not isinstance(found, dict):
        raise malformed(f"{name} must be an object")
    return found


def text_at(holder: Json, name: str) -> str:
    """A text of a token without spaces around it, "" where it is absent."""
    return _as_text(holder.get(name, ""), name)


def texts_at(holder: Json, name: str) -> tuple[str, ...]:
    """A text or a list of texts of a token, none where it is absent."""
    found = holder.get(name, [])
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or len(found) > MAX_VALUES:
        raise malformed(f"{name} must be a text or a list of at most {MAX_VALUES} texts")
    return tuple(text for text in (_as_text(item, name) for item in found) if text)


def _as_text(found: object, name: str) -> str:
    if not isinstance(found, str) or _UNWRITABLE.search(found):
        raise malformed(f"{name} must be a text of printable characters")
    return found.strip()


def _texts(holder: Json, place: TokenClaim) -> tuple[str, ...]:
    if place.claim not in _SEVERAL:
        text = text_at(holder, place.name)
        return (text,) if text else ()
    found = texts_at(holder, place.name)
    if place.claim is Claim.PERMISSIONS:
        return tuple(text.removeprefix(PERMISSION) for text in found)
    return found


def _codings(holder: Json, name: str) -> tuple[Code, ...]:
    found = holder.get(name, [])
    # IUA writes a list; some write the one coding there is without it.
    codings = [found] if isinstance(found, dict) else found
    if not isinstance(codings, list) or len(codings) > MAX_VALUES:
        raise malformed(f"{name} must be a list of at most {MAX_VALUES} codings")
    codes = []
    for coding in codings:
        if not isinstance(coding, dict):
            raise malformed(f"{name} must hold codings only")
        codes.append(
            coded(text_at(coding, "code"), text_at(coding, "system"), text_at(coding, "display"))
        )
    return tuple(codes)


def _moment(holder: Json, name: str) -> datetime | None:
    if name not in holder:
        return None
    found = holder[name]
    # In Python a truth value is a number as well.
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise malformed(f"{name} must be a number of seconds")
    if not 0 <= found <= _LAST_SECOND:
        raise malformed(f"{name} is not a time")
    return datetime.fromtimestamp(found, UTC)


def _treatment(ours: Json) -> TreatmentClaim | None:
    if "trc" not in ours:
        return None
    relation = object_at(ours, "trc")
    patient = object_at(relation, "patient")
    return TreatmentClaim(
        id=text_at(relation, "jti"),
        asserted_at=_moment(relation, "asserted_at"),
        system=text_at(patient, "system"),
        value=text_at(patient, "value"),
    )
