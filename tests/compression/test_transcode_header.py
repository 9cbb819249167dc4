"""A header of which no element changes goes as it stands in the file; any other is written anew."""

from __future__ import annotations

import pytest

from gateway.compression.permitted import HTJ2K_LOSSLESS_RPCL, JPEG_LS_LOSSLESS
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.wire.dicom.stored_frames import StoredFrames
from tests.compression.pixels import facts_of
from tests.compression.renditions import changed, coding_of, file_of, rendered
from tests.dicom_images import BIG, IMPLICIT


@pytest.mark.parametrize("syntax", [JPEG_LS_LOSSLESS, EXPLICIT_LITTLE_ENDIAN])
def test_what_does_not_change_keeps_its_bytes(syntax: str) -> None:
    """Private elements, odd characters and all."""
    source = file_of(facts_of("i13"), PatientName="Παπαδάκη", SpecificCharacterSet="ISO_IR 192")
    kept = StoredFrames(source).header_bytes()

    data, _ = rendered(source, coding_of(syntax))

    assert kept
    assert source.count(kept) == 1
    assert kept in data
    assert StoredFrames(data).header_bytes() == kept


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG])
def test_other_encodings_are_written_anew(syntax: str) -> None:
    """Their bytes mean something else in another file."""
    source = file_of(facts_of("i13"), syntax=syntax)
    assert StoredFrames(source).header_bytes() is None
    data, _ = rendered(source, coding_of(HTJ2K_LOSSLESS_RPCL))
    assert changed(source, data) == set()


def test_what_lies_about_its_file_meta_is_written_anew() -> None:
    """The length there leads to where the data set begins, or nowhere."""
    source = bytearray(file_of(facts_of("i13")))
    source[140] ^= 0x10
    assert StoredFrames(bytes(source)).header_bytes() is None


def test_tables_of_offsets_do_not_stay() -> None:
    """They tell where frames lay in the other file."""
    source = file_of(
        facts_of("i13"), ExtendedOffsetTable=bytes(8), ExtendedOffsetTableLengths=bytes(8)
    )
    assert StoredFrames(source).header_bytes() is None
