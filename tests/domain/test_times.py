"""Moments keep what is known of them and invent nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain import InvalidTime, Precision, TimeRange, Timestamp


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2024", Precision.YEAR),
        ("202403", Precision.MONTH),
        ("20240305", Precision.DAY),
        ("2024030517", Precision.HOUR),
        ("202403051742", Precision.MINUTE),
        ("20240305174211", Precision.SECOND),
    ],
)
def test_a_partial_time_keeps_its_precision(text: str, precision: Precision) -> None:
    """The digits that were not given are not written again."""
    moment = Timestamp.parse(text)
    assert moment.precision is precision
    assert moment.dtm == text


def test_a_zone_is_turned_into_utc_and_a_fraction_cut() -> None:
    """HL7 v3 writes both; XDS has neither."""
    assert Timestamp.parse("20240305174211.123+0130").dtm == "20240305161211"
    assert Timestamp.parse("20240305174211-0500").dtm == "20240305224211"


@pytest.mark.parametrize("text", ["", "24", "2024-03-05", "20241301", "20240230", "0000", "x" * 99])
def test_what_is_no_time_is_rejected(text: str) -> None:
    """Dates that do not exist are not moved to ones that do."""
    with pytest.raises(InvalidTime):
        Timestamp.parse(text)


def test_a_range_holds_its_start_and_not_its_end() -> None:
    """From ≤ value < To (ITI TF-2 3.18.4.1.2.3.7.1)."""
    bounds = TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 1, tzinfo=UTC))
    assert bounds.contains(Timestamp.parse("2024"))
    assert not bounds.contains(Timestamp.parse("2025"))
    assert not bounds.contains(Timestamp.parse("20231231235959"))


def test_an_unknown_time_is_not_excluded() -> None:
    """An entry without the attribute stays in."""
    assert TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC)).contains(None)
