"""Conditions beside a query of studies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import ManifestPatient
from gateway.wire.dicom.qido_attributes import Level, study_object
from gateway.wire.dicom.qido_conditions import Begun, Identified, Valued
from gateway.wire.dicom.qido_matching import Like, Literal
from tests.builders import make_manifest

STUDY = make_manifest()  # on 1 March 2026 at nine


@pytest.mark.parametrize(
    ("low", "high", "held"),
    [
        ("20260301090000.000000", "", True),
        ("20260301090000.000001", "", False),
        ("", "20260301090000.000000", True),
        ("", "20260301085959.999999", False),
        ("20260228235959.999999", "20260302000000.000000", True),
        ("", "", True),
    ],
)
def test_a_study_begins_at_one_moment(low: str, high: str, held: bool) -> None:
    """Both bounds belong to the range."""
    assert Begun(low=low, high=high).holds(study_object(STUDY)) is held


def test_a_day_alone_begins_at_midnight_and_no_day_is_in_no_range() -> None:
    """As a study without time is dated everywhere here."""
    dated = study_object(replace(STUDY, study_time=None))
    undated = study_object(replace(STUDY, study_date=None))

    assert Begun(low="20260301000000.000000", high="20260301000000.000000").holds(dated)
    assert not Begun(low="", high="").holds(undated)


@pytest.mark.parametrize(
    ("value", "authority", "held"),
    [
        (Literal(("A-0001",)), None, True),
        (Like(("A-*",)), Literal(("2.999.1.2",)), True),
        (Like(("NAT*",)), Literal(("2.999.1.3",)), True),
        (Like(("NAT*",)), Literal(("2.999.1.2",)), False),
        (None, Literal(("2.999.1.3",)), True),
        (None, Literal(("2.999.1.4",)), False),
        (Literal(("A-0002",)), None, False),
    ],
)
def test_a_number_and_its_authority_belong_together(
    value: Literal | Like | None, authority: Literal | None, held: bool
) -> None:
    """A number of one authority and the authority of another number name nobody."""
    assert Identified(value=value, authority=authority).holds(study_object(STUDY)) is held


def test_a_number_without_authority_stands_alone() -> None:
    """It is of none that could be asked for."""
    bare = study_object(replace(STUDY, patient=ManifestPatient(bare_id="77")))

    assert Identified(value=Literal(("77",)), authority=None).holds(bare)
    assert not Identified(value=Literal(("77",)), authority=Literal(("2.999.1.2",))).holds(bare)


def test_values_may_stand_in_several_places() -> None:
    """An accession number is in the header, or in the requests where there are several."""
    condition = Valued(
        level=Level.STUDY,
        paths=((0x00080050,), (0x0040A370, 0x00080050)),
        match=Literal(("ACC-1",)),
    )

    assert condition.holds(study_object(STUDY))
    assert condition.holds(study_object(replace(STUDY, accession="")))
    assert not condition.holds(study_object(replace(STUDY, accession="", requests=())))
