"""Statuses and error lists: what peers write there, and what it is taken for."""

from __future__ import annotations

import pytest

from gateway.domain import ExchangeError, Issue, Outcome, Refusal, Severity, Transaction
from gateway.wire.soap import registry_errors
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.registry_errors import judge, read_issues, status_of, write_error_list
from gateway.wire.xml import RS, Element, parse_xml
from tests.builders import COUNTRY_A

ERROR = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="gone", code="XDSMissingDocument")
WARNING = Issue(refusal=Refusal.NO_DOCUMENTS, text="none", severity=Severity.WARNING, code="1104")
FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"


def response(*errors: str) -> Element:
    """A RegistryResponse with raw RegistryError attributes."""
    rows = "".join(f"<RegistryError {each}/>" for each in errors)
    return parse_xml(
        f'<RegistryResponse xmlns="{RS}"><RegistryErrorList>{rows}</RegistryErrorList>'
        "</RegistryResponse>".encode()
    )


@pytest.mark.parametrize(
    ("location", "context", "subject", "text"),
    [
        ("urn:oid:2.999.1", "2.999.1.4.1: not found", "2.999.1.4.1", "not found"),
        ("urn:oid:2.999.1", "1.2.3.4.5.1.2 not found", "1.2.3.4.5.1.2", "1.2.3.4.5.1.2 not found"),
        ("1.2.3.4.5.1.2", "not found", "1.2.3.4.5.1.2", "not found"),
        ("", "2.999.1.4^PS.XML: gone", "2.999.1.4^PS.XML", "gone"),
        ("", "9.1.0 is our version", "", "9.1.0 is our version"),
        ("java.lang.Exception at org.example", "oops", "", "oops"),
        ("", "", "", ""),
        ("", "2.999.1.4.1:", "2.999.1.4.1", "2.999.1.4.1:"),
    ],
)
def test_what_an_error_is_about_is_found(
    location: str, context: str, subject: str, text: str
) -> None:
    """Document ids stand in the text or the location; communities and stack traces are none."""
    root = response(f'errorCode="XDSRepositoryError" codeContext="{context}" location="{location}"')

    (issue,) = read_issues(root, Transaction.RETRIEVE)

    assert (issue.subject, issue.text) == (subject, text)


def test_severities_are_read_by_their_last_word() -> None:
    """Error unless said otherwise."""
    root = response(
        'errorCode="a" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"',
        'errorCode="b" severity="urn:x:warning "',
        'errorCode="c"',
        'errorCode="d" severity="odd"',
    )

    severities = [issue.severity for issue in read_issues(root, Transaction.FIND)]

    assert severities == [Severity.WARNING] * 2 + [Severity.ERROR] * 2


def test_an_unknown_code_is_the_peers_fault_and_kept() -> None:
    """So that a person can look it up."""
    (issue,) = read_issues(response('errorCode="MyBigError"'), Transaction.FIND)

    assert (issue.refusal, issue.code) == (Refusal.PEER_MISBEHAVED, "MyBigError")


def test_the_number_of_issues_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer does not decide how long our list of remarks becomes."""
    monkeypatch.setattr(registry_errors, "MAX_ISSUES", 2)

    assert len(read_issues(response(*['errorCode="a"'] * 5), Transaction.FIND)) == 2


@pytest.mark.parametrize("status", [FAILURE, "urn:ihe:iti:2007:ResponseStatusType:Failure", ""])
def test_a_failure_that_brought_nothing_is_a_refusal(status: str) -> None:
    """Its reason is the first error, its text all of them."""
    second = Issue(refusal=Refusal.BUSY, text="later")

    with pytest.raises(ExchangeError) as refused:
        judge(status, (), (WARNING, ERROR, second))

    assert refused.value.refusal is Refusal.UNKNOWN_DOCUMENT
    assert refused.value.code == "XDSMissingDocument"
    assert refused.value.text == "gone; later"


def test_a_failure_without_a_reason_is_the_peers_fault() -> None:
    """Nothing says what went wrong."""
    with pytest.raises(ExchangeError) as refused:
        judge(FAILURE, (), ())

    assert refused.value.refusal is Refusal.PEER_MISBEHAVED


def test_a_failure_with_items_is_an_outcome_with_issues() -> None:
    """What came is shown."""
    assert judge(FAILURE, ("row",), (ERROR,)) == Outcome(("row",), (ERROR,))


def test_a_success_with_errors_and_nothing_else_is_an_outcome() -> None:
    """The peer says it did not fail, and the errors are beside the emptiness."""
    assert judge("x:Success", (), (ERROR,)) == Outcome((), (ERROR,))


def test_an_empty_list_of_issues_is_not_written() -> None:
    """The schema has no empty list."""
    listed = write_error_list(
        (), transaction=Transaction.FIND, responder=COUNTRY_A, style=ErrorStyle.IHE
    )

    assert listed == ""
    assert status_of(False, ()).endswith(":Success")


def test_error_texts_may_repeat_anything_and_are_cut() -> None:
    """They quote what a peer sent; the answer must go out all the same."""
    issue = Issue(refusal=Refusal.INTERNAL, text="\x00\ufffe<\"'&" + "x" * 5_000)
    listed = write_error_list(
        (issue,), transaction=Transaction.FIND, responder=COUNTRY_A, style=ErrorStyle.EHDSI
    )
    root = parse_xml(f'<a xmlns:rs="{RS}">{listed}</a>'.encode())

    context = root[0][0].get("codeContext") or ""
    assert context.startswith("\ufffd\ufffd<\"'&")
    assert len(context) == registry_errors.MAX_TEXT + 1
