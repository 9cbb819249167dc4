"""A manifest crosses from one encoding to the other and back, and loses what the report says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.domain import Code, ImagingManifest, ManifestEncoding
from gateway.domain.manifest_losses import losses
from gateway.wire.dicom import kos_read, kos_write
from gateway.wire.fhir import manifest_read, manifest_write
from gateway.wire.fhir.resources import Format, validated, write_resource
from gateway.wire.problems import EncodeError
from tests.builders import make_manifest
from tests.manifests import changes, manifests
from tests.shared import SHARED, shared

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EACH = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def through_kos(manifest: ImagingManifest) -> ImagingManifest:
    """A manifest after it was a DICOM file."""
    (read,) = kos_read.decode_manifest(kos_write.encode_manifest(manifest)).items
    return read


def through_fhir(manifest: ImagingManifest, form: Format = Format.JSON) -> ImagingManifest:
    """A manifest after it was a FHIR document in bytes."""
    bundle = manifest_write.encode_manifest(manifest, at=NOON)
    (read,) = manifest_read.decode_bytes(write_resource(bundle, form)).items
    return read


def told(manifest: ImagingManifest, encoding: ManifestEncoding) -> set[str]:
    """The elements that the report names."""
    return {loss.element for loss in losses(manifest, encoding)}


@EACH
@given(manifests())
def test_a_key_object_selection_holds_all_but_what_the_report_names(
    manifest: ImagingManifest,
) -> None:
    """Whatever a manifest has, with what only FHIR can hold."""
    assert changes(manifest, through_kos(manifest)) == told(manifest, ManifestEncoding.KOS)


@EACH
@given(manifests())
def test_a_fhir_document_holds_all_but_what_the_report_names(manifest: ImagingManifest) -> None:
    """Whatever a manifest has, with what only a key object selection can hold."""
    assert changes(manifest, through_fhir(manifest)) == told(manifest, ManifestEncoding.FHIR)


@EACH
@given(manifests())
def test_kos_to_fhir_to_kos_loses_what_fhir_cannot_hold(manifest: ImagingManifest) -> None:
    """What came as a key object selection comes back as one."""
    came = through_kos(manifest)

    back = through_kos(through_fhir(came))

    assert changes(came, back) == told(came, ManifestEncoding.FHIR)


@EACH
@given(manifests())
def test_fhir_to_kos_to_fhir_loses_what_kos_cannot_hold(manifest: ImagingManifest) -> None:
    """What came as a FHIR document comes back as one."""
    came = through_fhir(manifest)

    back = through_fhir(through_kos(came))

    assert changes(came, back) == told(came, ManifestEncoding.KOS)


def test_a_manifest_of_the_kind_we_make_loses_nothing_and_comes_back_byte_by_byte() -> None:
    """KOS, FHIR, and the same KOS."""
    manifest = make_manifest()
    data = kos_write.encode_manifest(manifest)

    again = kos_write.encode_manifest(through_fhir(manifest))

    assert told(manifest, ManifestEncoding.FHIR) == told(manifest, ManifestEncoding.KOS) == set()
    assert again == data
    assert through_fhir(manifest, Format.XML) == manifest


def test_a_code_system_known_by_its_url_alone_stops_a_key_object_selection() -> None:
    """DICOM names a scheme by a short name or an OID; FHIR holds any."""
    manifest = make_manifest(procedures=(Code("L-1", "https://a.example/catalogue", "local"),))

    with pytest.raises(EncodeError, match="coding scheme"):
        kos_write.encode_manifest(manifest)
    assert through_fhir(manifest) == manifest


def test_an_instance_without_a_number_gets_none_on_any_wire() -> None:
    """Converters are known to number them 1."""
    manifest = make_manifest()
    bare = tuple(replace(one, number=None) for one in manifest.series[0].instances)
    first = replace(manifest.series[0], number=None, instances=bare)
    unnumbered = replace(manifest, series=(first, *manifest.series[1:]))

    bundle = write_resource(manifest_write.encode_manifest(unnumbered, at=NOON), Format.JSON)

    for back in (through_kos(unnumbered), through_fhir(unnumbered)):
        assert back == unnumbered
    studies = [
        entry["resource"]
        for entry in json.loads(bundle)["entry"]
        if entry["resource"]["resourceType"] == "ImagingStudy"
    ]
    (series,) = [one for one in studies[0]["series"] if one["uid"] == first.uid]
    assert "number" not in series
    assert all("number" not in one for one in series["instance"])


def test_codes_of_old_snomed_reach_fhir_under_no_false_system() -> None:
    """The mark of SNOMED CT is for its numbers, whatever their scheme is called."""
    manifest = make_manifest(procedures=(Code("P5-08000", "SRT"), Code("77477000", "SRT")))

    text = write_resource(manifest_write.encode_manifest(manifest, at=NOON), Format.JSON).decode()

    codings = [
        (coding["system"], coding["code"])
        for entry in json.loads(text)["entry"]
        for concept in entry["resource"].get("procedureCode", ())
        for coding in concept.get("coding", ())
    ]
    assert codings == [("SRT", "P5-08000"), ("http://snomed.info/sct", "77477000")]


SELECTIONS = sorted(
    str(path.relative_to(SHARED)) for path in (SHARED / "samples/mado").glob("*.dcm")
)
BUNDLES = sorted(
    str(path.relative_to(SHARED))
    for folder in ("mado", "fhir/mado-r4")
    for path in (SHARED / "samples" / folder).glob("*undle*.json")
)


@pytest.mark.parametrize("name", SELECTIONS or ["samples/mado"])
def test_samples_of_key_object_selections_lose_what_the_report_names(name: str) -> None:
    """Trial codes and manifests from before MADO; times without an offset are what FHIR drops."""
    path: Path = shared(name)
    (came,) = kos_read.decode_manifest(path.read_bytes()).items

    validated(manifest_write.encode_manifest(came, at=NOON))
    back = through_kos(through_fhir(came))

    expected = {"study_time"} if path.name.startswith("legacy") else set()
    assert changes(came, back) == told(came, ManifestEncoding.FHIR) == expected


@pytest.mark.parametrize("name", BUNDLES or ["samples/mado"])
def test_samples_of_fhir_manifests_lose_what_the_report_names(name: str) -> None:
    """Authorities that are URLs and procedures in words have no place in DICOM."""
    came = manifest_read.decode_bytes(shared(name).read_bytes()).items[0]

    back = through_fhir(through_kos(came))

    assert changes(came, back) == told(came, ManifestEncoding.KOS)
    assert {"accession_authority", "procedure_texts"} <= told(came, ManifestEncoding.KOS)
