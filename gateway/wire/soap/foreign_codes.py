"""What the codes of any SOAP peer mean to us: one way of reading for both styles.

`refusal_of_code` knows the codes of XDS, XCPD and MyHealth@EU, the older numbers still sent, the
subcodes of faults, and those of DICOM WADO-WS (PS3.18). Saying no ourselves is in `refusals`.
"""

from __future__ import annotations

import re

from gateway.domain import Refusal, Transaction
from gateway.wire.soap.envelope import Fault, FaultCode

_R = Refusal

# Codes that say only that something failed: there the text may say more (`_HINTS`).
_FAILED = (
    "XDSRegistryError XDSRepositoryError XDSIRequestError LocalPolicyRestrictionError"
    " ERROR_GENERIC ERROR_PI_GENERIC ERROR_PI_INTERNAL_ERROR ERROR_ORCD_GENERIC"
    " WARNING_ORCD_GENERIC ERROR_HPI_GENERIC ERROR_HPI_AUTHENTICATION_NOT_RECEIVED 1001"
    " AnswerNotAvailable InternalError InsufficientRights PolicyViolation INTERR"
    " wsse:InvalidSecurity"
)
_UNSPECIFIC = frozenset(_FAILED.split())

_FOREIGN: dict[Refusal, str] = {
    _R.MALFORMED_REQUEST: "XDSIRequestError SYN SYN100 SYN102 SYN103 SYN104 SYN105 SYN110 SYN113"
    " VALIDAT urn:dicom:wado:0008 urn:dicom:wado:0009 urn:dicom:wado:0010 urn:dicom:wado:0012"
    " urn:dicom:wado:0018 wsa:InvalidAddressingHeader wsa:MessageAddressingHeaderRequired",
    _R.UNKNOWN_QUERY: "XDSUnknownStoredQuery",
    _R.MISSING_PARAMETER: "XDSStoredQueryMissingParam SYN101",
    _R.WRONG_PARAMETER_COUNT: "XDSStoredQueryParamNumber SYN112",
    _R.NOT_SINGLE_PATIENT: "XDSResultNotSinglePatient",
    _R.TOO_MANY_RESULTS: "XDSTooManyResults urn:dicom:wado:0005",
    _R.MISSING_COMMUNITY: "XDSMissingHomeCommunityId",
    _R.IDENTIFIER_REQUIRED: "DemographicsQueryNotAllowed",
    _R.UNKNOWN_DOCUMENT_CLASS: "ERROR_GENERIC_SERVICE_SIGNIFIER_UNKNOWN 4202",
    _R.UNSUPPORTED_SYNTAX: "urn:dicom:wado:0006 urn:dicom:wado:0007",
    _R.UNSUPPORTED: "4203 4204 NS200 NS202 NS203 NS250 NS260 NS261 wsa:ActionNotSupported"
    " urn:dicom:wado:0001 urn:dicom:wado:0002 urn:dicom:wado:0011 urn:dicom:wado:0013"
    " urn:dicom:wado:0019 urn:dicom:wado:0020 ERROR_ORCD_INCORRECT_FORMAT",
    _R.NO_ASSERTION: "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED wsse:SecurityTokenUnavailable"
    " wsse:InvalidSecurity ERROR_HPI_NO_INFORMATION",
    _R.ASSERTION_MALFORMED: "ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED wsse:InvalidSecurityToken"
    " wsse:UnsupportedSecurityToken",
    _R.ASSERTION_INCOMPLETE: "ERROR_HPI_GENERIC",
    _R.ASSERTION_NOT_VALID_NOW: "1001 wsse:FailedAuthentication",
    _R.WEAK_AUTHENTICATION: "4702",
    _R.SIGNATURE_INVALID: "ERROR_SEC_GENERIC 4704 wsse:FailedCheck wsse:UnsupportedAlgorithm",
    _R.ATTRIBUTES_MISSING: "ERROR_HPI_INSUFFICIENT_INFORMATION ERROR_HPI_HAI_NO_INFORMATION"
    " ERROR_HPI_POC_NO_INFORMATION ERROR_PI_MISSING_REQUIRED_FIELDS",
    _R.ATTRIBUTES_INVALID: "ERROR_PI_INCORRECT_FORMATTING",
    _R.INSUFFICIENT_RIGHTS: "4703 InsufficientRights LocalPolicyRestrictionError PolicyViolation",
    _R.TREATMENT_RELATION_MISMATCH: "1002",
    _R.NO_CONSENT: "4701 WARNING_PI_NO_CONSENT ERROR_NO_CONSENT ERROR_PI_NO_CONSENT"
    " PrivacyViolation",
    _R.UNKNOWN_PATIENT: "XDSUnknownPatientId ERROR_PI_NO_MATCH 4206",
    _R.AMBIGUOUS_PATIENT: "ERROR_PI_MULTIPLE_MATCHES",
    _R.MORE_TRAITS_NEEDED: "AdditionalDemographicsRequested EHICDataRequested"
    " PatientAuthenticationRequired LivingSubjectAdministrativeGenderRequested"
    " PatientAddressRequested PatientTelecomRequested LivingSubjectBirthPlaceNameRequested"
    " LivingSubjectBirthPlaceAddressRequested MothersMaidenNameRequested",
    _R.UNKNOWN_DOCUMENT: "XDSDocumentUniqueIdError XDSMissingDocument UnresolvedReferenceException"
    " ERROR_GENERIC_DOCUMENT_MISSING",
    _R.UNKNOWN_INSTANCE: "urn:dicom:wado:0004 urn:dicom:wado:0015 urn:dicom:wado:0016"
    " urn:dicom:wado:0017",
    _R.UNKNOWN_REPOSITORY: "XDSUnknownRepositoryId XDSIUnknownIdsUid",
    _R.UNKNOWN_COMMUNITY: "XDSUnknownCommunity RTUDEST",
    _R.NO_DOCUMENTS: "1100 1101 1102 1103 1104 WARNING_ORCD_MISSING_MANDATORY_DATA",
    _R.BUSY: "XDSRegistryBusy XDSRepositoryBusy ResponderBusy urn:dicom:wado:0003",
    _R.BACK_END_DOWN: "XDSRegistryError XDSRepositoryError XDSRegistryNotAvailable ERROR_GENERIC"
    " ERROR_GENERIC_CONNECTION_NOT_POSSIBLE ERROR_PI_GENERIC ERROR_PI_INTERNAL_ERROR"
    " ERROR_PI_REGISTRY_NOT_AVAILABLE ERROR_ORCD_GENERIC ERROR_ORCD_SERVICE_NOT_AVAILABLE"
    " AnswerNotAvailable InternalError INTERR urn:dicom:wado:0014",
    _R.STORE_FULL: "XDSRegistryOutOfResources XDSRepositoryOutOfResources NOSTORE",
    _R.PEER_UNREACHABLE: "XDSUnavailableCommunity RTEDEST wsa:DestinationUnreachable",
}
_REFUSAL_OF = {code: refusal for refusal, codes in _FOREIGN.items() for code in codes.split()}

# ERROR_PS_NOT_FOUND, ERROR_ED_GENERIC and their kin, one family per kind of document.
_ENDINGS = (("_NOT_FOUND", _R.NO_DOCUMENTS), ("_GENERIC", _R.BACK_END_DOWN))

# What the text may say where the code does not, in the order tried.
_HINTS: tuple[tuple[re.Pattern[str], Refusal], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), refusal)
    for pattern, refusal in (
        (r"\bconsent", _R.NO_CONSENT),
        (r"transfer syntax", _R.UNSUPPORTED_SYNTAX),
        (r"treatment relation|\bTRC\b", _R.NO_TREATMENT_RELATION),
        (r"audience", _R.WRONG_AUDIENCE),
        (
            r"\blacks? .{0,40}permission|insufficient (rights|permission)",
            _R.INSUFFICIENT_RIGHTS,
        ),
        (r"(used before|already used|re-?used|replay)", _R.ASSERTION_REUSED),
        (r"(not (yet )?valid now|not yet valid|expired)", _R.ASSERTION_NOT_VALID_NOW),
    )
)
_MAX_HINT_TEXT = 2000  # peers put stack traces here; the reason stands at the beginning


def is_specific(code: str) -> bool:
    """Whether a code is known and says more than that something failed."""
    code = code.strip()
    return code in _REFUSAL_OF and code not in _UNSPECIFIC


def refusal_of_code(
    code: str,
    text: str = "",
    severity_error: bool = True,
    *,
    transaction: Transaction | None = None,
) -> Refusal:
    """Our reason for a code from anywhere: XDS, MyHealth@EU, XCPD, HL7, WADO-WS, a fault's subcode.

    Where a code says only that something failed, the text is asked for a hint. A code nobody
    knows is PEER_MISBEHAVED; the caller keeps it in `Issue.code` or `ExchangeError.code`. So is
    an unspecific warning: nothing failed, so there is nothing to try again.
    """
    code = code.strip()
    refusal = _REFUSAL_OF.get(code)
    if refusal is None:
        family = code.startswith(("ERROR_", "WARNING_"))
        endings = (found for ending, found in _ENDINGS if family and code.endswith(ending))
        refusal = next(endings, _R.PEER_MISBEHAVED)
    if code in _UNSPECIFIC:
        beginning = text[:_MAX_HINT_TEXT]
        refusal = next((hint for sign, hint in _HINTS if sign.search(beginning)), refusal)
    if refusal is _R.UNKNOWN_DOCUMENT and transaction in (
        Transaction.IMAGES,
        Transaction.IMAGES_FROM_SOURCE,
    ):
        return _R.UNKNOWN_INSTANCE
    if refusal is _R.BACK_END_DOWN and not severity_error:
        return _R.PEER_MISBEHAVED
    return refusal


_FAULT_CODES: dict[FaultCode, Refusal] = {
    FaultCode.SENDER: _R.MALFORMED_REQUEST,
    FaultCode.RECEIVER: _R.BACK_END_DOWN,
    FaultCode.MUST_UNDERSTAND: _R.UNSUPPORTED,
    FaultCode.VERSION_MISMATCH: _R.UNSUPPORTED,
}


def refusal_of_fault(fault: Fault) -> Refusal:
    """Our reason for a SOAP fault: its subcode if known, whatever its prefix, else its code."""
    local = fault.subcode.rpartition(":")[2]
    for code in (f"wsse:{local}", f"wsa:{local}", local):
        if code in _REFUSAL_OF:
            return refusal_of_code(code, fault.reason)
    return _FAULT_CODES[fault.code]
