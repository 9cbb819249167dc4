"""The closed form of runs is the loop over instances, and no rate is worse than a slower one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compression.timeline import Processors, Run, readable_seconds, total_seconds
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


PROCESSORS = st.builds(
    Processors, st.integers(1, 4), st.integers(1, 8), st.booleans(), st.sampled_from([0.0, 0.1])
)


@given(runs=RUNS, processors=PROCESSORS, rate=st.floats(1e4, 1e10))
def test_runs_are_as_their_instances(runs: list[Run], processors: Processors, rate: float) -> None:
    link = LinkProfile(bits_per_second=rate)
    one_by_one = list(readable_seconds(runs, link, processors))
    assert one_by_one[-1] == pytest.approx(total_seconds(runs, link, processors))
    assert one_by_one == sorted(one_by_one)


@given(runs=RUNS, processors=PROCESSORS, rate=st.floats(1e4, 1e9), more=st.floats(1, 100))
def test_a_faster_link_is_never_later(
    runs: list[Run], processors: Processors, rate: float, more: float
) -> None:
    slow, fast = LinkProfile(bits_per_second=rate), LinkProfile(bits_per_second=rate * more)
    assert total_seconds(runs, fast, processors) <= (
        total_seconds(runs, slow, processors) * (1 + 1e-12)
    )


def test_the_slowest_of_the_three_decides() -> None:
    link = LinkProfile(bits_per_second=8e6, round_trip_seconds=0.0)
    one, two = Processors(1, 1), Processors(2, 2)
    assert total_seconds([Run(10, 10**6)], link, one) == pytest.approx(10)
    assert total_seconds([Run(10, 10**6, 4.0)], link, two) == pytest.approx(4 + 9 * 2 + 1)
    assert total_seconds([Run(10, 10**6, 0.0, 3.0)], link, one) == pytest.approx(1 + 30)


def test_who_decodes_on_the_same_cores_holds_up_what_is_coded() -> None:
    link = LinkProfile(bits_per_second=8e9, round_trip_seconds=0.0)
    runs = [Run(100, 1000, 2.0, 1.0)]
    alone = total_seconds(runs, link, Processors(2, 2))
    assert alone == pytest.approx(2 + 99 * 1 + 1, rel=1e-3)
    together = total_seconds(runs, link, Processors(2, 2, shared=True))
    assert together == pytest.approx(2 + 99 * 1.5 + 1, rel=1e-3)
    assert total_seconds(runs, link, Processors(2, 8, shared=True)) == alone


def test_sending_takes_the_cores_that_code() -> None:
    link = LinkProfile(bits_per_second=8e9, round_trip_seconds=0.0)
    runs = [Run(100, 1000, 2.0)]
    seconds = total_seconds(runs, link, Processors(2, 2, handling_seconds=0.5))
    assert seconds == pytest.approx(2 + 99 * 1.25, rel=1e-3)
    assert total_seconds(runs, link, Processors(2, 4, handling_seconds=0.5)) == (
        total_seconds(runs, link, Processors(2, 4))
    )
