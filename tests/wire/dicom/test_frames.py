"""Facts of code streams, and the fit between stream and header."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest

from gateway.wire.dicom.frames import (
    REFUSED,
    RLE,
    FrameFormat,
    decode_frame,
    decode_samples,
    has_decoder,
    jpeg2000_facts,
    jpeg_facts,
)
from gateway.wire.problems import DecodeError

JPEG = "1.2.840.10008.1.2.4."


def make_format(syntax: str, **changes: object) -> FrameFormat:
    """Frames of 8 rows and 8 columns, 16 bits unsigned."""
    values: dict[str, object] = {
        "transfer_syntax": syntax,
        "rows": 8,
        "columns": 8,
        "samples": 1,
        "bits_allocated": 16,
        "bits_stored": 16,
        "signed": False,
        "photometric": "MONOCHROME2",
    }
    return FrameFormat(**(values | changes))  # type: ignore[arg-type]


def marked(*segments: bytes, components: bytes = b"\1\2\3") -> bytes:
    """A JPEG head of the given segments and a baseline frame header."""
    parts = b"".join(bytes([part, 0x11, 0]) for part in components)
    frame = b"\xff\xc0" + (8 + len(parts)).to_bytes(2, "big") + b"\x08\0\x08\0\x08"
    return b"\xff\xd8" + b"".join(segments) + frame + bytes([len(components)]) + parts


ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0"
ADOBE_YCC = ADOBE_RGB[:-1] + b"\1"
JFIF = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"


@pytest.mark.parametrize(
    ("data", "is_rgb"),
    [
        (marked(), None),
        (marked(JFIF), False),
        (marked(ADOBE_RGB), True),
        (marked(ADOBE_YCC), False),
        (marked(JFIF, ADOBE_RGB), True),
        (marked(JFIF, components=b"RGB"), True),
    ],
)
def test_markers_tell_the_colours_of_a_jpeg(data: bytes, is_rgb: bool | None) -> None:
    """Component names first, then Adobe's transform, then JFIF."""
    facts = jpeg_facts(data)

    assert facts.is_rgb is is_rgb
    assert facts.precision == 8
    assert not facts.is_lossless


def test_streams_without_a_frame_header_are_refused() -> None:
    """Noise has no facts."""
    with pytest.raises(ValueError, match="no frame header"):
        jpeg_facts(b"\xff\xd8\xff\xe0\x00\x04ab")
    with pytest.raises(ValueError, match="no SIZ"):
        jpeg2000_facts(b"\0" * 100)


def test_precision_and_sign_of_a_jpeg_2000_stream_are_read() -> None:
    """The first component of SIZ says both."""
    pixels = np.arange(-32, 32, dtype="int16").reshape(8, 8)
    facts = jpeg2000_facts(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True))

    assert (facts.precision, facts.signed) == (16, True)


def test_narrow_samples_are_widened_and_wide_ones_refused() -> None:
    """The header allocates; a stream that does not fit is an error, never cut."""
    narrow = np.arange(64, dtype="uint8").reshape(8, 8)
    wide = (np.arange(64, dtype="uint16") * 100).reshape(8, 8)

    plain, _ = decode_frame(imagecodecs.jpegls_encode(narrow), make_format(JPEG + "80"))
    assert np.array_equal(np.frombuffer(plain, "<u2"), narrow.ravel())

    with pytest.raises(DecodeError, match="do not fit"):
        decode_frame(imagecodecs.jpegls_encode(wide), make_format(JPEG + "80", bits_allocated=8))


def test_bits_of_the_stream_are_read_with_the_sign_of_the_header() -> None:
    """Unsigned 12-bit codes under a signed header are two's complement of 12 bits."""
    values = np.arange(-2048, 2048, 64, dtype="int16").reshape(8, 8)
    codes = values.view("uint16") & 0x0FFF
    stream = imagecodecs.jpeg2k_encode(codes, codecformat="j2k", reversible=True, bitspersample=12)
    assert jpeg2000_facts(stream).precision == 12

    unsigned, _ = decode_frame(stream, make_format(JPEG + "90"))
    signed, _ = decode_frame(stream, make_format(JPEG + "90", signed=True))

    assert np.array_equal(np.frombuffer(unsigned, "<u2"), codes.ravel())
    assert np.array_equal(np.frombuffer(signed, "<i2"), values.ravel())


def test_ridiculous_frames_are_refused_before_decoding() -> None:
    """A header of four gigapixels costs nothing."""
    form = make_format(JPEG + "80", rows=65535, columns=65535)

    with pytest.raises(DecodeError, match="at most"):
        decode_frame(b"", form)


@pytest.mark.parametrize(
    ("at", "form", "value", "complaint"),
    [
        (36, ">I", 52, "do not begin with its image"),  # OpenJPH never comes back from it
        (24, ">I", 0, "do not begin with its image"),
        (40, ">H", 16384, "16384 components instead of 1"),
    ],
)
def test_code_streams_that_keep_a_decoder_busy_are_refused(
    at: int, form: str, value: int, complaint: str
) -> None:
    """Tiles behind the image, tiles of no width, thousands of planes."""
    stream = bytearray(imagecodecs.htj2k_encode(np.zeros((8, 8), "uint16")))
    struct.pack_into(form, stream, at, value)

    with pytest.raises(DecodeError, match=complaint):
        decode_frame(bytes(stream), make_format(JPEG + "201"))


@pytest.mark.parametrize("syntax", ["90", "201", "202", "203"])
@pytest.mark.parametrize("left", [0.5, 0.95])
def test_a_code_stream_that_ends_early_is_an_error_and_no_image(syntax: str, left: float) -> None:
    """Half a code stream holds an image of some sort, which nobody must take for the whole."""
    pixels = np.random.default_rng(1).integers(0, 4096, (64, 64)).astype("uint16")
    if syntax == "90":
        stream = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True)
    else:
        stream = imagecodecs.htj2k_encode(pixels)
    form = make_format(JPEG + syntax, rows=64, columns=64)
    assert decode_frame(stream, form)[0] == pixels.tobytes()

    with pytest.raises(DecodeError):
        decode_frame(stream[: int(len(stream) * left)], form)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ([2, 64, 3_000_000_000], "segments at"),  # which took the process down
        ([2, 64, 64], "segments at"),
        ([2, 0, 64], "segments at"),
        ([2, 64, 200], "segments at"),
        ([15, *range(64, 79)], "15 segments instead of 2"),
        ([0], "0 segments"),
        (None, "RLE header"),
    ],
)
def test_segments_of_rle_that_lie_elsewhere_are_refused(
    head: list[int] | None, complaint: str
) -> None:
    """The decoder believes every offset."""
    data = b"\2"
    if head is not None:
        data = struct.pack("<16I", *(head + [0] * 16)[:16]) + b"\x81\0" * 40
    with pytest.raises(DecodeError, match=complaint):
        decode_frame(data, make_format("1.2.840.10008.1.2.5"))


def test_no_syntax_is_both_decoded_and_refused() -> None:
    """The two tables do not overlap, and every refusal has words."""
    assert not [syntax for syntax in REFUSED if has_decoder(syntax)]
    assert all(REFUSED.values())


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("syntax", [JPEG + "80", JPEG + "90", RLE])
def test_samples_are_the_bytes_of_the_frame(syntax: str, colour: bool) -> None:
    """In the shape of the image, little endian, one beside the other."""
    form = make_format(
        syntax, samples=3 if colour else 1, photometric="RGB" if colour else "MONOCHROME2"
    )
    pixels = np.arange(192 if colour else 64, dtype="<u2").reshape((8, 8, 3) if colour else (8, 8))
    planes = np.moveaxis(pixels, -1, 0) if colour else pixels[None]
    streams = {
        JPEG + "80": lambda: imagecodecs.jpegls_encode(pixels),
        JPEG + "90": lambda: imagecodecs.jpeg2k_encode(
            pixels, codecformat="j2k", reversible=True, planar=False if colour else None
        ),
        RLE: lambda: _rle([each.astype(">u2").view("u1").reshape(-1, 2) for each in planes]),
    }
    stream = bytes(streams[syntax]())

    samples, photometric = decode_samples(stream, form)
    assert (samples.tobytes(), photometric) == decode_frame(stream, form)
    assert np.array_equal(samples, pixels)
    assert samples.flags.c_contiguous


def _rle(planes: list[np.ndarray]) -> bytes:
    """Segments of bytes, the most significant of each sample first, in literal runs."""
    segments = [
        bytes([63]) + cells.tobytes()
        for plane in planes
        for cells in (np.ascontiguousarray(plane[:, 0]), np.ascontiguousarray(plane[:, 1]))
    ]
    segments = [one + b"\0" * (len(one) % 2) for one in segments]
    starts = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    offsets = [len(segments), *starts] + [0] * (15 - len(segments))
    return struct.pack("<16I", *offsets) + b"".join(segments)
