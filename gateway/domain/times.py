"""Moments as the standards write them: a time and how precisely it is known.

XDS (DTM), HL7 v3 (TS) and DICOM (DA, TM) all write `YYYY[MM[DD[hh[mm[ss[.f]]]]]][±ZZZZ]` and all
allow the tail to be missing. A `Timestamp` keeps both the start of the interval and its
precision, so that what a peer left open is not invented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Self

_DTM = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d{2})(?:(?P<day>\d{2})(?:(?P<hour>\d{2})"
    r"(?:(?P<minute>\d{2})(?:(?P<second>\d{2})(?:\.\d{1,6})?)?)?)?)?)?"
    r"(?P<zone>[+-]\d{4})?"
)


class InvalidTime(ValueError):
    """A text that is not a moment: says what was found and what was expected."""

    def __init__(self, found: str) -> None:
        super().__init__(f"found {found[:40]!r}, expected YYYY[MM[DD[hh[mm[ss]]]]][±ZZZZ]")
        self.found = found[:40]
        self.expected = "YYYY[MM[DD[hh[mm[ss]]]]][±ZZZZ]"


class Precision(IntEnum):
    """How much of a moment is known; the value is the number of digits that say so."""

    YEAR = 4
    MONTH = 6
    DAY = 8
    HOUR = 10
    MINUTE = 12
    SECOND = 14


_PLAIN = {each.value: each for each in (Precision.DAY, Precision.MINUTE, Precision.SECOND)}


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment in UTC, and how precisely it is known. `at` is the start of the interval."""

    at: datetime
    precision: Precision = Precision.SECOND

    def __post_init__(self) -> None:
        if self.at.tzinfo is not UTC:
            object.__setattr__(self, "at", self.at.astimezone(UTC))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a DTM or TS; without a zone it is UTC (ITI TF-3 4.2.3.1.7), fractions are cut."""
        precision = _PLAIN.get(len(text))
        if precision is not None and text.isascii() and text.isdigit():
            return cls._of_digits(text, precision)
        match = _DTM.fullmatch(text.strip())
        if match is None:
            raise InvalidTime(text)
        fields = [match[name] for name in ("year", "month", "day", "hour", "minute", "second")]
        known = [int(field) for field in fields if field is not None]
        digits = 4 + 2 * (len(known) - 1)
        zone = match["zone"]
        offset = timedelta()
        if zone:
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
            offset = -offset if zone[0] == "-" else offset
        year, month, day, hour, minute, second = known + [1, 1, 1, 0, 0, 0][len(known) :]
        try:
            at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
            return cls(at.astimezone(UTC), Precision(digits))
        except (ValueError, OverflowError):
            raise InvalidTime(text) from None

    @classmethod
    def _of_digits(cls, text: str, precision: Precision) -> Self:
        # The forms of nearly every moment in a list, read three times an entry.
        try:
            at = datetime(
                int(text[:4]),
                int(text[4:6]),
                int(text[6:8]),
                int(text[8:10] or 0),
                int(text[10:12] or 0),
                int(text[12:] or 0),
                tzinfo=UTC,
            )
        except ValueError:
            raise InvalidTime(text) from None
        return cls(at, precision)

    @property
    def dtm(self) -> str:
        """The moment as an XDS DTM in UTC, with the digits that are known."""
        return self.at.strftime("%Y%m%d%H%M%S").zfill(14)[: self.precision]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """A half-open interval, `start` ≤ moment < `end`; a missing bound does not limit."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the range limits nothing."""
        return self.start is None and self.end is None

    def contains(self, moment: Timestamp | None) -> bool:
        """Whether the moment lies inside; an unknown one is not excluded (ITI TF-2 3.18)."""
        if moment is None:
            return True
        return (self.start is None or moment.at >= self.start) and (
            self.end is None or moment.at < self.end
        )
