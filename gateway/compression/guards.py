"""How far decoded frames are from the originals, and what a rendition must keep to.

Frames are added one at a time and not kept. The display window is that of the header, or what
lies between the first and the last hundredth of a frame. Not a judgement of fitness for diagnosis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding
from gateway.domain.fidelity import PixelError
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError

# Shares of the quantisation step. On images the maxima are 2.1 and 0.40; on nothing but noise, of
# which a step is one to one and a half standard deviations, a sound coder reaches 2.4 and 0.476.
_MAX_ERROR_STEPS: Final = 3.0
_RMSE_STEPS: Final = 0.5
_ROUNDING: Final = 1 / math.sqrt(12)  # what rounding to whole values alone does
_RATIO_SLACK: Final = 1.03
SSIM_FLOORS: Final = {
    ReadingPurpose.DIAGNOSTIC: 0.99,
    ReadingPurpose.REVIEW: 0.98,
    ReadingPurpose.EMERGENCY: 0.95,
    ReadingPurpose.REFERENCE: 0.95,
}
"""The least structural similarity by purpose; those below review are policies of this system."""
# Where structural similarity was measured to say something.
SSIM_MODALITIES: Final = frozenset({"CT", "CR", "DX", "XA", "RF"})
_FLAT: Final = 1.0  # standard deviation in stored values below which there is no structure
_MOSTLY_BACKGROUND: Final = 0.9
_BLOCK: Final = 8  # pixels a side over which structure is compared
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class NotFaithful(EncodeError):
    """A lossless rendition that does not decode to the pixels it was made from."""


class GuardBroken(EncodeError):
    """A lossy rendition that lost more than it may: which guard, what was found and allowed."""

    def __init__(self, guard: str, found: float, allowed: float) -> None:
        super().__init__(f"{guard}: found {found:g}, allowed {allowed:g}")
        self.guard = guard
        self.found = found
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class DisplayWindow:
    """What of the stored values is shown: from black to white."""

    low: float
    high: float


class ErrorMeter:
    """The error of an instance, gathered frame by frame."""

    def __init__(self, window: DisplayWindow | None = None) -> None:
        self._window = window
        self._max = 0
        self._squares = 0.0
        self._count = 0
        self._ssim: float | None = None

    def add(self, original: Samples, decoded: Samples) -> None:
        """Measure one frame; both have the same shape and type."""
        error = decoded.astype(np.int32) - original.astype(np.int32)
        self._max = max(self._max, int(np.abs(error).max()))
        self._squares += float(np.square(error, dtype=np.float64).sum())
        self._count += error.size
        found = structural_similarity(original, decoded, self._window)
        if found is not None:
            self._ssim = found if self._ssim is None else min(found, self._ssim)

    def error(self) -> PixelError:
        """Greatest error and root mean square of all, and the similarity of the worst frame."""
        rmse = math.sqrt(self._squares / self._count) if self._count else 0.0
        return PixelError(max_error=self._max, rmse=rmse, ssim=self._ssim)


def structural_similarity(
    original: Samples, decoded: Samples, window: DisplayWindow | None
) -> float | None:
    """The mean similarity of blocks after the display window; None where it says nothing.

    That is for a frame that is flat, or nearly all of which is black.
    """
    if float(original.std()) < _FLAT:
        return None
    shown = window or _window_of(original)
    one, other = _shown(original, shown), _shown(decoded, shown)
    if float(np.mean(one <= 0)) > _MOSTLY_BACKGROUND:
        return None
    mean_one, mean_other = _block_means(one), _block_means(other)
    var_one = _block_means(one * one) - mean_one**2
    var_other = _block_means(other * other) - mean_other**2
    both = _block_means(one * other) - mean_one * mean_other
    likeness = ((2 * mean_one * mean_other + _C1) * (2 * both + _C2)) / (
        (mean_one**2 + mean_other**2 + _C1) * (var_one + var_other + _C2)
    )
    return float(likeness.mean())


def _window_of(frame: Samples) -> DisplayWindow:
    low, high = np.percentile(frame, (1, 99))
    return DisplayWindow(float(low), max(float(high), float(low) + 1))


def _shown(frame: Samples, window: DisplayWindow) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A frame of brightness from 0 to 255, colour as grey."""
    grey = frame.mean(axis=-1, dtype=np.float32) if frame.ndim == 3 else frame.astype(np.float32)
    scaled: np.ndarray[Any, np.dtype[np.float32]] = (grey - np.float32(window.low)) * np.float32(
        255 / (window.high - window.low)
    )
    return scaled.clip(0, 255)


def _block_means(
    frame: np.ndarray[Any, np.dtype[np.float32]],
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The means of all blocks on a grid of half a block; of the whole where that is smaller."""
    half = _BLOCK // 2
    rows, columns = frame.shape[0] // half, frame.shape[1] // half
    if rows < 2 or columns < 2:
        return np.full((1, 1), frame.mean(dtype=np.float64))
    tiles = frame[: rows * half, : columns * half].reshape(rows, half, columns, half)
    sums = tiles.sum(axis=3, dtype=np.float64).sum(axis=1)
    total: np.ndarray[Any, np.dtype[np.float64]] = sums[:-1, :-1] + sums[1:, :-1]
    total += sums[:-1, 1:]
    total += sums[1:, 1:]
    total /= _BLOCK**2
    return total


def check_error(error: PixelError, coding: Coding, *, ssim_floor: float | None = None) -> None:
    """Raise `GuardBroken` where an instance lost more than its coding and purpose allow.

    A near-lossless bound holds exactly. A step allows three of it and one at the most, and half
    of it in the mean, beside what rounding does.
    """
    if coding.near:
        _demand("greatest error", error.max_error, coding.near)
    else:
        _demand("greatest error", error.max_error, _MAX_ERROR_STEPS * coding.step + 1)
        _demand("root mean square", error.rmse, math.hypot(_RMSE_STEPS * coding.step, _ROUNDING))
    if ssim_floor is not None and error.ssim is not None and error.ssim < ssim_floor:
        raise GuardBroken("structural similarity", error.ssim, ssim_floor)


def check_ratio(ratio: float, cap: float | None) -> None:
    """Raise `GuardBroken` where an instance is compressed further than its cap allows."""
    if cap is not None:
        _demand("ratio", ratio, cap * _RATIO_SLACK)


def check_range(decoded: Samples, lowest: int, highest: int) -> None:
    """Raise `GuardBroken` where a decoded value is beyond Bits Stored."""
    least, greatest = int(decoded.min()), int(decoded.max())
    if least < lowest:
        raise GuardBroken("lowest value", least, lowest)
    _demand("highest value", greatest, highest)


def _demand(guard: str, found: float, allowed: float) -> None:
    if found > allowed:
        raise GuardBroken(guard, found, allowed)
