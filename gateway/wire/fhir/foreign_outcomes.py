"""What an answer that is no success means to us, whoever wrote it: status, OperationOutcome, names.

The status decides first, then `issue.code` among what that status can mean. Our own code in
`details.coding` settles it, and so does a name of XDS or eHDSI that says more than that something
failed: gateways before a registry put every error of it under one issue code and the name into
`diagnostics`. Saying no ourselves is in `refusals`. Clauses: FHIR R4 operationoutcome.html and
valueset-issue-type.html, RFC 9110 15.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.domain import ExchangeError, Issue, NotAllowed, Refusal, Severity, refuse
from gateway.domain.refusals import KIND_OF
from gateway.wire.fhir.resources import Json, expect_type, object_at, objects_at, text_at, texts_at
from gateway.wire.problems import DecodeError
from gateway.wire.xml import legal_text

REFUSAL_SYSTEM: Final = "urn:x-ncp-sim:refusal"
# Issue codes that say of an answer that something is missing from it.
LOSSES: Final = frozenset(
    (
        "incomplete",
        "suppressed",
        "too-costly",
        "transient",
        "timeout",
        "throttled",
        "exception",
        "no-store",
        "lock-error",
    )
)
MAX_ISSUES: Final = 1000
MAX_TEXT: Final = 2000  # peers put stack traces here; the reason stands at the beginning

_R = Refusal
_OWN: Final[dict[str, Refusal]] = {refusal.value: refusal for refusal in Refusal}

# --- names of XDS and eHDSI -----------------------------------------------------------------------

_NAMED: Final[dict[Refusal, str]] = {
    _R.MALFORMED_REQUEST: "ERROR_PI_INCORRECT_FORMATTING",
    _R.UNKNOWN_QUERY: "XDSUnknownStoredQuery",
    _R.MISSING_PARAMETER: "XDSStoredQueryMissingParam",
    _R.WRONG_PARAMETER_COUNT: "XDSStoredQueryParamNumber",
    _R.NOT_SINGLE_PATIENT: "XDSResultNotSinglePatient",
    _R.TOO_MANY_RESULTS: "XDSTooManyResults",
    _R.MISSING_COMMUNITY: "XDSMissingHomeCommunityId",
    _R.UNKNOWN_DOCUMENT_CLASS: "ERROR_GENERIC_SERVICE_SIGNIFIER_UNKNOWN 4202",
    _R.UNSUPPORTED: "4203 4204 ERROR_ORCD_INCORRECT_FORMAT",
    _R.NO_ASSERTION: "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED ERROR_HPI_NO_INFORMATION",
    _R.ASSERTION_MALFORMED: "ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED",
    _R.ASSERTION_NOT_VALID_NOW: "1001",
    _R.WEAK_AUTHENTICATION: "4702",
    _R.SIGNATURE_INVALID: "ERROR_SEC_GENERIC 4704",
    _R.ATTRIBUTES_MISSING: "ERROR_HPI_INSUFFICIENT_INFORMATION ERROR_HPI_HAI_NO_INFORMATION"
    " ERROR_HPI_POC_NO_INFORMATION ERROR_PI_MISSING_REQUIRED_FIELDS",
    _R.INSUFFICIENT_RIGHTS: "4703",
    _R.TREATMENT_RELATION_MISMATCH: "1002",
    _R.NO_CONSENT: "4701 WARNING_PI_NO_CONSENT ERROR_NO_CONSENT ERROR_PI_NO_CONSENT",
    _R.UNKNOWN_PATIENT: "XDSUnknownPatientId ERROR_PI_NO_MATCH 4206",
    _R.AMBIGUOUS_PATIENT: "ERROR_PI_MULTIPLE_MATCHES",
    _R.UNKNOWN_DOCUMENT: "XDSDocumentUniqueIdError XDSMissingDocument"
    " ERROR_GENERIC_DOCUMENT_MISSING",
    _R.UNKNOWN_INSTANCE: "XDSIUnknownIdsUid",
    _R.UNKNOWN_REPOSITORY: "XDSUnknownRepositoryId",
    _R.UNKNOWN_COMMUNITY: "XDSUnknownCommunity",
    _R.NO_DOCUMENTS: "1100 1101 1102 1103 1104 WARNING_ORCD_MISSING_MANDATORY_DATA",
    _R.BUSY: "XDSRegistryBusy XDSRepositoryBusy",
    _R.BACK_END_DOWN: "XDSRegistryNotAvailable ERROR_PI_REGISTRY_NOT_AVAILABLE"
    " ERROR_ORCD_SERVICE_NOT_AVAILABLE",
    _R.STORE_FULL: "XDSRegistryOutOfResources XDSRepositoryOutOfResources",
    _R.PEER_UNREACHABLE: "XDSUnavailableCommunity",
    _R.PEER_TIMEOUT: "ERROR_GENERIC_CONNECTION_NOT_POSSIBLE",
}
_REFUSAL_OF_NAME: Final = {name: key for key, names in _NAMED.items() for name in names.split()}
_NAME: Final = re.compile(r"\b(XDS\w+|ERROR_[A-Z_]+|WARNING_[A-Z_]+|[1-4]\d{3})\b", re.ASCII)
MAX_NAME: Final = 80

# --- status and issue code ------------------------------------------------------------------------

# What an issue code means where the status leaves it open, and for an issue beside an answer.
_CODES: Final[dict[str, Refusal]] = {
    "invalid": _R.MALFORMED_REQUEST,
    "structure": _R.MALFORMED_REQUEST,
    "value": _R.MALFORMED_REQUEST,
    "invariant": _R.MALFORMED_REQUEST,
    "code-invalid": _R.MALFORMED_REQUEST,
    "extension": _R.MALFORMED_REQUEST,
    "too-long": _R.MALFORMED_REQUEST,
    "business-rule": _R.MALFORMED_REQUEST,
    "conflict": _R.MALFORMED_REQUEST,
    "duplicate": _R.MALFORMED_REQUEST,
    "required": _R.MISSING_PARAMETER,
    "not-supported": _R.UNSUPPORTED,
    "security": _R.ASSERTION_MALFORMED,
    "login": _R.NO_ASSERTION,
    "unknown": _R.ATTRIBUTES_INVALID,
    "expired": _R.ASSERTION_NOT_VALID_NOW,
    "forbidden": _R.INSUFFICIENT_RIGHTS,
    "suppressed": _R.NO_CONSENT,
    "multiple-matches": _R.AMBIGUOUS_PATIENT,
    "not-found": _R.UNKNOWN_DOCUMENT,
    "deleted": _R.UNKNOWN_DOCUMENT,
    "too-costly": _R.TOO_MANY_RESULTS,
    "throttled": _R.BUSY,
    "lock-error": _R.BUSY,
    "transient": _R.BACK_END_DOWN,
    "exception": _R.BACK_END_DOWN,
    "incomplete": _R.BACK_END_DOWN,
    "no-store": _R.STORE_FULL,
    "timeout": _R.PEER_TIMEOUT,
}

_BAD: Final = "invalid structure value invariant code-invalid too-long required not-supported"
_BROKEN: Final = "throttled lock-error transient exception no-store timeout"
# Per status: what it means by itself, and the issue codes that may say it more exactly.
_STATUSES: Final[dict[int, tuple[Refusal, str]]] = {
    400: (_R.MALFORMED_REQUEST, f"{_BAD} multiple-matches too-costly not-found"),
    401: (_R.NO_ASSERTION, "login security unknown expired forbidden suppressed"),
    403: (_R.INSUFFICIENT_RIGHTS, "forbidden security suppressed too-costly expired"),
    404: (_R.UNKNOWN_DOCUMENT, "not-found deleted not-supported suppressed"),
    405: (_R.UNSUPPORTED, ""),
    406: (_R.UNSUPPORTED, ""),
    408: (_R.PEER_TIMEOUT, ""),
    410: (_R.UNKNOWN_DOCUMENT, ""),
    413: (_R.TOO_MANY_RESULTS, "too-costly too-long"),
    415: (_R.UNSUPPORTED, ""),
    422: (_R.MALFORMED_REQUEST, f"{_BAD} multiple-matches not-found suppressed"),
    425: (_R.BUSY, ""),
    429: (_R.BUSY, ""),
    500: (_R.BACK_END_DOWN, f"{_BROKEN} not-supported"),
    501: (_R.UNSUPPORTED, ""),
    502: (_R.PEER_UNREACHABLE, "processing timeout"),
    503: (_R.BACK_END_DOWN, _BROKEN),
    504: (_R.PEER_TIMEOUT, ""),
    507: (_R.STORE_FULL, ""),
}
_NARROWER: Final = {status: frozenset(codes.split()) for status, (_, codes) in _STATUSES.items()}
# Codes that say something else under one status than by themselves.
_UNDER_STATUS: Final[dict[tuple[int, str], Refusal]] = {
    (400, "multiple-matches"): _R.NOT_SINGLE_PATIENT,
    (502, "processing"): _R.PEER_MISBEHAVED,
}
_REFUSALS_OF_ACCESS: Final = (401, 403)

# --- subjects -------------------------------------------------------------------------------------

_STEP: Final = r"[A-Za-z_][A-Za-z0-9_:-]{0,127}(\[[0-9]{1,6}\])?"
_PATH: Final = re.compile(rf"{_STEP}(\.{_STEP}){{0,63}}")
_PARAMETER: Final = "http."  # how FHIR names a search parameter in an expression


def write_subject(subject: str) -> str:
    """What an issue is about as an `expression`: a path as it is, other text as a FHIRPath string.

    So an identifier of a document is `'1.2.3'`, which is an expression too.
    """
    if _PATH.fullmatch(subject) and not subject.startswith(_PARAMETER):
        return subject
    escaped = legal_text(subject).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read_subject(expression: str) -> str:
    """What an `expression` is about: the text of a FHIRPath string, else the path itself."""
    if len(expression) > 1 and expression[0] == expression[-1] == "'":
        return re.sub(r"\\(.)", r"\1", expression[1:-1], flags=re.DOTALL)
    return expression.removeprefix(_PARAMETER)


# --- reading --------------------------------------------------------------------------------------

_ERRORS: Final = ("fatal", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """One issue as a peer put it; `own` is the refusal our own code in it names."""

    severity: str
    code: str
    own: Refusal | None
    name: str
    text: str
    subject: str

    @property
    def is_loss(self) -> bool:
        if self.severity in _ERRORS or (self.severity == "warning" and self.code in LOSSES):
            return True
        return self.severity not in ("warning", "information")  # nothing of FHIR: fear the worst

    @property
    def is_news(self) -> bool:
        return self.code != "informational" or self.own is not None or bool(self.name)

    @property
    def said_code(self) -> str:
        return self.name or self.code


def read_refusal(status: int, resource: Json | None, peer: str) -> ExchangeError:
    """What a peer's answer that is no success says; never fails, whatever the body was.

    `resource` is None where the body was empty, HTML or anything else that could not be read;
    `peer` is the peer's name for the text. Of several issues the first error counts.
    """
    try:
        said = () if resource is None else _read_all(resource, "OperationOutcome")
    except DecodeError:
        said = ()  # an unreadable body takes nothing from what the status says
    if not said:
        text = f"{peer} answered with status {status} and gave no reason"
        return refuse(_of_status(status), text, code=str(status))
    first = next((issue for issue in said if issue.is_loss), said[0])
    text = f"{peer} refused: {first.text or first.said_code or f'status {status}'}"
    return refuse(_narrowed(status, first), text, subject=first.subject, code=first.said_code)


def read_issues(outcome: Json, where: str) -> tuple[Issue, ...]:
    """The issues of an OperationOutcome in their order; `DecodeError` when it is none.

    What a peer calls error or fatal took something away, and so did a warning whose code says
    that something is missing. An issue that says only that all is well is none.
    """
    return tuple(
        Issue(
            refusal=issue.own
            or _REFUSAL_OF_NAME.get(issue.name)
            or _CODES.get(issue.code, Refusal.PEER_MISBEHAVED),
            text=issue.text,
            severity=Severity.ERROR if issue.is_loss else Severity.WARNING,
            code=issue.said_code,
            subject=issue.subject,
        )
        for issue in _read_all(outcome, where)
        if issue.is_news
    )


def _of_status(status: int) -> Refusal:
    if status in _STATUSES:
        return _STATUSES[status][0]
    if 400 <= status < 500:
        return Refusal.MALFORMED_REQUEST
    return Refusal.BACK_END_DOWN if 500 <= status < 600 else Refusal.PEER_MISBEHAVED


def _narrowed(status: int, issue: _Said) -> Refusal:
    """The status, said more exactly by what the issue says, as far as the two go together."""
    if issue.own is not None:
        return issue.own
    named = _REFUSAL_OF_NAME.get(issue.name)
    if named is not None:
        of_access = KIND_OF[named] is NotAllowed or named is Refusal.TOO_MANY_RESULTS
        if of_access or status not in _REFUSALS_OF_ACCESS:
            return named
    if (status, issue.code) in _UNDER_STATUS:
        return _UNDER_STATUS[status, issue.code]
    if status < 400 or issue.code in _NARROWER.get(status, ()):
        return _CODES.get(issue.code, _of_status(status))
    return _of_status(status)


def _read_all(outcome: Json, where: str) -> tuple[_Said, ...]:
    expect_type(outcome, "OperationOutcome", where=where)
    found = objects_at(outcome, "issue", where)
    if len(found) > MAX_ISSUES:
        raise DecodeError(f"{where}.issue", f"{len(found)} issues", f"at most {MAX_ISSUES}")
    return tuple(_read_issue(issue, f"{where}.issue[{i}]") for i, issue in enumerate(found))


def _read_issue(issue: Json, where: str) -> _Said:
    details = object_at(issue, "details", where)
    codings = objects_at(details, "coding", f"{where}.details")
    diagnostics = text_at(issue, "diagnostics", where)
    text = text_at(details, "text", f"{where}.details")
    own: Refusal | None = None
    codes: list[str] = []
    for i, coding in enumerate(codings):
        place = f"{where}.details.coding[{i}]"
        code = text_at(coding, "code", place)
        if text_at(coding, "system", place) == REFUSAL_SYSTEM:
            own = own or _OWN.get(code)
        else:
            codes.append(code[:MAX_NAME])
            text = text or text_at(coding, "display", place)
    expressions = texts_at(issue, "expression", where)
    return _Said(
        severity=text_at(issue, "severity", where),
        code=text_at(issue, "code", where)[:MAX_NAME],
        own=own,
        # An outcome like ours says the name itself, or the code of whoever refused before it.
        name=codes[0] if own and codes else _name_in(codes, diagnostics, text),
        text=legal_text((text or diagnostics)[:MAX_TEXT].strip()),
        subject=read_subject(expressions[0])[:MAX_TEXT] if expressions else "",
    )


def _name_in(codes: list[str], *texts: str) -> str:
    """The first name we know in the codings, then in the texts; else the first that looks like one.

    A number counts only when it is known: most numbers in a text are none of an error.
    """
    found = [code for code in codes if _NAME.fullmatch(code)]
    for text in texts:
        found += _NAME.findall(text[:MAX_TEXT])
    known = next((name for name in found if name in _REFUSAL_OF_NAME), "")
    return (known or next((name for name in found if not name.isdigit()), ""))[:MAX_NAME]
