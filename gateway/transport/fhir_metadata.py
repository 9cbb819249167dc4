"""What a FHIR base tells whoever asks: what it offers, and which headers travel with an answer.

The CapabilityStatement is made of the route table (`fhir_routes`), so that it claims what is
answered. The ids of a request come under two names, FHIR's own and OpenNCP's; both are answered.
FHIR R4 http.html#capabilities; OpenNCP 9 (`X-Correlation-ID`, `CountryCode`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from gateway.domain import CallContext, Caller
from gateway.transport.fhir_routes import ROUTES, Interaction, Route
from gateway.wire.fhir.capability import Offer, write_capability
from gateway.wire.fhir.resources import Format, write_resource
from gateway.wire.validators import strong_tag

MAX_REQUEST_ID = 128
# The first of these that is fit is the id of a request; answers name it under each.
REQUEST_IDS = ("X-Request-Id", "X-Correlation-ID")
COUNTRY_CODE = "CountryCode"
# It changes with a new version of this program, and with nothing else.
PUBLIC = "public, max-age=300"


def offers(routes: Iterable[Route] = ROUTES) -> frozenset[Offer]:
    """What the routes offer to who shows a token."""
    return frozenset(
        Offer(row.resource, row.interaction.value)
        for row in routes
        if row.interaction is not Interaction.CAPABILITIES
    )


def capability_statement(format: Format, *, base: str, name: str, at: datetime) -> bytes:
    """The CapabilityStatement of the base, written down; `at` is since when it is so."""
    return write_resource(write_capability(offers(), base=base, name=name, at=at), format)


def tag_of(body: bytes) -> str:
    """The strong tag of an answer's bytes."""
    return strong_tag(hashlib.sha256(body).hexdigest()[:32])


def given_id(headers: Mapping[str, str]) -> str:
    """The caller's own id of its request, where it is fit to be repeated, or ""."""
    for name in REQUEST_IDS:
        given = headers.get(name, "")
        if given.isprintable() and given.isascii() and 0 < len(given) <= MAX_REQUEST_ID:
            return given
    return ""


def echoed(headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """The headers that name a request in its answer, and the country it says it comes from."""
    found = dict.fromkeys(REQUEST_IDS, request_id)
    country = headers.get(COUNTRY_CODE, "")
    if is_country(country):
        found[COUNTRY_CODE] = country
    return found


def is_country(text: str) -> bool:
    """Whether a text can be a country's two letters."""
    return len(text) == 2 and text.isascii() and text.isalpha()


def country_finding(
    headers: Mapping[str, str], caller: Caller, context: CallContext
) -> dict[str, str]:
    """What is to be noted of a CountryCode that nobody vouches for; empty where all is well.

    Country codes are compared with those of the TLS certificate and of the token's issuer. A wrong
    one is told and refuses nothing: rights come from neither.
    """
    said = headers.get(COUNTRY_CODE, "")
    if not said:
        return {}
    if not is_country(said):
        return {"where": COUNTRY_CODE, "found": "no country code", "expected": "two letters"}
    vouched = sorted({_of_subject(caller.subject), _of_issuer(context.issuer)} - {""})
    if not vouched or said.upper() in vouched:
        return {}
    return {"where": COUNTRY_CODE, "found": said, "expected": " or ".join(vouched)}


def _of_subject(subject: str) -> str:
    parts = [part.strip() for part in subject.replace("+", ",").split(",")]
    return next((part[2:].upper() for part in parts if part.startswith("C=")), "")


def _of_issuer(issuer: str) -> str:
    # urn:idp:<CC>:countryB, as eHDSI names who issues assertions
    words = issuer.split(":")
    return words[2].upper() if words[:2] == ["urn", "idp"] and len(words) > 2 else ""
