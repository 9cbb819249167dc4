"""High-throughput JPEG 2000: lossless with and without progression by resolution, and lossy.

One form serves all three syntaxes: RPCL, one tile, blocks of 64 by 64, a tile-part a resolution
and TLM, so that the beginning of a code stream is a smaller image (`first_look`). Lossy ones have
a constant quantisation step in stored values, so that a series loses evenly. Not a decoder of
whole frames (`gateway.wire.dicom.frames`). Clauses: ISO/IEC 15444-1 A.5.1 (SIZ), 15444-15, DICOM
PS3.5 8.2.14, 10.18.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import imagecodecs
import numpy as np

from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples

LEAST_LEVELS: Final = 5
SMALLEST_SIDE: Final = 64  # the smaller side of the smallest resolution (PS3.5 10.18)
_PRECISION: Final = 42  # where SIZ has the precision and sign of the first component
_COMPONENT: Final = 3  # bytes of a component in SIZ
# The irreversible colour transform turns equal errors of its planes into greater ones of red,
# green and blue: by the root of the mean of 3, 0.344²+1.772² and 1.402²+0.714² (15444-1 G.3).
_COLOUR_GAIN: Final = 1.71


def levels(rows: int, columns: int) -> int:
    """How many times a frame is halved, so that its smallest form is a thumbnail."""
    side = min(rows, columns) / SMALLEST_SIDE
    return max(LEAST_LEVELS, math.ceil(math.log2(side)) if side > 1 else 0)


def encode(samples: Samples, coding: Coding, facts: PixelFacts) -> bytes:
    """A frame as an HTJ2K code stream with its true precision.

    Three samples a pixel go through the colour transform unless they are YBR already.
    """
    encoder: Any = imagecodecs.htj2k_encode  # whose options differ between versions
    options: dict[str, Any] = {
        "tlm": True,
        "tilepart": 1,
        "resolutions": levels(facts.rows, facts.columns),
        "reversible": not coding.is_lossy,
    }
    if facts.samples == 3:
        options |= {"planar": False, "rgb": not facts.photometric.startswith("YBR_FULL")}
    if coding.is_lossy:
        gain = _COLOUR_GAIN if facts.samples == 3 else 1.0
        options["level"] = coding.step / gain / (1 << facts.bits_stored)
    spare = facts.bits_allocated - facts.bits_stored
    if spare == 0:
        return bytes(encoder(samples, **options))
    if _takes_precision():
        return bytes(encoder(samples, bitspersample=facts.bits_stored, **options))
    return _with_precision(_moved(samples, facts, lossy=coding.is_lossy), facts, options)


@cache
def _takes_precision() -> bool:
    """Whether the encoder can be told a precision; older ones know 8 and 16 bits only."""
    encoder: Any = imagecodecs.htj2k_encode
    try:
        encoder(np.zeros((8, 8), np.uint16), bitspersample=12)
    except TypeError:
        return False
    return True


def _moved(samples: Samples, facts: PixelFacts, *, lossy: bool) -> Samples:
    """Samples for an encoder of whole bytes, such that only its header is wrong.

    A codec takes half the range off unsigned samples before anything else: a lossless one has the
    same numbers to code when the difference of the halves is added. A lossy one quantises by
    shares of the range, so there the samples fill it.
    """
    spare = facts.bits_allocated - facts.bits_stored
    if lossy:
        filled: Samples = samples << spare
        return filled
    if facts.signed:
        return samples
    half = (1 << (facts.bits_allocated - 1)) - (1 << (facts.bits_stored - 1))
    raised: Samples = samples + samples.dtype.type(half)
    return raised


def _with_precision(samples: Samples, facts: PixelFacts, options: dict[str, Any]) -> bytes:
    stream = bytearray(imagecodecs.htj2k_encode(np.ascontiguousarray(samples), **options))
    for component in range(facts.samples):
        at = _PRECISION + _COMPONENT * component
        stream[at] = (stream[at] & 0x80) | (facts.bits_stored - 1)
    return bytes(stream)


def decode_reduced(stream: bytes, reduction: int) -> Samples:
    """A code stream, or its beginning, as an image halved `reduction` times.

    Shape (rows, columns) or (rows, columns, 3). Missing ends are borne. Raises what imagecodecs
    raises on what it cannot decode; sizes are for the caller to judge beforehand.
    """
    found: Samples = np.asarray(
        imagecodecs.htj2k_decode(stream, planar=False, skipres=reduction, resilient=True)
    )
    return found
