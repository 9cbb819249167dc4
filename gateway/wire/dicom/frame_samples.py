"""A frame as an array of samples, whatever its packing: what a picture is made from.

Planes become pixels, subsampled colour is spread, single bits become bytes, and bits beyond Bits
Stored, where old files kept overlays, do not count. What the samples mean is `grey`'s and
`colours`'. Clauses: DICOM PS3.5 8.1.1 (pixel cells), PS3.3 C.7.6.3.1.2 and C.7.6.3.1.3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from pydicom.tag import Tag

from gateway.wire.dicom.elements import integer
from gateway.wire.dicom.frames import Samples
from gateway.wire.dicom.stored_frames import SUBSAMPLED, StoredFrames
from gateway.wire.problems import DecodeError

# A tomosynthesis slice has 14 million pixels, a stitched detector 64; a picture of a frame takes
# several times its size in memory.
MAX_PIXELS: Final = 64 * 1024 * 1024

_PLANAR: Final = Tag(0x0028, 0x0006)
_HIGH_BIT: Final = Tag(0x0028, 0x0102)


def samples_of(frames: StoredFrames, number: int) -> tuple[Samples, str]:
    """The samples of a frame, numbered from 1, and their photometric interpretation.

    Shape (rows, columns), or (rows, columns, samples) for more than one sample a pixel. Raises
    `DecodeError` when the frame cannot be decoded or is beyond `MAX_PIXELS`.
    """
    form = frames.form
    if form.rows * form.columns > MAX_PIXELS:
        raise DecodeError(
            "frame", f"{form.columns} by {form.rows} pixels", f"at most {MAX_PIXELS} pixels"
        )
    data, photometric = frames.plain(number)
    found = _cells(data, frames)
    if frames.is_subsampled:
        return _spread(found, form.rows, form.columns), photometric
    if form.samples == 1:
        return found.reshape(form.rows, form.columns), photometric
    if not frames.is_compressed and integer(frames.elements, _PLANAR) == 1:
        planes = found.reshape(form.samples, form.rows, form.columns)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1)), photometric
    return found.reshape(form.rows, form.columns, form.samples), photometric


def _cells(data: bytes, frames: StoredFrames) -> Samples:
    """The samples in the order they stand in, without the bits that are none of theirs."""
    form = frames.form
    if form.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[: form.rows * form.columns * form.samples]
    kind = "f" if frames.is_float else "i" if form.signed else "u"
    found: Samples = np.frombuffer(data, f"<{kind}{form.bits_allocated // 8}")
    spare = form.bits_allocated - form.bits_stored
    if frames.is_float or frames.is_compressed or spare <= 0:
        return found
    high = integer(frames.elements, _HIGH_BIT)
    top = form.bits_stored - 1 if high is None else high
    above = min(max(form.bits_allocated - 1 - top, 0), spare)
    return (found << above) >> spare


def _spread(found: Samples, rows: int, columns: int) -> Samples:
    """Two pixels that share their colour, as two pixels: Y Y B R becomes Y B R, Y B R."""
    if columns % 2:
        raise DecodeError("Columns", str(columns), f"an even number for {SUBSAMPLED}", "PS3.3 C.7")
    pairs = found.reshape(-1, 4)
    pixels = pairs[:, [0, 2, 3, 1, 2, 3]]
    return np.ascontiguousarray(pixels).reshape(rows, columns, 3)
