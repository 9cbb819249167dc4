"""How fast this machine codes these very images, against what the tables of speeds believe.

Sampling encodes a few frames anyway: looked at with a clock they tell what no table can, for
machines differ and so do images. A pace is what was measured over what is believed; it holds for
the decoding too, and for slower efforts of the same coder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.compression.facts import SeriesSample
from gateway.compression.speeds import Sender, coder_of
from gateway.domain.delivery_plan import Coding

# Beyond, something else has taken the processor while a frame was sampled.
SLOWEST, FASTEST = 0.5, 2.0
_SAMPLED: Final = "htj2k"
_SAME_CODER: Final[Mapping[str, tuple[str, ...]]] = {"jpegxl3": ("jpegxl5", "jpegxl7")}


def pace(measured: float | None, believed: float) -> float:
    """What was measured over what is believed, within reason; 1 where nothing was measured."""
    if not measured:
        return 1.0
    return min(max(measured / believed, SLOWEST), FASTEST)


def paces_of(sample: SeriesSample | None, sender: Sender, kind: str) -> Mapping[str, float]:
    """The pace of each coder that was sampled, by its name in the tables of speeds."""
    found: dict[str, float] = {}
    if sample is None:
        return found
    for coding, speed in sample.speeds.items():
        if coding.is_lossy:
            continue
        coder = coder_of(coding)
        found[coder] = pace(speed, sender.speed(coding, kind).encode)
        for other in _SAME_CODER.get(coder, ()):
            found.setdefault(other, found[coder])
    return found


def pace_of(coding: Coding, paces: Mapping[str, float]) -> float:
    """The pace of a coding: of its coder, else of HTJ2K, which is sampled of every grey image."""
    return paces.get(coder_of(coding), paces.get(_SAMPLED, 1.0))
