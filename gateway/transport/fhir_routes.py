"""The FHIR routes there are, as a table: what answers a path, and which interaction that is.

The table is closed. A resource type that is not in it is `not-supported` (404), a type whose
interaction is not in it is not allowed (405, with what is). Trailing and doubled slashes are what
peers build by joining a base and a path; they are read as one. FHIR R4 http.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain import BadRequest, Refusal, Transaction
from gateway.wire.xml import quoted

BASE = "/fhir"


class Interaction(StrEnum):
    """What a request does, by FHIR's own code (restful-interaction), operations by their name."""

    SEARCH = "search-type"
    READ = "read"
    MATCH = "match"
    CAPABILITIES = "capabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row: method, path below the base, what it does, and under which transaction.

    `below` is the second part of the path, where it has one; a READ has an id there. What needs
    no token is told anybody, and is no transaction.
    """

    method: str
    resource: str
    below: str = ""
    interaction: Interaction
    transaction: Transaction | None
    patient_specific: bool = True
    needs_token: bool = True


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        resource="metadata",
        interaction=Interaction.CAPABILITIES,
        transaction=None,
        needs_token=False,
    ),
    Route(
        method="GET",
        resource="Patient",
        interaction=Interaction.SEARCH,
        transaction=Transaction.SEARCH_PATIENTS,
        patient_specific=False,
    ),
    Route(
        method="GET",
        resource="Patient",
        interaction=Interaction.READ,
        transaction=Transaction.SEARCH_PATIENTS,
    ),
    Route(
        method="POST",
        resource="Patient",
        below="_search",
        interaction=Interaction.SEARCH,
        transaction=Transaction.SEARCH_PATIENTS,
        patient_specific=False,
    ),
    Route(
        method="POST",
        resource="Patient",
        below="$match",
        interaction=Interaction.MATCH,
        transaction=Transaction.MATCH_PATIENTS,
        patient_specific=False,
    ),
    Route(
        method="GET",
        resource="DocumentReference",
        interaction=Interaction.SEARCH,
        transaction=Transaction.SEARCH_DOCUMENTS,
    ),
    Route(
        method="POST",
        resource="DocumentReference",
        below="_search",
        interaction=Interaction.SEARCH,
        transaction=Transaction.SEARCH_DOCUMENTS,
    ),
    Route(
        method="GET",
        resource="DocumentReference",
        interaction=Interaction.READ,
        transaction=Transaction.SEARCH_DOCUMENTS,
    ),
    Route(
        method="GET",
        resource="Binary",
        interaction=Interaction.READ,
        transaction=Transaction.FETCH_DOCUMENT,
    ),
    Route(
        method="GET",
        resource="Bundle",
        interaction=Interaction.READ,
        transaction=Transaction.FETCH_DOCUMENT,
    ),
)
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # FHIR R4 datatypes.html#id


class NothingThere(BadRequest):
    """A path no row has (404)."""

    def __init__(self, path: str) -> None:
        known = ", ".join(sorted({row.resource for row in ROUTES}))
        text = f"nothing is at {quoted(path) or '/'} here; there are: {known}"
        super().__init__(Refusal.UNSUPPORTED, text)


class MethodNotAllowed(BadRequest):
    """A method no row has for this path; `allowed` are those that some row has (405)."""

    def __init__(self, method: str, path: str, allowed: tuple[str, ...]) -> None:
        text = f"{method} is not offered for {path}; offered: {', '.join(allowed)}"
        super().__init__(Refusal.UNSUPPORTED, text)
        self.allowed = allowed


def match(method: str, path: str) -> tuple[Route, str]:
    """The row for a request, and the id it names, "" for none; `path` is below the base, decoded.

    Raises `NothingThere` for a path no row has, `MethodNotAllowed` where only the method is wrong.
    """
    parts = [part for part in path.split("/") if part]
    rows = [row for row in ROUTES if _fits(row, parts)]
    for row in rows:
        if row.method == method or (method == "HEAD" and row.method == "GET"):
            return row, parts[1] if row.interaction is Interaction.READ else ""
    if rows:
        allowed = tuple(sorted({row.method for row in rows}))
        raise MethodNotAllowed(method[:16], quoted(path), allowed)
    raise NothingThere(path)


def methods_of(path: str) -> tuple[str, ...]:
    """Every method that a path has, for OPTIONS (RFC 9110 9.3.7); raises `NothingThere`."""
    parts = [part for part in path.split("/") if part]
    found = {row.method for row in ROUTES if _fits(row, parts)}
    if not found:
        raise NothingThere(path)
    return tuple(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


def _fits(row: Route, parts: list[str]) -> bool:
    if row.interaction is Interaction.READ:
        return len(parts) == 2 and parts[0] == row.resource and bool(_ID.fullmatch(parts[1]))
    return parts == [row.resource, *filter(None, [row.below])]
