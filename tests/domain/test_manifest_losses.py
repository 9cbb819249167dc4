"""Each loss of a conversion is named, with its reason; a manifest of our own kind loses nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from gateway.domain import (
    Code,
    HumanName,
    ImagingManifest,
    ImagingRequest,
    ManifestEncoding,
    ManifestInstance,
    Organisation,
    PatientId,
    Uid,
)
from gateway.domain.codes import DCM
from gateway.domain.manifest_losses import Loss, losses
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS, Specimen
from tests.builders import PATIENT, make_manifest

URL = "https://a.example/numbers"


def with_series(**changes: Any) -> ImagingManifest:
    """A manifest whose first series is changed."""
    first, *rest = make_manifest().series
    return make_manifest(series=(replace(first, **changes), *rest))


def with_request(**changes: Any) -> ImagingManifest:
    """A manifest whose request is changed."""
    (request,) = make_manifest().requests
    return make_manifest(requests=(replace(request, **changes),))


def with_instance(**changes: Any) -> ImagingManifest:
    """A manifest of one instance."""
    values = {"uid": Uid("2.999.1"), "sop_class": Uid("1.2.3"), **changes}
    return with_series(instances=(ManifestInstance(**values),))


def with_patient(**changes: Any) -> ImagingManifest:
    """A manifest of a patient who is changed."""
    return make_manifest(patient=replace(make_manifest().patient, **changes))


KOS: dict[str, ImagingManifest] = {
    "custodian": make_manifest(custodian=Organisation(name="Archive")),
    "series.specimens": with_series(specimens=(Specimen(id="S-1"),)),
    "procedure_texts": make_manifest(procedure_texts=("by hand",)),
    "accession_authority": make_manifest(accession_authority=URL),
    "requests.accession_authority": with_request(accession_authority=URL),
    "requests.placer_authority": with_request(placer_authority=URL),
    "requests.filler_authority": with_request(filler_authority="2.999.1"),
    "requests.description": with_request(description="x" * 65),
    "patient.bare_id": with_patient(bare_id="1"),
    "patient.name": with_patient(name=HumanName(family="x" * 65)),
    "study_description": make_manifest(study_description="x" * 65),
    "manufacturer": make_manifest(manufacturer="back\\slash"),
    "institution.name": make_manifest(institution=Organisation(name="A & B")),
    "institution.id": make_manifest(institution=Organisation(name="x" * 60, id="H1")),
    "institution.authority": make_manifest(
        institution=Organisation(name="A", id="H1", authority=URL)
    ),
    "series.region_text": with_series(region_text="left"),
}
FHIR: dict[str, ImagingManifest] = {
    "study_time": make_manifest(study_date=None),
    "series.started_time": with_series(started=None),
    "declared_series": make_manifest(declared_series=-1),
    "series.number": with_series(number=-1),
    "series.declared_instances": with_series(declared_instances=1 << 31),
    "series.instances.number": with_instance(number=-1),
    "series.instances.frames": with_instance(frames=1 << 31),
    "series.instances.note_description": with_instance(note_description="words"),
    "series.region_text": with_series(region_text="left"),
    "series.retrieve_url": with_series(retrieve_url="rs"),
    "accession_authority": make_manifest(accession=""),
    "requests.accession_authority": with_request(accession=""),
    "requests.placer_authority": with_request(placer_order=""),
    "requests.filler_authority": with_request(filler_order="", filler_authority="2.999.1"),
    "patient.name": with_patient(name=HumanName(family="", prefix="dr")),
}
CASES = [
    *((ManifestEncoding.KOS, element, manifest) for element, manifest in KOS.items()),
    *((ManifestEncoding.FHIR, element, manifest) for element, manifest in FHIR.items()),
]


@pytest.mark.parametrize(
    ("encoding", "element", "manifest"), CASES, ids=[f"{one}-{two}" for one, two, _ in CASES]
)
def test_each_loss_is_named_alone(
    encoding: ManifestEncoding, element: str, manifest: ImagingManifest
) -> None:
    """With the words that explain it."""
    (loss,) = losses(manifest, encoding)

    assert loss.element == element
    assert loss.why


@pytest.mark.parametrize("encoding", ManifestEncoding)
def test_a_manifest_of_our_kind_loses_nothing(encoding: ManifestEncoding) -> None:
    """Nor does the generation of its codes count as a loss."""
    note = with_instance(
        sop_class=KEY_OBJECT_SOP_CLASS, note_title=Code("113000", DCM), note_description="Look"
    )

    assert losses(make_manifest(), encoding) == ()
    assert losses(note, encoding) == ()


def test_times_without_an_offset_are_lost_in_fhir() -> None:
    """Their days are not."""
    manifest = make_manifest(offset_minutes=None)

    assert [loss.element for loss in losses(manifest, ManifestEncoding.FHIR)] == [
        "study_time",
        "series.started_time",
    ]
    assert losses(manifest, ManifestEncoding.KOS) == ()


def test_no_text_of_the_patient_is_in_a_report() -> None:
    """A loss names the place and not the value."""
    manifest = make_manifest(
        patient=replace(
            make_manifest().patient,
            ids=(PATIENT, PatientId("SECRET", PATIENT.authority)),
            bare_id="SECRET",
            name=HumanName(family="SECRET" * 20),
        ),
        requests=(ImagingRequest(description="SECRET" * 20),),
        study_time=time(1),
    )

    found = losses(manifest, ManifestEncoding.KOS)

    assert Loss in {type(one) for one in found}
    assert "SECRET" not in repr(found)
