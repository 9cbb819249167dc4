"""Reasons to refuse, and the codes by which SOAP peers say them.

One table per wire and style: `RegistryError` codes of ITI-38, ITI-39, RAD-75 and RAD-69
(ITI TF-3 table 4.2.4.1-2), outcomes of ITI-55 (ITI TF-2 3.55.4.2.3), and SOAP faults for
assertions that do not pass (WS-Security 1.0, section 12). Style `ihe` answers as the IHE
profiles say, style `ehdsi` as MyHealth@EU peers expect: their codes ride in the same attributes,
and an assertion that does not pass is answered inside the transaction, never by a fault.

This module decides names only; it writes no XML. Reading a peer is in `foreign_codes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.domain import Refusal, Severity, Transaction
from gateway.wire.soap.envelope import Fault, FaultCode


class ErrorStyle(StrEnum):
    """In whose manner we say no to a peer; a setting of the peer."""

    IHE = "ihe"
    EHDSI = "ehdsi"


_R = Refusal

# --- RegistryError/@errorCode ---------------------------------------------------------------------

# Columns: ITI-38 (a registry answers), ITI-39 (a repository answers), RAD-75 and RAD-69 (an imaging
# source answers). XDSRegistryError and XDSRepositoryError are for what has no code of its own.
_REGISTRY, _REPOSITORY, _IMAGING = "XDSRegistryError", "XDSRepositoryError", "XDSIRequestError"
_POLICY = "LocalPolicyRestrictionError"
_FULL = ("XDSRegistryOutOfResources", "XDSRepositoryOutOfResources", "XDSRepositoryOutOfResources")
_Row = tuple[str, str, str]


def _same(code: str) -> _Row:
    return code, code, code


_IHE_REGISTRY: dict[Refusal, _Row] = {
    _R.MALFORMED_REQUEST: (_REGISTRY, _REPOSITORY, _IMAGING),
    _R.UNKNOWN_QUERY: ("XDSUnknownStoredQuery", _REPOSITORY, _IMAGING),
    _R.MISSING_PARAMETER: ("XDSStoredQueryMissingParam", _REPOSITORY, _IMAGING),
    _R.WRONG_PARAMETER_COUNT: ("XDSStoredQueryParamNumber", _REPOSITORY, _IMAGING),
    _R.NOT_SINGLE_PATIENT: ("XDSResultNotSinglePatient", _REPOSITORY, _IMAGING),
    _R.TOO_MANY_RESULTS: ("XDSTooManyResults", _REPOSITORY, _IMAGING),
    _R.MISSING_COMMUNITY: _same("XDSMissingHomeCommunityId"),
    _R.IDENTIFIER_REQUIRED: ("XDSStoredQueryMissingParam", _REPOSITORY, _IMAGING),
    _R.UNKNOWN_DOCUMENT_CLASS: (_REGISTRY, _REPOSITORY, _IMAGING),
    _R.UNSUPPORTED_SYNTAX: (_REGISTRY, _REPOSITORY, _REPOSITORY),
    _R.UNSUPPORTED: (_REGISTRY, _REPOSITORY, _IMAGING),
    _R.NO_ASSERTION: _same(_POLICY),
    _R.ASSERTION_MALFORMED: _same(_POLICY),
    _R.ASSERTION_INCOMPLETE: _same(_POLICY),
    _R.ASSERTION_NOT_VALID_NOW: _same(_POLICY),
    _R.WRONG_AUDIENCE: _same(_POLICY),
    _R.WEAK_AUTHENTICATION: _same(_POLICY),
    _R.SIGNATURE_INVALID: _same(_POLICY),
    _R.ATTRIBUTES_MISSING: _same(_POLICY),
    _R.ATTRIBUTES_INVALID: _same(_POLICY),
    _R.INSUFFICIENT_RIGHTS: _same(_POLICY),
    _R.NO_TREATMENT_RELATION: _same(_POLICY),
    _R.TREATMENT_RELATION_MISMATCH: _same(_POLICY),
    _R.ASSERTION_REUSED: _same(_POLICY),
    _R.NO_CONSENT: _same(_POLICY),
    _R.UNKNOWN_PATIENT: _same("XDSUnknownPatientId"),
    _R.AMBIGUOUS_PATIENT: _same("XDSUnknownPatientId"),
    _R.MORE_TRAITS_NEEDED: _same("XDSUnknownPatientId"),
    _R.UNKNOWN_DOCUMENT: _same("XDSDocumentUniqueIdError"),
    _R.UNKNOWN_INSTANCE: _same("XDSDocumentUniqueIdError"),
    _R.UNKNOWN_REPOSITORY: _same("XDSUnknownRepositoryId"),
    _R.UNKNOWN_COMMUNITY: _same("XDSUnknownCommunity"),
    _R.NO_DOCUMENTS: (_REGISTRY, "XDSDocumentUniqueIdError", "XDSDocumentUniqueIdError"),
    _R.BUSY: ("XDSRegistryBusy", "XDSRepositoryBusy", "XDSRepositoryBusy"),
    _R.DEFERRED: ("XDSRegistryBusy", "XDSRepositoryBusy", "XDSRepositoryBusy"),
    _R.BACK_END_DOWN: ("XDSRegistryNotAvailable", _REPOSITORY, _REPOSITORY),
    _R.STORE_FULL: _FULL,
    _R.PEER_UNREACHABLE: _same("XDSUnavailableCommunity"),
    _R.PEER_TIMEOUT: _same("XDSUnavailableCommunity"),
    _R.PEER_MISBEHAVED: (_REGISTRY, _REPOSITORY, _REPOSITORY),
    _R.INTEGRITY_FAILED: (_REGISTRY, _REPOSITORY, _REPOSITORY),
    _R.INTERNAL: (_REGISTRY, _REPOSITORY, _REPOSITORY),
}

_MISSING = "ERROR_GENERIC_DOCUMENT_MISSING"
# Where MyHealth@EU has no code of its own, that of IHE applies: its profiles build on XCA.
_EHDSI_REGISTRY: dict[Refusal, _Row] = {
    _R.MALFORMED_REQUEST: ("ERROR_GENERIC", "ERROR_GENERIC", _IMAGING),
    _R.UNKNOWN_QUERY: ("XDSUnknownStoredQuery", "ERROR_GENERIC", _IMAGING),
    _R.MISSING_PARAMETER: ("XDSStoredQueryMissingParam", "ERROR_GENERIC", _IMAGING),
    _R.WRONG_PARAMETER_COUNT: ("XDSStoredQueryParamNumber", "ERROR_GENERIC", _IMAGING),
    _R.NOT_SINGLE_PATIENT: ("XDSResultNotSinglePatient", "ERROR_GENERIC", _IMAGING),
    _R.TOO_MANY_RESULTS: ("XDSTooManyResults", "ERROR_GENERIC", _IMAGING),
    _R.MISSING_COMMUNITY: _same("XDSMissingHomeCommunityId"),
    _R.IDENTIFIER_REQUIRED: ("XDSStoredQueryMissingParam", "ERROR_GENERIC", _IMAGING),
    _R.UNKNOWN_DOCUMENT_CLASS: _same("ERROR_GENERIC_SERVICE_SIGNIFIER_UNKNOWN"),
    _R.UNSUPPORTED_SYNTAX: ("ERROR_GENERIC", "ERROR_GENERIC", _REPOSITORY),
    _R.UNSUPPORTED: ("ERROR_GENERIC", "ERROR_GENERIC", _IMAGING),
    _R.NO_ASSERTION: _same("ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    _R.ASSERTION_MALFORMED: _same("ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED"),
    _R.ASSERTION_INCOMPLETE: _same("ERROR_HPI_GENERIC"),
    _R.ASSERTION_NOT_VALID_NOW: _same("ERROR_HPI_GENERIC"),
    _R.WRONG_AUDIENCE: _same("ERROR_HPI_GENERIC"),
    _R.WEAK_AUTHENTICATION: _same("4702"),
    _R.SIGNATURE_INVALID: _same("ERROR_SEC_GENERIC"),
    _R.ATTRIBUTES_MISSING: _same("ERROR_HPI_INSUFFICIENT_INFORMATION"),
    _R.ATTRIBUTES_INVALID: _same("ERROR_HPI_GENERIC"),
    _R.INSUFFICIENT_RIGHTS: _same("4703"),
    _R.NO_TREATMENT_RELATION: _same("ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    _R.TREATMENT_RELATION_MISMATCH: _same("1002"),
    _R.ASSERTION_REUSED: _same("ERROR_HPI_GENERIC"),
    _R.NO_CONSENT: _same("4701"),
    _R.UNKNOWN_PATIENT: _same("ERROR_PI_NO_MATCH"),
    _R.AMBIGUOUS_PATIENT: _same("ERROR_PI_MULTIPLE_MATCHES"),
    _R.MORE_TRAITS_NEEDED: _same("ERROR_PI_MULTIPLE_MATCHES"),
    _R.UNKNOWN_DOCUMENT: (_MISSING, _MISSING, "XDSDocumentUniqueIdError"),
    _R.UNKNOWN_INSTANCE: _same("XDSDocumentUniqueIdError"),
    _R.UNKNOWN_REPOSITORY: _same("XDSUnknownRepositoryId"),
    _R.UNKNOWN_COMMUNITY: _same("XDSUnknownCommunity"),
    _R.NO_DOCUMENTS: ("1104", _MISSING, "XDSDocumentUniqueIdError"),
    _R.BUSY: ("XDSRegistryBusy", "XDSRepositoryBusy", "XDSRepositoryBusy"),
    _R.DEFERRED: ("XDSRegistryBusy", "XDSRepositoryBusy", "XDSRepositoryBusy"),
    _R.BACK_END_DOWN: _same("ERROR_GENERIC_CONNECTION_NOT_POSSIBLE"),
    _R.STORE_FULL: _FULL,
    _R.PEER_UNREACHABLE: _same("XDSUnavailableCommunity"),
    _R.PEER_TIMEOUT: _same("XDSUnavailableCommunity"),
    _R.PEER_MISBEHAVED: _same("ERROR_GENERIC"),
    _R.INTEGRITY_FAILED: _same("ERROR_GENERIC"),
    _R.INTERNAL: _same("ERROR_GENERIC"),
}

_REGISTRY_TABLES = {ErrorStyle.IHE: _IHE_REGISTRY, ErrorStyle.EHDSI: _EHDSI_REGISTRY}
_COLUMN = {
    Transaction.IDENTIFY: 0,  # never answered with a RegistryError; kept so that every key has one
    Transaction.FIND: 0,
    Transaction.RETRIEVE: 1,
    Transaction.IMAGES: 2,
    Transaction.IMAGES_FROM_SOURCE: 2,
}


def registry_error_code(refusal: Refusal, transaction: Transaction, style: ErrorStyle) -> str:
    """The `RegistryError/@errorCode` that says a refusal in a transaction (ITI TF-3 4.2.4.1)."""
    return _REGISTRY_TABLES[style][refusal][_COLUMN[transaction]]


def registry_severity(refusal: Refusal) -> Severity:
    """How a refusal is marked in a RegistryErrorList: having no documents is only a warning."""
    return Severity.WARNING if refusal is Refusal.NO_DOCUMENTS else Severity.ERROR


# --- outcomes of ITI-55 ---------------------------------------------------------------------------

REASON_IHE = "1.3.6.1.4.1.19376.1.2.27.3"  # ITI TF-2 table 3.55.4.2.2.7-1
TRAITS_IHE = "1.3.6.1.4.1.19376.1.2.27.1"  # ITI TF-2 table 3.55.4.2.2.6-1
REASON_EHDSI = "1.3.6.1.4.1.12559.11.10.1.3.2.2.1"
DETAIL_HL7 = "2.16.840.1.113883.5.1100"  # AcknowledgementDetailCode


class ReasonPlace(StrEnum):
    """Where the reason code stands in `detectedIssueEvent`; the value is the element's name."""

    NONE = ""
    MITIGATED_BY = "mitigatedBy"
    TRIGGER_FOR = "triggerFor"


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpdCodes:
    """What an ITI-55 answer without patients says: every code of it.

    `ack` is acknowledgement/typeCode, `response` and `status` those of queryAck; `detail` is the
    code of the acknowledgementDetail, "" where there is none, and `detail_system` its code system,
    "" for the codes of MyHealth@EU, which have none. `reason` is "" where the place is NONE, and
    where the traits wanted are to be named one by one (TRIGGER_FOR in style `ihe`).
    """

    ack: str
    response: str
    status: str
    place: ReasonPlace = ReasonPlace.NONE
    reason: str = ""
    reason_system: str = ""
    detail: str = ""
    detail_system: str = ""


_HL7_DETAILS = ("INTERR", "NOSTORE", "NS200", "RTEDEST", "RTUDEST", "SYN101", "SYN112", "SYN113")


def _error(reason: str, system: str, detail: str, response: str = "AE") -> XcpdCodes:
    return XcpdCodes(
        ack="AE",
        response=response,
        status="aborted",
        place=ReasonPlace.MITIGATED_BY,
        reason=reason,
        reason_system=system,
        detail=detail,
        detail_system=DETAIL_HL7 if detail in _HL7_DETAILS else "",
    )


def _ihe(reason: str, detail: str = "INTERR", response: str = "AE") -> XcpdCodes:
    return _error(reason, REASON_IHE, detail, response)


def _ehdsi(reason: str, detail: str, system: str = REASON_EHDSI) -> XcpdCodes:
    return _error(reason, system, detail)


_BUSY, _NO_ANSWER, _INTERNAL = "ResponderBusy", "AnswerNotAvailable", "InternalError"
_UNREADABLE = _ihe(_INTERNAL, "SYN113", "QE")
_NOT_OFFERED = _ihe(_NO_ANSWER, "NS200", "QE")
_UNAVAILABLE = _ihe(_NO_ANSWER)
_UNSAID = _ihe(_NO_ANSWER, "")  # IHE has no code for policy: the text alone says it
_WANTED = XcpdCodes(
    ack="AA",
    response="OK",
    status="deliveredResponse",
    place=ReasonPlace.TRIGGER_FOR,
    reason_system=TRAITS_IHE,
)
_IHE_XCPD: dict[Refusal, XcpdCodes] = {
    _R.MALFORMED_REQUEST: _UNREADABLE,
    _R.UNKNOWN_QUERY: _NOT_OFFERED,
    _R.MISSING_PARAMETER: _ihe(_INTERNAL, "SYN101", "QE"),
    _R.WRONG_PARAMETER_COUNT: _ihe(_INTERNAL, "SYN112", "QE"),
    _R.NOT_SINGLE_PATIENT: _UNREADABLE,
    _R.TOO_MANY_RESULTS: _WANTED,  # too many fit: case 3
    _R.MISSING_COMMUNITY: _ihe(_NO_ANSWER, "RTUDEST"),
    _R.IDENTIFIER_REQUIRED: _ihe(_NO_ANSWER, "SYN101", "QE"),
    _R.UNKNOWN_DOCUMENT_CLASS: _NOT_OFFERED,
    _R.UNSUPPORTED_SYNTAX: _NOT_OFFERED,
    _R.UNSUPPORTED: _NOT_OFFERED,
    _R.NO_ASSERTION: _UNSAID,
    _R.ASSERTION_MALFORMED: _UNSAID,
    _R.ASSERTION_INCOMPLETE: _UNSAID,
    _R.ASSERTION_NOT_VALID_NOW: _UNSAID,
    _R.WRONG_AUDIENCE: _UNSAID,
    _R.WEAK_AUTHENTICATION: _UNSAID,
    _R.SIGNATURE_INVALID: _UNSAID,
    _R.ATTRIBUTES_MISSING: _UNSAID,
    _R.ATTRIBUTES_INVALID: _UNSAID,
    _R.INSUFFICIENT_RIGHTS: _UNSAID,
    _R.NO_TREATMENT_RELATION: _UNSAID,
    _R.TREATMENT_RELATION_MISMATCH: _UNSAID,
    _R.ASSERTION_REUSED: _UNSAID,
    _R.NO_CONSENT: _UNSAID,
    _R.UNKNOWN_PATIENT: XcpdCodes(ack="AA", response="NF", status="deliveredResponse"),
    _R.AMBIGUOUS_PATIENT: _WANTED,
    _R.MORE_TRAITS_NEEDED: _WANTED,
    _R.UNKNOWN_DOCUMENT: _UNAVAILABLE,
    _R.UNKNOWN_INSTANCE: _UNAVAILABLE,
    _R.UNKNOWN_REPOSITORY: _UNAVAILABLE,
    _R.UNKNOWN_COMMUNITY: _ihe(_NO_ANSWER, "RTUDEST"),
    _R.NO_DOCUMENTS: _UNAVAILABLE,
    _R.BUSY: _ihe(_BUSY),
    _R.DEFERRED: _ihe(_BUSY),
    _R.BACK_END_DOWN: _UNAVAILABLE,
    _R.STORE_FULL: _ihe(_BUSY, "NOSTORE"),
    _R.PEER_UNREACHABLE: _ihe(_NO_ANSWER, "RTEDEST"),
    _R.PEER_TIMEOUT: _ihe(_NO_ANSWER, "RTEDEST"),
    _R.PEER_MISBEHAVED: _UNAVAILABLE,
    _R.INTEGRITY_FAILED: _ihe(_INTERNAL),
    _R.INTERNAL: _ihe(_INTERNAL),
}

_EHDSI_INTERNAL = _ehdsi(_INTERNAL, "ERROR_PI_GENERIC", REASON_IHE)
_EHDSI_UNAVAILABLE = _ehdsi(_NO_ANSWER, "ERROR_PI_GENERIC", REASON_IHE)
_RIGHTS = "InsufficientRights"
_EHDSI_WANTED = replace(
    _WANTED,
    reason="AdditionalDemographicsRequested",
    reason_system=REASON_EHDSI,
    detail="ERROR_PI_GENERIC",
)
_EHDSI_XCPD: dict[Refusal, XcpdCodes] = {
    _R.MALFORMED_REQUEST: _EHDSI_INTERNAL,
    _R.UNKNOWN_QUERY: _EHDSI_INTERNAL,
    _R.MISSING_PARAMETER: _EHDSI_INTERNAL,
    _R.WRONG_PARAMETER_COUNT: _EHDSI_INTERNAL,
    _R.NOT_SINGLE_PATIENT: _EHDSI_INTERNAL,
    _R.TOO_MANY_RESULTS: _EHDSI_WANTED,
    _R.MISSING_COMMUNITY: _EHDSI_UNAVAILABLE,
    _R.IDENTIFIER_REQUIRED: _ehdsi("DemographicsQueryNotAllowed", "ERROR_PI_GENERIC"),
    _R.UNKNOWN_DOCUMENT_CLASS: _EHDSI_INTERNAL,
    _R.UNSUPPORTED_SYNTAX: _EHDSI_INTERNAL,
    _R.UNSUPPORTED: _EHDSI_INTERNAL,
    _R.NO_ASSERTION: _ehdsi(_RIGHTS, "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    _R.ASSERTION_MALFORMED: _ehdsi(_RIGHTS, "ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED"),
    _R.ASSERTION_INCOMPLETE: _ehdsi(_RIGHTS, "ERROR_HPI_GENERIC"),
    _R.ASSERTION_NOT_VALID_NOW: _ehdsi(_RIGHTS, "ERROR_HPI_GENERIC"),
    _R.WRONG_AUDIENCE: _ehdsi(_RIGHTS, "ERROR_HPI_GENERIC"),
    _R.WEAK_AUTHENTICATION: _ehdsi(_RIGHTS, "ERROR_HPI_INSUFFICIENT_INFORMATION"),
    _R.SIGNATURE_INVALID: _ehdsi(_RIGHTS, "ERROR_SEC_GENERIC"),
    _R.ATTRIBUTES_MISSING: _ehdsi(_INTERNAL, "ERROR_PI_MISSING_REQUIRED_FIELDS", REASON_IHE),
    _R.ATTRIBUTES_INVALID: _ehdsi(_INTERNAL, "ERROR_PI_INCORRECT_FORMATTING", REASON_IHE),
    _R.INSUFFICIENT_RIGHTS: _ehdsi(_RIGHTS, "4703"),
    _R.NO_TREATMENT_RELATION: _ehdsi(_RIGHTS, "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    _R.TREATMENT_RELATION_MISMATCH: _ehdsi(_RIGHTS, "1002"),
    _R.ASSERTION_REUSED: _ehdsi(_RIGHTS, "ERROR_HPI_GENERIC"),
    _R.NO_CONSENT: _ehdsi(_RIGHTS, "WARNING_PI_NO_CONSENT"),
    _R.UNKNOWN_PATIENT: replace(
        _ehdsi(_NO_ANSWER, "ERROR_PI_NO_MATCH", REASON_IHE),
        ack="AA",
        response="NF",
        status="deliveredResponse",
    ),
    _R.AMBIGUOUS_PATIENT: replace(_EHDSI_WANTED, detail="ERROR_PI_MULTIPLE_MATCHES"),
    _R.MORE_TRAITS_NEEDED: _EHDSI_WANTED,
    _R.UNKNOWN_DOCUMENT: _EHDSI_INTERNAL,
    _R.UNKNOWN_INSTANCE: _EHDSI_INTERNAL,
    _R.UNKNOWN_REPOSITORY: _EHDSI_INTERNAL,
    _R.UNKNOWN_COMMUNITY: _EHDSI_UNAVAILABLE,
    _R.NO_DOCUMENTS: _EHDSI_UNAVAILABLE,
    _R.BUSY: _ehdsi(_BUSY, "ERROR_PI_GENERIC", REASON_IHE),
    _R.DEFERRED: _ehdsi(_BUSY, "ERROR_PI_GENERIC", REASON_IHE),
    _R.BACK_END_DOWN: _ehdsi(_NO_ANSWER, "ERROR_PI_REGISTRY_NOT_AVAILABLE", REASON_IHE),
    _R.STORE_FULL: _ehdsi(_BUSY, "ERROR_PI_GENERIC", REASON_IHE),
    _R.PEER_UNREACHABLE: _ehdsi(_NO_ANSWER, "ERROR_GENERIC_CONNECTION_NOT_POSSIBLE", REASON_IHE),
    _R.PEER_TIMEOUT: _ehdsi(_NO_ANSWER, "ERROR_GENERIC_CONNECTION_NOT_POSSIBLE", REASON_IHE),
    _R.PEER_MISBEHAVED: _EHDSI_UNAVAILABLE,
    _R.INTEGRITY_FAILED: _ehdsi(_INTERNAL, "ERROR_PI_INTERNAL_ERROR", REASON_IHE),
    _R.INTERNAL: _ehdsi(_INTERNAL, "ERROR_PI_INTERNAL_ERROR", REASON_IHE),
}
_XCPD_TABLES = {ErrorStyle.IHE: _IHE_XCPD, ErrorStyle.EHDSI: _EHDSI_XCPD}


def xcpd_codes(refusal: Refusal, style: ErrorStyle) -> XcpdCodes:
    """The codes of an ITI-55 answer that says a refusal (ITI TF-2 3.55.4.2.3)."""
    return _XCPD_TABLES[style][refusal]


# --- SOAP faults for assertions that do not pass --------------------------------------------------

_FAULTS: dict[Refusal, tuple[str, str]] = {
    _R.NO_ASSERTION: ("wsse:SecurityTokenUnavailable", "no identity assertion was found"),
    _R.ASSERTION_MALFORMED: ("wsse:InvalidSecurityToken", "an assertion is malformed"),
    _R.ASSERTION_INCOMPLETE: ("wsse:InvalidSecurityToken", "an assertion lacks a required part"),
    _R.ASSERTION_NOT_VALID_NOW: ("wsse:FailedAuthentication", "an assertion is not valid now"),
    _R.WRONG_AUDIENCE: ("wsse:FailedAuthentication", "the audience of an assertion is not us"),
    _R.WEAK_AUTHENTICATION: ("wsse:FailedAuthentication", "the authentication is too weak"),
    _R.SIGNATURE_INVALID: ("wsse:FailedCheck", "the signature of an assertion does not hold"),
    _R.ATTRIBUTES_MISSING: ("wsse:InvalidSecurityToken", "an assertion lacks an attribute"),
    _R.ATTRIBUTES_INVALID: ("wsse:InvalidSecurityToken", "an assertion attribute is not valid"),
    _R.NO_TREATMENT_RELATION: ("wsse:InvalidSecurity", "no treatment relation was asserted"),
    _R.TREATMENT_RELATION_MISMATCH: ("wsse:InvalidSecurity", "the treatment relation is another"),
    _R.ASSERTION_REUSED: ("wsse:FailedAuthentication", "an assertion was used before"),
}


def security_fault(refusal: Refusal, style: ErrorStyle) -> Fault | None:
    """The fault that answers an assertion which does not pass; None: answer in the transaction."""
    if style is ErrorStyle.EHDSI or refusal not in _FAULTS:
        return None
    subcode, reason = _FAULTS[refusal]
    return Fault(code=FaultCode.SENDER, reason=reason, subcode=subcode)
