"""A search over DICOMweb as a value, and what of some studies it asks for.

Not its bytes: `qido_query` reads a search, `qido_answer` answers it. A store is asked the
`StudyQuery`; the conditions are applied here, to what it found. A condition of a lower level than
is answered asks for a part that meets all such conditions. Clauses: DICOM PS3.18 10.6, PS3.4
C.2.2.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.domain import (
    ImagingManifest,
    ManifestInstance,
    ManifestSeries,
    StudyQuery,
    Uid,
    is_asked_for,
)
from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.qido_attributes import Level
from gateway.wire.dicom.qido_conditions import Condition
from gateway.wire.dicom.qido_parameters import MAX_RESULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSearch:
    """A search as it came.

    `query` is for a store, its `limit` always None: what is left out of an answer is known only
    after `conditions`. `study` and `series` are those of the path. `asked` are the attributes that
    were matched and `includes` those wanted beside the usual, by their tag; `include_all` wants
    all there are. `limit` is the most that one answer may have. `warnings` are for the asker.
    """

    level: Level
    query: StudyQuery
    study: Uid | None = None
    series: Uid | None = None
    conditions: tuple[Condition, ...] = ()
    asked: tuple[int, ...] = ()
    includes: tuple[int, ...] = ()
    include_all: bool = False
    limit: int = MAX_RESULTS
    offset: int = 0
    warnings: tuple[str, ...] = ()

    def conditions_of(self, level: Level) -> tuple[Condition, ...]:
        """The conditions about a study, a series or an instance."""
        return tuple(one for one in self.conditions if one.level is level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found: a study, or within it a series, or within that an instance."""

    manifest: ImagingManifest
    series: ManifestSeries | None = None
    instance: ManifestInstance | None = None


def matches(
    search: DecodedSearch,
    manifest: ImagingManifest,
    series: ManifestSeries | None = None,
    instance: ManifestInstance | None = None,
) -> bool:
    """Whether a study, one of its series or an instance of that is what a search asks for.

    All of the search counts but its patient where that is a `StudyQuery`'s, and its paging.
    """
    if not _study_fits(search, manifest):
        return False
    if series is None:
        return _has_part(search, manifest)
    if instance is None:
        return _series_fits(search, manifest, series) and _has_instance(search, manifest, series)
    return _series_fits(search, manifest, series) and _instance_fits(search, manifest, instance)


def find(search: DecodedSearch, manifests: Iterable[ImagingManifest]) -> Iterator[Found]:
    """What of some studies a search asks for, at its level, in the order of the manifests."""
    for manifest in manifests:
        if not _study_fits(search, manifest):
            continue
        if search.level is Level.STUDY:
            if _has_part(search, manifest):
                yield Found(manifest=manifest)
            continue
        for series in manifest.series:
            if not _series_fits(search, manifest, series):
                continue
            if search.level is Level.SERIES:
                if _has_instance(search, manifest, series):
                    yield Found(manifest=manifest, series=series)
                continue
            for instance in series.instances:
                if _instance_fits(search, manifest, instance):
                    yield Found(manifest=manifest, series=series, instance=instance)


def _study_fits(search: DecodedSearch, manifest: ImagingManifest) -> bool:
    if not is_asked_for(search.query, manifest):
        return False
    conditions = search.conditions_of(Level.STUDY)
    found = held.study_object(manifest, search.query.patient) if conditions else {}
    return all(one.holds(found) for one in conditions)


def _series_fits(search: DecodedSearch, manifest: ImagingManifest, series: ManifestSeries) -> bool:
    if search.series is not None and series.uid != search.series:
        return False
    conditions = search.conditions_of(Level.SERIES)
    found = held.series_object(manifest, series) if conditions else {}
    return all(one.holds(found) for one in conditions)


def _instance_fits(
    search: DecodedSearch, manifest: ImagingManifest, instance: ManifestInstance
) -> bool:
    conditions = search.conditions_of(Level.INSTANCE)
    found = held.instance_object(manifest, instance) if conditions else {}
    return all(one.holds(found) for one in conditions)


def _has_part(search: DecodedSearch, manifest: ImagingManifest) -> bool:
    if not any(one.level is not Level.STUDY for one in search.conditions):
        return True
    return any(
        _series_fits(search, manifest, series) and _has_instance(search, manifest, series)
        for series in manifest.series
    )


def _has_instance(search: DecodedSearch, manifest: ImagingManifest, series: ManifestSeries) -> bool:
    return not search.conditions_of(Level.INSTANCE) or any(
        _instance_fits(search, manifest, instance) for instance in series.instances
    )
