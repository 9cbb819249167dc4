"""Small frames of every form that is encoded, with noise and flat parts as images have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gateway.compression.codecs.samples import bounds, sample_type
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import FrameFormat, Samples, decode_frame

ROWS, COLUMNS = 37, 53

# Every form a code stream holds, by name.
FORMS: dict[str, dict[str, Any]] = {
    "u8": {"bits_allocated": 8, "bits_stored": 8},
    "rgb": {"bits_allocated": 8, "bits_stored": 8, "samples": 3, "photometric": "RGB"},
    "ybr": {"bits_allocated": 8, "bits_stored": 8, "samples": 3, "photometric": "YBR_FULL"},
    "u10": {"bits_stored": 10},
    "u12": {"bits_stored": 12},
    "u16": {"bits_stored": 16},
    "i8": {"bits_allocated": 8, "bits_stored": 8, "signed": True},
    "i13": {"bits_stored": 13, "signed": True},
    "i16": {"bits_stored": 16, "signed": True},
    "palette": {"bits_allocated": 8, "bits_stored": 8, "photometric": "PALETTE COLOR"},
}


def facts_of(name: str, **changes: Any) -> PixelFacts:
    """The facts of a form."""
    return PixelFacts(**({"rows": ROWS, "columns": COLUMNS} | FORMS[name] | changes))


def frame_of(facts: PixelFacts, seed: int = 0, *, full: bool = True) -> Samples:
    """A frame: a noisy slope over the whole range with a flat part; within it unless `full`."""
    dice = np.random.default_rng(seed)
    least, greatest = bounds(facts)
    room = 0 if full else (greatest - least) // 8
    shape = (facts.rows, facts.columns) + ((facts.samples,) if facts.samples > 1 else ())
    slope = np.linspace(least + room, greatest - room, int(np.prod(shape))).reshape(shape)
    noisy = slope + dice.normal(0, (greatest - least) / 100, shape)
    noisy[: facts.rows // 4] = least + room
    return noisy.clip(least + room, greatest - room).astype(sample_type(facts))


def form_of(facts: PixelFacts, syntax: str, photometric: str = "") -> FrameFormat:
    """What a decoder is told of a frame."""
    return FrameFormat(
        transfer_syntax=syntax,
        rows=facts.rows,
        columns=facts.columns,
        samples=facts.samples,
        bits_allocated=facts.bits_allocated,
        bits_stored=facts.bits_stored,
        signed=facts.signed,
        photometric=photometric or facts.photometric,
    )


def decoded(stream: bytes, facts: PixelFacts, syntax: str) -> Samples:
    """A frame as a receiver of ours decodes it."""
    plain, _ = decode_frame(stream, form_of(facts, syntax))
    shape = (facts.rows, facts.columns) + ((facts.samples,) if facts.samples > 1 else ())
    return np.frombuffer(plain, sample_type(facts).newbyteorder("<")).reshape(shape)
