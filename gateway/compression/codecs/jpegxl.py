"""JPEG XL, lossless: the smallest, between ends that both declare it.

JPEG XL knows no sign, and no rule of DICOM for signed samples is known here: they go with half the
range added (`gateway.wire.dicom.frames` takes it off), which only a gateway of this kind expects.
The stream says 8 or 16 bits whatever is stored, for decoders differ over other precisions.
Clauses: ISO/IEC 18181-1, DICOM PS3.5 8.2.15.
"""

from __future__ import annotations

import imagecodecs

from gateway.compression.codecs.samples import as_unsigned
from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples


def encode(samples: Samples, coding: Coding, facts: PixelFacts) -> bytes:
    """A frame as a JPEG XL code stream at the effort of its coding."""
    plain = samples
    if facts.signed:
        plain = as_unsigned(samples)
        plain = plain ^ plain.dtype.type(1 << (facts.bits_allocated - 1))
    return bytes(
        imagecodecs.jpegxl_encode(plain, lossless=True, effort=coding.effort, numthreads=1)
    )
