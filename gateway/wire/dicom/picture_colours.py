"""Samples of a colour frame as red, green and blue of 8 bits each.

Colours are taken to be sRGB: profiles inside an image are not applied. Clauses: DICOM PS3.3
C.7.6.3.1.2 (photometric interpretation), C.7.9 (palettes).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import Tag

from gateway.wire.dicom.accept import NotAcceptable
from gateway.wire.dicom.frames import Samples
from gateway.wire.dicom.picture_grey import Shades, Values, read_table, shaded
from gateway.wire.dicom.stored_frames import SUBSAMPLED, StoredFrames

PALETTE: Final = "PALETTE COLOR"
RGB: Final = "RGB"

_YBR: Final = frozenset({"YBR_FULL", SUBSAMPLED})
_CHANNELS: Final = (
    (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
    (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
    (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
)
_SEGMENTED: Final = Tag(0x0028, 0x1221)
# Of Y, Cb and Cr: what each adds to red, green and blue (ITU-R BT.601, PS3.3 C.7.6.3.1.2).
_TO_RGB: Final = np.array(
    [[1, 1, 1], [0, -0.114 * 1.772 / 0.587, 1.772], [1.402, -0.299 * 1.402 / 0.587, 0]]
)


def is_colour(photometric: str, samples: int) -> bool:
    """Whether pixels of a photometric interpretation have a colour."""
    return samples > 1 or photometric == PALETTE


def colours_of(samples: Samples, photometric: str, frames: StoredFrames) -> Shades:
    """The colours of a frame's samples, shape (rows, columns, 3).

    Call it inside `elements.reading`. Raises `NotAcceptable` for colours that are not known here,
    and `DecodeError` for a palette that cannot be read.
    """
    form = frames.form
    if photometric == PALETTE and form.samples == 1:
        return _painted(samples, frames.header)
    if form.samples == 3 and photometric in (RGB, *_YBR):
        found = _in_eight_bits(samples, form.bits_stored)
        return found if photometric == RGB else _from_ybr(found)
    raise NotAcceptable(
        f"there is no picture of {photometric or 'unnamed colours'} with {form.samples} samples"
    )


def _in_eight_bits(samples: Samples, bits: int) -> Shades:
    if bits == 8 and samples.dtype == np.uint8:
        return samples
    largest = (1 << bits) - 1

    def shade(values: Values) -> Shades:
        return np.floor(np.clip(values / largest, 0, 1) * 255 + 0.5).astype(np.uint8)

    return shaded(samples, shade)


def _from_ybr(samples: Shades) -> Shades:
    found = np.empty_like(samples)
    for row, line in enumerate(samples):
        mixed = (line.astype(np.float64) - (0, 128, 128)) @ _TO_RGB
        found[row] = np.clip(np.floor(mixed + 0.5), 0, 255).astype(np.uint8)
    return found


def _painted(samples: Samples, header: Dataset) -> Shades:
    if _SEGMENTED in header and _CHANNELS[0][1] not in header:
        found: Samples = apply_color_lut(samples, header)[..., :3]
        return _in_eight_bits(found, found.dtype.itemsize * 8)
    channels = []
    for descriptor, data in _CHANNELS:
        table = read_table(header, descriptor, data, header)
        eight = _in_eight_bits(table.entries.reshape(1, -1), table.largest.bit_length())[0]
        first, last = table.first, len(eight) - 1

        def shade(
            values: Values, eight: Shades = eight, first: int = first, last: int = last
        ) -> Shades:
            return eight[np.clip(values - first, 0, last).astype(np.intp)]

        channels.append(shaded(samples, shade))
    return np.stack(channels, axis=-1)
