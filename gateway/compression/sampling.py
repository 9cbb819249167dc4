"""A few frames of a series, encoded to see what the whole of it would cost, and how noisy it is.

Images of one series compress alike (CV 0.01-0.29), so that five of them foretell the size of the
rest within a hundredth or two; images of one modality do not. Not a forecast: that is a planner's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from gateway.compression.codecs import encode_frame
from gateway.compression.facts import SeriesSample
from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError

# The median of the absolute value of normal noise, over its standard deviation.
_MEDIAN_OF_NORMAL: Final = 0.6745
# Noise is looked for where there is a body: air has been clipped and smoothed.
_BODY_PERCENTILE: Final = 60


def evenly_spaced(n: int, k: int) -> tuple[int, ...]:
    """At most `k` places among `n`, the middles of as many equal parts, in order."""
    if n <= 0 or k <= 0:
        return ()
    count = min(n, k)
    return tuple((2 * index + 1) * n // (2 * count) for index in range(count))


def sample_series(
    frames: Sequence[Samples],
    facts: PixelFacts,
    codings: Sequence[Coding],
    clock: Callable[[], float] | None = None,
) -> SeriesSample:
    """What these frames compress to in each coding, and the noise of them in stored values.

    Frames have the shape and type that `encode_frame` takes. A coding that cannot hold one of them
    is left out of the sizes; whether it may be used at all is asked of `permitted`. `clock` gives
    the CPU seconds of this thread.
    """
    sizes: dict[Coding, int] = {}
    speeds: dict[Coding, float] = {}
    raw_bytes = facts.frame_bytes * len(frames)
    for coding in codings:
        begun = clock() if clock else 0.0
        try:
            sizes[coding] = sum(len(encode_frame(frame, coding, facts)) for frame in frames)
        except EncodeError:
            continue  # one frame that a coding cannot hold makes it useless for the series
        if clock and (seconds := clock() - begun) > 0:
            speeds[coding] = raw_bytes / seconds
    return SeriesSample(
        frames=len(frames),
        raw_bytes=raw_bytes,
        sizes=sizes,
        noise=noise_of(frames),
        speeds=speeds,
    )


def noise_of(frames: Sequence[Samples]) -> float | None:
    """The standard deviation of the noise in stored values; None where frames tell nothing of it.

    That is where the brighter pixels are flat, as in a drawing, or frames are a pixel thin. The
    median over all frames; colour as grey.
    """
    found = [sigma for frame in frames if (sigma := _noise(frame)) is not None]
    return float(np.median(found)) if found else None


def _noise(frame: Samples) -> float | None:
    grey = frame.mean(axis=-1) if frame.ndim == 3 else frame
    rows, columns = grey.shape[0] // 2 * 2, grey.shape[1] // 2 * 2
    if not rows or not columns:
        return None
    # Whole numbers stay so: sums of four of them are ordered several times as fast as means.
    is_whole = grey.dtype.kind in "iu" and grey.dtype.itemsize <= 2
    kind = np.dtype(np.int32 if is_whole else np.float64)
    quads: list[Samples] = [
        grey[row:rows:2, column:columns:2].astype(kind) for row in (0, 1) for column in (0, 1)
    ]
    one, two, three, four = quads
    diagonal, level = one - two - three + four, one + two + three + four
    # Above this one is what is above the percentile, which lies between it and the next.
    place = int((level.size - 1) * _BODY_PERCENTILE / 100)
    body = diagonal[level > np.partition(level, place, axis=None)[place]]
    if not body.size:
        return None
    sigma = float(np.median(np.abs(body))) / 2 / _MEDIAN_OF_NORMAL
    return sigma if sigma > 0 else None
