"""The metadata of an instance: its header, with addresses below its own for long values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.domain import Uid
from gateway.wire.dicom.web_bulk import bulk_of
from gateway.wire.dicom.web_metadata import metadata_of
from gateway.wire.problems import DecodeError
from tests.dicom_images import bundled, image_of, watched

PLACE = "https://a.example/dicomweb/studies/1.2/series/1.3/instances/1.4"
FILES = [
    *("CT_small.dcm", "MR_small_bigendian.dcm", "SC_rgb_rle_2frame.dcm", "liver_1frame.dcm"),
    *("examples_palette.dcm", "image_dfl.dcm", "rtdose_expb.dcm", "waveform_ecg.dcm"),
    *("test-SR.dcm", "UN_sequence.dcm", "SC_ybr_full_422_uncompressed.dcm", "rtstruct.dcm"),
]


def addresses(found: dict[str, Any]) -> list[str]:
    """Every bulk address in an object, those in sequences too."""
    own = [body["BulkDataURI"] for body in found.values() if "BulkDataURI" in body]
    items = [
        item for body in found.values() if body["vr"] == "SQ" for item in body.get("Value", ())
    ]
    return own + [address for item in items for address in addresses(item)]


@pytest.mark.parametrize("slash", ["", "/"])
def test_pixel_data_are_an_address_below_the_instance(slash: str) -> None:
    """With or without a slash at the end of the instance's own."""
    found = metadata_of(bundled("MR_small_RLE.dcm"), PLACE + slash)

    assert found["7FE00010"] == {"vr": "OB", "BulkDataURI": f"{PLACE}/bulkdata/7FE00010"}
    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.5"]
    assert not any(tag.startswith("0002") for tag in found)


def test_an_instance_without_pixel_data_has_no_address_of_any() -> None:
    """Of a plan that says nothing of pixels."""
    assert "7FE00010" not in metadata_of(bundled("rtplan.dcm"), PLACE)


def test_the_syntax_that_is_available_can_be_another_than_that_of_the_file() -> None:
    """Where an archive converted the file on its way out."""
    found = metadata_of(bundled("CT_small.dcm"), PLACE, stored=Uid("1.2.840.10008.1.2.4.80"))

    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.4.80"]


def test_pixel_data_are_not_read() -> None:
    """Of an open file only the header."""
    file, watch = watched(image_of(np.zeros((1024, 1024), np.uint16)))

    metadata_of(file, PLACE)

    assert watch.read_bytes < 16 * 1024


def test_every_address_leads_to_a_value() -> None:
    """Palettes, waveforms, pixels in every syntax and long texts."""
    followed = []
    for name in FILES:
        for address in addresses(metadata_of(bundled(name), PLACE)):
            assert address.startswith(f"{PLACE}/bulkdata/")
            path = address.removeprefix(f"{PLACE}/bulkdata/")
            assert bulk_of(bundled(name), path).data
            followed.append(path)

    assert {"7FE00010", "54000100/0/54001010"} <= set(followed)


def test_what_is_no_instance_is_an_error() -> None:
    """Its bytes are not DICOM."""
    with pytest.raises(DecodeError):
        metadata_of(b"GIF89a" * 100, PLACE)
