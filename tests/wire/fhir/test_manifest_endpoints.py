"""Places and viewers become Endpoints and come back; peers' Endpoints are read with patience."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import Oid
from gateway.wire.fhir.departures import Departures
from gateway.wire.fhir.manifest_endpoints import (
    Place,
    is_place,
    is_viewer,
    place_of,
    read_place,
    read_viewer,
    write_place,
    write_viewer,
)
from gateway.wire.fhir.resources import validated
from tests.builders import make_manifest

LOCATION = Oid("2.999.20.1")
URL = "https://images.example/rs"


def read(endpoint: dict[str, Any], **options: Any) -> tuple[Place, list[str]]:
    """The place of an endpoint, and what was odd about it."""
    departures = Departures()
    place = read_place(endpoint, "Endpoint", departures, **options)
    return place, [issue.text for issue in departures.issues]


@pytest.mark.parametrize(
    "place",
    [
        Place(location=LOCATION, url=URL),
        Place(location=LOCATION),
        Place(location=LOCATION, url=URL, ae_title="ARCHIVE"),
    ],
)
def test_a_place_goes_there_and_back(place: Place) -> None:
    """Whatever is known of it; no address is the profile's placeholder."""
    endpoint = write_place(place)

    validated(endpoint)
    assert is_place(endpoint, "Endpoint")
    assert not is_viewer(endpoint, "Endpoint")
    assert read(endpoint) == (place, [])


def test_a_place_of_no_location_is_written_without_one() -> None:
    """And read back with a warning: none can be invented."""
    endpoint = write_place(Place(url=URL))

    validated(endpoint)
    assert "extension" not in endpoint
    assert read(endpoint) == (Place(url=URL), ["the endpoint has no location UID"])


def test_the_place_of_a_series_is_what_it_says() -> None:
    """Location, address and AE title."""
    assert place_of(make_manifest().series[0]) == Place(location=LOCATION, url=URL)


@pytest.mark.parametrize(
    ("text", "location", "said"),
    [
        ("urn:oid:2.999.20.1", LOCATION, []),
        ("oid:2.999.20.1", LOCATION, []),
        (" 2.999.20.1 ", LOCATION, []),
        ("ACME", None, ["the location 'ACME' is not an OID"]),
    ],
)
def test_the_location_is_read_with_and_without_prefix(
    text: str, location: Oid | None, said: list[str]
) -> None:
    """What is no OID is told and left out."""
    endpoint = write_place(Place(location=LOCATION, url=URL))
    endpoint["extension"][0]["valueString"] = text

    assert read(endpoint) == (Place(location=location, url=URL), said)


def test_an_endpoint_out_of_use_is_told() -> None:
    """It is read all the same."""
    endpoint = write_place(Place(location=LOCATION, url=URL)) | {"status": "suspended"}

    assert read(endpoint) == (
        Place(location=LOCATION, url=URL),
        ["the endpoint is not active"],
    )


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("https://v.example/IHEInvokeImageDisplay?requestType=STUDY", "ihe-iid"),
        ("https://v.example/study?id=1&x=//y", "web-viewer"),
    ],
)
def test_a_viewer_goes_there_and_back(url: str, connection: str) -> None:
    """Its address is nobody's to change."""
    endpoint = write_viewer(url)

    validated(endpoint)
    assert endpoint["connectionType"]["code"] == connection
    assert is_viewer(endpoint, "Endpoint")
    assert not is_place(endpoint, "Endpoint")
    assert read_viewer(endpoint, "Endpoint") == url


def test_a_viewer_is_known_by_what_it_sends() -> None:
    """A page of an unknown connection is one; WADO-RS that also renders HTML is none."""
    page = {"connectionType": {"code": "direct-project"}, "payloadMimeType": ["text/html"]}
    images = {"connectionType": {"code": "dicom-wado-rs"}, "payloadMimeType": ["text/html"]}

    assert is_viewer(page, "Endpoint")
    assert not is_viewer(images, "Endpoint")
