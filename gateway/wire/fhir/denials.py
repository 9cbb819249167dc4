"""How a refusal is shown on HTTP where standards leave a choice: settings, and what they mean.

Two choices. What a token lacks is 403 by RFC 6750 and 401 by IUA, for some reasons. What the
patient did not consent to may be said (403, 401) or hidden as if there were nothing (404, or an
empty searchset); ITI TF-2 Z.7 allows each. What is hidden is hidden from the asker alone: the
record and the audit keep the reason. RFC 6750 3.1; IHE ITI IUA 3.72.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain import ExchangeError, NotFound, Refusal
from gateway.wire.fhir.refusals import status_of
from gateway.wire.xml import quoted


class AuthFailures(StrEnum):
    """By which standard a token that is not enough is refused."""

    RFC6750 = "rfc6750"
    IUA = "iua"


class Denial(StrEnum):
    """What an asker sees of a patient who did not consent."""

    EMPTY = "empty"
    NOT_FOUND = "404"
    FORBIDDEN = "403"
    UNAUTHORISED = "401"


# Scope, role and purpose, and the patient of the token: 403, and 401 to those of IUA.
UNAUTHORISED_BY_IUA: Final = frozenset(
    [
        Refusal.INSUFFICIENT_RIGHTS,
        Refusal.ATTRIBUTES_MISSING,
        Refusal.ATTRIBUTES_INVALID,
        Refusal.TREATMENT_RELATION_MISMATCH,
    ]
)
# Refusals that say a patient is there who is not to be seen.
DENIED: Final = frozenset([Refusal.NO_CONSENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """The two choices of a gateway."""

    auth_failures: AuthFailures = AuthFailures.RFC6750
    denial: Denial = Denial.FORBIDDEN

    def status(self, error: ExchangeError) -> int:
        """The HTTP status of a refusal as the settings have it."""
        refusal = error.refusal
        if refusal in DENIED and self.denial is Denial.UNAUTHORISED:
            return 401
        if self.auth_failures is AuthFailures.IUA and refusal in UNAUTHORISED_BY_IUA:
            return 401
        return status_of(refusal)

    def is_empty(self, error: ExchangeError, *, searching: bool) -> bool:
        """Whether a refusal is shown as a search that found nothing."""
        return searching and error.refusal in DENIED and self.denial is Denial.EMPTY

    def shown(self, error: ExchangeError, resource: str, *, read_id: str = "") -> ExchangeError:
        """The refusal as the asker sees it; `read_id` is what was read by its id, "" in a search.

        One that is hidden is the very answer for what was never there. A thing that is read
        cannot be an empty set: there `empty` hides it as 404 does.
        """
        if error.refusal not in DENIED or self.denial not in (Denial.EMPTY, Denial.NOT_FOUND):
            return error
        return not_there(resource, read_id)


def not_there(resource: str, read_id: str = "") -> NotFound:
    """The refusal of an id that nothing has, and of a search for a patient who is not here."""
    if not read_id:
        return NotFound(Refusal.UNKNOWN_PATIENT, "no such patient here")
    refusal = Refusal.UNKNOWN_PATIENT if resource == "Patient" else Refusal.UNKNOWN_DOCUMENT
    return NotFound(refusal, f"nothing here has the id {quoted(read_id)}", subject="_id")
