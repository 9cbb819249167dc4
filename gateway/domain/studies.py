"""Studies that are held: the question of QIDO-RS and of an ImagingStudy search.

A found study is told as the manifest it would have now. What each filter means is here, once,
for whoever answers from a store and for whoever reads what a peer answered.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone

from gateway.domain.codes import Code, as_region
from gateway.domain.ids import (
    CommunityId,
    InvalidIdentifier,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Uid,
)
from gateway.domain.manifests import ImagingManifest
from gateway.domain.times import Precision, TimeRange, Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyQuery:
    """A search for the studies of one patient, or for a study wherever it lies.

    Empty filters do not limit, filters combine with AND, the members of one are alternatives.
    `patient` None asks for the patient the treatment relation is about; a study by its UID may be
    asked for without any. Accessions are `ReferenceId`s of kind ACCESSION, an empty authority
    fits any. `limit` is how many are wanted at most, None for all. `series` and `instance` limit
    no studies: they say which part of one is asked about, and whoever answers may leave out what
    else it has instances of.
    """

    community: CommunityId
    patient: PatientId | None = None
    studies: tuple[Uid, ...] = ()
    accessions: tuple[ReferenceId, ...] = ()
    modalities: tuple[Code, ...] = ()
    regions: tuple[Code, ...] = ()
    sop_classes: tuple[Uid, ...] = ()
    performed: TimeRange = field(default_factory=TimeRange)
    limit: int | None = None
    series: Uid | None = None
    instance: Uid | None = None


def study_start(manifest: ImagingManifest) -> Timestamp | None:
    """When a study began, with the precision its headers have; None where they do not say.

    A study whose manifest names no offset is taken to be in UTC. A date without a time stays that
    date wherever it is: moved to UTC it would be told, and searched for, as the day before.
    """
    if manifest.study_date is None:
        return None
    if manifest.study_time is None:
        return Timestamp(datetime.combine(manifest.study_date, time(), UTC), Precision.DAY)
    zone = timezone(timedelta(minutes=manifest.offset_minutes)) if manifest.offset_minutes else UTC
    return Timestamp(datetime.combine(manifest.study_date, manifest.study_time, tzinfo=zone))


def is_asked_for(query: StudyQuery, manifest: ImagingManifest) -> bool:
    """Whether a study satisfies every filter but `patient` and `limit`, which its holder knows."""
    return (
        (not query.studies or manifest.study in query.studies)
        and (not query.accessions or _any_accession(query, manifest))
        and (not query.modalities or _any_code(query.modalities, study_codes(manifest)))
        and (not query.regions or _any_region(query.regions, manifest))
        and (not query.sop_classes or _any_class(query, manifest))
        and query.performed.contains(study_start(manifest))
    )


def study_codes(manifest: ImagingManifest) -> tuple[Code, ...]:
    """Every modality of a study and of its series, once."""
    of_series = (series.modality for series in manifest.series if series.modality)
    return tuple(dict.fromkeys((*manifest.modalities, *of_series)))


def study_references(manifest: ImagingManifest) -> tuple[ReferenceId, ...]:
    """The accession numbers of a study, with their authorities.

    A number of a header that no reference can have, for its circumflex, is left out.
    """
    named = [(manifest.accession, manifest.accession_authority)] if manifest.accession else []
    named += [(one.accession, one.accession_authority) for one in manifest.requests]
    found = dict.fromkeys(pair for pair in named if pair[0])
    references = []
    for value, authority in found:
        with suppress(InvalidIdentifier):
            references.append(
                ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)
            )
    return tuple(references)


def _any_accession(query: StudyQuery, manifest: ImagingManifest) -> bool:
    held = study_references(manifest)
    return any(
        wanted.value == one.value and wanted.authority in ("", one.authority)
        for wanted in query.accessions
        for one in held
    )


def _any_code(wanted: tuple[Code, ...], held: tuple[Code, ...]) -> bool:
    return any(want.asks_for(code) for want in wanted for code in held)


def _any_region(wanted: tuple[Code, ...], manifest: ImagingManifest) -> bool:
    of_series = (series.region for series in manifest.series if series.region)
    held = tuple((as_region(code) or code) for code in (*manifest.regions, *of_series))
    return _any_code(tuple((as_region(code) or code) for code in wanted), held)


def _any_class(query: StudyQuery, manifest: ImagingManifest) -> bool:
    return any(
        instance.sop_class in query.sop_classes
        for series in manifest.series
        for instance in series.instances
    )
