"""What the border promises of a search for studies, whichever way in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain import (
    Code,
    ExchangeError,
    ImagingManifest,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    Uid,
)
from gateway.domain.codes import DCM
from tests.behaviour.conftest import Way
from tests.builders import COUNTRY_A

# A fault of the security layer has one code for both.
NOT_TREATED = (Refusal.TREATMENT_RELATION_MISMATCH, Refusal.NO_TREATMENT_RELATION)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _found(way: Way, role: str, **filters: Any) -> tuple[ImagingManifest, ...]:
    patient = way.seeded.patient(role)
    query = StudyQuery(community=COUNTRY_A, patient=patient, **filters)
    outcome = await way.exchange.find_studies(query, way.context(patient))
    assert outcome.issues == ()
    return outcome.items


def _held(manifest: ImagingManifest) -> dict[str, list[str]]:
    return {
        str(series.uid): [str(instance.uid) for instance in series.instances]
        for series in manifest.series
    }


async def _told(
    way: Way, query: StudyQuery, patient: PatientId
) -> tuple[ImagingManifest, ...] | Refusal:
    try:
        return (await way.exchange.find_studies(query, way.context(patient))).items
    except ExchangeError as error:
        return error.refusal


async def test_the_studies_of_a_patient_are_told_as_their_manifests_tell_them(way: Way) -> None:
    """The same series and instances, of the same patient, newest study first."""
    listed, _ = await way.manifest("main")

    studies = await _found(way, "main")

    told = next(study for study in studies if study.study == listed.study)
    assert _held(told) == _held(listed)
    assert told.patient.ids[0] == way.seeded.patient("main")
    assert [study.study_date for study in studies] == sorted(
        (study.study_date for study in studies if study.study_date), reverse=True
    )


async def test_every_filter_narrows_the_search(way: Way) -> None:
    """Study, modality and accession number."""
    everything = await _found(way, "main")
    one = next(study for study in everything if study.accession)
    modality = one.modalities[0]
    accession = ReferenceId(value=one.accession, kind=ReferenceKind.ACCESSION)

    assert [s.study for s in await _found(way, "main", studies=(one.study,))] == [one.study]
    assert [s.study for s in await _found(way, "main", accessions=(accession,))] == [one.study]
    with_modality = {s.study for s in await _found(way, "main", modalities=(modality,))}
    assert with_modality == {s.study for s in everything if modality in s.modalities}
    assert await _found(way, "main", modalities=(Code("ES", DCM),)) == ()
    assert await _found(way, "main", studies=(Uid("1.2.3.404"),)) == ()
    assert len(await _found(way, "main", limit=1)) == 1


async def test_a_study_of_another_patient_is_not_told(way: Way) -> None:
    """Neither searched for with the other's id nor named by its UID."""
    foreign, _ = await way.manifest("greek")
    patient, other = way.seeded.patient("main"), way.seeded.patient("greek")
    query = StudyQuery(community=COUNTRY_A, patient=other)

    with pytest.raises(ExchangeError) as caught:
        await way.exchange.find_studies(query, way.context(patient))
    assert caught.value.refusal in NOT_TREATED
    named = replace(query, patient=None, studies=(foreign.study,))
    assert await _told(way, named, patient) in ((), *NOT_TREATED)
