"""What a planner must know of what it is asked for: facts of the index, no pixels.

A series is planned as a whole: its images come from one machine with one protocol, and what one
of them compresses to the others do nearly (CV 0.01-0.29 within a series, 0.3 and more between).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.manifests import InstanceRef
from gateway.domain.pixels import PixelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """One instance as it is stored.

    `size_bytes` is its whole file. `pixels` is None for what has none that can be decoded.
    `made` are its renditions that exist already, with the size of each file: those cost no
    encoding. `key_image` is whether an accepting note points at it.
    """

    ref: InstanceRef
    sop_class: Uid
    transfer_syntax: Uid
    size_bytes: int
    pixels: PixelFacts | None = None
    key_image: bool = False
    made: Mapping[Coding, int] = field(default_factory=dict)

    @property
    def raw_bytes(self) -> int:
        """Its pixels uncompressed; its file where it has none."""
        return self.size_bytes if self.pixels is None else self.pixels.raw_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """A series as it is stored, `modality` and `body_part` as DICOM writes them.

    `instances` are those asked for, in manifest order.
    """

    series: Uid
    modality: str
    body_part: str = ""
    instances: tuple[InstanceFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSample:
    """What a few frames of a series compressed to, measured.

    `sizes` are the code streams of those same frames together, by coding; `raw_bytes` the
    frames uncompressed. `noise` is the standard deviation of the noise in stored values
    (median absolute high-pass over 0.6745, in the upper four tenths of the samples), None where
    the frames say nothing of it. `spared_bytes` is how much of a file's header, in the mean, does
    not go over a line that carries it packed. `speeds` are raw bytes a CPU second at which frames
    were encoded, by coding, and `read_speed` that at which what is stored was decoded: of the
    machine that samples, and of these very images. `open_seconds` and `rewrite_seconds` are CPU
    seconds that an instance costs beside its coder: to whoever reads it, and to have it written in
    another syntax. Empty and None where nobody looked at a clock.
    """

    frames: int
    raw_bytes: int
    sizes: Mapping[Coding, int]
    noise: float | None = None
    spared_bytes: int = 0
    speeds: Mapping[Coding, float] = field(default_factory=dict)
    read_speed: float | None = None
    open_seconds: float | None = None
    rewrite_seconds: float | None = None
