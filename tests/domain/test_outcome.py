"""Partial success is a value."""

from __future__ import annotations

from gateway.domain import Issue, Outcome, Refusal, Severity

LOST = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="gone", subject="2.999.1")
TOLD = Issue(refusal=Refusal.NO_DOCUMENTS, text="none", severity=Severity.WARNING)


def test_an_answer_is_partial_when_something_is_there_and_something_is_lost() -> None:
    """A warning takes nothing away."""
    assert Outcome((1,), (LOST, TOLD)).is_partial
    assert not Outcome((1,), (TOLD,)).is_partial
    assert not Outcome((), (LOST,)).is_partial
    assert Outcome((), (LOST, TOLD)).errors == (LOST,)
