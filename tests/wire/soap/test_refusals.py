"""Reasons to refuse in the codes of SOAP peers, and their codes in ours."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.domain import NotAllowed, Refusal, Severity, Transaction
from gateway.domain.refusals import KIND_OF
from gateway.wire.soap.envelope import Fault, FaultCode
from gateway.wire.soap.foreign_codes import is_specific, refusal_of_code, refusal_of_fault
from gateway.wire.soap.refusals import (
    REASON_EHDSI,
    REASON_IHE,
    TRAITS_IHE,
    ErrorStyle,
    ReasonPlace,
    registry_error_code,
    registry_severity,
    security_fault,
    xcpd_codes,
)
from tests.builders import SOAP_TRANSACTIONS

R, IHE, EHDSI = Refusal, ErrorStyle.IHE, ErrorStyle.EHDSI

FIND, RETRIEVE, IMAGES = Transaction.FIND, Transaction.RETRIEVE, Transaction.IMAGES
SOURCE = Transaction.IMAGES_FROM_SOURCE


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_has_a_registry_error_code(style: ErrorStyle) -> None:
    """The tables are complete, and no code is one that nobody could read back."""
    codes = {
        (refusal, transaction): registry_error_code(refusal, transaction, style)
        for refusal, transaction in product(Refusal, SOAP_TRANSACTIONS)
    }

    assert [case for case, code in codes.items() if not code] == []
    read = {case: refusal_of_code(code) for case, code in codes.items()}
    assert [case for case, refusal in read.items() if refusal is R.PEER_MISBEHAVED] == []


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_has_an_answer_of_iti_55(style: ErrorStyle) -> None:
    """Every row is one of the five cases of ITI TF-2 3.55.4.2.3, consistent in itself."""
    for refusal in Refusal:
        codes = xcpd_codes(refusal, style)

        answered = ("AA", "deliveredResponse"), ("AE", "aborted")
        assert (codes.ack, codes.status) in answered, refusal
        assert codes.response in (("OK", "NF") if codes.ack == "AA" else ("AE", "QE")), refusal
        assert bool(codes.reason_system) == (codes.place is not ReasonPlace.NONE), refusal
        if codes.place is ReasonPlace.MITIGATED_BY:
            assert codes.reason, refusal
        for code in filter(None, (codes.reason, codes.detail)):
            assert refusal_of_code(code) is not R.PEER_MISBEHAVED, refusal


CODES = [
    (R.MALFORMED_REQUEST, FIND, IHE, "XDSRegistryError"),
    (R.MALFORMED_REQUEST, RETRIEVE, IHE, "XDSRepositoryError"),
    (R.MALFORMED_REQUEST, IMAGES, IHE, "XDSIRequestError"),
    (R.MALFORMED_REQUEST, SOURCE, IHE, "XDSIRequestError"),
    (R.UNKNOWN_QUERY, FIND, IHE, "XDSUnknownStoredQuery"),
    (R.MISSING_PARAMETER, FIND, IHE, "XDSStoredQueryMissingParam"),
    (R.WRONG_PARAMETER_COUNT, FIND, IHE, "XDSStoredQueryParamNumber"),
    (R.NOT_SINGLE_PATIENT, FIND, IHE, "XDSResultNotSinglePatient"),
    (R.TOO_MANY_RESULTS, FIND, IHE, "XDSTooManyResults"),
    (R.MISSING_COMMUNITY, RETRIEVE, IHE, "XDSMissingHomeCommunityId"),
    (R.UNKNOWN_COMMUNITY, IMAGES, IHE, "XDSUnknownCommunity"),
    (R.UNKNOWN_PATIENT, FIND, IHE, "XDSUnknownPatientId"),
    (R.UNKNOWN_DOCUMENT, RETRIEVE, IHE, "XDSDocumentUniqueIdError"),
    (R.UNKNOWN_INSTANCE, IMAGES, IHE, "XDSDocumentUniqueIdError"),
    (R.UNKNOWN_REPOSITORY, IMAGES, IHE, "XDSUnknownRepositoryId"),
    (R.UNSUPPORTED_SYNTAX, IMAGES, IHE, "XDSRepositoryError"),
    (R.BACK_END_DOWN, IMAGES, IHE, "XDSRepositoryError"),
    (R.BUSY, FIND, IHE, "XDSRegistryBusy"),
    (R.BUSY, RETRIEVE, IHE, "XDSRepositoryBusy"),
    (R.PEER_UNREACHABLE, FIND, IHE, "XDSUnavailableCommunity"),
    (R.INSUFFICIENT_RIGHTS, FIND, IHE, "LocalPolicyRestrictionError"),
    (R.NO_CONSENT, FIND, EHDSI, "4701"),
    (R.WEAK_AUTHENTICATION, FIND, EHDSI, "4702"),
    (R.INSUFFICIENT_RIGHTS, FIND, EHDSI, "4703"),
    (R.TREATMENT_RELATION_MISMATCH, RETRIEVE, EHDSI, "1002"),
    (R.NO_DOCUMENTS, FIND, EHDSI, "1104"),
    (R.UNKNOWN_DOCUMENT_CLASS, FIND, EHDSI, "ERROR_GENERIC_SERVICE_SIGNIFIER_UNKNOWN"),
    (R.NO_ASSERTION, FIND, EHDSI, "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    (R.ASSERTION_MALFORMED, FIND, EHDSI, "ERROR_SEC_DATA_INTEGRITY_NOT_ENSURED"),
    (R.ASSERTION_INCOMPLETE, FIND, EHDSI, "ERROR_HPI_GENERIC"),
    (R.ASSERTION_NOT_VALID_NOW, FIND, EHDSI, "ERROR_HPI_GENERIC"),
    (R.WRONG_AUDIENCE, FIND, EHDSI, "ERROR_HPI_GENERIC"),
    (R.SIGNATURE_INVALID, FIND, EHDSI, "ERROR_SEC_GENERIC"),
    (R.ATTRIBUTES_MISSING, FIND, EHDSI, "ERROR_HPI_INSUFFICIENT_INFORMATION"),
    (R.NO_TREATMENT_RELATION, FIND, EHDSI, "ERROR_HPI_AUTHENTICATION_NOT_RECEIVED"),
    (R.UNKNOWN_DOCUMENT, RETRIEVE, EHDSI, "ERROR_GENERIC_DOCUMENT_MISSING"),
]


def test_registry_codes_are_those_of_the_profiles() -> None:
    """Codes that peers test for, transcribed from ITI TF-3 table 4.2.4.1-2 and MyHealth@EU."""
    wrong = [
        (*case, code, written)
        for *case, code in CODES
        if (written := registry_error_code(*case)) != code
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("refusal", "style", "place", "reason", "system", "detail", "ack", "response"),
    [
        (R.BUSY, IHE, "mitigatedBy", "ResponderBusy", REASON_IHE, "INTERR", "AE", "AE"),
        (R.INTERNAL, IHE, "mitigatedBy", "InternalError", REASON_IHE, "INTERR", "AE", "AE"),
        (
            R.BACK_END_DOWN,
            IHE,
            "mitigatedBy",
            "AnswerNotAvailable",
            REASON_IHE,
            "INTERR",
            "AE",
            "AE",
        ),
        (
            R.MALFORMED_REQUEST,
            IHE,
            "mitigatedBy",
            "InternalError",
            REASON_IHE,
            "SYN113",
            "AE",
            "QE",
        ),
        (R.MORE_TRAITS_NEEDED, IHE, "triggerFor", "", TRAITS_IHE, "", "AA", "OK"),
        (R.UNKNOWN_PATIENT, IHE, "", "", "", "", "AA", "NF"),
        (
            R.UNKNOWN_PATIENT,
            EHDSI,
            "mitigatedBy",
            "AnswerNotAvailable",
            REASON_IHE,
            "ERROR_PI_NO_MATCH",
            "AA",
            "NF",
        ),
        (
            R.NO_CONSENT,
            EHDSI,
            "mitigatedBy",
            "InsufficientRights",
            REASON_EHDSI,
            "WARNING_PI_NO_CONSENT",
            "AE",
            "AE",
        ),
        (
            R.IDENTIFIER_REQUIRED,
            EHDSI,
            "mitigatedBy",
            "DemographicsQueryNotAllowed",
            REASON_EHDSI,
            "ERROR_PI_GENERIC",
            "AE",
            "AE",
        ),
        (
            R.UNKNOWN_COMMUNITY,
            EHDSI,
            "mitigatedBy",
            "AnswerNotAvailable",
            REASON_IHE,
            "ERROR_PI_GENERIC",
            "AE",
            "AE",
        ),
        (
            R.ATTRIBUTES_MISSING,
            EHDSI,
            "mitigatedBy",
            "InternalError",
            REASON_IHE,
            "ERROR_PI_MISSING_REQUIRED_FIELDS",
            "AE",
            "AE",
        ),
        (
            R.MORE_TRAITS_NEEDED,
            EHDSI,
            "triggerFor",
            "AdditionalDemographicsRequested",
            REASON_EHDSI,
            "ERROR_PI_GENERIC",
            "AA",
            "OK",
        ),
    ],
)
def test_answers_of_iti_55_are_those_of_the_profiles(
    refusal: Refusal,
    style: ErrorStyle,
    place: str,
    reason: str,
    system: str,
    detail: str,
    ack: str,
    response: str,
) -> None:
    """Cases that peers test for, from ITI TF-2 3.55.4.2.3 and what OpenNCP's server sends."""
    codes = xcpd_codes(refusal, style)

    assert (codes.place.value, codes.reason, codes.reason_system) == (place, reason, system)
    assert (codes.detail, codes.ack, codes.response) == (detail, ack, response)


def test_only_no_documents_is_a_warning() -> None:
    """Having nothing to list takes nothing away; every other refusal is an error."""
    warnings = [refusal for refusal in Refusal if registry_severity(refusal) is Severity.WARNING]

    assert warnings == [R.NO_DOCUMENTS]


@pytest.mark.parametrize(
    ("refusal", "subcode"),
    [
        (R.NO_ASSERTION, "wsse:SecurityTokenUnavailable"),
        (R.ASSERTION_MALFORMED, "wsse:InvalidSecurityToken"),
        (R.ASSERTION_INCOMPLETE, "wsse:InvalidSecurityToken"),
        (R.ASSERTION_NOT_VALID_NOW, "wsse:FailedAuthentication"),
        (R.WRONG_AUDIENCE, "wsse:FailedAuthentication"),
        (R.WEAK_AUTHENTICATION, "wsse:FailedAuthentication"),
        (R.SIGNATURE_INVALID, "wsse:FailedCheck"),
        (R.ATTRIBUTES_MISSING, "wsse:InvalidSecurityToken"),
        (R.ATTRIBUTES_INVALID, "wsse:InvalidSecurityToken"),
        (R.NO_TREATMENT_RELATION, "wsse:InvalidSecurity"),
        (R.TREATMENT_RELATION_MISMATCH, "wsse:InvalidSecurity"),
        (R.ASSERTION_REUSED, "wsse:FailedAuthentication"),
    ],
)
def test_an_assertion_that_does_not_pass_is_a_fault_in_style_ihe_only(
    refusal: Refusal, subcode: str
) -> None:
    """IHE peers get a Sender fault of WS-Security, MyHealth@EU peers an answer."""
    fault = security_fault(refusal, IHE)

    assert fault is not None
    assert (fault.code, fault.subcode) == (FaultCode.SENDER, subcode)
    assert fault.reason
    assert security_fault(refusal, EHDSI) is None
    assert KIND_OF[refusal_of_fault(fault)] is NotAllowed


def test_rights_and_consent_and_the_rest_are_never_faults() -> None:
    """What is not about the assertion itself is answered in the transaction."""
    for refusal, kind in KIND_OF.items():
        if kind is not NotAllowed or refusal in (R.INSUFFICIENT_RIGHTS, R.NO_CONSENT):
            assert security_fault(refusal, IHE) is None


FOREIGN = [
    ("XDSUnknownPatientId", R.UNKNOWN_PATIENT),
    (" XDSUnknownPatientId\n", R.UNKNOWN_PATIENT),
    ("XDSMissingDocument", R.UNKNOWN_DOCUMENT),
    ("XDSIUnknownIdsUid", R.UNKNOWN_REPOSITORY),
    ("XDSRegistryOutOfResources", R.STORE_FULL),
    ("ERROR_NO_CONSENT", R.NO_CONSENT),
    ("WARNING_PI_NO_CONSENT", R.NO_CONSENT),
    ("4701", R.NO_CONSENT),
    ("4703", R.INSUFFICIENT_RIGHTS),
    ("4704", R.SIGNATURE_INVALID),
    ("4202", R.UNKNOWN_DOCUMENT_CLASS),
    ("4206", R.UNKNOWN_PATIENT),
    ("1002", R.TREATMENT_RELATION_MISMATCH),
    ("1104", R.NO_DOCUMENTS),
    ("ERROR_PS_NOT_FOUND", R.NO_DOCUMENTS),
    ("ERROR_ED_GENERIC", R.BACK_END_DOWN),
    ("urn:dicom:wado:0003", R.BUSY),
    ("urn:dicom:wado:0005", R.TOO_MANY_RESULTS),
    ("urn:dicom:wado:0007", R.UNSUPPORTED_SYNTAX),
    ("urn:dicom:wado:0017", R.UNKNOWN_INSTANCE),
    ("NS250", R.UNSUPPORTED),
    ("SYN113", R.MALFORMED_REQUEST),
    ("ResponderBusy", R.BUSY),
    ("AdditionalDemographicsRequested", R.MORE_TRAITS_NEEDED),
]


def test_foreign_codes_are_read() -> None:
    """Codes of all generations of peers mean what they meant to their sender."""
    wrong = [
        (code, read) for code, refusal in FOREIGN if (read := refusal_of_code(code)) is not refusal
    ]

    assert wrong == []


@pytest.mark.parametrize("code", ["", "XDSNonsense", "ERROR_", "99999", "urn:dicom:wado:9999"])
def test_an_unknown_code_is_the_peers_misbehaviour(code: str) -> None:
    """What nobody knows is not guessed at."""
    assert refusal_of_code(code) is R.PEER_MISBEHAVED
    assert not is_specific(code)


@pytest.mark.parametrize(
    ("code", "text", "refusal"),
    [
        ("XDSRepositoryError", "Transfer Syntax 1.2.3 cannot be made", R.UNSUPPORTED_SYNTAX),
        ("XDSRepositoryError", "disk failure", R.BACK_END_DOWN),
        ("LocalPolicyRestrictionError", "The patient did not consent.", R.NO_CONSENT),
        ("LocalPolicyRestrictionError", "PRD-016 is missing", R.INSUFFICIENT_RIGHTS),
        ("AnswerNotAvailable", "the assertion lacks the permissions X", R.INSUFFICIENT_RIGHTS),
        ("ERROR_HPI_GENERIC", "The assertion expired at noon.", R.ASSERTION_NOT_VALID_NOW),
        ("ERROR_HPI_GENERIC", "The audience is another.", R.WRONG_AUDIENCE),
        ("ERROR_HPI_AUTHENTICATION_NOT_RECEIVED", "no TRC assertion", R.NO_TREATMENT_RELATION),
        ("XDSUnknownPatientId", "consent", R.UNKNOWN_PATIENT),
    ],
)
def test_the_text_helps_only_an_unspecific_code(code: str, text: str, refusal: Refusal) -> None:
    """A code that says only that something failed is read together with its text."""
    assert refusal_of_code(code, text) is refusal


def test_an_unspecific_warning_is_nothing_to_try_again() -> None:
    """A warning with the code of a failure took nothing away."""
    assert refusal_of_code("XDSRegistryError", "", False) is R.PEER_MISBEHAVED
    assert refusal_of_code("1104", "", False) is R.NO_DOCUMENTS


def test_a_missing_document_of_images_is_an_instance() -> None:
    """RAD-75 has no code of its own for an instance that is not there."""
    code = "XDSDocumentUniqueIdError"

    assert refusal_of_code(code, transaction=IMAGES) is R.UNKNOWN_INSTANCE
    assert refusal_of_code(code, transaction=RETRIEVE) is R.UNKNOWN_DOCUMENT


@pytest.mark.parametrize(
    ("code", "subcode", "refusal"),
    [
        (FaultCode.SENDER, "wsse:FailedCheck", R.SIGNATURE_INVALID),
        (FaultCode.SENDER, "ns7:FailedCheck", R.SIGNATURE_INVALID),
        (FaultCode.SENDER, "FailedCheck", R.SIGNATURE_INVALID),
        (FaultCode.SENDER, "wsa:ActionNotSupported", R.UNSUPPORTED),
        (FaultCode.SENDER, "", R.MALFORMED_REQUEST),
        (FaultCode.RECEIVER, "", R.BACK_END_DOWN),
        (FaultCode.MUST_UNDERSTAND, "", R.UNSUPPORTED),
        (FaultCode.VERSION_MISMATCH, "x:y", R.UNSUPPORTED),
    ],
)
def test_a_fault_is_read_by_its_subcode_then_its_code(
    code: FaultCode, subcode: str, refusal: Refusal
) -> None:
    """The prefix of a subcode is whatever the peer bound."""
    assert refusal_of_fault(Fault(code=code, reason="no", subcode=subcode)) is refusal


# What our own codes lose on the way, for the profile has no code for it.
LOST = {
    IHE: {
        R.DEFERRED,
        R.MALFORMED_REQUEST,
        R.IDENTIFIER_REQUIRED,
        R.UNKNOWN_DOCUMENT_CLASS,
        R.UNSUPPORTED_SYNTAX,
        R.UNSUPPORTED,
        R.AMBIGUOUS_PATIENT,
        R.MORE_TRAITS_NEEDED,
        R.UNKNOWN_INSTANCE,
        R.NO_DOCUMENTS,
        R.PEER_TIMEOUT,
        R.PEER_MISBEHAVED,
        R.INTEGRITY_FAILED,
        R.INTERNAL,
    }
    | {r for r, kind in KIND_OF.items() if kind is NotAllowed and r is not R.INSUFFICIENT_RIGHTS},
    EHDSI: {
        R.DEFERRED,
        R.MALFORMED_REQUEST,
        R.IDENTIFIER_REQUIRED,
        R.UNSUPPORTED_SYNTAX,
        R.UNSUPPORTED,
        R.ASSERTION_NOT_VALID_NOW,
        R.WRONG_AUDIENCE,
        R.ATTRIBUTES_INVALID,
        R.NO_TREATMENT_RELATION,
        R.ASSERTION_REUSED,
        R.MORE_TRAITS_NEEDED,
        R.UNKNOWN_INSTANCE,
        R.PEER_TIMEOUT,
        R.PEER_MISBEHAVED,
        R.INTEGRITY_FAILED,
        R.INTERNAL,
    },
}


@pytest.mark.parametrize("style", ErrorStyle)
def test_a_refusal_of_a_query_comes_back_unless_the_profile_has_no_code(style: ErrorStyle) -> None:
    """The losses are known, one by one."""
    lost = {
        refusal
        for refusal in Refusal
        if refusal_of_code(registry_error_code(refusal, FIND, style)) is not refusal
    }

    assert lost == LOST[style]
