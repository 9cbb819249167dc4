"""The names we write are those of the profiles and of the documents other implementers made."""

from __future__ import annotations

import json

import pytest

from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import write_coding
from tests.shared import shared
from tests.wire.fhir.mado_profiles import definition


def test_profiles_and_extensions_are_those_of_the_profiles() -> None:
    """Every URL of the bundle's and the study's definition that is ours to write."""
    text = json.dumps([definition("MadoFhirBundle"), definition("MadoImagingStudy")])

    for name in (
        *("COMPOSITION", "IMAGING_STUDY", "CREATOR", "CREATOR_ORGANIZATION", "WADO_ENDPOINT"),
        *("VIEWER_ENDPOINT", "REQUESTED_PROCEDURE", "REGION_EXTENSION", "FRAMES_EXTENSION"),
        *("NOTE_TITLE_EXTENSION", "PATIENT"),
    ):
        assert f'"{getattr(terms, name)}"' in text
    assert definition("MadoFhirBundle")["url"] == terms.BUNDLE


@pytest.mark.parametrize(
    ("name", "code", "place"),
    [
        ("Endpoint-wado-endpoint-with-url.json", "WADO_RS", "connectionType"),
        ("Endpoint-wado-endpoint-with-url.json", "NO_PAYLOAD", "payloadType"),
        ("Device-MadoCreatorDeviceExample.json", "DEVICE_TYPE", "type"),
    ],
)
def test_codes_are_those_of_the_examples(name: str, code: str, place: str) -> None:
    """System and code; displays differ."""
    example = json.loads(shared(f"samples/fhir/mado-r4/{name}").read_text())
    written = write_coding(getattr(terms, code))

    assert f'"{written["code"]}"' in json.dumps(example[place])
    assert f'"{written["system"]}"' in json.dumps(example[place])


def test_the_location_extension_is_that_of_the_examples() -> None:
    """And so is the way to have no address."""
    name = "samples/fhir/mado-r4/Endpoint-EndpointWadoExampleNoAddress.json"
    example = json.loads(shared(name).read_text())

    assert example["extension"][0]["url"] == terms.LOCATION_EXTENSION
    assert example["_address"] == terms.ABSENT
