"""JPEG 2000, lossless: read by everything, and slow.

Lossy JPEG 2000 is not written: the encoder at hand steers it by a ratio or a signal-to-noise
ratio of each frame and not by a step, so that no bound on the error of a series can be promised.
Clauses: ISO/IEC 15444-1, DICOM PS3.5 8.2.4.
"""

from __future__ import annotations

import imagecodecs

from gateway.domain.delivery_plan import Coding
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples


def encode(samples: Samples, _coding: Coding, facts: PixelFacts) -> bytes:
    """A frame as a bare JPEG 2000 code stream with its true precision and sign.

    Three samples a pixel go through the colour transform unless they are YBR already.
    """
    is_rgb = facts.samples == 3 and not facts.photometric.startswith("YBR_FULL")
    return bytes(
        imagecodecs.jpeg2k_encode(
            samples,
            codecformat="j2k",
            reversible=True,
            bitspersample=facts.bits_stored,
            mct=is_rgb,
            planar=False if facts.samples == 3 else None,
            numthreads=1,
        )
    )
