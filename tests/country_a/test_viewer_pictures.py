"""Pictures for the viewer: of the right frame, of a screen's size, with what stands beside them."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from pydicom import dcmread

from country_a.viewer_pictures import SIDE, THUMBNAIL_SIDE, frame_picture, thumbnail
from gateway.domain import NotFound, Refusal
from gateway.wire.dicom.stored_frames import NoPixels
from tests.dicom_images import BUNDLED


def picture(data: bytes) -> Image.Image:
    """A picture as another's reader sees it."""
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG-lossy.dcm", "examples_rgb_color.dcm"])
def test_a_picture_is_never_larger_than_the_image(name: str) -> None:
    """A JPEG of the same proportions."""
    ds = dcmread(BUNDLED / name)

    shown = picture(frame_picture(BUNDLED / name, 1).data)

    assert shown.format == "JPEG"
    assert max(shown.size) <= SIDE
    assert shown.size == (ds.Columns, ds.Rows)


def test_each_frame_is_its_own() -> None:
    """And one that is not there is not found."""
    path = BUNDLED / "examples_ybr_color.dcm"
    frames = int(dcmread(path, stop_before_pixels=True).NumberOfFrames)

    first, last = frame_picture(path, 1), frame_picture(path, frames)

    assert first.data != last.data
    assert first.viewing.is_lossy
    for frame in (0, frames + 1):
        with pytest.raises(NotFound) as caught:
            frame_picture(path, frame)
        assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


def test_a_thumbnail_is_small() -> None:
    """Whatever the image is."""
    for name in ("CT_small.dcm", "JPEG-lossy.dcm"):
        assert max(picture(thumbnail(BUNDLED / name)).size) <= THUMBNAIL_SIDE


def test_what_has_no_pixels_makes_no_picture() -> None:
    """A report."""
    with pytest.raises(NoPixels):
        frame_picture(BUNDLED / "reportsi.dcm", 1)
