"""Dates and times of a study between DICOM and FHIR: a day, a clock and an offset, or one text.

DICOM keeps a date and a time apart, with one offset from UTC for the whole document, to the
microsecond. A FHIR dateTime holds all of it at once, and no time without its offset; where that is
not known the day alone is written (`elements` has moments in UTC, to the second). Clauses: FHIR
R4 datatypes.html#dateTime; DICOM PS3.3 C.12.1.1.8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

_DATETIME: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,20}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_PARTIAL: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2})?")
_EXPECTED: Final = "YYYY[-MM[-DD[Thh:mm[:ss[.f]][Z|±hh:mm]]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A day and a clock as they were at a place; `offset` is None where no zone was written.

    `zulu` tells the zone `Z`, by which a writer may also say that it knows no other.
    """

    day: date | None = None
    clock: time | None = None
    offset: int | None = None
    zulu: bool = False

    @property
    def moment(self) -> datetime | None:
        """The instant; None without a day or a clock, UTC without an offset."""
        if self.day is None or self.clock is None:
            return None
        return datetime.combine(self.day, self.clock, zone_of(self.offset))

    def at_offset(self, offset: int | None) -> Local:
        """The same instant elsewhere; itself where either offset is unknown or nothing moves."""
        if self.moment is None or self.offset is None or offset in (None, self.offset):
            return self
        try:
            moved = self.moment.astimezone(zone_of(offset))
        except OverflowError:
            return self
        return Local(day=moved.date(), clock=moved.time(), offset=offset)


def zone_of(offset: int | None) -> timezone:
    """The zone of an offset in minutes, UTC of None."""
    return timezone(timedelta(minutes=offset)) if offset else UTC


def write_local(day: date | None, clock: time | None, offset: int | None) -> str:
    """A dateTime: with its clock where there is one and an offset; "" without a day."""
    if day is None:
        return ""
    if clock is None or offset is None:
        return day.isoformat()
    return f"{day.isoformat()}T{clock.isoformat()}{_written_offset(offset)}"


def write_moment(at: datetime, offset: int | None) -> str:
    """An instant at an offset; with `Z` when none is known, which `+00:00` does not say."""
    if offset is None:
        return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    try:
        there = at.astimezone(zone_of(offset))
    except OverflowError:
        there = at
        offset = 0
    return f"{there.replace(tzinfo=None).isoformat()}{_written_offset(offset)}"


def _written_offset(offset: int) -> str:
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def read_local(text: str, where: str) -> Local:
    """A date, dateTime or instant as written; a date that is not of a day says nothing.

    Raises `DecodeError` for what is none.
    """
    if not text or _PARTIAL.fullmatch(text):
        return Local()
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise _no_time(text, where)
    try:
        day = date.fromisoformat(match["day"])
        if match["hour"] is None:
            return Local(day=day)
        # A leap second is written as 60; Python has no such time.
        clock = time(
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"] or 0), 59),
            int((match["fraction"] or "").ljust(6, "0")[:6]),
        )
        offset = _read_offset(match["zone"])
        zone_of(offset)
    except ValueError:
        raise _no_time(text, where) from None
    return Local(day=day, clock=clock, offset=offset, zulu=match["zone"] == "Z")


def _read_offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return -minutes if zone[0] == "-" else minutes


def _no_time(text: str, where: str) -> DecodeError:
    return DecodeError(where, quoted(text[:40]), _EXPECTED, "FHIR R4 dateTime")
