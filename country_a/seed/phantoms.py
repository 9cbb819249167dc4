"""Made-up pictures: anatomy-like shapes with the noise of the machine that would have made them.

Not anatomy, and no picture of anybody: ellipses at plausible places. What matters to the
exchange is that the pixels cost what real ones cost: the noise of the CT is chosen so that
lossless HTJ2K makes 16-bit slices between 3.0 and 4.5 times smaller. Arrays are in the stored
representation, rows first; the same generator gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
Pixels: TypeAlias = NDArray[Any]

CT_OFFSET = 1024  # stored value = Hounsfield units + offset
CT_BODY_NOISE = 11.0  # Hounsfield units, of a standard-dose abdomen with a soft kernel
CT_AIR_NOISE = 2.5
CT_OUTSIDE = -1024.0  # what is beyond the circle of reconstruction
_TILE = 1024


@lru_cache(maxsize=4)
def _noise_tile(seed: int) -> Plane:
    # One field of noise, looked at through windows elsewhere each time: as good as new and free.
    field = np.random.default_rng(seed).standard_normal((_TILE, _TILE), dtype=np.float32)
    # Neighbours in a reconstructed slice share some of their noise.
    field = field + 0.45 * (np.roll(field, 1, 0) + np.roll(field, 1, 1))
    scaled: Plane = (field / field.std()).astype(np.float32)
    return scaled


def _noise(rows: int, columns: int, rng: np.random.Generator) -> Plane:
    tile = _noise_tile(20)
    if rows <= _TILE // 2 and columns <= _TILE // 2:
        top, left = rng.integers(0, _TILE // 2, 2)
        return tile[top : top + rows, left : left + columns]
    return rng.standard_normal((rows, columns), dtype=np.float32)


@lru_cache(maxsize=8)
def _axes(rows: int, columns: int) -> tuple[Plane, Plane]:
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return y, x


def _ellipse(
    shape: tuple[int, int], centre: tuple[float, float], axes: tuple[float, float]
) -> NDArray[np.bool_]:
    y, x = _axes(*shape)
    squared: Plane = ((y - centre[0]) / axes[0]) ** 2 + ((x - centre[1]) / axes[1]) ** 2
    return squared < 1


def ct_slices(
    count: int, size: int, rng: np.random.Generator, *, noise: float = CT_BODY_NOISE
) -> Iterator[NDArray[np.int16]]:
    """Slices of a trunk from the lungs down, `size` × `size`, signed 16-bit, HU + `CT_OFFSET`."""
    shape = (size, size)
    for index in range(count):
        depth = index / max(count - 1, 1)
        girth = 1.0 - 0.12 * float(np.cos(depth * 3.0))
        image = np.full(shape, -1000.0, np.float32)
        body = _ellipse(shape, (0, 0), (0.55 * girth, 0.78 * girth))
        image[body] = -95.0
        image[_ellipse(shape, (0, 0), (0.49 * girth, 0.71 * girth))] = 45.0
        lung = max(0.0, 0.9 - 1.6 * depth)
        if lung > 0.1:
            for side in (-1, 1):
                image[_ellipse(shape, (-0.05, side * 0.34), (0.36 * lung, 0.25 * lung))] = -860.0
            image[_ellipse(shape, (-0.08, 0.06), (0.2, 0.17))] = 60.0
        else:
            image[_ellipse(shape, (-0.06, -0.3), (0.28, 0.32))] = 62.0
            for side in (-1, 1):
                image[_ellipse(shape, (0.2, side * 0.36), (0.12, 0.09))] = 110.0
        image[_ellipse(shape, (0.3, 0), (0.13, 0.11))] = 420.0
        image[_ellipse(shape, (0.3, 0), (0.05, 0.05))] = 30.0
        image[_ellipse(shape, (0.13, 0.05), (0.045, 0.045))] = 150.0
        sigma = np.where(body, np.float32(noise), np.float32(CT_AIR_NOISE))
        image += _noise(size, size, rng) * sigma
        image[~_ellipse(shape, (0, 0), (1.0, 1.0))] = CT_OUTSIDE
        yield np.clip(image + CT_OFFSET, -1024, 4095).astype(np.int16)


def mr_slices(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint16]]:
    """Slices of a head, `size` × `size`, unsigned 12-bit in 16."""
    shape = (size, size)
    for index in range(count):
        depth = 2 * index / max(count - 1, 1) - 1
        round_ = float(np.sqrt(1.05 - 0.8 * depth * depth))
        image = np.zeros(shape, np.float32)
        image[_ellipse(shape, (0, 0), (0.85 * round_, 0.68 * round_))] = 900.0
        image[_ellipse(shape, (0, 0), (0.78 * round_, 0.61 * round_))] = 120.0
        image[_ellipse(shape, (0, 0), (0.73 * round_, 0.56 * round_))] = 520.0
        for side in (-1, 1):
            white = _ellipse(shape, (0, side * 0.25 * round_), (0.5 * round_, 0.2 * round_))
            image[white] = 690.0
            image[_ellipse(shape, (-0.05, side * 0.1), (0.2 * round_, 0.05 * round_))] = 150.0
        real = image + _noise(size, size, rng) * 14
        imaginary = _noise(size, size, rng) * 14
        # The magnitude of a complex signal: no negative values, a floor of noise in the air.
        yield np.clip(np.hypot(real, imaginary), 0, 4095).astype(np.uint16)


def radiograph(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """A chest radiograph, unsigned 12-bit in 16, MONOCHROME2."""
    shape = (rows, columns)
    y, x = _axes(*shape)
    image: Plane = 2400 - 700 * x * x + 250 * y
    for side in (-1, 1):
        image = image - 1300 * np.exp(
            -(((y + 0.1) / 0.5) ** 2) - ((x - side * 0.38) / 0.24) ** 2, dtype=np.float32
        )
    image = image + 120 * np.maximum(0, np.sin(y * 26 + x * x * 9)) * (np.abs(x) < 0.75)
    image += _noise(rows, columns, rng) * 11
    return np.clip(image, 0, 4095).astype(np.uint16)


def mammogram(
    rows: int, columns: int, rng: np.random.Generator, *, left: bool
) -> NDArray[np.uint16]:
    """One breast against the chest wall, unsigned 12-bit in 16; air around it is plain black."""
    shape = (rows, columns)
    y, x = _axes(*shape)
    across = x + 1 if left else 1 - x
    squared: Plane = (y / 0.8) ** 2 + (across / 1.4) ** 2
    breast = squared < 1
    thickness = np.sqrt(np.clip(1 - squared, 0, 1))
    glands = 380 * np.sin(y * 13 + across * 4) * np.sin(across * 9 - y * 5) * thickness
    image = (1200 + 1300 * thickness + glands) + _noise(rows, columns, rng) * 18
    return np.where(breast, np.clip(image, 0, 4095), 0).astype(np.uint16)


def ultrasound_frames(
    count: int, rows: int, columns: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Frames of a sector scan in colour, `rows` × `columns` × 3, 8-bit RGB."""
    y, x = _axes(rows, columns)
    depth: Plane = ((y + 1) / 2).astype(np.float32)
    reach = np.sqrt(x * x + depth * depth)
    sector = (reach < 0.97) & (np.abs(x) < 0.85 * depth)
    speckle = np.abs(rng.standard_normal((rows, columns), dtype=np.float32))
    for index in range(count):
        beat = 0.04 * float(np.sin(2 * np.pi * index / max(count, 8)))
        image = 60 * np.roll(speckle, index, axis=0) * (1.25 - reach)
        image = np.where(_chamber(depth, x, 0.22 + beat), image * 0.15, image)
        frame = np.repeat(np.where(sector, np.clip(image, 0, 255), 0)[:, :, None], 3, axis=2)
        flow = sector & _chamber(depth, x, 0.1 + beat)
        frame[flow, 0], frame[flow, 2] = 180 + 40 * np.sign(beat), 40
        yield frame.astype(np.uint8)


def _chamber(depth: Plane, x: Plane, radius: float) -> NDArray[np.bool_]:
    squared: Plane = (depth - 0.55) ** 2 + x * x
    return squared < radius * radius
