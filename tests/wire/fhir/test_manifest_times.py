"""Days, clocks and offsets go into one dateTime and come out of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fhir.manifest_times import Local, read_local, write_local, write_moment
from gateway.wire.problems import DecodeError

DAY, CLOCK = date(2026, 3, 1), time(9, 30, 1, 250000)
offsets = st.integers(-12 * 60, 14 * 60)


@given(st.dates(), st.times(), offsets)
def test_a_day_and_its_clock_go_there_and_back(day: date, clock: time, offset: int) -> None:
    """To the microsecond, at every offset."""
    written = write_local(day, clock, offset)

    read = read_local(written, "started")

    assert (read.day, read.clock, read.offset, read.zulu) == (day, clock, offset, False)


@pytest.mark.parametrize(
    ("day", "clock", "offset", "written"),
    [
        (DAY, CLOCK, 60, "2026-03-01T09:30:01.250000+01:00"),
        (DAY, time(9), -330, "2026-03-01T09:00:00-05:30"),
        (DAY, CLOCK, None, "2026-03-01"),
        (DAY, None, 60, "2026-03-01"),
        (None, CLOCK, 60, ""),
        (date(12, 1, 1), None, None, "0012-01-01"),
    ],
)
def test_no_time_is_written_without_its_day_and_its_offset(
    day: date | None, clock: time | None, offset: int | None, written: str
) -> None:
    """FHIR has no times of an unknown zone."""
    assert write_local(day, clock, offset) == written


@given(st.datetimes(timezones=st.just(UTC)), st.none() | offsets)
def test_a_moment_stays_the_same_wherever_it_is_written(at: datetime, offset: int | None) -> None:
    """`Z` says that no offset is known, `+00:00` that it is none."""
    read = read_local(write_moment(at, offset), "date")

    assert read.moment == at
    assert read.zulu == (offset is None)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026", Local()),
        ("2026-03", Local()),
        ("", Local()),
        ("2026-03-01", Local(day=DAY)),
        ("2026-03-01T09:30", Local(day=DAY, clock=time(9, 30))),
        ("2026-03-01T09:30:60Z", Local(day=DAY, clock=time(9, 30, 59), offset=0, zulu=True)),
        ("2026-03-01T09:30:01.2500009-00:30", Local(day=DAY, clock=CLOCK, offset=-30)),
    ],
)
def test_times_are_read_as_peers_write_them(text: str, read: Local) -> None:
    """Partial ones say nothing of a day, leap seconds are the last second."""
    assert read_local(text, "started") == read


@pytest.mark.parametrize(
    "text", ["now", "2026-13-01", "2026-03-01T25:00:00Z", "2026-03-01T09:00:00+99:99", "01.03.2026"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """With its place."""
    with pytest.raises(DecodeError, match="started"):
        read_local(text, "started")


def test_a_local_time_moves_to_another_offset() -> None:
    """Over midnight too; it stays where an offset is unknown or the calendar ends."""
    late = Local(day=DAY, clock=time(23, 30), offset=0)
    last = Local(day=date.max, clock=time(23, 30), offset=0)

    assert late.at_offset(60) == Local(day=date(2026, 3, 2), clock=time(0, 30), offset=60)
    assert late.at_offset(None) is late
    assert Local(day=DAY).at_offset(60) == Local(day=DAY)
    assert last.at_offset(60) is last
    assert late.moment == datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta()))
