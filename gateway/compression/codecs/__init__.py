"""Encoders of frames, one module a codec family, found by transfer syntax.

Rule: samples of one frame in, a code stream out; no DICOM header is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import imagecodecs
import numpy as np

from gateway.compression.codecs import htj2k, jpeg2000, jpegls, jpegxl
from gateway.compression.codecs.samples import demand_form, native
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
    form_bar,
)
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import EncodeError

Encoder = Callable[[Samples, Coding, PixelFacts], bytes]

# Every transfer syntax that is written: what encodes it, and what imagecodecs needs for that.
ENCODERS: Final[Mapping[Uid, tuple[Encoder, str]]] = {
    HTJ2K_LOSSLESS: (htj2k.encode, "HTJ2K"),
    HTJ2K_LOSSLESS_RPCL: (htj2k.encode, "HTJ2K"),
    HTJ2K_LOSSY: (htj2k.encode, "HTJ2K"),
    JPEG_LS_LOSSLESS: (jpegls.encode, "JPEGLS"),
    JPEG_LS_NEAR: (jpegls.encode, "JPEGLS"),
    JPEG_2000_LOSSLESS: (jpeg2000.encode, "JPEG2K"),
    JPEG_XL_LOSSLESS: (jpegxl.encode, "JPEGXL"),
    EXPLICIT_LITTLE_ENDIAN: (native, ""),
}

# What encoders raise on samples they cannot take; anything else is a mistake of ours.
_ENCODER_ERRORS: Final = (ArithmeticError, MemoryError, RuntimeError, TypeError, ValueError)


def installed() -> frozenset[Uid]:
    """The transfer syntaxes that can be written with the imagecodecs that is installed."""
    return frozenset(syntax for syntax, (_, name) in ENCODERS.items() if not name or _has(name))


def _has(name: str) -> bool:
    return bool(getattr(getattr(imagecodecs, name, None), "available", False))


def can_encode(coding: Coding, facts: PixelFacts) -> str:
    """Why frames of this form cannot be written in a coding, in words; "" if they can."""
    reason = form_bar(facts, coding)
    if not reason and coding.syntax not in installed():
        return f"imagecodecs is installed without an encoder of {coding.syntax}"
    return reason


def encode_frame(samples: Samples, coding: Coding, facts: PixelFacts) -> bytes:
    """The code stream of one frame; its native bytes in little endian for plain pixels.

    `samples` has the shape (rows, columns), or (rows, columns, 3) by pixel, and the integer type
    that Bits Allocated and Pixel Representation name. Raises `EncodeError` when the coding cannot
    hold such pixels, when samples are beyond Bits Stored, or when the encoder fails.
    """
    reason = can_encode(coding, facts)
    if reason:
        raise EncodeError(f"frame: {reason}")
    if coding.syntax != EXPLICIT_LITTLE_ENDIAN:
        demand_form(samples, facts)
    encoder, _ = ENCODERS[coding.syntax]
    try:
        return encoder(np.ascontiguousarray(samples), coding, facts)
    except _ENCODER_ERRORS as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise EncodeError(f"frame: the encoder of {coding.syntax} says {said}") from error
