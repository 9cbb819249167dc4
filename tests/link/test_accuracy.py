"""The link measures itself: known bytes, predicted and measured."""

from __future__ import annotations

import pytest

from gateway.link.accuracy import Measured, measure, table
from gateway.link.profiles import parse_profile


async def test_a_line_is_measured_both_ways() -> None:
    """Round trip and each direction; the ratio is near one, on a busy machine above it."""
    measured = await measure(parse_profile("80mbit/10ms"), seconds=0.1)

    assert [one.what for one in measured] == ["round trip", "up", "down"]
    assert [one.size for one in measured] == [0, 1_000_000, 1_000_000]
    for one in measured:
        assert one.ratio is not None
        assert one.predicted_seconds is not None
        assert one.ratio >= 0.8
        assert one.measured_seconds <= 2.0 * one.predicted_seconds + 10.0


async def test_where_no_rate_is_set_none_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine decides, and the table says so."""
    monkeypatch.setattr("gateway.link.accuracy.FREE_BYTES", 1_000_000)

    measured = await measure(parse_profile("unshaped"))

    assert [one.predicted_seconds for one in measured] == [None, None, None]
    assert [one.ratio for one in measured] == [None, None, None]
    assert "Mbit/s" in list(table(measured))[2]


def test_the_table_has_a_line_each() -> None:
    """Name, bytes, seconds, ratio, rate."""
    one = Measured(
        profile="8mbit", what="up", size=1_000_000, predicted_seconds=1.0, measured_seconds=1.02
    )

    head, line = table([one])

    assert head.split() == ["profile", "what", "bytes", "predicted", "measured", "ratio"]
    assert line.split() == [
        "8mbit", "up", "1000000", "1.0000", "s", "1.0200", "s", "1.020", "7.8", "Mbit/s"
    ]  # fmt: skip
