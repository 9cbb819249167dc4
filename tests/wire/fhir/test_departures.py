"""Departures are kept once each, and not without end."""

from __future__ import annotations

from gateway.domain import Severity
from gateway.wire.fhir.departures import MAX_ISSUES, Departures


def test_the_same_departure_is_told_once() -> None:
    """In the order they were met, as warnings."""
    departures = Departures()
    for subject in ("a", "b", "a"):
        departures.add("odd", subject)

    assert [issue.subject for issue in departures.issues] == ["a", "b"]
    assert {issue.severity for issue in departures.issues} == {Severity.WARNING}


def test_departures_are_limited_in_number_and_length() -> None:
    """A peer that is wrong everywhere is not given a report of its own size."""
    departures = Departures()
    for number in range(MAX_ISSUES + 10):
        departures.add("odd", f"{number}" * 5000)

    assert len(departures.issues) == MAX_ISSUES
    assert all(len(issue.subject) <= 200 for issue in departures.issues)
