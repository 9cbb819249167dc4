"""What is said of images that are not here or came otherwise than asked."""

from __future__ import annotations

from country_b.image_issues import NOT_YET, issue_of, other_syntax, unasked
from gateway.domain import NotFound, Refusal, Severity, Uid


def test_an_error_is_told_with_its_reason_and_subject() -> None:
    """Nothing of it is lost."""
    found = issue_of(NotFound(Refusal.UNKNOWN_INSTANCE, "not here", subject="1.2"))
    assert (found.refusal, found.text, found.subject) == (
        Refusal.UNKNOWN_INSTANCE,
        "not here",
        "1.2",
    )


def test_what_was_not_asked_for_is_a_warning_about_the_peer() -> None:
    """The images that were asked for are none the worse for it."""
    for issue in (unasked(Uid("1.2")), other_syntax("1.2", Uid("1.2.3"))):
        assert (issue.severity, issue.subject) == (Severity.WARNING, "1.2")
    assert NOT_YET.severity is Severity.ERROR
