"""Our refusals as OperationOutcomes, and back."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Issue, Refusal, Severity, refuse
from gateway.wire.fhir.refusals import (
    REFUSAL_SYSTEM,
    outcome_of_issues,
    read_issues,
    read_refusal,
    status_of,
    wording_of,
    write_outcome,
)
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError

R = Refusal
# FHIR R4 valueset-issue-type.html
ISSUE_TYPES = (
    "invalid structure required value invariant security login unknown expired forbidden"
    " suppressed processing not-supported duplicate multiple-matches not-found deleted too-long"
    " code-invalid extension too-costly business-rule conflict transient lock-error no-store"
    " exception timeout incomplete throttled informational"
)
SUBJECTS = [
    "",
    "patient.identifier",
    "DocumentReference.content[0].attachment.url",
    "1.2.3",
    "a'b\\",
]


def test_every_refusal_has_its_wording() -> None:
    """The table is complete and speaks FHIR's own codes."""
    for refusal in Refusal:
        wording = wording_of(refusal)

        assert 400 <= wording.status < 600, refusal
        assert wording.code in ISSUE_TYPES.split(), refusal
        assert status_of(refusal) == wording.status, refusal


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (R.NO_ASSERTION, 401, "login"),
        (R.ASSERTION_MALFORMED, 401, "security"),
        (R.ASSERTION_NOT_VALID_NOW, 401, "expired"),
        (R.WRONG_AUDIENCE, 401, "security"),
        (R.SIGNATURE_INVALID, 401, "security"),
        (R.ASSERTION_REUSED, 401, "security"),
        (R.INSUFFICIENT_RIGHTS, 403, "forbidden"),
        (R.NO_TREATMENT_RELATION, 403, "forbidden"),
        (R.TREATMENT_RELATION_MISMATCH, 403, "forbidden"),
        (R.NO_CONSENT, 403, "suppressed"),
        (R.MISSING_PARAMETER, 400, "required"),
        (R.TOO_MANY_RESULTS, 413, "too-costly"),
        (R.UNKNOWN_DOCUMENT, 404, "not-found"),
        (R.BACK_END_DOWN, 503, "transient"),
        (R.PEER_TIMEOUT, 504, "timeout"),
        (R.INTERNAL, 500, "exception"),
    ],
)
def test_a_refusal_is_said_as_http_and_fhir_say_it(
    refusal: Refusal, status: int, code: str
) -> None:
    """RFC 6750 3.1 for tokens, FHIR R4 http.html for the rest."""
    assert (wording_of(refusal).status, wording_of(refusal).code) == (status, code)


@pytest.mark.parametrize("format", Format)
def test_every_refusal_comes_back(format: Format) -> None:
    """Two gateways of this kind lose nothing: the reason, its kind, its text and its subject."""
    for case in product(Refusal, SUBJECTS):
        refusal, subject = case
        error = refuse(refusal, "the reason", subject=subject)

        written = write_resource(write_outcome(error, correlation_id="c-1"), format)
        found = read_refusal(status_of(refusal), read_resource(written, format), "NCP-A")

        assert found.refusal is refusal, case
        assert type(found) is type(error), case
        assert found.text == "NCP-A refused: the reason", case
        assert found.subject == subject, case


def test_every_outcome_is_one_that_the_models_accept() -> None:
    """Judged by fhir.resources, with and without anything to say."""
    wrong = []
    for refusal in Refusal:
        for outcome in (
            write_outcome(refuse(refusal, "")),
            write_outcome(refuse(refusal, "text", subject="1.2.3"), correlation_id="c-1"),
            outcome_of_issues([Issue(refusal=refusal, text="")]),
        ):
            try:
                validated(outcome)
            except DecodeError as error:
                wrong.append((refusal, str(error)))

    assert wrong == []


def test_an_outcome_says_the_name_and_the_id_of_the_request() -> None:
    """Our code, the name SOAP peers know, and where to look in our logs."""
    error = refuse(R.UNKNOWN_PATIENT, "nobody has this id", subject="patient.identifier")

    outcome = write_outcome(error, correlation_id="c-1")

    assert outcome == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "not-found",
                "details": {
                    "coding": [
                        {"system": REFUSAL_SYSTEM, "code": "unknown-patient"},
                        {"code": "XDSUnknownPatientId"},
                    ],
                    "text": "nobody has this id",
                },
                "diagnostics": "XDSUnknownPatientId; correlation id c-1",
                "expression": ["patient.identifier"],
            }
        ],
    }


def test_the_code_of_whoever_refused_before_is_passed_on() -> None:
    """A national code says more than the name we would give."""
    error = refuse(R.NO_CONSENT, "no consent", code="WARNING_PI_NO_CONSENT")

    found = read_refusal(403, write_outcome(error), "NCP-A")

    assert found.code == "WARNING_PI_NO_CONSENT"


def test_a_code_that_is_none_is_not_passed_on() -> None:
    """What a peer put there may be anything; the name of the table stands in."""
    error = refuse(R.NO_CONSENT, "no consent", code="a\x00b " * 100)

    assert write_outcome(error)["issue"][0]["diagnostics"] == "4701"


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_can_be_written_in_both_formats(
    text: str, subject: str, code: str, correlation_id: str
) -> None:
    """A text that quotes a peer never makes a refusal unwritable."""
    error = refuse(R.PEER_MISBEHAVED, text, subject=subject, code=code)

    outcome = write_outcome(error, correlation_id=correlation_id)

    for format in Format:
        assert read_resource(write_resource(outcome, format), format) == outcome


def test_issues_beside_matches_come_back() -> None:
    """The reason and whether it took something away, though neither is said as an error."""
    for case in product(Refusal, Severity):
        refusal, severity = case
        issue = Issue(refusal=refusal, text="half", severity=severity, subject="1.2.3")

        outcome = outcome_of_issues([issue])
        (found,) = read_issues(outcome, "entry[1].resource")

        assert outcome["issue"][0]["severity"] in ("warning", "information"), case
        assert (found.refusal, found.severity, found.text, found.subject) == (
            refusal,
            severity,
            "half",
            "1.2.3",
        ), case


def test_a_community_out_of_reach_makes_an_answer_incomplete() -> None:
    """The code by which any client of FHIR knows that rows are missing."""
    issue = Issue(refusal=R.PEER_UNREACHABLE, text="no answer from 1.2.3")

    (written,) = outcome_of_issues([issue])["issue"]

    assert (written["severity"], written["code"]) == ("warning", "incomplete")
    assert written["diagnostics"] == "XDSUnavailableCommunity"


def test_an_outcome_without_issues_says_that_all_is_well() -> None:
    """An OperationOutcome is never empty, and this one is read as no issue."""
    outcome = outcome_of_issues([])

    validated(outcome)
    assert read_issues(outcome, "body") == ()
