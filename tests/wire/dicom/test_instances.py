"""Every kind of stored instance comes out readable, with the pixels an independent decoder sees."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from gateway.wire.dicom.instances import can_decode, to_explicit_little_endian
from gateway.wire.problems import DecodeError
from tests.shared import shared

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4."

LOSSLESS = [
    *("MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm"),
    *("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    *("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_rle_32bit.dcm"),
    *("rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm", "liver_expb_1frame.dcm"),
    *("ExplVR_BigEnd.dcm", "SC_rgb_small_odd_big_endian.dcm", "J2K_pixelrep_mismatch.dcm"),
    *("GDCMJ2K_TextGBR.dcm", "examples_palette.dcm", "SC_ybr_full_422_uncompressed.dcm"),
    *("liver_1frame.dcm", "693_J2KI.dcm", "JPEG2000.dcm", "JPEGLSNearLossless_16.dcm"),
    *("JPEGLSNearLossless_08.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_gdcm_KY.dcm"),
]
LOSSY = [
    *("JPGExtended.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"),
    *("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_jpeg.dcm"),
    *("SC_jpeg_no_color_transform.dcm", "SC_rgb_jpeg_app14_dcmd.dcm"),
    *("SC_rgb_small_odd_jpeg.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"),
]


def both(data: bytes) -> tuple[np.ndarray, np.ndarray, pydicom.Dataset]:
    """What another decoder sees in the source, what is in the result, and the result."""
    result = pydicom.dcmread(io.BytesIO(to_explicit_little_endian(data)))
    assert result.file_meta.TransferSyntaxUID == EXPLICIT
    source = pydicom.dcmread(io.BytesIO(data), force=True)
    is_rgb = result.get("PhotometricInterpretation") == "RGB"
    return pixel_array(source, raw=not is_rgb), pixel_array(result, raw=True), result


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", LOSSLESS)
def test_pixels_are_exactly_those_of_the_source(name: str) -> None:
    """Whatever the syntax, sample values and shape are the same."""
    expected, found, result = both((BUNDLED / name).read_bytes())

    assert found.dtype == expected.dtype.newbyteorder("<")
    assert np.array_equal(found, expected)
    assert result.get("PlanarConfiguration", 0) in (0, 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_jpeg_comes_out_as_rgb_and_says_so(name: str) -> None:
    """Decoders differ by rounding alone; colours are right and the past loss stays on record."""
    expected, found, result = both((BUNDLED / name).read_bytes())

    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 2
    assert result.PhotometricInterpretation in ("RGB", "MONOCHROME2")
    assert result.LossyImageCompression == "01"


def test_samples_from_elsewhere_come_out_right() -> None:
    """A multi-frame ultrasound, J2K slices and lossless JPEG slices of real studies."""
    cine = shared("samples/dicom/us/pydicom/examples_ybr_color.dcm").read_bytes()
    expected, found, result = both(cine)
    assert found.shape == (30, 240, 320, 3)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 3
    assert result.PhotometricInterpretation == "RGB"

    for path in sorted(shared("samples/dicom/ct/siemens-body-20-j2k").glob("*.dcm"))[:2]:
        expected, found, _ = both(path.read_bytes())
        assert np.array_equal(found, expected)


def compressed(syntax: str, pixels: np.ndarray, frames: list[bytes], **changes: object) -> bytes:
    """A CT file whose frames are the given code streams."""
    ds = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    ds.Rows, ds.Columns = pixels.shape[1:3]
    ds.NumberOfFrames = len(frames)
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 4:
        ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
        ds.PhotometricInterpretation = "RGB"
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    out = io.BytesIO()
    ds.save_as(out, implicit_vr=False, little_endian=True, force_encoding=True)
    return out.getvalue()


def ramp(kind: str, *, colour: bool = False) -> np.ndarray:
    """Two frames of smooth samples over most of the range of a type."""
    info = np.iinfo(kind)
    shape = (2, 24, 20, 3) if colour else (2, 24, 20)
    return np.linspace(info.min, info.max - 3, int(np.prod(shape))).astype(kind).reshape(shape)


@pytest.mark.parametrize(
    ("syntax", "encode", "kind", "colour"),
    [
        (JPEG + "201", imagecodecs.htj2k_encode, "uint16", False),
        (JPEG + "202", imagecodecs.htj2k_encode, "int16", False),
        (JPEG + "202", imagecodecs.htj2k_encode, "uint8", True),
        (JPEG + "203", imagecodecs.htj2k_encode, "uint8", True),
        (JPEG + "110", lambda a: imagecodecs.jpegxl_encode(a, lossless=True), "uint16", False),
        (JPEG + "110", lambda a: imagecodecs.jpegxl_encode(a, lossless=True), "uint8", True),
        (JPEG + "57", lambda a: imagecodecs.jpeg8_encode(a, lossless=True), "uint8", False),
        (JPEG + "70", lambda a: imagecodecs.jpeg8_encode(a, lossless=True), "uint16", False),
        (JPEG + "80", imagecodecs.jpegls_encode, "uint16", False),
        (
            JPEG + "90",
            lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True),
            "int16",
            False,
        ),
    ],
)
def test_syntaxes_without_samples_decode_to_what_was_encoded(
    syntax: str, encode: object, kind: str, colour: bool
) -> None:
    """HTJ2K, JPEG XL and the rest give back two frames exactly."""
    assert callable(encode)
    pixels = ramp(kind, colour=colour)
    data = compressed(syntax, pixels, [encode(frame) for frame in pixels])

    result = pydicom.dcmread(io.BytesIO(to_explicit_little_endian(data)))

    assert np.array_equal(pixel_array(result, raw=True), pixels)


def test_jpeg_recompressed_as_jpeg_xl_comes_out_as_rgb() -> None:
    """The lossless wrapping of a JPEG decodes to the same colours as the JPEG."""
    pixels = ramp("uint8", colour=True)
    jpegs = [imagecodecs.jpeg8_encode(frame, level=95) for frame in pixels]
    wrapped = [imagecodecs.jpegxl_encode_jpeg(jpeg) for jpeg in jpegs]
    data = compressed(JPEG + "111", pixels, wrapped, PhotometricInterpretation="YBR_FULL_422")

    result = pydicom.dcmread(io.BytesIO(to_explicit_little_endian(data)))

    plain = np.stack([imagecodecs.jpeg8_decode(jpeg) for jpeg in jpegs])
    assert np.abs(pixel_array(result, raw=True).astype(int) - plain.astype(int)).max() <= 3
    assert result.PhotometricInterpretation == "RGB"


def test_signed_samples_in_an_unsigned_code_stream_keep_their_sign() -> None:
    """JPEG-LS knows no sign: the bits are two's complement of the stream's precision."""
    pixels = ramp("int16")
    frames = [imagecodecs.jpegls_encode(frame.view("uint16")) for frame in pixels]

    data = compressed(JPEG + "80", pixels, frames)
    result = pydicom.dcmread(io.BytesIO(to_explicit_little_endian(data)))

    assert np.array_equal(pixel_array(result), pixels)


def test_objects_without_pixels_are_encoded_anew() -> None:
    """A plan in implicit little endian keeps its content."""
    data = (BUNDLED / "rtplan.dcm").read_bytes()

    result = pydicom.dcmread(io.BytesIO(to_explicit_little_endian(data)))

    source = pydicom.dcmread(io.BytesIO(data))
    assert result.file_meta.TransferSyntaxUID == EXPLICIT
    assert result.BeamSequence[0].BeamName == source.BeamSequence[0].BeamName


def test_plain_file_comes_back_byte_for_byte() -> None:
    """What is explicit little endian already is not touched; a path does as well as bytes."""
    path = BUNDLED / "CT_small.dcm"

    assert to_explicit_little_endian(path) == path.read_bytes()
    assert to_explicit_little_endian(io.BytesIO(path.read_bytes())) == path.read_bytes()


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [(JPEG + "102", "video"), (JPEG + "94", "JPIP"), ("1.2.3.4", "no decoder")],
)
def test_undecodable_syntaxes_are_refused_with_the_reason(syntax: str, reason: str) -> None:
    """Video and pixels that lie elsewhere cannot be given as plain pixels."""
    data = compressed(syntax, ramp("uint16"), [b"\0\0", b"\0\0"])

    assert not can_decode(syntax)
    with pytest.raises(DecodeError, match=reason):
        to_explicit_little_endian(data)


@pytest.mark.parametrize("number", ["50", "57", "70", "80", "90", "110", "201", "203"])
def test_damaged_frames_are_refused(number: str) -> None:
    """A code stream of noise, or of another size, is a decode error for every codec."""
    pixels = ramp("uint16")
    noise = [b"\xff\xd8\xff\x4f\xff\x51" + bytes(range(100))] * 2

    with pytest.raises(DecodeError):
        to_explicit_little_endian(compressed(JPEG + number, pixels, noise))


def test_missing_frames_and_wrong_sizes_are_refused() -> None:
    """The header decides how many frames of which size there must be."""
    pixels = ramp("uint16")
    frames = [imagecodecs.jpegls_encode(frame) for frame in pixels]

    with pytest.raises(DecodeError):
        to_explicit_little_endian(compressed(JPEG + "80", pixels, frames, NumberOfFrames=3))
    with pytest.raises(DecodeError, match="instead of"):
        to_explicit_little_endian(compressed(JPEG + "80", pixels, frames, Rows=25))
    with pytest.raises(DecodeError, match="Bits Allocated"):
        to_explicit_little_endian(compressed(JPEG + "80", pixels, frames, BitsAllocated=12))


def test_native_and_compressed_syntaxes_can_be_decoded() -> None:
    """The table names what the gateway promises."""
    assert all(can_decode(f"1.2.840.10008.1.2{tail}") for tail in ("", ".1", ".1.99", ".2", ".5"))
    for number in (50, 51, 57, 70, 80, 81, 90, 91, 110, 111, 112, 201, 202, 203):
        assert can_decode(f"{JPEG}{number}")
