"""The pixel data element moved byte for byte."""

from __future__ import annotations

import io

import pytest

from gateway.wire.dicom.pixel_element import (
    UNDEFINED,
    PixelElement,
    copy_mended,
    copy_pixels,
    mend_length,
    read_pixel_element,
    write_pixel_element,
)
from gateway.wire.problems import DecodeError

EXPLICIT_HEAD = b"\xe0\x7f\x10\x00OW\0\0\x04\0\0\0"
FRAGMENTS = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_header_reads_back_in_every_encoding(implicit: bool, little: bool) -> None:
    """Implicit and explicit, little and big endian."""
    file = io.BytesIO()
    element = PixelElement(0x7FE00010, "" if implicit else "OW", 4)

    write_pixel_element(file, element, implicit=implicit, little=little)
    file.seek(0)

    assert read_pixel_element(file, implicit=implicit, little=little) == element


def test_other_elements_and_the_end_are_no_pixel_data() -> None:
    """An object without pixels simply has none."""
    for data in (b"", b"\xe0\x7f", b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0"):
        assert read_pixel_element(io.BytesIO(data), implicit=False, little=True) is None


def test_fragments_are_moved_up_to_their_delimiter() -> None:
    """Items are followed by their lengths; what comes after stays behind."""
    source, out = io.BytesIO(FRAGMENTS + b"rest"), io.BytesIO()

    copy_pixels(source, out, PixelElement(0x7FE00010, "OB", UNDEFINED))

    assert out.getvalue() == FRAGMENTS
    assert source.read() == b"rest"


@pytest.mark.parametrize("data", [FRAGMENTS[:-8], FRAGMENTS[:20], b"\0" * 16, b""])
def test_broken_fragments_are_refused(data: bytes) -> None:
    """An end before the delimiter, or something that is no item, is an error."""
    with pytest.raises(DecodeError):
        copy_pixels(io.BytesIO(data), io.BytesIO(), PixelElement(0x7FE00010, "OB", UNDEFINED))


def test_short_values_are_refused() -> None:
    """A value that ends early is not padded."""
    with pytest.raises(DecodeError, match="2 bytes"):
        copy_pixels(io.BytesIO(b"ab"), io.BytesIO(), PixelElement(0x7FE00010, "OW", 4))
    with pytest.raises(DecodeError, match="OB, OW"):
        read_pixel_element(
            io.BytesIO(EXPLICIT_HEAD.replace(b"OW", b"SH")), implicit=False, little=True
        )


DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM = b"\xfe\xff\x00\xe0"


@pytest.mark.parametrize(
    ("data", "mended", "said"),
    [
        (FRAGMENTS + b"rest", FRAGMENTS, ""),
        (FRAGMENTS[:-8], FRAGMENTS, "no end"),
        (FRAGMENTS[:-8] + b"\0" * 16, FRAGMENTS, "no end"),
        (FRAGMENTS[:-9], FRAGMENTS[:12] + b"\4\0\0\0abc\0" + DELIMITER, "3 of 4 bytes"),
        (FRAGMENTS[:18], FRAGMENTS[:12] + b"\2\0\0\0ab" + DELIMITER, "2 of 4 bytes"),
        (b"", DELIMITER, "no end"),
    ],
)
def test_fragments_that_end_early_are_ended(data: bytes, mended: bytes, said: str) -> None:
    """What is there is kept, and the sequence gets the end it lacks."""
    out = io.BytesIO()

    cut = copy_mended(io.BytesIO(data), out, PixelElement(0x7FE00010, "OB", UNDEFINED))

    assert out.getvalue() == mended
    assert (said in cut) if said else cut == ""


def test_a_short_native_value_gets_the_length_it_has() -> None:
    """Made even; a whole one stays as it is."""
    element = PixelElement(0x7FE00010, "OW", 6)
    stream, out = io.BytesIO(b"abc"), io.BytesIO()

    mended, said = mend_length(stream, element)
    copy_mended(stream, out, mended)

    assert (mended.length, out.getvalue()) == (4, b"abc\0")
    assert "3 of 6 bytes" in said
    assert mend_length(io.BytesIO(b"abcdef"), element) == (element, "")
