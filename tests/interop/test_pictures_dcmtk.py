"""DCMTK, which shares no code with ours, draws the same pictures within two of 256 shades."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.wire.dicom.accept import parse_accept
from gateway.wire.dicom.picture import picture_of
from gateway.wire.dicom.rendering import parse_rendering
from tests.dicom_images import bundled, image_of

# Newer releases call it dcm2img.
DRAWS = shutil.which("dcmj2pnm") or shutil.which("dcm2img")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(DRAWS is None, reason="DCMTK is not installed"),
]
SIGNED = np.random.default_rng(3).integers(-2048, 2048, (24, 20)).astype(np.int16)


def drawn(data: bytes, folder: Path, *options: str) -> np.ndarray:
    """The picture that DCMTK makes of a file."""
    source, result = folder / "image.dcm", folder / "image.pnm"
    source.write_bytes(data)
    # The type of the result, which newer releases would guess from its name.
    command = [str(DRAWS), "+op", *options, str(source), str(result)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return np.asarray(Image.open(result)).astype(int)


def ours(data: bytes, query: str = "") -> np.ndarray:
    """Our picture of it."""
    found = picture_of(data, parse_rendering(query), parse_accept("image/png"))
    return np.asarray(Image.open(io.BytesIO(found.data))).astype(int)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MR_small.dcm", ("+Wi", "1")),
        ("MR_small_bigendian.dcm", ("+Wi", "1")),
        ("examples_overlay.dcm", ("+Wi", "1", "-O")),
        ("rtdose_1frame.dcm", ("+Wm",)),
        ("examples_palette.dcm", ()),
        ("examples_rgb_color.dcm", ()),
        ("ExplVR_BigEnd.dcm", ()),
        ("SC_ybr_full_422_uncompressed.dcm", ()),
        ("SC_rgb_rle.dcm", ()),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", ()),
        ("SC_rgb_jpeg_gdcm.dcm", ()),
    ],
)
def test_pictures_of_files_are_those_that_dcmtk_draws(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Grey in its window or whole, palettes, and colours of several kinds."""
    expected = drawn(bundled(name), tmp_path, *options)

    assert np.abs(ours(bundled(name)) - expected).max() <= 2


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
@pytest.mark.parametrize("function", ["linear", "sigmoid"])
def test_windows_and_shapes_are_those_of_dcmtk(
    photometric: str, shape: str | None, function: str, tmp_path: Path
) -> None:
    """Signed samples of twelve bits with a rescale."""
    more = {"PresentationLUTShape": shape} if shape else {}
    data = image_of(
        SIGNED,
        PhotometricInterpretation=photometric,
        BitsStored=12,
        RescaleSlope="0.5",
        RescaleIntercept="-100",
        **more,
    )
    flag = {"linear": "+Wfl", "sigmoid": "+Wfs"}[function]

    expected = drawn(data, tmp_path, "+Ww", "-50", "777", flag)

    assert np.abs(ours(data, f"window=-50,777,{function}") - expected).max() <= 2


def test_a_region_is_that_of_dcmtk(tmp_path: Path) -> None:
    """Cut, and not scaled."""
    expected = drawn(bundled("MR_small.dcm"), tmp_path, "+Wi", "1", "+C", "10", "5", "20", "30")

    assert np.abs(ours(bundled("MR_small.dcm"), "viewport=20,30,10,5,20,30") - expected).max() <= 2
