"""Offset tables say to pydicom what they were made of."""

from __future__ import annotations

import io

from pydicom.dataset import Dataset
from pydicom.encaps import parse_basic_offsets
from pydicom.filereader import read_dataset

from gateway.wire.dicom.offset_tables import basic_table, extended_tables

SPANS = [(0, 10), (18, 21), (48, 4)]


def test_basic_table_has_the_offset_of_every_frame() -> None:
    """Counted from the first fragment."""
    assert parse_basic_offsets(basic_table(SPANS, 3)) == [0, 18, 48]
    assert parse_basic_offsets(basic_table([], 3)) == [0, 0, 0]
    assert len(basic_table([], 3)) == len(basic_table(SPANS, 3))
    assert parse_basic_offsets(basic_table([], 0)) == []


def test_extended_tables_have_offsets_and_lengths() -> None:
    """Eight bytes of each, in two elements; as many of zeros while nothing is known."""
    ds: Dataset = read_dataset(io.BytesIO(extended_tables(SPANS, 3)), False, True)
    offsets, lengths = ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths

    assert [int.from_bytes(offsets[at : at + 8], "little") for at in (0, 8, 16)] == [0, 18, 48]
    assert [int.from_bytes(lengths[at : at + 8], "little") for at in (0, 8, 16)] == [10, 21, 4]
    assert len(extended_tables([], 3)) == len(extended_tables(SPANS, 3))
