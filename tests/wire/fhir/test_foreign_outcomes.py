"""What answers of any peer mean that are no success."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import ExchangeError, Refusal, Severity
from gateway.wire.fhir.foreign_outcomes import (
    MAX_ISSUES,
    MAX_TEXT,
    REFUSAL_SYSTEM,
    read_issues,
    read_refusal,
    read_subject,
    write_subject,
)
from gateway.wire.fhir.resources import Format, Json, read_resource
from gateway.wire.problems import DecodeError
from tests.shared import shared

R = Refusal


def outcome(code: str, diagnostics: str = "", severity: str = "error", **more: Any) -> Json:
    issue: Json = {"severity": severity, "code": code} | more
    if diagnostics:
        issue["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": [issue]}


STATUSES = [
    (400, R.MALFORMED_REQUEST),
    (401, R.NO_ASSERTION),
    (403, R.INSUFFICIENT_RIGHTS),
    (404, R.UNKNOWN_DOCUMENT),
    (405, R.UNSUPPORTED),
    (406, R.UNSUPPORTED),
    (413, R.TOO_MANY_RESULTS),
    (415, R.UNSUPPORTED),
    (418, R.MALFORMED_REQUEST),
    (429, R.BUSY),
    (500, R.BACK_END_DOWN),
    (501, R.UNSUPPORTED),
    (502, R.PEER_UNREACHABLE),
    (503, R.BACK_END_DOWN),
    (504, R.PEER_TIMEOUT),
    (507, R.STORE_FULL),
    (599, R.BACK_END_DOWN),
    (302, R.PEER_MISBEHAVED),
    (200, R.PEER_MISBEHAVED),
    (0, R.PEER_MISBEHAVED),
]
WITHOUT_A_REASON: list[Json | None] = [
    None,
    {},
    {"resourceType": "Patient"},
    {"resourceType": "OperationOutcome"},
    {"resourceType": "OperationOutcome", "issue": []},
    {"resourceType": "OperationOutcome", "issue": "no"},
    {"resourceType": "OperationOutcome", "issue": [{"code": 5}]},
]


def test_a_status_alone_has_a_meaning() -> None:
    """Empty bodies, HTML and broken outcomes take nothing from it."""
    for case in product(STATUSES, WITHOUT_A_REASON):
        (status, refusal), body = case

        found = read_refusal(status, body, "NCP-A")

        assert found.refusal is refusal, case
        assert found.code == str(status), case
        assert str(found) == f"NCP-A answered with status {status} and gave no reason", case


NARROWED = [
    (400, "required", R.MISSING_PARAMETER),
    (400, "not-supported", R.UNSUPPORTED),
    (400, "multiple-matches", R.NOT_SINGLE_PATIENT),
    (400, "forbidden", R.MALFORMED_REQUEST),  # does not go with the status
    (401, "login", R.NO_ASSERTION),
    (401, "security", R.ASSERTION_MALFORMED),
    (401, "expired", R.ASSERTION_NOT_VALID_NOW),
    (401, "forbidden", R.INSUFFICIENT_RIGHTS),  # IUA answers so
    (401, "not-found", R.NO_ASSERTION),
    (403, "suppressed", R.NO_CONSENT),
    (403, "too-costly", R.TOO_MANY_RESULTS),
    (403, "processing", R.INSUFFICIENT_RIGHTS),
    (404, "not-supported", R.UNSUPPORTED),
    (413, "too-long", R.MALFORMED_REQUEST),
    (422, "multiple-matches", R.AMBIGUOUS_PATIENT),
    (500, "exception", R.BACK_END_DOWN),
    (500, "timeout", R.PEER_TIMEOUT),
    (502, "processing", R.PEER_MISBEHAVED),
    (503, "throttled", R.BUSY),
    (503, "no-store", R.STORE_FULL),
    (200, "not-found", R.UNKNOWN_DOCUMENT),
    (200, "nonsense", R.PEER_MISBEHAVED),
    (503, "nonsense", R.BACK_END_DOWN),
]


def test_an_issue_code_narrows_the_status() -> None:
    """The status decides first, then the code among what the status can mean."""
    for row in NARROWED:
        status, code, refusal = row
        found = read_refusal(status, outcome(code), "NCP-A")

        assert (found.refusal, found.code) == (refusal, code), row


@pytest.mark.parametrize(
    ("status", "diagnostics", "refusal", "code"),
    [
        (400, "XDSUnknownPatientId: no such patient", R.UNKNOWN_PATIENT, "XDSUnknownPatientId"),
        (500, "[XDSTooManyResults]", R.TOO_MANY_RESULTS, "XDSTooManyResults"),
        (500, "registry said ERROR_PI_NO_MATCH.", R.UNKNOWN_PATIENT, "ERROR_PI_NO_MATCH"),
        (403, "4701 no consent", R.NO_CONSENT, "4701"),
        (403, "ERROR_NO_CONSENT", R.NO_CONSENT, "ERROR_NO_CONSENT"),
        (400, "XDSRegistryError", R.MALFORMED_REQUEST, "XDSRegistryError"),
        (500, "XDSRegistryError; XDSRegistryBusy", R.BUSY, "XDSRegistryBusy"),
        (403, "XDSRegistryBusy", R.INSUFFICIENT_RIGHTS, "XDSRegistryBusy"),
        (400, "failed in 2024 after 1500 ms", R.MALFORMED_REQUEST, "invalid"),
    ],
)
def test_a_name_of_xds_or_ehdsi_says_more(
    status: int, diagnostics: str, refusal: Refusal, code: str
) -> None:
    """Gateways put every RegistryError under one code and the name into the diagnostics."""
    found = read_refusal(status, outcome("invalid", diagnostics), "NCP-A")

    assert (found.refusal, found.code) == (refusal, code)


def test_a_name_in_a_coding_is_read() -> None:
    """Whatever system it stands in."""
    details = {"coding": [{"system": "urn:x:errors", "code": "4704", "display": "unsigned"}]}

    found = read_refusal(401, outcome("security", details=details), "NCP-A")

    assert (found.refusal, found.code) == (R.SIGNATURE_INVALID, "4704")
    assert found.text == "NCP-A refused: unsigned"


def test_our_own_code_settles_it() -> None:
    """Even under a status that a setting made of it to hide the reason."""
    coding = [{"system": REFUSAL_SYSTEM, "code": R.NO_CONSENT.value}]

    found = read_refusal(404, outcome("not-found", details={"coding": coding}), "NCP-A")

    assert found.refusal is R.NO_CONSENT


def test_a_code_of_our_system_that_we_do_not_know_is_passed_over() -> None:
    """A newer gateway may have more reasons."""
    coding = [{"system": REFUSAL_SYSTEM, "code": "too-rainy"}]

    found = read_refusal(403, outcome("forbidden", details={"coding": coding}), "NCP-A")

    assert found.refusal is R.INSUFFICIENT_RIGHTS


def test_of_several_issues_the_first_error_counts() -> None:
    """Warnings before it do not."""
    issues = [
        {"severity": "information", "code": "informational"},
        {"severity": "warning", "code": "not-supported"},
        {"severity": "error", "code": "required", "expression": ["http.patient"]},
        {"severity": "error", "code": "structure"},
    ]

    found = read_refusal(400, {"resourceType": "OperationOutcome", "issue": issues}, "NCP-A")

    assert (found.refusal, found.subject) == (R.MISSING_PARAMETER, "patient")


def test_a_long_text_is_cut() -> None:
    """A stack trace of a peer does not fill our logs."""
    found = read_refusal(500, outcome("exception", "x" * 1_000_000), "NCP-A")

    assert len(found.text) < MAX_TEXT + 100


@pytest.mark.parametrize(
    ("severity", "code", "expected"),
    [
        ("fatal", "exception", Severity.ERROR),
        ("error", "not-found", Severity.ERROR),
        ("warning", "incomplete", Severity.ERROR),
        ("warning", "suppressed", Severity.ERROR),
        ("warning", "not-supported", Severity.WARNING),
        ("warning", "nonsense", Severity.WARNING),
        ("information", "incomplete", Severity.WARNING),
        ("nonsense", "not-found", Severity.ERROR),
    ],
)
def test_a_severity_tells_whether_something_is_missing(
    severity: str, code: str, expected: Severity
) -> None:
    """Beside matches R4 forbids errors, so a warning may be one by its code."""
    (issue,) = read_issues(outcome(code, severity=severity), "body")

    assert issue.severity is expected


def test_an_unknown_code_is_kept() -> None:
    """What nobody knows is the peer's own affair, and is shown as it came."""
    (issue,) = read_issues(outcome("nonsense", "hm"), "body")

    assert (issue.refusal, issue.code, issue.text) == (R.PEER_MISBEHAVED, "nonsense", "hm")


def test_the_outcome_of_a_guide_is_read() -> None:
    """PDQm's example of a match that failed."""
    data = shared("samples/fhir/pdqm/OperationOutcome-ex-match-failure.json").read_bytes()
    resource = read_resource(data, Format.JSON)

    (issue,) = read_issues(resource, "body")

    assert issue.refusal is R.PEER_TIMEOUT
    assert issue.text == "The operation timed out waiting for the backend server."
    assert read_refusal(504, resource, "NCP-A").refusal is R.PEER_TIMEOUT


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ({"resourceType": "Bundle"}, "body.resourceType"),
        ({"resourceType": "OperationOutcome", "issue": {}}, "body.issue"),
        (outcome("x", details=[]), "body.issue[0].details"),
        (outcome("x", details={"coding": [1]}), "body.issue[0].details.coding[0]"),
        (outcome("x", expression="a"), "body.issue[0].expression"),
        (
            {"resourceType": "OperationOutcome", "issue": [{}] * (MAX_ISSUES + 1)},
            "body.issue",
        ),
    ],
)
def test_what_is_no_outcome_is_refused_with_its_place(resource: Json, where: str) -> None:
    """Beside matches an unreadable outcome is a fault of the peer."""
    with pytest.raises(DecodeError) as refused:
        read_issues(resource, "body")

    assert refused.value.where == where


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn"])))
def test_a_subject_comes_back(subject: str) -> None:
    """A path as it is, anything else as a string of FHIRPath."""
    assert read_subject(write_subject(subject)) == subject


def test_a_subject_that_is_no_path_is_written_as_a_string() -> None:
    """So that an expression is one of FHIRPath in every case."""
    assert write_subject("patient.identifier") == "patient.identifier"
    assert write_subject("urn:oid:1.2.3") == "'urn:oid:1.2.3'"
    assert write_subject("it's") == "'it\\'s'"


KEYS = (
    *("resourceType", "issue", "severity", "code", "details", "coding", "system", "text"),
    *("diagnostics", "expression", "display"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            below,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.integers(-5, 700), JSON, JSON, JSON)
def test_no_body_does_harm(status: int, body: Any, issue: Any, part: Any) -> None:
    """Whatever a peer answers, there is a refusal to show; issues are read or refused."""
    bodies = (
        {"resourceType": "OperationOutcome", "issue": [issue]},
        outcome("invalid", details=part, expression=part),
        {"resourceType": "OperationOutcome", "issue": [{"code": part, "diagnostics": part}]},
        body if isinstance(body, dict) else {"issue": body},
    )

    for each in bodies:
        found = read_refusal(status, each, "NCP-A")
        assert isinstance(found, ExchangeError)
        with suppress(DecodeError):
            read_issues(each, "body")
