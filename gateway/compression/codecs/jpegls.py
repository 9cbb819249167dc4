"""JPEG-LS, lossless and near-lossless with a bound on the error of every sample.

JPEG-LS knows no sign: negative samples go as the bits they are. A near-lossless stream may leave
the range of Bits Stored where samples lie within the bound of its ends, and a negative sample
there would come back positive; such frames are refused. Clauses: ISO/IEC 14495-1, DICOM PS3.5
8.2.3.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import imagecodecs
import numpy as np

from gateway.compression.codecs.samples import as_unsigned, bounds
from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError


def encode(samples: Samples, coding: Coding, facts: PixelFacts) -> bytes:
    """A frame as a JPEG-LS code stream, with its true precision where the encoder takes one.

    Raises `EncodeError` for a near-lossless frame with samples too near the ends of the range.
    """
    if coding.near:
        _demand_room(samples, coding.near, facts)
    encoder: Any = imagecodecs.jpegls_encode  # whose options differ between versions
    plain = as_unsigned(samples)
    # A stream has two bits a sample at the least (14495-1 C.2.2).
    if 2 <= facts.bits_stored < facts.bits_allocated and _takes_precision():
        plain = plain & plain.dtype.type((1 << facts.bits_stored) - 1)
        return bytes(encoder(plain, level=coding.near, bitspersample=facts.bits_stored))
    return bytes(encoder(plain, level=coding.near))


@cache
def _takes_precision() -> bool:
    """Whether the encoder can be told a precision; older ones know 8 and 16 bits only."""
    encoder: Any = imagecodecs.jpegls_encode
    try:
        encoder(np.zeros((8, 8), np.uint16), bitspersample=12)
    except TypeError:
        return False
    return True


def _demand_room(samples: Samples, near: int, facts: PixelFacts) -> None:
    least, greatest = int(samples.min()), int(samples.max())
    lowest, highest = bounds(facts)
    # A decoder keeps to the range of the stream, whose lower end is that of unsigned samples.
    below = least - near < lowest and facts.signed
    if below or greatest + near > highest:
        raise EncodeError(
            f"frame: found values from {least} to {greatest}, expected {near} less than the range "
            f"{lowest} to {highest} at its ends, as near-lossless JPEG-LS may leave it"
        )
