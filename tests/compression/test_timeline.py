"""The closed form of runs is the loop over instances, and no rate is worse than a slower one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compression.timeline import Run, readable_seconds, total_seconds
from gateway.domain.delivery import LinkProfile

RUNS = st.lists(
    st.builds(
        Run,
        st.integers(1, 30),
        st.integers(0, 10**6),
        st.floats(0, 2),
        st.floats(0, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(runs=RUNS, workers=st.integers(1, 4), rate=st.floats(1e4, 1e10))
def test_runs_are_as_their_instances(runs: list[Run], workers: int, rate: float) -> None:
    link = LinkProfile(bits_per_second=rate)
    one_by_one = list(readable_seconds(runs, link, workers))
    assert one_by_one[-1] == pytest.approx(total_seconds(runs, link, workers))
    assert one_by_one == sorted(one_by_one)


@given(runs=RUNS, rate=st.floats(1e4, 1e9), more=st.floats(1, 100))
def test_a_faster_link_is_never_later(runs: list[Run], rate: float, more: float) -> None:
    slow, fast = LinkProfile(bits_per_second=rate), LinkProfile(bits_per_second=rate * more)
    assert total_seconds(runs, fast, 2) <= total_seconds(runs, slow, 2) * (1 + 1e-12)


def test_the_slowest_of_the_three_decides() -> None:
    link = LinkProfile(bits_per_second=8e6, round_trip_seconds=0.0)
    assert total_seconds([Run(10, 10**6)], link, 1) == pytest.approx(10)
    assert total_seconds([Run(10, 10**6, 4.0)], link, 2) == pytest.approx(4 + 9 * 2 + 1)
    assert total_seconds([Run(10, 10**6, 0.0, 3.0)], link, 1) == pytest.approx(1 + 30)
