"""A search as a value, applied to studies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import StudyQuery, Uid
from gateway.wire.dicom.qido_attributes import SERIES_UID, SOP_UID, STUDY_UID, Level
from gateway.wire.dicom.qido_conditions import Valued
from gateway.wire.dicom.qido_matching import Literal
from gateway.wire.dicom.qido_search import DecodedSearch, Found, find, matches
from tests.builders import COUNTRY_A, make_manifest

STUDY = make_manifest()
OTHER = replace(STUDY, study=Uid("2.999.11"), series=STUDY.series[:1])
QUERY = StudyQuery(community=COUNTRY_A)


def is_one(level: Level, tag: int, uid: str) -> Valued:
    """The condition that an object has a UID."""
    return Valued(level=level, paths=((tag,),), match=Literal((uid,)))


def test_everything_is_found_where_nothing_is_asked() -> None:
    """At every level, in the order it is held."""
    found = {
        level: list(find(DecodedSearch(level=level, query=QUERY), [STUDY, OTHER]))
        for level in Level
    }

    assert found[Level.STUDY] == [Found(manifest=STUDY), Found(manifest=OTHER)]
    assert [one.series for one in found[Level.SERIES]] == [*STUDY.series, *OTHER.series]
    assert len(found[Level.INSTANCE]) == STUDY.instance_count + OTHER.instance_count


def test_the_query_of_a_store_is_applied_again() -> None:
    """A store may give more than it was asked for."""
    search = DecodedSearch(level=Level.STUDY, query=replace(QUERY, studies=(OTHER.study,)))

    assert list(find(search, [STUDY, OTHER])) == [Found(manifest=OTHER)]
    assert not matches(search, STUDY)


@pytest.mark.parametrize("level", Level)
def test_conditions_of_every_level_meet_in_one_instance(level: Level) -> None:
    """An instance that is asked for lies in the series that is asked for."""
    series, instance = STUDY.series[1], STUDY.series[1].instances[2]
    met = (
        is_one(Level.STUDY, STUDY_UID, STUDY.study),
        is_one(Level.SERIES, SERIES_UID, series.uid),
        is_one(Level.INSTANCE, SOP_UID, instance.uid),
    )
    elsewhere = (met[0], is_one(Level.SERIES, SERIES_UID, STUDY.series[0].uid), met[2])

    search = DecodedSearch(level=level, query=QUERY, conditions=met)
    crossed = DecodedSearch(level=level, query=QUERY, conditions=elsewhere)

    assert len(list(find(search, [STUDY, OTHER]))) == 1
    assert list(find(crossed, [STUDY, OTHER])) == []


@pytest.mark.parametrize("level", Level)
def test_what_is_found_matches_and_nothing_else(level: Level) -> None:
    """`matches` says of one what `find` says of all."""
    search = DecodedSearch(
        level=level,
        query=QUERY,
        conditions=(is_one(Level.INSTANCE, SOP_UID, STUDY.series[1].instances[0].uid),),
    )
    everything = find(DecodedSearch(level=level, query=QUERY), [STUDY, OTHER])

    chosen = [one for one in everything if matches(search, one.manifest, one.series, one.instance)]

    assert chosen == list(find(search, [STUDY, OTHER]))
    assert len(chosen) == 1


def test_the_series_of_the_path_is_the_only_one() -> None:
    """Of instances within it, and when one of another series is asked about."""
    first, second = STUDY.series[:2]
    search = DecodedSearch(level=Level.INSTANCE, query=QUERY, study=STUDY.study, series=second.uid)

    assert {one.series for one in find(search, [STUDY])} == {second}
    assert not matches(search, STUDY, first, first.instances[0])
