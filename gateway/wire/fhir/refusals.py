"""Reasons to refuse, and how FHIR says them: HTTP status, issue code, and a name of XDS or eHDSI.

One table, complete over `Refusal`. An OperationOutcome of ours carries our own code in a system of
our own, which gives the exact refusal back, and beside it without a system the name by which SOAP
peers know the reason; no guide has assigned a system for those. Reading is in `foreign_outcomes`
and offered from here too. Clauses: FHIR R4 operationoutcome.html and http.html, RFC 9110 15.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain import ExchangeError, Issue, Refusal, Severity
from gateway.wire.fhir.foreign_outcomes import (
    LOSSES,
    REFUSAL_SYSTEM,
    read_issues,
    read_refusal,
    write_subject,
)
from gateway.wire.fhir.resources import Json
from gateway.wire.xml import legal_text

__all__ = [
    "REFUSAL_SYSTEM",
    "Wording",
    "outcome_of_issues",
    "read_issues",
    "read_refusal",
    "status_of",
    "wording_of",
    "write_outcome",
]


@dataclass(frozen=True, slots=True)
class Wording:
    """How one refusal is said: status of HTTP, `issue.code`, name of XDS or eHDSI or ""."""

    status: int
    code: str
    name: str = ""


_R = Refusal
_HPI: Final = "ERROR_HPI_GENERIC"
_TABLE: Final[dict[Refusal, Wording]] = {
    _R.MALFORMED_REQUEST: Wording(400, "invalid", "ERROR_PI_INCORRECT_FORMATTING"),
    _R.UNKNOWN_QUERY: Wording(400, "not-supported", "XDSUnknownStoredQuery"),
    _R.MISSING_PARAMETER: Wording(400, "required", "XDSStoredQueryMissingParam"),
    _R.WRONG_PARAMETER_COUNT: Wording(400, "invalid", "XDSStoredQueryParamNumber"),
    _R.NOT_SINGLE_PATIENT: Wording(400, "multiple-matches", "XDSResultNotSinglePatient"),
    _R.TOO_MANY_RESULTS: Wording(413, "too-costly", "XDSTooManyResults"),
    _R.MISSING_COMMUNITY: Wording(400, "required", "XDSMissingHomeCommunityId"),
    _R.IDENTIFIER_REQUIRED: Wording(400, "required", "XDSStoredQueryMissingParam"),
    _R.UNKNOWN_DOCUMENT_CLASS: Wording(
        400, "not-supported", "ERROR_GENERIC_SERVICE_SIGNIFIER_UNKNOWN"
    ),
    _R.UNSUPPORTED_SYNTAX: Wording(406, "not-supported"),
    _R.UNSUPPORTED: Wording(400, "not-supported", "4204"),
    _R.NO_ASSERTION: Wording(401, "login", "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    _R.ASSERTION_MALFORMED: Wording(401, "security", "ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED"),
    _R.ASSERTION_INCOMPLETE: Wording(401, "security", _HPI),
    _R.ASSERTION_NOT_VALID_NOW: Wording(401, "expired", "1001"),
    _R.WRONG_AUDIENCE: Wording(401, "security", _HPI),
    _R.WEAK_AUTHENTICATION: Wording(401, "security", "4702"),
    _R.SIGNATURE_INVALID: Wording(401, "security", "4704"),
    _R.ATTRIBUTES_MISSING: Wording(403, "forbidden", "ERROR_HPI_INSUFFICIENT_INFORMATION"),
    _R.ATTRIBUTES_INVALID: Wording(403, "forbidden", _HPI),
    _R.INSUFFICIENT_RIGHTS: Wording(403, "forbidden", "4703"),
    _R.NO_TREATMENT_RELATION: Wording(403, "forbidden", "1002"),
    _R.TREATMENT_RELATION_MISMATCH: Wording(403, "forbidden", "1002"),
    _R.ASSERTION_REUSED: Wording(401, "security", _HPI),
    _R.NO_CONSENT: Wording(403, "suppressed", "4701"),
    _R.UNKNOWN_PATIENT: Wording(404, "not-found", "XDSUnknownPatientId"),
    _R.AMBIGUOUS_PATIENT: Wording(422, "multiple-matches", "ERROR_PI_MULTIPLE_MATCHES"),
    _R.MORE_TRAITS_NEEDED: Wording(422, "multiple-matches"),
    _R.UNKNOWN_DOCUMENT: Wording(404, "not-found", "XDSDocumentUniqueIdError"),
    _R.UNKNOWN_INSTANCE: Wording(404, "not-found", "XDSDocumentUniqueIdError"),
    _R.UNKNOWN_REPOSITORY: Wording(404, "not-found", "XDSUnknownRepositoryId"),
    _R.UNKNOWN_COMMUNITY: Wording(404, "not-found", "XDSUnknownCommunity"),
    _R.NO_DOCUMENTS: Wording(404, "not-found", "1104"),
    _R.BUSY: Wording(503, "throttled", "XDSRegistryBusy"),
    _R.DEFERRED: Wording(503, "throttled", "XDSRepositoryBusy"),
    _R.BACK_END_DOWN: Wording(503, "transient", "XDSRegistryNotAvailable"),
    _R.STORE_FULL: Wording(503, "no-store", "XDSRepositoryOutOfResources"),
    _R.PEER_UNREACHABLE: Wording(502, "transient", "XDSUnavailableCommunity"),
    _R.PEER_TIMEOUT: Wording(504, "timeout", "ERROR_GENERIC_CONNECTION_NOT_POSSIBLE"),
    _R.PEER_MISBEHAVED: Wording(502, "processing", "ERROR_GENERIC"),
    _R.INTEGRITY_FAILED: Wording(502, "processing", "ERROR_GENERIC"),
    _R.INTERNAL: Wording(500, "exception", "XDSRegistryError"),
}

# A peer's code that may be passed on as it is: what XDS, eHDSI and DICOM name their errors with.
_PASSABLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}")


def wording_of(refusal: Refusal) -> Wording:
    """The row of the table for a reason."""
    return _TABLE[refusal]


def status_of(refusal: Refusal) -> int:
    """The HTTP status that answers a reason, unless a setting hides it (FHIR R4 http.html)."""
    return _TABLE[refusal].status


def write_outcome(error: ExchangeError, *, correlation_id: str = "", issue_code: str = "") -> Json:
    """The OperationOutcome that answers a refused request; its one issue is never empty.

    `issue_code` takes the place of the table's where HTTP tells more than the reason does.
    `diagnostics` begins with the XDS or eHDSI name and ends with the id under which our logs know
    the request. The code a peer gave takes the place of the name, where there is one.
    """
    wording = _TABLE[error.refusal]
    severity = "fatal" if error.refusal is Refusal.INTERNAL else "error"
    code = issue_code or wording.code
    issue = _issue(severity, code, error.refusal, error.text, error.code, error.subject)
    if correlation_id:
        parts = [issue.get("diagnostics", ""), f"correlation id {legal_text(correlation_id)}"]
        issue["diagnostics"] = "; ".join(filter(None, parts))
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of_issues(issues: Sequence[Issue]) -> Json:
    """The OperationOutcome beside the matches of a search, which never says error or fatal.

    R4 forbids these two there (http.html#search), so an issue that took something away is a
    warning whose code says so, `incomplete` where its own does not; an issue that only tells is
    information where its code would say more. Without issues it is the one that says all is well.
    """
    written = [_beside_matches(issue) for issue in issues]
    if not written:
        written = [{"severity": "information", "code": "informational"}]
        written[0]["details"] = {"text": "nothing went wrong"}
    return {"resourceType": "OperationOutcome", "issue": written}


def _beside_matches(issue: Issue) -> Json:
    code = _TABLE[issue.refusal].code
    severity = "warning"
    if issue.severity is Severity.ERROR:
        code = code if code in ("suppressed", "too-costly") else "incomplete"
    elif code in LOSSES:
        severity = "information"
    return _issue(severity, code, issue.refusal, issue.text, issue.code, issue.subject)


def _issue(
    severity: str, code: str, refusal: Refusal, text: str, peer_code: str, subject: str
) -> Json:
    name = peer_code if _PASSABLE.fullmatch(peer_code) else _TABLE[refusal].name
    coding: list[Json] = [{"system": REFUSAL_SYSTEM, "code": refusal.value}]
    if name:
        coding.append({"code": name})
    said = legal_text(text).strip() or refusal.value
    issue: Json = {
        "severity": severity,
        "code": code,
        "details": {"coding": coding, "text": said},
    }
    if name:
        issue["diagnostics"] = name
    if subject:
        issue["expression"] = [write_subject(subject)]
    return issue
