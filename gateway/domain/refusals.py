"""Why an exchange is refused: one tree of errors, one enum of reasons.

    ExchangeError(refusal, text, *, subject="", code="")
    ├─ BadRequest      the asker's fault: what was asked cannot be understood or is not offered
    ├─ NotAllowed      who asks is not known, not allowed, or the patient did not consent
    ├─ NotFound        a patient, document, study or community is not there
    ├─ NotNow          busy, broken or out of reach: worth trying again (`retry` is True)
    ├─ PeerMisbehaved  the other side's message cannot be used
    └─ InternalFault   ours; the text sent out says nothing of the inside

Each wire has one table from `Refusal` to its own codes; a test demands that it is complete.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """A reason to refuse, as we name it inside. The value is what logs and the API show."""

    # BadRequest
    MALFORMED_REQUEST = "malformed-request"
    UNKNOWN_QUERY = "unknown-query"
    MISSING_PARAMETER = "missing-parameter"
    WRONG_PARAMETER_COUNT = "wrong-parameter-count"
    NOT_SINGLE_PATIENT = "not-single-patient"
    TOO_MANY_RESULTS = "too-many-results"
    MISSING_COMMUNITY = "missing-community"
    IDENTIFIER_REQUIRED = "identifier-required"
    UNKNOWN_DOCUMENT_CLASS = "unknown-document-class"
    UNSUPPORTED_SYNTAX = "unsupported-transfer-syntax"
    UNSUPPORTED = "unsupported"
    # NotAllowed; the order of the assertion reasons is the order in which they are checked
    NO_ASSERTION = "no-assertion"
    ASSERTION_MALFORMED = "assertion-malformed"
    ASSERTION_INCOMPLETE = "assertion-incomplete"
    ASSERTION_NOT_VALID_NOW = "assertion-not-valid-now"
    WRONG_AUDIENCE = "wrong-audience"
    WEAK_AUTHENTICATION = "weak-authentication"
    SIGNATURE_INVALID = "signature-invalid"
    ATTRIBUTES_MISSING = "attributes-missing"
    ATTRIBUTES_INVALID = "attributes-invalid"
    INSUFFICIENT_RIGHTS = "insufficient-rights"
    NO_TREATMENT_RELATION = "no-treatment-relation"
    TREATMENT_RELATION_MISMATCH = "treatment-relation-mismatch"
    ASSERTION_REUSED = "assertion-reused"
    NO_CONSENT = "no-consent"
    # NotFound
    UNKNOWN_PATIENT = "unknown-patient"
    AMBIGUOUS_PATIENT = "ambiguous-patient"
    MORE_TRAITS_NEEDED = "more-traits-needed"
    UNKNOWN_DOCUMENT = "unknown-document"
    UNKNOWN_INSTANCE = "unknown-instance"
    UNKNOWN_REPOSITORY = "unknown-repository"
    UNKNOWN_COMMUNITY = "unknown-community"
    NO_DOCUMENTS = "no-documents"
    # NotNow
    BUSY = "busy"
    DEFERRED = "deferred"  # it does not fit what was wished for, and comes when asked for again
    BACK_END_DOWN = "back-end-down"
    STORE_FULL = "store-full"
    PEER_UNREACHABLE = "peer-unreachable"
    PEER_TIMEOUT = "peer-timeout"
    # PeerMisbehaved
    PEER_MISBEHAVED = "peer-misbehaved"
    INTEGRITY_FAILED = "integrity-failed"
    # InternalFault
    INTERNAL = "internal"


class ExchangeError(Exception):
    """A refusal of a whole request.

    `text` is for people and may cross the border; `subject` names what it is about (a document
    id, a parameter, a path in the message); `code` is the peer's own code when a peer refused.
    """

    retry = False

    def __init__(self, refusal: Refusal, text: str, *, subject: str = "", code: str = "") -> None:
        super().__init__(text)
        self.refusal = refusal
        self.text = text
        self.subject = subject
        self.code = code


class BadRequest(ExchangeError):
    """What was asked cannot be understood or is not offered; asking again will not help."""


class NotAllowed(ExchangeError):
    """Who asks is not known or not allowed, or the patient did not consent."""


class NotFound(ExchangeError):
    """A patient, document, study or community is not there."""


class NotNow(ExchangeError):
    """Busy, broken or out of reach; the same request may succeed later."""

    retry = True


class PeerMisbehaved(ExchangeError):
    """The other side's message cannot be used."""


class InternalFault(ExchangeError):
    """A fault of this gateway; the text tells nothing of the inside."""


KIND_OF: dict[Refusal, type[ExchangeError]] = {}
_KINDS: tuple[tuple[type[ExchangeError], Refusal, Refusal], ...] = (
    (BadRequest, Refusal.MALFORMED_REQUEST, Refusal.UNSUPPORTED),
    (NotAllowed, Refusal.NO_ASSERTION, Refusal.NO_CONSENT),
    (NotFound, Refusal.UNKNOWN_PATIENT, Refusal.NO_DOCUMENTS),
    (NotNow, Refusal.BUSY, Refusal.PEER_TIMEOUT),
    (PeerMisbehaved, Refusal.PEER_MISBEHAVED, Refusal.INTEGRITY_FAILED),
    (InternalFault, Refusal.INTERNAL, Refusal.INTERNAL),
)
_ORDER = list(Refusal)
for _kind, _first, _last in _KINDS:
    for _refusal in _ORDER[_ORDER.index(_first) : _ORDER.index(_last) + 1]:
        KIND_OF[_refusal] = _kind


def refuse(refusal: Refusal, text: str, *, subject: str = "", code: str = "") -> ExchangeError:
    """The error of the right kind for a reason; raise what it returns."""
    return KIND_OF[refusal](refusal, text, subject=subject, code=code)
