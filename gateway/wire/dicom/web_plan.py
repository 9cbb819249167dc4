"""Which DICOMweb resources to ask for, so that the instances wanted come with few requests.

WADO-RS names one instance, a series or a study, and nothing between. What has begun is asked for
first, one by one, for only one alone can be had from a place in it on. A series of which most is
wanted is asked for as a whole, and what comes beyond is let go, unless bytes are to be spared; key
images are asked for one by one, before all others. Under a plan that was accepted one request
brings everything in the plan's order, for what is not wanted of it can be named (`have`). Not a
choice of what is wanted, nor of the order: the request has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

from gateway.domain import ImageRequest, InstanceRef, ListedSeries, Oid, Uid
from gateway.wire.dicom.web import ImageScope

# As many requests are made for single instances before a whole series is the shorter way.
MAX_ALONE: Final = 4
# More key images than that are no selection any more.
MAX_KEY_IMAGES: Final = 64
# A study of more series than that is asked for at once, where most of it is wanted.
MAX_SERIES: Final = 8


_Wanted: TypeAlias = tuple[InstanceRef, Oid]


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request: the resource, the instances wanted of it, and where the manifest has them.

    `retrieve_url` is the base the manifest names, "" where it names none.
    """

    scope: ImageScope
    wanted: tuple[InstanceRef, ...]
    location: Oid
    retrieve_url: str = ""


def plan_fetches(request: ImageRequest, *, planned: bool = False) -> tuple[Fetch, ...]:
    """The requests for all instances of an `ImageRequest`, each wanted of exactly one of them.

    `planned` says that nothing comes but what is wanted, in a plan's order, however much is asked
    for.
    """
    begun = [pair for pair in request.instances if pair[0].instance in request.begun]
    fresh = [pair for pair in request.instances if pair[0].instance not in request.begun]
    first = tuple(_of_instance(request, ref, location) for ref, location in begun)
    if planned and (one := _at_once(request, fresh)) is not None:
        return (*first, one)
    return (*first, *_by_address(request, fresh))


def _by_address(request: ImageRequest, wanted: list[_Wanted]) -> tuple[Fetch, ...]:
    urgent: list[_Wanted] = []
    rest: list[_Wanted] = []
    for pair in wanted:
        is_key = pair[0].instance in request.key_images and len(urgent) < MAX_KEY_IMAGES
        (urgent if is_key else rest).append(pair)
    alone = [_of_instance(request, ref, location) for ref, location in urgent]
    by_series = list(_by_series(request, rest))
    if len(by_series) > MAX_SERIES and (whole := _of_study(request, by_series)) is not None:
        by_series = [whole]
    return (*alone, *by_series)


def _by_series(request: ImageRequest, wanted: list[_Wanted]) -> Iterator[Fetch]:
    # By series in the order of first mention: the list may return to one.
    order = {pair[0].series: index for index, pair in reversed(list(enumerate(wanted)))}
    in_order = sorted(wanted, key=lambda pair: (order[pair[0].series], str(pair[1])))
    for _, run in groupby(in_order, key=lambda pair: (pair[0].series, pair[1])):
        pairs = list(run)
        refs = tuple(ref for ref, _ in pairs)
        ref, location = pairs[0]
        listed = _listed(request, ref.series)
        is_whole = len(refs) == listed.instances > 1
        is_most = len(refs) > MAX_ALONE and 2 * len(refs) >= listed.instances > 0
        if is_whole or (is_most and not request.sparing):
            scope = ImageScope(study=ref.study, series=ref.series)
            yield Fetch(scope, refs, location, listed.retrieve_url)
        else:
            for ref in refs:
                yield _of_instance(request, ref, location)


def _at_once(request: ImageRequest, wanted: list[_Wanted]) -> Fetch | None:
    """One request for the smallest scope of all; None where they are not in one place."""
    places = {(ref.study, at, _listed(request, ref.series).retrieve_url) for ref, at in wanted}
    if len(places) != 1:
        return None
    if len(wanted) == 1:
        return _of_instance(request, *wanted[0])
    [(study, location, url)] = places
    series = {ref.series for ref, _ in wanted}
    scope = ImageScope(study=study, series=series.pop() if len(series) == 1 else None)
    return Fetch(scope, tuple(ref for ref, _ in wanted), location, url)


def _of_study(request: ImageRequest, fetches: list[Fetch]) -> Fetch | None:
    """One request for the whole study; None where too little of it is wanted, or it is apart."""
    places = {(fetch.scope.study, fetch.location, fetch.retrieve_url) for fetch in fetches}
    wanted = tuple(ref for fetch in fetches for ref in fetch.wanted)
    listed = sum(one.instances for one in request.series.values())
    least = len(wanted) if request.sparing else 2 * len(wanted)
    if len(places) > 1 or not 0 < listed <= least:
        return None
    first = fetches[0]
    return Fetch(ImageScope(study=first.scope.study), wanted, first.location, first.retrieve_url)


def _of_instance(request: ImageRequest, ref: InstanceRef, location: Oid) -> Fetch:
    return Fetch(ImageScope.of(ref), (ref,), location, _listed(request, ref.series).retrieve_url)


def _listed(request: ImageRequest, series: Uid) -> ListedSeries:
    return request.series.get(series, ListedSeries(0))
