"""Samples of a frame as encoders want them: the form that is demanded, and bits put in place.

Clauses: DICOM PS3.5 8.1.1 (Bits Stored, sign), 8.2.3 (JPEG-LS knows no sign).
"""

from __future__ import annotations

import numpy as np

from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError


def bounds(facts: PixelFacts) -> tuple[int, int]:
    """The least and the greatest value that Bits Stored can hold."""
    half = 1 << (facts.bits_stored - 1)
    return (-half, half - 1) if facts.signed else (0, 2 * half - 1)


def sample_type(facts: PixelFacts) -> np.dtype[np.signedinteger | np.unsignedinteger]:
    """The type of a sample of 8 or 16 bits in the order of this machine."""
    return np.dtype(f"{'i' if facts.signed else 'u'}{facts.bits_allocated // 8}")


def demand_form(samples: Samples, facts: PixelFacts) -> None:
    """Raise `EncodeError` where a frame is not what its header says: shape, type or range."""
    shape = (facts.rows, facts.columns) + ((facts.samples,) if facts.samples > 1 else ())
    if samples.shape != shape:
        raise EncodeError(f"frame: found samples of {samples.shape}, expected {shape}")
    expected = sample_type(facts)
    if samples.dtype.newbyteorder("=") != expected:
        raise EncodeError(f"frame: found samples of {samples.dtype}, expected {expected}")
    if facts.bits_stored == facts.bits_allocated:
        return
    least, greatest = int(samples.min()), int(samples.max())
    lowest, highest = bounds(facts)
    if least < lowest or greatest > highest:
        raise EncodeError(
            f"frame: found values from {least} to {greatest}, expected {lowest} to {highest} "
            f"as {facts.bits_stored} bits are stored (PS3.5 8.1.1)"
        )


def as_unsigned(samples: Samples) -> Samples:
    """The same bits without a sign."""
    return samples.view(f"u{samples.dtype.itemsize}")


def native(samples: Samples, _coding: Coding, _facts: PixelFacts) -> bytes:
    """The samples as native pixel data, little endian and by pixel."""
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
