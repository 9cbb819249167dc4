"""What is sent first: notes, then key images, then series as the manifest has them.

Notes (key object selections) are small and say what to look at. A key image is one that an
accepting note points at; whoever makes the facts gives rejected ones no priority. Scouts come
before the other series, for they show what was imaged. Within a series images come coarse to fine:
every second one is there after half the time, so that a look through the whole body is possible
early. For reference nobody looks on, and images come in manifest order.

Guideline: Article 13 (key images should be flagged and separately fetchable).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gateway.compression.facts import InstanceFacts, SeriesFacts
from gateway.domain.delivery import ReadingPurpose

_KEY_OBJECTS: Final = "1.2.840.10008.5.1.4.1.1.88.59"
_SCOUTS: Final = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVEY"})

Placed = tuple[int, InstanceFacts]
"""An instance and the place of its series among the series asked for."""


def is_note(instance: InstanceFacts) -> bool:
    """Whether an instance is a key object selection."""
    return instance.sop_class == _KEY_OBJECTS


def is_scout(series: SeriesFacts) -> bool:
    """Whether every image of a series says that it is there to plan others (C.8.2.1.1.1)."""
    types = [one.pixels.image_type for one in series.instances if one.pixels]
    return bool(types) and all(_SCOUTS & {value.upper() for value in each} for each in types)


@lru_cache(maxsize=16)
def coarse_to_fine(count: int) -> tuple[int, ...]:
    """0 to count - 1 in bit-reversed order: the first, the middle one, the quarters, …"""
    bits = max(0, (count - 1).bit_length())
    places = (int(f"{number:0{bits}b}"[::-1], 2) if bits else 0 for number in range(1 << bits))
    return tuple(place for place in places if place < count)


def first_lot(series: Sequence[SeriesFacts]) -> tuple[list[Placed], list[Placed]]:
    """(notes, key images), each in manifest order."""
    placed = [(place, one) for place, each in enumerate(series) for one in each.instances]
    notes = [(place, one) for place, one in placed if is_note(one)]
    keys = [(place, one) for place, one in placed if one.key_image and not is_note(one)]
    return notes, keys


def series_order(series: Sequence[SeriesFacts]) -> list[int]:
    """The places of series in the order of sending: scouts first, else as they stand."""
    return sorted(range(len(series)), key=lambda place: not is_scout(series[place]))


def rest_of(series: SeriesFacts, purpose: ReadingPurpose) -> list[InstanceFacts]:
    """What a series has beside notes and key images, in the order of sending."""
    rest = [one for one in series.instances if not one.key_image and not is_note(one)]
    if purpose is ReadingPurpose.REFERENCE:
        return rest
    return [rest[place] for place in coarse_to_fine(len(rest))]
