"""A header written into another transfer syntax says the same."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from gateway.wire.dicom.dataset import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, read_header
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.rewrite import file_head, swapped, write_header
from gateway.wire.problems import DecodeError

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_implicit.dcm", "rtplan.dcm"])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_header_says_the_same_in_every_native_syntax(name: str, syntax: str) -> None:
    """Every element comes back with the value it had."""
    data = (BUNDLED / name).read_bytes()
    out = io.BytesIO()

    with reading("header"):
        write_header(read_header(io.BytesIO(data)), out, syntax)

    written = pydicom.dcmread(io.BytesIO(out.getvalue()))
    source = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    assert written.file_meta.TransferSyntaxUID == syntax
    texts = [str(element) for element in source if element.tag.group < 0x7FE0]
    assert [str(element) for element in written] == texts


def test_header_of_a_compressed_syntax_is_explicit_little_endian() -> None:
    """Syntaxes younger than the library are written no less."""
    out = io.BytesIO()

    with reading("header"):
        header = read_header(io.BytesIO((BUNDLED / "MR_small_implicit.dcm").read_bytes()))
        write_header(header, out, "1.2.840.10008.1.2.4.110")

    written = pydicom.dcmread(io.BytesIO(out.getvalue()))
    assert written.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.110"
    assert written.original_encoding == (False, True)


def test_words_are_turned_around_by_their_width() -> None:
    """An odd rest stays as it is."""
    assert swapped(b"\1\2\3\4", 2) == b"\2\1\4\3"
    assert swapped(b"\1\2\3\4", 4) == b"\4\3\2\1"
    assert swapped(b"\1\2\3", 2) == b"\2\1\3"


def test_instance_without_identity_has_no_head() -> None:
    """A file must name its class and instance."""
    ds = read_header(io.BytesIO((BUNDLED / "MR_small.dcm").read_bytes()))
    ds.file_meta.clear()
    del ds.SOPInstanceUID

    with pytest.raises(DecodeError):
        file_head(ds, EXPLICIT_LITTLE)
