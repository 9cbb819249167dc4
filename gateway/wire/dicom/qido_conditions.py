"""Conditions of a search that a `StudyQuery` cannot say, each a value asked about one study.

Not read from bytes here (`qido_query`) and not put together (`qido_search`). A condition sees the
DICOM JSON object of the level it is about, with all that is held of it (`qido_attributes`).
Clauses: DICOM PS3.4 C.2.2.2 (matching), C.2.2.2.5 (combined date and time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.qido_attributes import Json, Level, Path
from gateway.wire.dicom.qido_matching import Match, padded

MIDNIGHT = "000000.000000"
LAST_MOMENT = "235959.999999"


class Condition(Protocol):
    """Something a study, a series or an instance has to meet."""

    @property
    def level(self) -> Level:
        """What it is about."""
        ...

    def holds(self, found: Json) -> bool:
        """Whether the object of that level, with all that is held of it, meets it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """The values of an attribute meet a match; `paths` are all the places that have them."""

    level: Level
    paths: tuple[Path, ...]
    match: Match

    def holds(self, found: Json) -> bool:
        """See `Condition`."""
        return self.match.fits(
            [value for path in self.paths for value in held.values_at(found, path)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A study begins in a range of moments of its own clock, at midnight where it has no time.

    Bounds are YYYYMMDDHHMMSS.FFFFFF, both included; "" does not limit.
    """

    low: str
    high: str

    @property
    def level(self) -> Level:
        """See `Condition`."""
        return Level.STUDY

    def holds(self, found: Json) -> bool:
        """See `Condition`."""
        days = held.values_at(found, (held.STUDY_DATE,))
        times = held.values_at(found, (held.STUDY_TIME,))
        if not days:
            return False
        moment = days[0] + (padded(times[0], "0") if times else MIDNIGHT)
        return (not self.low or moment >= self.low) and (not self.high or moment <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """One identifier of the patient meets a match, and its authority another."""

    value: Match | None
    authority: Match | None

    @property
    def level(self) -> Level:
        """See `Condition`."""
        return Level.STUDY

    def holds(self, found: Json) -> bool:
        """See `Condition`."""
        # Those of one item belong together; a number without authority stands alone.
        items = held.values_at(found, (held.OTHER_PATIENT_IDS,)) or (found,)
        return any(
            (self.value is None or self.value.fits(held.values_at(item, (held.PATIENT_ID,))))
            and (
                self.authority is None
                or self.authority.fits(held.values_at(item, (held.PATIENT_ID_ISSUER,)))
            )
            for item in items
        )
