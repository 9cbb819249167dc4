"""Few requests for what is wanted, key images first, nothing twice and nothing left out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Begun, ImageRequest, InstanceRef, ListedSeries, Oid, Uid
from gateway.wire.dicom.web import ImageScope, write_path
from gateway.wire.dicom.web_plan import MAX_ALONE, MAX_SERIES, plan_fetches
from tests.builders import COUNTRY_A

STUDY, PLACE = Uid("2.999.1"), Oid("2.999.20")


def refs(series: int, *numbers: int) -> list[tuple[InstanceRef, Oid]]:
    """Instances of a series."""
    uid = Uid(f"{STUDY}.{series}")
    return [
        (InstanceRef(study=STUDY, series=uid, instance=Uid(f"{uid}.{number}")), PLACE)
        for number in numbers
    ]


def asking(*wanted: tuple[InstanceRef, Oid], sizes: dict[int, int]) -> ImageRequest:
    """A request for instances of series of which so many are listed."""
    listed = {
        Uid(f"{STUDY}.{number}"): ListedSeries(size, "https://images.example/rs")
        for number, size in sizes.items()
    }
    return ImageRequest(community=COUNTRY_A, instances=tuple(wanted), series=listed)


def paths(request: ImageRequest) -> list[str]:
    """What is asked for, below the study."""
    whole = write_path(ImageScope(study=STUDY))
    return [write_path(each.scope).removeprefix(whole) for each in plan_fetches(request)]


def test_a_series_of_which_most_is_wanted_is_asked_for_whole() -> None:
    """Where its manifest says it is; few of many are asked for one by one."""
    most = asking(*refs(1, *range(6)), *refs(2, 1, 2), *refs(3, 1, 2), sizes={1: 10, 2: 500, 3: 2})

    found = plan_fetches(most)

    assert paths(most) == [
        f"/series/{STUDY}.1",
        f"/series/{STUDY}.2/instances/{STUDY}.2.1",
        f"/series/{STUDY}.2/instances/{STUDY}.2.2",
        f"/series/{STUDY}.3",
    ]
    assert found[0].wanted == tuple(ref for ref, _ in refs(1, *range(6)))
    assert (found[0].location, found[0].retrieve_url) == (PLACE, "https://images.example/rs")


def test_what_is_not_known_of_a_series_is_not_guessed() -> None:
    """It may be a thousand times what is wanted."""
    for count in (MAX_ALONE + 3, 3 * MAX_SERIES):
        unknown = asking(*refs(1, *range(count)), sizes={})

        assert len(paths(unknown)) == count


def test_key_images_come_first_and_alone() -> None:
    """Though the rest of their series follows as a whole."""
    key = refs(1, 7)
    request = asking(*key, *refs(1, *range(7)), sizes={1: 8})

    found = plan_fetches(replace(request, key_images=frozenset({key[0][0].instance})))

    assert found[0].scope == ImageScope.of(key[0][0])
    assert found[1].scope == ImageScope(study=STUDY, series=Uid(f"{STUDY}.1"))
    assert len(found[1].wanted) == 7


def test_a_study_of_many_series_is_asked_for_at_once() -> None:
    """If most of it is wanted, and all of it lies at one place."""
    many = range(1, MAX_SERIES + 3)
    wanted = [pair for number in many for pair in refs(number, 1)]
    sizes = dict.fromkeys(many, 1)
    moved = (wanted[-1][0], Oid("2.999.21"))

    assert paths(asking(*wanted, sizes=sizes)) == [""]
    assert len(paths(asking(*wanted, sizes=sizes | {99: 500}))) == len(wanted)
    assert len(paths(asking(*wanted[:-1], moved, sizes=sizes))) == len(wanted)


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), unique=True, max_size=60),
    st.sets(st.integers(0, 60)),
    st.dictionaries(st.integers(1, 12), st.integers(0, 20)),
)
def test_every_instance_is_wanted_of_exactly_one_request(
    wanted: list[tuple[int, int]], keys: set[int], sizes: dict[int, int]
) -> None:
    """Whatever is listed, and in whatever order."""
    pairs = [refs(series, number)[0] for series, number in wanted]
    chosen = frozenset(pairs[key][0].instance for key in keys if key < len(pairs))
    request = replace(asking(*pairs, sizes=sizes), key_images=chosen)

    planned = [ref for each in plan_fetches(request) for ref in each.wanted]

    assert sorted(planned, key=str) == sorted((ref for ref, _ in pairs), key=str)
    assert len(set(planned)) == len(planned)
    for each in plan_fetches(request):
        assert all(ref.study == each.scope.study for ref in each.wanted)
        assert all(each.scope.series in (None, ref.series) for ref in each.wanted)


def test_under_a_plan_one_request_brings_everything() -> None:
    """Of the smallest scope; its order is the plan's, and key images need no request of theirs."""
    wanted = asking(*refs(1, 1, 2), *refs(2, 1), sizes={1: 10, 2: 500})
    keyed = replace(wanted, key_images=frozenset({wanted.instances[0][0].instance}))

    [whole] = plan_fetches(keyed, planned=True)
    [series] = plan_fetches(asking(*refs(1, 1, 2), sizes={1: 10}), planned=True)
    [alone] = plan_fetches(asking(*refs(1, 1), sizes={1: 10}), planned=True)

    assert whole.scope == ImageScope(study=STUDY)
    assert whole.wanted == tuple(ref for ref, _ in wanted.instances)
    assert series.scope == ImageScope(study=STUDY, series=Uid(f"{STUDY}.1"))
    assert alone.scope.instance == Uid(f"{STUDY}.1.1")


def test_what_has_begun_is_asked_for_first_and_alone() -> None:
    """Only what is alone can be had from a place in it on."""
    wanted = asking(*refs(1, 1, 2, 3), sizes={1: 3})
    begun = {Uid(f"{STUDY}.1.2"): Begun(100, '"x"')}

    assert paths(replace(wanted, begun=begun)) == [
        f"/series/{STUDY}.1/instances/{STUDY}.1.{number}" for number in (2, 1, 3)
    ]


def test_where_bytes_are_to_be_spared_nothing_comes_beyond() -> None:
    """A series is asked for whole only where all of it is wanted."""
    most = asking(*refs(1, *range(6)), *refs(2, 1, 2), sizes={1: 7, 2: 2})

    assert paths(replace(most, sparing=True)) == [
        *(f"/series/{STUDY}.1/instances/{STUDY}.1.{number}" for number in range(6)),
        f"/series/{STUDY}.2",
    ]
