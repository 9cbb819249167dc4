"""The document we make: what its profiles demand, where each element of B.1 stands, whose ids."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.domain import Code, ImagingManifest, ImagingRequest, Organisation
from gateway.domain.codes import SCT
from gateway.wire.fhir.manifest_read import decode_manifest
from gateway.wire.fhir.manifest_write import encode_manifest
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from gateway.wire.problems import EncodeError
from tests.builders import make_manifest
from tests.manifests import manifests
from tests.wire.fhir.mado_profiles import problems, slice_counts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINISTRY = Organisation(name="Regional archive", id="R-1", authority="2.999.1.7")


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a type, in their order."""
    found = [entry["resource"] for entry in bundle["entry"]]
    return [one for one in found if one["resourceType"] == kind]


def resolved(bundle: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """The entry behind a reference."""
    (found,) = (
        entry["resource"] for entry in bundle["entry"] if entry["fullUrl"] == reference["reference"]
    )
    return dict(found)


def typed(identifier: dict[str, Any]) -> set[str]:
    """The codes of an identifier's type."""
    return {coding["code"] for coding in identifier["type"]["coding"]}


def complete() -> ImagingManifest:
    """A manifest with everything, what only FHIR can hold too."""
    return make_manifest(custodian=MINISTRY, procedure_texts=("CT of head, by hand",))


def test_the_document_keeps_the_profile_of_the_bundle() -> None:
    """Cardinalities and slices of MadoFhirBundle, from its own JSON."""
    bundle = encode_manifest(complete())

    def conforms(entry: Any, profile: str) -> bool:
        return entry["resource"]["meta"]["profile"][0].endswith("/" + profile)

    counts = dict(slice_counts(bundle, "MadoFhirBundle", conforms))
    assert list(problems(bundle, "MadoFhirBundle")) == []
    assert len(counts) == 8
    assert all(counts.values())


def test_the_study_keeps_its_profile() -> None:
    """Cardinalities, slices and the invariant of MadoImagingStudy, from its own JSON."""
    bundle = encode_manifest(complete())
    (study,) = resources(bundle, "ImagingStudy")

    def conforms(value: Any, profile: str) -> bool:
        if profile == "MadoStudyInstanceUidIdentifier":
            return value["system"] == "urn:dicom:uid" and typed(value) == {"110180"}
        if profile == "MadoReferencedAccessionNumberIdentifier":
            return typed(value["identifier"]) == {"ACSN", "121022"}
        if profile.endswith("Endpoint"):
            (claimed,) = resolved(bundle, value)["meta"]["profile"]
            return str(claimed).endswith("/" + profile)
        return str(value["url"]).endswith("/" + profile)

    counts = list(slice_counts(study, "MadoImagingStudy", conforms))
    assert list(problems(study, "MadoImagingStudy")) == []
    assert {name.rsplit(":", 1)[1] for name, _ in counts} == {
        *("anatomical-region", "study-instance-uid", "order", "webviewer", "wado"),
        *("number-of-frames", "ko-document-title"),
    }
    assert all(allowed for _, allowed in counts)


def test_the_judge_of_profiles_sees_what_is_missing() -> None:
    """A study without counts and endpoints breaks three rules; the document without a UID one."""
    bundle = encode_manifest(complete())
    (study,) = resources(bundle, "ImagingStudy")
    del study["numberOfSeries"], study["series"][0]["endpoint"], study["series"][1]["instance"]
    del bundle["identifier"]

    assert len(list(problems(study, "MadoImagingStudy"))) == 3
    assert len(list(problems(bundle, "MadoFhirBundle"))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"procedures": ()},
        {"procedures": (Code("303653007", SCT),), "study_description": ""},
        {"procedures": (), "study_description": "", "requests": ()},
    ],
)
def test_a_procedure_can_always_be_shown(changes: dict[str, Any]) -> None:
    """Invariant mado-reqproc-1: some procedure has words, or says that none are known."""
    (study,) = resources(encode_manifest(make_manifest(**changes)), "ImagingStudy")

    assert any(
        "text" in one or "_text" in one or "display" in one.get("coding", [{}])[0]
        for one in study["procedureCode"]
    )


def test_every_element_of_the_guideline_has_its_place() -> None:
    """B.1.1 to B.1.4.7.3, and what MADO has beyond."""
    manifest = complete()
    bundle = encode_manifest(manifest)
    (study,) = resources(bundle, "ImagingStudy")
    (composition,) = resources(bundle, "Composition")
    (device,) = resources(bundle, "Device")
    series, notes = study["series"][0], study["series"][2]
    place = resolved(bundle, series["endpoint"][0])

    assert study["identifier"][0]["value"] == "urn:oid:2.999.10.1"
    assert study["description"] == "CT of head"
    assert composition["contained"][0]["name"] == "Regional archive"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (3, 7)
    assert series["description"] == "Series 1, ąę"
    assert series["uid"] == "2.999.10.1.1"
    assert series["modality"]["code"] == "CT"
    assert series["number"] == 1
    assert series["started"] == "2026-03-01T09:30:01.250000+01:00"
    assert series["bodySite"]["code"] == "774007"
    assert place["address"] == "https://images.example/rs"
    assert place["extension"][0]["valueString"] == "2.999.20.1"
    assert resolved(bundle, study["endpoint"][0])["address"] == manifest.viewer_url
    assert series["numberOfInstances"] == 3
    assert series["instance"][1] == {
        "uid": "2.999.10.1.1.2",
        "sopClass": {
            "system": "urn:ietf:rfc:3986",
            "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
        },
        "number": 2,
    }
    assert notes["instance"][0]["title"] == "Look here"
    title = notes["instance"][0]["extension"][0]["valueCodeableConcept"]
    assert title["coding"][0]["code"] == "113000"
    assert device["manufacturer"] == manifest.manufacturer
    assert [one["reference"] for one in composition["author"]] == [
        device["owner"]["reference"],
        f"urn:uuid:{device['id']}",
    ]
    assert composition["date"] == "2026-11-22T13:00:00+01:00"
    identifier = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.10.99"}
    assert bundle["identifier"] == composition["identifier"] == identifier


def test_a_custodian_that_made_the_manifest_is_one_organisation() -> None:
    """The profile has room for one; the same organisation is referred to twice."""
    manifest = make_manifest()
    manifest = replace(manifest, custodian=manifest.institution)

    bundle = encode_manifest(manifest)

    (composition,) = resources(bundle, "Composition")
    assert composition["custodian"] == composition["author"][0]
    assert "contained" not in composition
    assert decode_manifest(bundle).items == (manifest,)


def test_each_order_is_a_requested_procedure_of_its_own() -> None:
    """Two placer orders under one accession number: two, and the study is based on both."""
    requests = tuple(
        ImagingRequest(accession="ACC-1", accession_authority="2.999.1.4", placer_order=order)
        for order in ("ORD-1", "ORD-2")
    )
    bundle = encode_manifest(make_manifest(requests=requests))

    (study,) = resources(bundle, "ImagingStudy")
    orders = [resolved(bundle, one)["identifier"] for one in study["basedOn"]]
    assert [[one["value"] for one in each] for each in orders] == [
        ["ACC-1", "ORD-1"],
        ["ACC-1", "ORD-2"],
    ]
    assert orders[0][0]["system"] == "urn:oid:2.999.1.4"


def test_same_manifest_gives_the_same_document() -> None:
    """No clock and no dice: every id is derived, each is used once, and names lead to entries."""
    first, second = (encode_manifest(make_manifest()) for _ in range(2))

    urls = [entry["fullUrl"] for entry in first["entry"]]
    assert first == second
    assert len(set(urls)) == len(urls)
    assert all(
        url == f"urn:uuid:{entry['resource']['id']}"
        for url, entry in zip(urls, first["entry"], strict=True)
    )
    assert encode_manifest(make_manifest(), bundle_id="b-1")["id"] == "b-1"
    assert encode_manifest(make_manifest(uid="2.999.7"))["id"] != first["id"]


def test_the_document_says_when_it_was_made_or_is_not_made() -> None:
    """A manifest of unknown age needs the time of the document; its own age stays unknown."""
    manifest = make_manifest(created=None)

    with pytest.raises(EncodeError, match="time"):
        encode_manifest(manifest)
    bundle = encode_manifest(manifest, at=NOON)

    assert bundle["timestamp"] == "2026-11-22T13:00:00+01:00"
    validated(bundle)
    assert decode_manifest(bundle).items == (manifest,)


def test_the_narrative_tells_people_what_the_document_holds() -> None:
    """Escaped, and without what XML cannot carry."""
    manifest = make_manifest(study_description="CT <head> & \x01neck")

    bundle = encode_manifest(manifest)

    (composition,) = resources(bundle, "Composition")
    assert "<td>CT &lt;head&gt; &amp;  neck</td>" in composition["text"]["div"]
    for told in ("A-0001 (2.999.1.2)", "ACC-1", "2.999.10.1", "CT, KO", "viewer.example"):
        assert told in composition["text"]["div"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests())
def test_every_document_is_valid_in_both_formats(manifest: ImagingManifest) -> None:
    """The models of R4B accept it, and XML says the same as JSON."""
    bundle = encode_manifest(manifest, at=NOON)

    validated(bundle)
    xml = read_resource(write_resource(bundle, Format.XML), Format.XML)
    assert decode_manifest(xml) == decode_manifest(bundle)
