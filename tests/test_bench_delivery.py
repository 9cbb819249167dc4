"""The arithmetic of the delivery bench, and that its rows are made of what was measured."""

from __future__ import annotations

import pytest

from bench import __main__ as bench
from bench.delivery_codecs import CODINGS, KEY_BOUND
from bench.delivery_link import profile_at
from bench.delivery_oracle import Cost, best_seconds, floor, least_seconds, off, seconds_of, total
from gateway.domain import LinkProfile

SMALL_SLOW = Cost(100_000, 2.0, 1.0)
LARGE_FAST = Cost(200_000, 0.01, 0.01)
LINK = LinkProfile(bits_per_second=8e6, round_trip_seconds=0.08)


def test_the_slower_of_link_and_cores_decides() -> None:
    assert least_seconds(LARGE_FAST, 8e6, 2) == pytest.approx(0.2)
    assert least_seconds(SMALL_SLOW, 8e6, 2) == pytest.approx(1.5)


def test_the_floor_changes_its_coding_with_the_link() -> None:
    costs = {"slow": SMALL_SLOW, "fast": LARGE_FAST}
    assert floor(costs, 8e6, 2) == ("fast", pytest.approx(0.2))
    assert floor(costs, 8e4, 2) == ("slow", pytest.approx(10.0))


def test_no_pipeline_beats_the_floor_and_the_oracle_beats_each_coding() -> None:
    series = [{"slow": [SMALL_SLOW] * 3, "fast": [LARGE_FAST] * 3} for _ in range(2)]
    for rate in (8e4, 8e5, 8e6, 8e7):
        link = LinkProfile(bits_per_second=rate, round_trip_seconds=0.08)
        names, oracle = best_seconds(series, link, 2)
        assert len(names) == 2
        for name in ("slow", "fast"):
            alone = seconds_of([one[name] for one in series], link, 2)
            of = total(cost for one in series for cost in one[name])
            assert alone >= least_seconds(of, rate, 2)
            assert oracle <= alone


def test_sending_holds_up_only_where_the_cores_have_no_time_for_it() -> None:
    for cost, waits in ((SMALL_SLOW, True), (LARGE_FAST, False)):
        handled = seconds_of([[cost] * 9], LINK, 2, handling_seconds=0.01)
        assert (handled > seconds_of([[cost] * 9], LINK, 2)) is waits


def test_a_series_waits_for_its_round_trip_and_its_bytes() -> None:
    seconds = seconds_of([[Cost(1_000_000, 0.0, 0.0)]], LINK, 2)
    assert seconds == pytest.approx(0.08 + 1.0)
    assert seconds_of([], LINK, 2) == 0


def test_how_far_a_prediction_is_off() -> None:
    assert off(110, 100) == pytest.approx(0.1)
    assert off(90, 100) == pytest.approx(0.1)
    assert off(1, 0) == 0


def test_a_line_has_half_a_round_trip_each_way() -> None:
    shape = profile_at(2).shape
    assert shape.round_trip_seconds == pytest.approx(0.08)
    assert shape.seconds_for(250_000) == pytest.approx(1.04)


def test_it_is_among_what_is_measured() -> None:
    assert "delivery" in bench.MODULES
    assert len(set(CODINGS.values())) == len(CODINGS)
    assert KEY_BOUND > 1
