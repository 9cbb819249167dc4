"""Reasons to refuse, and the statuses by which DICOMweb says them.

The status decides; the body is a word to people, which no client has to understand. An answer of
which only parts are missing is 206 and no refusal. Clauses: DICOM PS3.18 8.5 and 10.4.3.2
(statuses), RFC 9110 15, RFC 6750 3.1 (401 and 403).
"""

from __future__ import annotations

import json
import re
from typing import Final

from gateway.domain import ExchangeError, Refusal, refuse

_R: Final = Refusal

_STATUS_OF: Final[dict[Refusal, int]] = {
    _R.MALFORMED_REQUEST: 400,
    _R.UNKNOWN_QUERY: 400,
    _R.MISSING_PARAMETER: 400,
    _R.WRONG_PARAMETER_COUNT: 400,
    _R.NOT_SINGLE_PATIENT: 400,
    _R.TOO_MANY_RESULTS: 413,
    _R.MISSING_COMMUNITY: 400,
    _R.IDENTIFIER_REQUIRED: 400,
    _R.UNKNOWN_DOCUMENT_CLASS: 400,
    _R.UNSUPPORTED_SYNTAX: 406,
    _R.UNSUPPORTED: 400,
    _R.NO_ASSERTION: 401,
    _R.ASSERTION_MALFORMED: 401,
    _R.ASSERTION_INCOMPLETE: 401,
    _R.ASSERTION_NOT_VALID_NOW: 401,
    _R.WRONG_AUDIENCE: 401,
    _R.WEAK_AUTHENTICATION: 401,
    _R.SIGNATURE_INVALID: 401,
    _R.ATTRIBUTES_MISSING: 403,
    _R.ATTRIBUTES_INVALID: 403,
    _R.INSUFFICIENT_RIGHTS: 403,
    _R.NO_TREATMENT_RELATION: 403,
    _R.TREATMENT_RELATION_MISMATCH: 403,
    _R.ASSERTION_REUSED: 401,
    _R.NO_CONSENT: 403,
    _R.UNKNOWN_PATIENT: 404,
    _R.AMBIGUOUS_PATIENT: 404,
    _R.MORE_TRAITS_NEEDED: 404,
    _R.UNKNOWN_DOCUMENT: 404,
    _R.UNKNOWN_INSTANCE: 404,
    _R.UNKNOWN_REPOSITORY: 404,
    _R.UNKNOWN_COMMUNITY: 404,
    _R.NO_DOCUMENTS: 404,
    _R.BUSY: 503,
    _R.DEFERRED: 409,  # with the plan that was accepted
    _R.BACK_END_DOWN: 503,
    _R.STORE_FULL: 503,
    _R.PEER_UNREACHABLE: 503,
    _R.PEER_TIMEOUT: 504,
    _R.PEER_MISBEHAVED: 502,
    _R.INTEGRITY_FAILED: 502,
    _R.INTERNAL: 500,
}

_REFUSAL_OF: Final[dict[int, Refusal]] = {
    400: _R.MALFORMED_REQUEST,
    401: _R.NO_ASSERTION,
    403: _R.INSUFFICIENT_RIGHTS,
    404: _R.UNKNOWN_INSTANCE,
    405: _R.UNSUPPORTED,
    406: _R.UNSUPPORTED_SYNTAX,
    408: _R.PEER_TIMEOUT,
    409: _R.DEFERRED,
    410: _R.UNKNOWN_INSTANCE,
    413: _R.TOO_MANY_RESULTS,
    415: _R.UNSUPPORTED,
    429: _R.BUSY,
    501: _R.UNSUPPORTED,
    503: _R.BUSY,
    504: _R.PEER_TIMEOUT,
}

# What the text says where the status says too little, in the order tried.
_HINTS: Final[tuple[tuple[int, re.Pattern[str], Refusal], ...]] = tuple(
    (status, re.compile(pattern, re.IGNORECASE), refusal)
    for status, pattern, refusal in (
        # Orthanc answers 400 where 406 is right.
        (400, r"transfer.?syntax|\baccept\b|content type", _R.UNSUPPORTED_SYNTAX),
        (403, r"\bconsent", _R.NO_CONSENT),
        (403, r"treatment relation", _R.NO_TREATMENT_RELATION),
    )
)
# What is shown of a peer's text; a page of HTML says its reason early.
_MAX_TEXT: Final = 4096
_MAX_SHOWN: Final = 200
_TAG: Final = re.compile(r"<[^<>]*>?")
_PAGE_HEAD: Final = re.compile(r"<(style|script)\b.*?(</\1[^>]*>?|\Z)", re.IGNORECASE | re.DOTALL)


def status_of(refusal: Refusal) -> int:
    """The HTTP status that says a refusal of a whole request (PS3.18 10.4.3.2)."""
    return _STATUS_OF[refusal]


def write_refusal(error: ExchangeError, *, status: int = 0, correlation_id: str = "") -> bytes:
    """The body of a refusal: JSON with status, text and, where given, the correlation id.

    `status` is the one it goes out with, where HTTP has another than that of the refusal.
    """
    code = status or status_of(error.refusal)
    said: dict[str, int | str] = {"status": code, "text": error.text}
    if correlation_id:
        said["correlation"] = correlation_id
    return json.dumps(said).encode("ascii")


def read_refusal(status: int, text: str, peer: str) -> ExchangeError:
    """What a peer's status and body mean to us; `peer` names it for people.

    Never fails: any number and any text is an error with the status as its `code`. A status that
    is no refusal is PEER_MISBEHAVED.
    """
    shown = _shown(text)
    refusal = next(
        (
            hinted
            for hinted_status, pattern, hinted in _HINTS
            if hinted_status == status and pattern.search(shown)
        ),
        _REFUSAL_OF.get(status) or _refusal_of_class(status),
    )
    said = f"{peer} answered {status}" + (f": {shown[:_MAX_SHOWN]}" if shown else "")
    return refuse(refusal, said, code=str(status))


def _refusal_of_class(status: int) -> Refusal:
    if 400 <= status < 500:
        return _R.MALFORMED_REQUEST
    if 500 <= status < 600:
        return _R.BACK_END_DOWN
    return _R.PEER_MISBEHAVED


def _shown(text: str) -> str:
    """The beginning of a peer's text on one line, without tags and control characters."""
    plain = _TAG.sub(" ", _PAGE_HEAD.sub(" ", text[:_MAX_TEXT]))
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())
