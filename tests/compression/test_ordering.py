"""What is sent first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.compression.ordering import coarse_to_fine, first_lot, rest_of, series_order
from gateway.domain.delivery import ReadingPurpose
from tests.compression.plan_studies import NOTE_CLASS, study


@given(count=st.integers(0, 300))
def test_coarse_to_fine_is_everything_once(count: int) -> None:
    assert sorted(coarse_to_fine(count)) == list(range(count))


def test_the_middle_is_second() -> None:
    assert list(coarse_to_fine(8)) == [0, 4, 2, 6, 1, 5, 3, 7]


def test_notes_and_keys_are_a_lot_of_their_own() -> None:
    facts = study("ct", keys=2, count=4)[0]
    note = study("sr", count=1)[0]
    note = replace(note, instances=(replace(note.instances[0], sop_class=NOTE_CLASS),))
    notes, keys = first_lot([facts, note])
    assert [one for _, one in notes] == list(note.instances)
    assert [one for _, one in keys] == list(facts.instances[2:])
    assert rest_of(facts, ReadingPurpose.REFERENCE) == list(facts.instances[:2])


def test_scouts_come_before_other_series() -> None:
    facts, scout = study("ct", count=2)[0], study("ct", count=1, number=1)[0]
    pixels = replace(
        scout.instances[0].pixels or facts.instances[0].pixels,  # type: ignore[type-var]
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
    )
    scout = replace(scout, instances=(replace(scout.instances[0], pixels=pixels),))
    assert series_order([facts, scout]) == [1, 0]
