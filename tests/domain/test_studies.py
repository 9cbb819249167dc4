"""A search for studies: what each filter finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from gateway.domain import (
    Code,
    Precision,
    ReferenceId,
    ReferenceKind,
    StudyQuery,
    TimeRange,
    Uid,
    is_asked_for,
    study_codes,
    study_references,
    study_start,
)
from gateway.domain.codes import DCM, SCT
from tests.builders import COUNTRY_A, make_manifest

STUDY = replace(
    make_manifest(),
    accession="ACC-1",
    accession_authority="2.999.5",
    modalities=(Code("CT", DCM),),
    regions=(Code("67734004", SCT),),
    study_date=date(2026, 3, 1),
    study_time=time(23, 30),
    offset_minutes=120,
)


def accession(value: str, authority: str = "") -> ReferenceId:
    """An accession number as it is searched for."""
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"studies": (STUDY.study,)}, True),
        ({"studies": (Uid("1.2.3"),)}, False),
        ({"studies": (Uid("1.2.3"), STUDY.study)}, True),
        ({"accessions": (accession("ACC-1"),)}, True),
        ({"accessions": (accession("ACC-1", "2.999.5"),)}, True),
        ({"accessions": (accession("ACC-1", "2.999.6"),)}, False),
        ({"accessions": (accession("ACC_1"),)}, False),
        ({"modalities": (Code("CT", ""),)}, True),
        ({"modalities": (Code("US", DCM),)}, False),
        ({"regions": (Code("67734004", SCT),)}, True),
        ({"regions": (Code("774007", SCT),)}, True),
        ({"regions": (Code("76752008", SCT),)}, False),
        ({"sop_classes": (STUDY.series[0].instances[0].sop_class,)}, True),
        ({"sop_classes": (Uid("1.2.3"),)}, False),
        ({"performed": TimeRange(start=datetime(2026, 3, 1, tzinfo=UTC))}, True),
        ({"performed": TimeRange(end=datetime(2026, 3, 1, 21, tzinfo=UTC))}, False),
        ({"modalities": (Code("CT", DCM),), "studies": (Uid("1.2.3"),)}, False),
    ],
)
def test_filters_find_what_they_say(query: dict[str, object], found: bool) -> None:
    """Alternatives within a filter, all filters together."""
    assert is_asked_for(StudyQuery(community=COUNTRY_A, **query), STUDY) is found  # type: ignore[arg-type]


def test_a_study_begins_where_its_clock_is() -> None:
    """The offset of the manifest counts, and a date alone stays a day."""
    start = study_start(STUDY)
    day = study_start(replace(STUDY, study_time=None, offset_minutes=None))

    assert start is not None
    assert start.at == datetime(2026, 3, 1, 21, 30, tzinfo=UTC)
    assert day is not None
    assert (day.at, day.precision) == (datetime(2026, 3, 1, tzinfo=UTC), Precision.DAY)
    assert study_start(replace(STUDY, study_date=None)) is None


def test_a_day_is_the_same_day_east_and_west() -> None:
    """Two hours east of Greenwich it began the day before in UTC, and is not dated so."""
    day = study_start(replace(STUDY, study_time=None))
    midnight = study_start(replace(STUDY, study_time=time()))

    assert day is not None
    assert midnight is not None
    assert day.dtm == "20260301"
    assert midnight.dtm == "20260228220000"


def test_modalities_and_accessions_are_told_once() -> None:
    """Those of the series too, and those of the requests."""
    assert study_codes(STUDY).count(Code("CT", DCM)) == 1
    assert study_references(STUDY)[0] == accession("ACC-1", "2.999.5")


def test_an_accession_number_no_reference_can_have_finds_nothing() -> None:
    """A header may have one with a circumflex, and a search for another must not fail for it."""
    study = replace(STUDY, accession="A^1", requests=())

    assert study_references(study) == ()
    assert not is_asked_for(StudyQuery(community=COUNTRY_A, accessions=(accession("A"),)), study)
