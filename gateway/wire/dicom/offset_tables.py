"""Where the frames of encapsulated pixel data lie, written down: the basic and the extended table.

Read by `stored_frames`. Clauses: DICOM PS3.5 A.4 (basic offset table), PS3.3 C.7.6.3.1.8 (extended
offset table).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from gateway.wire.dicom.part10 import element

EXTENDED_OFFSETS: Final = 0x7FE00001
EXTENDED_LENGTHS: Final = 0x7FE00002
MAX_OFFSET: Final = 0xFFFFFFFF  # what a basic offset table can hold
_ITEM: Final = b"\xfe\xff\x00\xe0"

Span = tuple[int, int]
"""Where the item of a frame begins, counted from the first one, and how long its stream is."""


def basic_table(spans: Sequence[Span], count: int) -> bytes:
    """The item of a basic offset table, of zeros where no span is known yet; empty for 0."""
    offsets = [at for at, _ in spans] or [0] * count
    return _ITEM + struct.pack(f"<I{count}I", 4 * count, *offsets)


def extended_tables(spans: Sequence[Span], count: int) -> bytes:
    """The elements of an extended offset table, of zeros where no span is known yet."""
    known = spans or [(0, 0)] * count
    return b"".join(
        element(tag, "OV", struct.pack(f"<{count}Q", *(span[index] for span in known)))
        for index, tag in enumerate((EXTENDED_OFFSETS, EXTENDED_LENGTHS))
    )
