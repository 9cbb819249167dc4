"""Refusals as a health professional reads them: the HTTP status, and who can do something.

The text of a refusal says what happened; this table adds who can fix it. The coded reason stands
beside both in every answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain import Refusal


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the API answers for a reason: HTTP status, and who can fix it, in words."""

    status: int
    who_can_fix: str


_YOU = "you: change what you ask for"
_SIGN_IN = "you: sign in with the rights and data that the other country asks for"
_PATIENT = "the patient: consent is given or withdrawn in the patient's own country"
_IDENTITY = "you and the patient: check the identity data and give more of them"
_HERE = "the operator of this gateway"
_THERE = "the operator of the other country's gateway"
_BOTH = "the operators of both gateways"
_LATER = "nobody needs to: try again later"

EXPLANATIONS: dict[Refusal, Explanation] = {
    Refusal.MALFORMED_REQUEST: Explanation(400, _YOU),
    Refusal.UNKNOWN_QUERY: Explanation(502, _BOTH),
    Refusal.MISSING_PARAMETER: Explanation(400, _YOU),
    Refusal.WRONG_PARAMETER_COUNT: Explanation(400, _YOU),
    Refusal.NOT_SINGLE_PATIENT: Explanation(400, _YOU),
    Refusal.TOO_MANY_RESULTS: Explanation(400, "you: ask for less, with more filters"),
    Refusal.MISSING_COMMUNITY: Explanation(502, _HERE),
    Refusal.IDENTIFIER_REQUIRED: Explanation(400, _IDENTITY),
    Refusal.UNKNOWN_DOCUMENT_CLASS: Explanation(400, _YOU),
    Refusal.UNSUPPORTED_SYNTAX: Explanation(400, "you: allow another transfer syntax"),
    Refusal.UNSUPPORTED: Explanation(400, _BOTH),
    Refusal.NO_ASSERTION: Explanation(403, _HERE),
    Refusal.ASSERTION_MALFORMED: Explanation(403, _HERE),
    Refusal.ASSERTION_INCOMPLETE: Explanation(403, _SIGN_IN),
    Refusal.ASSERTION_NOT_VALID_NOW: Explanation(403, "you: sign in again; else " + _HERE),
    Refusal.WRONG_AUDIENCE: Explanation(403, _HERE),
    Refusal.WEAK_AUTHENTICATION: Explanation(403, "you: sign in with a stronger means"),
    Refusal.SIGNATURE_INVALID: Explanation(403, _BOTH),
    Refusal.ATTRIBUTES_MISSING: Explanation(403, _SIGN_IN),
    Refusal.ATTRIBUTES_INVALID: Explanation(403, _SIGN_IN),
    Refusal.INSUFFICIENT_RIGHTS: Explanation(403, _SIGN_IN),
    Refusal.NO_TREATMENT_RELATION: Explanation(403, _HERE),
    Refusal.TREATMENT_RELATION_MISMATCH: Explanation(403, _HERE),
    Refusal.ASSERTION_REUSED: Explanation(403, _HERE),
    Refusal.NO_CONSENT: Explanation(403, _PATIENT),
    Refusal.UNKNOWN_PATIENT: Explanation(404, _IDENTITY),
    Refusal.AMBIGUOUS_PATIENT: Explanation(409, _IDENTITY),
    Refusal.MORE_TRAITS_NEEDED: Explanation(409, _IDENTITY),
    Refusal.UNKNOWN_DOCUMENT: Explanation(404, "you: ask for the list again"),
    Refusal.UNKNOWN_INSTANCE: Explanation(404, "you: retrieve the study again"),
    Refusal.UNKNOWN_REPOSITORY: Explanation(404, _THERE),
    Refusal.UNKNOWN_COMMUNITY: Explanation(404, _HERE),
    Refusal.NO_DOCUMENTS: Explanation(404, "nobody: there is nothing to be had"),
    Refusal.BUSY: Explanation(503, _LATER),
    Refusal.DEFERRED: Explanation(503, _LATER),
    Refusal.BACK_END_DOWN: Explanation(503, _LATER),
    Refusal.STORE_FULL: Explanation(507, _HERE),
    Refusal.PEER_UNREACHABLE: Explanation(503, _LATER),
    Refusal.PEER_TIMEOUT: Explanation(504, _LATER),
    Refusal.PEER_MISBEHAVED: Explanation(502, _THERE),
    Refusal.INTEGRITY_FAILED: Explanation(502, _THERE),
    Refusal.INTERNAL: Explanation(500, _HERE),
}
