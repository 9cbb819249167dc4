"""How fast pixels are coded, and how big they become: measured, and what is measured since.

Speeds are bytes of raw pixels a second on one core. The defaults were measured on 2 vCPU of a
Sapphire Rapids Xeon at 2 GHz, imagecodecs 2026.3.6, thread CPU time, best of three. Size factors
are medians against HTJ2K on the same image; both are told in docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
)
from gateway.compression.timeline import Processors
from gateway.domain.delivery import Decoding
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

MB: Final = 1e6
MAX_WORKERS: Final = 4  # a gateway has other things to do
# Of the sender to have an instance sent, coding apart: the least seen, as stored.
HANDLING_SECONDS: Final = 0.003

IMAGE_KINDS: Final = ("CT", "MR", "CR", "MG", "RGB")
_KIND_OF: Final[Mapping[str, str]] = {
    "CT": "CT",
    "MR": "MR",
    "PT": "MR",
    "NM": "MR",
    "CR": "CR",
    "DX": "CR",
    "XA": "CR",
    "RF": "CR",
    "MG": "MG",
}

RLE: Final = Uid("1.2.840.10008.1.2.5")
DEFLATED: Final = Uid("1.2.840.10008.1.2.1.99")
BIG_ENDIAN: Final = Uid("1.2.840.10008.1.2.2")
_JPEG: Final = "1.2.840.10008.1.2.4."
PLAIN: Final = frozenset({EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN})


@dataclass(frozen=True, slots=True)
class Speeds:
    """Bytes of raw pixels a second on one core."""

    encode: float
    decode: float


# Coder → speeds in MB/s by kind of image, in the order of IMAGE_KINDS: (encode, decode).
_MEASURED: Final[Mapping[str, tuple[tuple[float, float], ...]]] = {
    "plain": ((5000, 5000),) * 5,
    # Decoded by OpenJPEG, as `gateway.wire.dicom.frames` does; OpenJPH is twice as fast.
    "htj2k": ((115, 85), (109, 75), (142, 92), (252, 160), (112, 64)),
    "jpegls": ((60, 67), (43, 46), (49, 54), (143, 156), (150, 200)),
    "jpeg2000": ((9, 10), (10, 11), (9, 10), (18, 22), (26, 30)),
    "jpegxl3": ((17, 23), (16, 21), (18, 26), (25, 30), (11, 27)),
    "jpegxl5": ((3, 13), (3, 12), (4, 17), (8, 24), (4, 27)),
    # The least seen: it saves 3 % of the bytes of effort 3, and a delivery that waits for it 30 %.
    "jpegxl7": ((1.6, 12), (1.3, 11), (1.6, 12), (3, 19), (2.5, 21)),
    "jpeg": ((35, 158), (29, 121), (31, 136), (59, 193), (77, 149)),
    "rle": ((55, 528), (44, 382), (45, 371), (54, 575), (75, 761)),
    "deflate": ((11, 130), (8, 136), (13, 107), (48, 250), (49, 449)),
}
_CODERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(PLAIN, "plain"),
    **dict.fromkeys((HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSY), "htj2k"),
    **dict.fromkeys((JPEG_LS_LOSSLESS, JPEG_LS_NEAR), "jpegls"),
    **dict.fromkeys((JPEG_2000_LOSSLESS, *(_JPEG + n for n in ("91", "92", "93"))), "jpeg2000"),
    **dict.fromkeys((_JPEG + n for n in ("111", "112")), "jpegxl3"),
    RLE: "rle",
    DEFLATED: "deflate",
}
# Viewers in a browser: WASM under node; the lower halves of the ranges measured.
_WASM: Final[Mapping[str, float]] = {
    "plain": 1000 * MB,
    "htj2k": 80 * MB,
    "jpegls": 50 * MB,
    "jpeg2000": 9 * MB,
}
# Bytes against HTJ2K of the same image, grey only: RGB has factors from 0.4 to 5.
_FACTORS: Final[Mapping[str, tuple[float, float, float]]] = {
    "htj2k": (1.0, 1.0, 1.0),  # CT, MR, others
    "jpegls": (0.92, 0.98, 0.94),
    "jpeg2000": (0.93, 0.95, 0.95),
    "jpegxl3": (0.88, 0.91, 0.94),
    "jpegxl5": (0.87, 0.90, 0.90),
    "jpegxl7": (0.86, 0.89, 0.87),
    "jpeg": (1.15, 1.22, 1.10),
    "rle": (1.51, 1.65, 1.54),
    "deflate": (1.45, 1.56, 1.40),
}
# HTJ2K where nothing was sampled: the lowest ratio measured of each kind of image.
UNSAMPLED_RATIOS: Final[Mapping[str, float]] = {
    "CT": 2.97,
    "MR": 3.50,
    "CR": 2.75,
    "MG": 6.99,
    "RGB": 1.46,
}


def image_kind(modality: str, samples: int) -> str:
    """The row of the tables of speeds for such images; grey ones of no row are as CR."""
    return "RGB" if samples > 1 else _KIND_OF.get(modality, "CR")


def coder_of(coding: Coding) -> str:
    """The row of the tables for a coding; any other JPEG is as lossless JPEG."""
    if coding.syntax == JPEG_XL_LOSSLESS:
        return "jpegxl3" if coding.effort <= 4 else "jpegxl5" if coding.effort <= 6 else "jpegxl7"
    return _CODERS.get(coding.syntax, "jpeg")


def size_factor(coding: Coding, kind: str) -> float | None:
    """Bytes against HTJ2K of the same image; None where only a sample can tell."""
    row = _FACTORS.get(coder_of(coding))
    if row is None or kind == "RGB" or coding.is_lossy:
        return None
    return row[("CT", "MR").index(kind)] if kind in ("CT", "MR") else row[2]


def _defaults() -> Mapping[tuple[str, str], Speeds]:
    return {
        (coder, kind): Speeds(encode * MB, decode * MB)
        for coder, row in _MEASURED.items()
        for kind, (encode, decode) in zip(IMAGE_KINDS, row, strict=True)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The machine that sends: cores for coding, and how fast each coder is by kind of image.

    `shared` is whether the requester runs on the same machine, and decodes on the same cores.
    """

    cores: int = 2
    shared: bool = False
    speeds: Mapping[tuple[str, str], Speeds] = field(default_factory=_defaults)

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise ValueError(f"a sender with {self.cores} cores")

    @property
    def processors(self) -> Processors:
        """How many instances are coded at once, and on whose cores."""
        workers = min(self.cores, MAX_WORKERS)
        return Processors(workers, self.cores, self.shared, HANDLING_SECONDS)

    def speed(self, coding: Coding, kind: str) -> Speeds:
        """Of one core."""
        return self.speeds[coder_of(coding), kind]

    def peer_decodes(self, coding: Coding, kind: str, decoding: Decoding) -> float:
        """Bytes of raw pixels a second that the requester decodes, believed to have our cores."""
        if decoding is Decoding.WASM:
            return _WASM.get(coder_of(coding), 9 * MB)
        return self.speed(coding, kind).decode
