"""The tables of manifest codes are complete and do not collide."""

from __future__ import annotations

import pytest

from gateway.domain import Uid
from gateway.wire.dicom.kos_codes import (
    BALLOT,
    CONCEPT_OF_VALUE,
    FINAL,
    FORM_OF_TITLE,
    TRIAL,
    Concept,
    value_type,
)


@pytest.mark.parametrize("table", [FINAL, TRIAL, BALLOT])
def test_every_generation_has_a_code_for_every_concept(table: dict[Concept, str]) -> None:
    """None is missing and none is used twice."""
    assert set(table) == set(Concept)
    assert len(set(table.values())) == len(Concept)
    assert table[Concept.TITLE] in FORM_OF_TITLE


def test_values_of_all_generations_are_told_apart() -> None:
    """A reader may go by the value alone."""
    assert len(CONCEPT_OF_VALUE) == 3 * len(Concept)


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.1.2", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "WAVEFORM"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "COMPOSITE"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "COMPOSITE"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "COMPOSITE"),
        ("2.999.1", "COMPOSITE"),
    ],
)
def test_value_type_follows_the_class(sop_class: str, kind: str) -> None:
    """Images and waveforms are named as such, all else is composite."""
    assert value_type(Uid(sop_class)) == kind
