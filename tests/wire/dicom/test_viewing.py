"""What stands beside a picture: side and loss, per frame, as pydicom wrote it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence

from gateway.wire.dicom.dataset import read_header
from gateway.wire.dicom.viewing import Viewing, viewing_of
from tests.dicom_images import BUNDLED


def header(syntax: str = "1.2.840.10008.1.2.1", **attributes: Any) -> Dataset:
    """A header as it comes out of a file."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    for name, value in attributes.items():
        setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    out.seek(0)
    return read_header(out)


def anatomy(side: str) -> Dataset:
    """A functional group that names the side of a frame."""
    inner, group = Dataset(), Dataset()
    inner.FrameLaterality = side
    group.FrameAnatomySequence = Sequence([inner])
    return group


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        ({}, ""),
        ({"Laterality": "L"}, "L"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "R"),
        ({"ImageLaterality": "", "Laterality": "L"}, "L"),
        ({"ImageLaterality": "B"}, "B"),
        ({"ImageLaterality": "SIDE"}, ""),
    ],
)
def test_the_side_is_the_image_s_before_the_series(attributes: dict[str, str], side: str) -> None:
    """Anything but the four letters is not shown."""
    assert viewing_of(header(**attributes)).laterality == side


def test_each_frame_has_its_own_side() -> None:
    """Its own group first, then the shared one, then the image's."""
    shared = header(SharedFunctionalGroupsSequence=Sequence([anatomy("B")]), ImageLaterality="L")
    own = header(
        SharedFunctionalGroupsSequence=Sequence([anatomy("B")]),
        PerFrameFunctionalGroupsSequence=Sequence([anatomy("R"), anatomy("L"), Dataset()]),
    )

    assert viewing_of(shared, 7).laterality == "B"
    assert [viewing_of(own, frame).laterality for frame in (1, 2, 3, 4)] == ["R", "L", "B", "B"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, Viewing()),
        ({"LossyImageCompression": "00"}, Viewing()),
        ({"LossyImageCompression": "01"}, Viewing("", True, ())),
        (
            {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12.3"},
            Viewing("", True, (12.3,)),
        ),
        (
            {"LossyImageCompression": "01", "LossyImageCompressionRatio": ["10", "2.5"]},
            Viewing("", True, (10.0, 2.5)),
        ),
        ({"LossyImageCompressionRatio": "8"}, Viewing("", True, (8.0,))),
        ({"LossyImageCompressionRatio": ["1e1", "-3", "0"]}, Viewing("", True, (10.0,))),
        ({"LossyImageCompression": "00", "LossyImageCompressionRatio": "8"}, Viewing()),
        ({"syntax": "1.2.840.10008.1.2.4.50"}, Viewing("", True, ())),
        ({"syntax": "1.2.840.10008.1.2.4.91"}, Viewing()),
    ],
)
def test_what_was_lost_is_told(attributes: dict[str, Any], expected: Viewing) -> None:
    """By the header, or by a syntax that always loses; a ratio is never made up."""
    assert viewing_of(header(**attributes)) == expected


@pytest.mark.parametrize(
    "name",
    ["JPEG-lossy.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm", "CT_small.dcm"],
)
def test_it_says_what_pydicom_says_of_its_files(name: str) -> None:
    """Files that we did not write."""
    path = BUNDLED / name
    theirs = dcmread(path, stop_before_pixels=True)

    with path.open("rb") as file:
        ours = viewing_of(read_header(file))

    syntax = theirs.file_meta.TransferSyntaxUID
    always = syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
    assert ours.is_lossy == (always or theirs.get("LossyImageCompression") == "01")
    ratio = theirs.get("LossyImageCompressionRatio")
    assert list(ours.ratios) == ([float(ratio)] if ratio else [])
