"""The study of a manifest as the answer to a search: what was written there is what is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.domain import ImagingManifest, Outcome
from gateway.wire.fhir.imaging_study_read import derived_uid, read_imaging_study
from gateway.wire.fhir.imaging_study_search import (
    Resolve,
    decode_request,
    decode_response,
    encode_response,
)
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.resources import Json, validated
from gateway.wire.fhir.search import parse_query
from tests.builders import COUNTRY_A, make_manifest

BASE = "https://ncp-a.example/fhir"


def write(manifest: ImagingManifest) -> Json:
    """The study of a manifest, with its places contained."""
    return write_imaging_study(manifest, resource_id="study-1")


def read(resource: Json, where: str, resolve: Resolve) -> Outcome[ImagingManifest]:
    """The manifest of a study, its places beside it."""
    return read_imaging_study(resource, where=where, resolve=resolve)


@pytest.mark.parametrize("include", ["", "&_include=ImagingStudy:endpoint"])
def test_a_study_found_is_read_as_it_was_written(include: str) -> None:
    """With its endpoints contained, or as entries of their own."""
    manifest = replace(
        make_manifest(),
        uid=derived_uid(make_manifest().study),
        manufacturer="",
        institution=None,
        created=None,
    )
    text = f"patient.identifier=urn:oid:2.999.1.2|A-0001{include}"
    search = decode_request(parse_query(text), answering=COUNTRY_A)

    bundle = encode_response(
        search,
        [manifest],
        write=write,
        base=BASE,
        bundle_id="b-1",
        at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        self_url=f"{BASE}/ImagingStudy?{text}",
    )

    validated(bundle)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["ImagingStudy", *(["Endpoint"] * 4 if include else [])]
    page = decode_response(bundle, read=read)
    assert page.outcome == Outcome((manifest,))
