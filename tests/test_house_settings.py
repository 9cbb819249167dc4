"""Settings of the house as text: addresses, and TOML that is read as it was meant."""

from __future__ import annotations

import tomllib

from gateway.domain import CommunityId
from gateway.house_settings import (
    addresses,
    delivery_settings,
    image_addresses,
    settings_text,
)


def test_images_have_the_addresses_of_their_own_port_and_no_others() -> None:
    """Over SOAP and over DICOMweb; the names of the host stay, for its certificate."""
    everything, images = addresses(1), image_addresses(2)

    assert set(images) == {"images_url", "dicomweb_url"}
    assert images["images_url"] == everything["url"].replace(":1/", ":2/")
    assert images["dicomweb_url"] == everything["dicomweb_url"].replace(":1/", ":2/")


def test_what_is_written_is_read() -> None:
    """Quotes, lists and letters of other languages; ways and callers are tables of their own."""
    text = settings_text(
        "xb",
        'Land "B" ü',
        CommunityId("2.999.1.2"),
        {"national": {"seed_number": 7}},
        {"name": "A"},
        ways=[{"name": "soap"}],
        callers=[{"name": "C", "tls_subjects": ["CN=a\\,b"]}],
    )

    read = tomllib.loads(text)

    assert read["gateway"]["name"] == 'Land "B" ü'
    assert read["national"]["seed_number"] == 7
    assert [peer["name"] for peer in read["peers"]] == ["A", "C"]
    assert read["peers"][0]["ways"] == [{"name": "soap"}]
    assert read["peers"][1]["tls_subjects"] == ["CN=a\\,b"]


def test_behind_a_line_images_are_planned_for_it() -> None:
    """The other country is told what is known of the line; nothing of a rate that has no end."""
    assert delivery_settings("8mbit/80ms") == {
        "deliveries": "planned",
        "link_mbit": 8.0,
        "link_round_trip_ms": 80.0,
    }
    assert "link_mbit" not in delivery_settings("unshaped")
