"""Samples of a greyscale frame as the 256 shades of a screen.

The pipeline of the standard: stored values become what the modality measured (rescale or modality
LUT), those become what is of interest (window or VOI LUT), those become shades, inverted where
the smallest is white. Calibration of a display is not here, nor are overlays: the result is for
looking at, never for diagnosis. Clauses: DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT),
C.7.6.16.2.9b and C.7.6.16.2.10 (the same by frame), C.7.5.1.1.2 (padding), PS3.4 N.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from gateway.domain import Refusal, refuse
from gateway.wire.dicom.elements import integer, items, text, texts
from gateway.wire.dicom.frames import Samples
from gateway.wire.dicom.rendering import Window, WindowFunction
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.problems import DecodeError

Values: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Shades: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Mapping: TypeAlias = Callable[[Values], Values]

BAND_PIXELS: Final = 1024 * 1024  # samples turned into shades at a time: each takes 8 bytes or more
WHITE: Final = 255

_PER_FRAME: Final = Tag(0x5200, 0x9230)
_SHARED: Final = Tag(0x5200, 0x9229)
_PIXEL_TRANSFORMATION: Final = Tag(0x0028, 0x9145)
_FRAME_VOI: Final = Tag(0x0028, 0x9132)
_MODALITY_LUT: Final = Tag(0x0028, 0x3000)
_VOI_LUT: Final = Tag(0x0028, 0x3010)
_DESCRIPTOR: Final = Tag(0x0028, 0x3002)
_LUT_DATA: Final = Tag(0x0028, 0x3006)
_INTERCEPT: Final = Tag(0x0028, 0x1052)
_SLOPE: Final = Tag(0x0028, 0x1053)
_CENTRE: Final = Tag(0x0028, 0x1050)
_WIDTH: Final = Tag(0x0028, 0x1051)
_FUNCTION: Final = Tag(0x0028, 0x1056)
_PADDING: Final = Tag(0x0028, 0x0120)
_PADDING_LIMIT: Final = Tag(0x0028, 0x0121)
_SHAPE: Final = Tag(0x2050, 0x0020)

# What VOI LUT Function is called in a header (PS3.3 C.11.2.1.3); anything else is linear.
_FUNCTIONS: Final = {
    "LINEAR": WindowFunction.LINEAR,
    "LINEAR_EXACT": WindowFunction.LINEAR_EXACT,
    "SIGMOID": WindowFunction.SIGMOID,
}


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table: the first value it maps, its entries, and the largest they can be."""

    first: int
    entries: Samples
    largest: int

    def look_up(self, values: Values) -> Values:
        """The entries for values; those before the first and after the last are theirs."""
        places = np.clip(np.floor(values - self.first), 0, len(self.entries) - 1)
        return self.entries[places.astype(np.intp)].astype(np.float64)


def grey_of(samples: Samples, frames: StoredFrames, number: int, window: Window | None) -> Shades:
    """The shades of a frame's samples, shape (rows, columns).

    `window` outranks what the header has, of which the VOI LUT comes before the first window.
    Where there is neither, all samples are shown that occur, but images of up to 8 bits as they
    are. Padding is black. Call it inside `elements.reading`. Refuses a window that is none.
    """
    header = frames.header
    modality = _modality(header, number)
    padding = _padding(samples, header)
    voi = _windowed(window) if window else _stored_voi(header, number)
    if voi is None:
        voi = _between(*_extent(samples, padding, frames, modality))
    inverted = _is_inverted(header, frames.form.photometric)

    def shade(values: Values) -> Shades:
        with np.errstate(all="ignore"):
            shown = np.clip(np.nan_to_num(voi(modality(values))), 0, 1)
            return np.floor((1 - shown if inverted else shown) * WHITE + 0.5).astype(np.uint8)

    found = shaded(samples, shade)
    if padding is not None:
        found[padding] = 0
    return found


def shaded(samples: Samples, shade: Callable[[Values], Shades]) -> Shades:
    """Samples through a function of their values, in bands; small ones through a table of it."""
    found = np.empty(samples.shape, np.uint8)
    step = max(1, BAND_PIXELS // max(1, samples[0].size))
    table: Shades | None = None
    if samples.dtype.kind in "iu" and samples.dtype.itemsize <= 2:
        plain = np.dtype(f"u{samples.dtype.itemsize}")
        every = np.arange(np.iinfo(plain).max + 1).astype(plain)
        table = shade(every.view(samples.dtype).astype(np.float64))
        samples = samples.view(plain)
    for top in range(0, len(samples), step):
        band = samples[top : top + step]
        found[top : top + step] = shade(band.astype(np.float64)) if table is None else table[band]
    return found


def _macro(header: Dataset, number: int, tag: BaseTag) -> Dataset:
    """Where a frame's attributes of a functional group are: its own, the shared, or the header."""
    per_frame = items(header, _PER_FRAME)
    groups = [*per_frame[number - 1 : number], *items(header, _SHARED)[:1]]
    for group in groups:
        found = items(group, tag)
        if found:
            return found[0]
    return header


def _number(ds: Dataset, tag: BaseTag) -> float | None:
    """The first of a decimal string's values; None when it is no finite number."""
    for first in texts(ds, tag)[:1]:
        try:
            value = float(first)
        except ValueError:
            return None
        return value if math.isfinite(value) else None
    return None


def _modality(header: Dataset, number: int) -> Mapping:
    luts = items(header, _MODALITY_LUT)
    if luts:
        return read_table(luts[0], _DESCRIPTOR, _LUT_DATA, header).look_up
    group = _macro(header, number, _PIXEL_TRANSFORMATION)
    slope, intercept = _number(group, _SLOPE), _number(group, _INTERCEPT)
    if slope is None or intercept is None:
        return _unchanged

    def rescaled(values: Values) -> Values:
        return values * slope + intercept

    return rescaled


def _unchanged(values: Values) -> Values:
    return values


def _stored_voi(header: Dataset, number: int) -> Mapping | None:
    """What the header says is of interest; None where it says nothing that can be used."""
    luts = items(header, _VOI_LUT)
    if luts:
        table = read_table(luts[0], _DESCRIPTOR, _LUT_DATA, header)
        return lambda values: table.look_up(values) / table.largest
    group = _macro(header, number, _FRAME_VOI)
    centre, width = _number(group, _CENTRE), _number(group, _WIDTH)
    function = _FUNCTIONS.get(text(group, _FUNCTION).upper(), WindowFunction.LINEAR)
    least = 1 if function is WindowFunction.LINEAR else 0
    if centre is None or width is None or width < least or width == 0:
        return None
    return _WINDOWS[function](centre, width)


def _windowed(window: Window) -> Mapping:
    if window.function is WindowFunction.LINEAR and window.width < 1:
        raise refuse(
            Refusal.MALFORMED_REQUEST,
            "a linear window has a width of at least 1 (PS3.3 C.11.2.1.2)",
            subject="query, window",
        )
    return _WINDOWS[window.function](window.centre, window.width)


def _linear(centre: float, width: float) -> Mapping:
    """PS3.3 C.11.2.1.2.1: the window covers whole numbers; one of width 1 is a threshold."""
    if width == 1:
        return lambda values: (values > centre - 0.5).astype(np.float64)
    return lambda values: (values - (centre - 0.5)) / (width - 1) + 0.5


def _linear_exact(centre: float, width: float) -> Mapping:
    """PS3.3 C.11.2.1.3.2."""
    return lambda values: (values - centre) / width + 0.5


def _sigmoid(centre: float, width: float) -> Mapping:
    """PS3.3 C.11.2.1.3.1."""
    return lambda values: 1 / (1 + np.exp(-4 * (values - centre) / width))


_WINDOWS: Final[dict[WindowFunction, Callable[[float, float], Mapping]]] = {
    WindowFunction.LINEAR: _linear,
    WindowFunction.LINEAR_EXACT: _linear_exact,
    WindowFunction.SIGMOID: _sigmoid,
}


def _between(low: float, high: float) -> Mapping:
    """From the lowest to the highest; black where they are the same."""
    if high <= low:
        return np.zeros_like
    return lambda values: (values - low) / (high - low)


def _extent(
    samples: Samples, padding: Samples | None, frames: StoredFrames, modality: Mapping
) -> tuple[float, float]:
    """The lowest and the highest value to show, in units of the modality."""
    form = frames.form
    if form.bits_stored <= 8 and not frames.is_float:
        half = 1 << form.bits_stored - 1
        ends = np.array([-half, half - 1] if form.signed else [0, 2 * half - 1], np.float64)
    else:
        counted = samples if padding is None else samples[~padding]
        if frames.is_float:
            counted = counted[np.isfinite(counted)]
        if not counted.size:
            return 0.0, 0.0
        ends = np.array([counted.min(), counted.max()], np.float64)
    with np.errstate(all="ignore"):
        shown = modality(ends)
    return float(shown.min()), float(shown.max())


def _padding(samples: Samples, header: Dataset) -> Samples | None:
    """Which samples are padding; None without any said to be."""
    value = integer(header, _PADDING)
    if value is None or samples.dtype.kind == "f":
        return None
    limit = integer(header, _PADDING_LIMIT)
    low, high = sorted((value, value if limit is None else limit))
    found: Samples = (samples >= low) & (samples <= high)
    return found


def _is_inverted(header: Dataset, photometric: str) -> bool:
    """Whether the smallest value is white; the shape, where it is said, is the later word."""
    shape = text(header, _SHAPE).upper()
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return photometric == "MONOCHROME1"


def read_table(ds: Dataset, descriptor: BaseTag, data: BaseTag, header: Dataset) -> Table:
    """A lookup table from its descriptor and data (PS3.3 C.11.1.1); `DecodeError` when damaged."""
    described = ds[descriptor].value if descriptor in ds else None
    numbers = [int(one) for one in described] if isinstance(described, MultiValue | list) else []
    if len(numbers) != 3 or not 1 <= numbers[2] <= 16 or data not in ds:
        raise DecodeError("LUT", f"the descriptor {numbers}", "entries, first, bits", "PS3.3 C.11")
    size = (numbers[0] & 0xFFFF) or 0x10000  # 0 stands for 65536
    value = ds[data].value
    if isinstance(value, bytes):
        order = ">" if header.original_encoding[1] is False else "<"
        # Entries of 8 bits may be packed, two to a word.
        packed = numbers[2] <= 8 and len(value) < 2 * size
        entries = np.frombuffer(value[: len(value) & ~1], "u1" if packed else f"{order}u2")
        if packed and order == ">":
            entries = entries.reshape(-1, 2)[:, ::-1].reshape(-1)
    else:
        plain = list(value) if hasattr(value, "__len__") else [value]
        entries = np.array(plain, np.int64).astype(np.uint16)
    if len(entries) < size:
        raise DecodeError("LUT", f"{len(entries)} entries", f"{size} entries", "PS3.3 C.11.1.1")
    return Table(first=numbers[1], entries=entries[:size], largest=(1 << numbers[2]) - 1)
