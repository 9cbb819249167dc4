"""A study by itself: complete, contained, and the same again when it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings

from gateway.domain import ImagingManifest, ManifestEncoding, Uid
from gateway.domain.manifest_losses import losses
from gateway.domain.manifests import Specimen
from gateway.wire.fhir.imaging_study_read import read_imaging_study
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.resources import validated
from tests.builders import make_manifest
from tests.manifests import changes, manifests

# What the document says around its study.
AROUND = {"uid", "manufacturer", "institution", "custodian", "created"}


def test_a_study_by_itself_contains_what_it_refers_to() -> None:
    """Patient, places, viewer and order are in it; nothing is left to be fetched."""
    study = write_imaging_study(make_manifest(), resource_id="study-1")

    validated(study)
    kinds = sorted(one["resourceType"] for one in study["contained"])
    assert kinds == [*["Endpoint"] * 4, "Patient", "ServiceRequest"]
    assert study["id"] == "study-1"
    assert read_imaging_study(study, uid=Uid("2.999.10.99")).items == (
        replace(make_manifest(), manufacturer="", institution=None, created=None),
    )


def test_a_known_patient_is_referred_to() -> None:
    """A search answers with the Patient it was asked for."""
    subject = {"reference": "Patient/p-1"}
    study = write_imaging_study(make_manifest(), subject=subject)

    patient = {"resourceType": "Patient", "name": [{"family": "Doe"}]}
    outcome = read_imaging_study(
        study, resolve=lambda name: patient if name == "Patient/p-1" else None
    )

    assert study["subject"] == subject
    assert outcome.items[0].patient.name is not None
    assert not [issue for issue in outcome.issues if "patient" in issue.text]


def test_the_accession_number_stands_where_a_search_looks_for_it() -> None:
    """As an identifier of the study, and at its order."""
    study = write_imaging_study(make_manifest(requests=()))

    number = {"system": "urn:oid:2.999.1.4", "value": "ACC-1"}
    assert number.items() <= study["identifier"][1].items()
    assert number.items() <= study["basedOn"][0]["identifier"].items()
    assert "reference" not in study["basedOn"][0]


def test_what_mado_demands_and_nobody_knows_is_said_to_be_unknown() -> None:
    """A manifest from before MADO has neither modality nor class, and still becomes a study."""
    series = make_manifest().series[0]
    bare = replace(
        series,
        modality=None,
        retrieve_url="",
        instances=(replace(series.instances[0], sop_class=Uid("0")),),
        declared_instances=1,
    )
    study = write_imaging_study(make_manifest(series=(bare,), declared_series=1))

    validated(study)
    written: dict[str, Any] = study["series"][0]
    place = next(one for one in study["contained"] if one.get("address") == "http://notspecified")
    for absent in (written["modality"], written["instance"][0]["sopClass"], place["_address"]):
        assert absent["extension"][0]["valueCode"] == "unknown"
    assert read_imaging_study(study).items[0].series == (bare,)


def test_a_specimen_is_named_by_its_identifier() -> None:
    """The container of a slide, in a domain with an OID or without."""
    specimens = (
        Specimen(id="S-1", authority="2.999.1.8", description="Slide 1"),
        Specimen(id="S-2", authority="https://lab.example/slides"),
    )
    series = replace(make_manifest().series[0], specimens=specimens)
    study = write_imaging_study(make_manifest(series=(series,)))

    validated(study)
    assert read_imaging_study(study).items[0].series[0].specimens == specimens


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests())
def test_a_study_by_itself_says_all_that_is_of_the_study(manifest: ImagingManifest) -> None:
    """What is lost is what the report names, and what only the document around it says."""
    (read,) = read_imaging_study(write_imaging_study(manifest)).items

    told = {loss.element for loss in losses(manifest, ManifestEncoding.FHIR)}
    after = {name for name in changes(manifest, read) if name.split(".")[0] not in AROUND}
    # An offset that no time of the study needs stands in the document alone.
    assert after - {"offset_minutes"} == told
