"""Secrets that a caller put where they do not belong, taken out before anything is written down.

Headers are the tap's affair. Here are the parameters of an address or a form: a token in an
address is refused (RFC 6750 section 2.3 warns of it), and must not be readable afterwards in the
transcript and the audit of that refusal. What is compared is the decoded name, for any character
of it may be written as %XX.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

REDACTED: Final = "(redacted)"
TOKEN_PARAMETER: Final = "access_token"
# Of RFC 6749, 7521, 7662 and 8693: each is, or brings, a proof of who somebody is. The `code` of
# RFC 6749 is not here, for FHIR searches by a parameter of that name.
SECRET_PARAMETERS: Final = frozenset(
    [
        TOKEN_PARAMETER,
        "actor_token",
        "assertion",
        "client_assertion",
        "client_secret",
        "id_token",
        "password",
        "refresh_token",
        "subject_token",
        "token",
    ]
)

_PAIR: Final = re.compile(
    r"(?P<head>(?:^|(?<=[?&;\s]))(?P<name>[^=&?;\s]{1,128})=)(?P<value>[^&;\s]*)"
)


def without_secrets(text: str, secrets: frozenset[str] = SECRET_PARAMETERS) -> str:
    """A query, form, address or start line with the values of secret parameters taken out."""

    def hidden(match: re.Match[str]) -> str:
        name = unquote_plus(match["name"]).strip().lower()
        return f"{match['head']}{REDACTED if name in secrets else match['value']}"

    return _PAIR.sub(hidden, text)


def has_token(query: str) -> bool:
    """Whether an access token stands in a query or form."""
    return any(
        unquote_plus(match["name"]).strip().lower() == TOKEN_PARAMETER
        for match in _PAIR.finditer(query)
    )


def redacted_form(body: bytes) -> bytes:
    """A form with the values of secret parameters taken out; other bytes stay as they are."""
    return without_secrets(body.decode("latin-1")).encode("latin-1")
