"""What an instance decodes to, and what it says of itself: to hold a certificate against.

The digest is the one that `transcode` makes of what it writes: over all frames as they decode,
little endian by pixel. One frame is in memory at a time. An archive takes it once, when a file
comes in, where the pixels stand in the file as they are. Clauses: DICOM PS3.3 C.7.6.1.1.5
(Lossy Image Compression), PS3.3 C.12.4 for where a derived image says so.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydicom.tag import Tag

from gateway.compression.transcode import by_pixel, demand_frames
from gateway.domain.ids import Uid
from gateway.wire.dicom.elements import text, texts, uid
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.problems import DecodeError

_SOP_INSTANCE: Final = Tag(0x0008, 0x0018)
_LOSSY, _RATIO, _METHOD = Tag(0x0028, 0x2110), Tag(0x0028, 0x2112), Tag(0x0028, 0x2114)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedPixels:
    """An instance as a receiver decodes it.

    `is_lossy` is what (0028,2110) says, `ratios` and `methods` are the values of (0028,2112) and
    (0028,2114), one for each time that it was compressed.
    """

    instance: Uid | None
    pixels_sha256: str
    is_lossy: bool
    ratios: tuple[float, ...]
    methods: tuple[str, ...]


def native_digest(source: BinaryIO) -> str:
    """The digest (SHA-256, lower-case hex) of pixels that stand in the file as they decode.

    "" where they do not (code streams, big endian, colour by plane), where there are none, and
    where they cannot be read: whoever decodes them will find out. `source` is as for
    `received_pixels`; it is left standing anywhere.
    """
    digest = hashlib.sha256()
    try:
        frames = StoredFrames(source)
        demand_frames(frames, source)
        if not frames.is_by_pixel or frames.frame_bits % 8:
            return ""
        for number in range(1, frames.count + 1):
            digest.update(frames.plain(number)[0])
    except (NoPixels, DecodeError):
        return ""
    return digest.hexdigest()


def received_pixels(source: BinaryIO) -> ReceivedPixels:
    """Decode an instance frame by frame. Raises `DecodeError` for one that cannot be decoded.

    `source` is its DICOM file, open and seekable.
    """
    digest = hashlib.sha256()
    try:
        frames = StoredFrames(source)
        demand_frames(frames, source)
        if not frames.is_compressed and frames.frame_bits % 8:
            digest.update(frames.whole())
        else:
            for number in range(1, frames.count + 1):
                plain, _ = frames.plain(number)
                digest.update(plain if frames.is_compressed else by_pixel(plain, frames))
    except NoPixels as error:
        raise DecodeError("instance", str(error), "pixels that were coded") from error
    header = frames.elements
    return ReceivedPixels(
        instance=uid(header, _SOP_INSTANCE),
        pixels_sha256=digest.hexdigest(),
        is_lossy=text(header, _LOSSY).strip() == "01",
        ratios=tuple(map(_number, texts(header, _RATIO))),
        methods=texts(header, _METHOD),
    )


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
