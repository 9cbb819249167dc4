"""Sizes that JPEG XL code streams claim, read before they are decoded."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from gateway.wire.dicom.frames import FrameFormat, decode_frame
from gateway.wire.dicom.jpegxl_size import jpegxl_size
from gateway.wire.problems import DecodeError

SIZES = [(1, 1), (8, 8), (256, 256), (256, 64), (257, 300), (600, 900), (480, 640), (10, 2500)]


@pytest.mark.parametrize(("rows", "columns"), [*SIZES, (9000, 3), (3, 300_000)])
@pytest.mark.parametrize("boxes", [False, True])
def test_sizes_are_those_that_were_encoded(rows: int, columns: int, boxes: bool) -> None:
    """Short forms, ratios and long numbers; bare and in boxes."""
    stream = imagecodecs.jpegxl_encode(
        np.zeros((rows, columns), "u1"), lossless=True, effort=3, usecontainer=boxes
    )
    assert stream.startswith(b"\0\0\0\x0cJXL ") or not boxes  # long sides need them anyway
    assert jpegxl_size(stream) == (rows, columns)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\0abcd"],
)
def test_what_is_no_jpeg_xl_has_no_size(data: bytes) -> None:
    """Empty, something else, boxes without a code stream."""
    with pytest.raises(ValueError, match="code stream"):
        jpegxl_size(data)


def test_a_code_stream_of_another_size_is_refused_before_it_is_decoded() -> None:
    """Ten bytes may claim a gigapixel."""
    form = FrameFormat(
        transfer_syntax="1.2.840.10008.1.2.4.110",
        rows=8,
        columns=8,
        samples=1,
        bits_allocated=8,
        bits_stored=8,
        signed=False,
        photometric="MONOCHROME2",
    )
    bomb = b"\xff\x0a" + (0b11 << 1 | (2**30 - 1) << 3 | 1 << 33).to_bytes(8, "little")
    assert jpegxl_size(bomb) == (2**30, 2**30)
    with pytest.raises(DecodeError, match="1073741824x1073741824 instead of 8x8"):
        decode_frame(bomb, form)
