"""One compressed frame to its samples, by the codec of its transfer syntax.

Decoding only, one frame at a time, through imagecodecs. What comes back agrees with what
`FrameFormat` says: size, sign and allocation of the samples are made to fit, and colour is
turned into RGB where the code stream holds anything else. Clauses: DICOM PS3.5 8.2 and annex A.4,
PS3.3 C.7.6.3.1.2 (photometric interpretation), ISO/IEC 10918-1, 14495-1, 15444-1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import imagecodecs
import numpy as np

from gateway.wire.dicom.jpegxl_size import jpegxl_size
from gateway.wire.problems import DecodeError

Samples: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# One frame of a whole slide or a mammography is far below; more is a damaged header.
MAX_FRAME_BYTES = 1024 * 1024 * 1024

RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_JPEG = "1.2.840.10008.1.2.4."
_RLE_HEADER_BYTES = 64  # PS3.5 G.5

# What is refused, and why; anything else unknown is refused as unknown.
REFUSED: dict[str, str] = {
    **{
        f"{_JPEG}{number}": "video is a stream of its own and is not turned into frames"
        for number in (
            *("100", "100.1", "101", "101.1", "102", "102.1", "103", "103.1"),
            *("104", "104.1", "105", "105.1", "106", "106.1", "107", "108"),
        )
    },
    **{
        f"1.2.840.10008.1.2.7.{number}": "video over a network carries no file"
        for number in (1, 2, 3)
    },
    f"{_JPEG}92": "JPEG 2000 part 2 has no decoder here",
    f"{_JPEG}93": "JPEG 2000 part 2 has no decoder here",
    f"{_JPEG}94": "the pixels of JPIP lie elsewhere",
    f"{_JPEG}95": "the pixels of JPIP lie elsewhere",
    f"{_JPEG}204": "the pixels of JPIP lie elsewhere",
    f"{_JPEG}205": "the pixels of JPIP lie elsewhere",
}

_CODEC_ERRORS = (
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """What the header says of every frame."""

    transfer_syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str

    @property
    def frame_bytes(self) -> int:
        """The size of a decoded frame; single bits are rounded up to a byte."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What a code stream says of itself; a number is 0 where it does not."""

    rows: int = 0
    columns: int = 0
    precision: int = 0
    signed: bool = False
    is_rgb: bool | None = None
    is_lossless: bool = False
    components: int = 0


def decode_frame(data: bytes, form: FrameFormat) -> tuple[bytes, str]:
    """A frame's samples, little endian and by pixel, and their photometric interpretation.

    Raises `DecodeError` when the syntax has no decoder or the frame cannot be decoded.
    """
    found, photometric = _decoded(data, form)
    return found if isinstance(found, bytes) else found.tobytes(), photometric


def decode_samples(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    """The same as `decode_frame`, as numbers of whole bytes that are copied no more.

    Shape (rows, columns), or (rows, columns, samples); the type is little endian.
    """
    found, photometric = _decoded(data, form)
    if not isinstance(found, bytes):
        return np.ascontiguousarray(found), photometric
    return np.frombuffer(found, _allocated(form)).reshape(_shape(form)), photometric


def _decoded(data: bytes, form: FrameFormat) -> tuple[bytes | Samples, str]:
    decoder = _DECODERS.get(form.transfer_syntax)
    if decoder is None:
        reason = REFUSED.get(form.transfer_syntax, "there is no decoder for it")
        raise DecodeError("transfer syntax", f"{form.transfer_syntax}: {reason}", "a known one")
    if form.frame_bytes > MAX_FRAME_BYTES:
        raise DecodeError("frame", f"{form.frame_bytes} bytes", f"at most {MAX_FRAME_BYTES}")
    try:
        return decoder(data, form)
    except _CODEC_ERRORS as error:
        raise DecodeError(
            "frame",
            f"{type(error).__name__}: {error}"[:200],
            f"a frame of transfer syntax {form.transfer_syntax}",
            "PS3.5 A.4",
        ) from error


def has_decoder(transfer_syntax: str) -> bool:
    """Whether frames of a compressed transfer syntax can be decoded."""
    return transfer_syntax in _DECODERS


def _decode_jpeg(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    facts = jpeg_facts(data)
    _demand_size(facts, form)
    if form.samples != 3:
        return _fit(imagecodecs.jpeg8_decode(data), form, facts), form.photometric
    if facts.is_lossless:
        found = imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB")
        return _fit(found, form, facts), form.photometric
    is_rgb = facts.is_rgb
    if is_rgb is None:
        is_rgb = not form.photometric.startswith("YBR")
    found = imagecodecs.jpeg8_decode(
        data, colorspace="RGB" if is_rgb else "YCBCR", outcolorspace="RGB"
    )
    return _fit(found, form, facts), "RGB"


def _decode_jpegls(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    facts = jpeg_facts(data)
    _demand_size(facts, form)
    return _fit(imagecodecs.jpegls_decode(data), form, facts), form.photometric


def _decode_jpeg2000(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    facts = jpeg2000_facts(data)
    _demand_size(facts, form)
    photometric = "RGB" if form.photometric in ("YBR_RCT", "YBR_ICT") else form.photometric
    # OpenJPEG for all: it clamps what lossy compression pushed out of range, and fails where a code
    # stream ends early. OpenJPH is faster and does neither.
    found = imagecodecs.jpeg2k_decode(data, numthreads=1)
    return _fit(found, form, facts), photometric


def _decode_jpegxl(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    photometric = "RGB" if form.samples == 3 else form.photometric
    rows, columns = jpegxl_size(data)
    if sorted((rows, columns)) != sorted((form.rows, form.columns)):  # it may lie on its side
        raise ValueError(f"an image of {columns}x{rows} instead of {form.columns}x{form.rows}")
    found: Samples = imagecodecs.jpegxl_decode(data)
    if form.signed and found.dtype.kind == "u" and found.dtype.itemsize * 8 == form.bits_allocated:
        # JPEG XL knows no sign: half the range was added (see departures in gateway/README.md).
        found = found ^ found.dtype.type(1 << (form.bits_allocated - 1))
    return _fit(found, form, StreamFacts()), photometric


def _decode_rle(data: bytes, form: FrameFormat) -> tuple[Samples, str]:
    kind = np.dtype(f"<u{form.bits_allocated // 8}")
    _demand_segments(data, form.samples * kind.itemsize)
    plain = imagecodecs.dicomrle_decode(data, kind)
    planes = np.frombuffer(plain, kind)
    expected = form.rows * form.columns * form.samples
    if planes.size < expected:
        raise ValueError(f"{planes.size} samples instead of {expected}")
    planes = planes[:expected].reshape(form.samples, form.rows * form.columns)
    return planes.T.reshape(_shape(form)), form.photometric


def _demand_segments(data: bytes, expected: int) -> None:
    """Refuse an RLE header whose segments lie elsewhere: the decoder believes every offset."""
    if len(data) < _RLE_HEADER_BYTES:
        raise ValueError(f"{len(data)} bytes instead of an RLE header of {_RLE_HEADER_BYTES}")
    count, *offsets = struct.unpack_from("<16I", data)
    if count != expected:
        raise ValueError(f"{count} segments instead of {expected}")
    ends = [*offsets[:count], len(data)]
    if ends[0] != _RLE_HEADER_BYTES or any(one >= after for one, after in pairwise(ends)):
        raise ValueError(f"segments at {ends[:-1]} of {len(data)} bytes")


def _decode_deflated(data: bytes, form: FrameFormat) -> tuple[bytes, str]:
    if form.rows * form.columns * form.samples * form.bits_allocated % 8:
        raise ValueError("single-bit frames that do not end at a byte")
    plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, form.frame_bytes)
    if len(plain) != form.frame_bytes:
        raise ValueError(f"{len(plain)} bytes instead of {form.frame_bytes}")
    return plain, form.photometric


_HTJ2K = frozenset(f"{_JPEG}{number}" for number in ("201", "202", "203"))
_DECODERS: dict[str, Callable[[bytes, FrameFormat], tuple[bytes | Samples, str]]] = {
    **dict.fromkeys([f"{_JPEG}{number}" for number in ("50", "51", "57", "70")], _decode_jpeg),
    **dict.fromkeys([f"{_JPEG}{number}" for number in ("80", "81")], _decode_jpegls),
    **dict.fromkeys([f"{_JPEG}{number}" for number in ("90", "91")], _decode_jpeg2000),
    **dict.fromkeys(_HTJ2K, _decode_jpeg2000),
    **dict.fromkeys([f"{_JPEG}{number}" for number in ("110", "111", "112")], _decode_jpegxl),
    RLE: _decode_rle,
    DEFLATED_FRAMES: _decode_deflated,
}


def _demand_size(facts: StreamFacts, form: FrameFormat) -> None:
    """Refuse a code stream of another size before its pixels are allocated."""
    rows, columns = facts.rows or form.rows, facts.columns or form.columns
    if (rows, columns) != (form.rows, form.columns):
        raise ValueError(f"an image of {columns}x{rows} instead of {form.columns}x{form.rows}")
    if facts.components not in (0, form.samples):
        raise ValueError(f"{facts.components} components instead of {form.samples}")


def _shape(form: FrameFormat) -> tuple[int, ...]:
    return (form.rows, form.columns) + ((form.samples,) if form.samples > 1 else ())


def _allocated(form: FrameFormat) -> np.dtype[np.signedinteger | np.unsignedinteger]:
    return np.dtype(f"<{'i' if form.signed else 'u'}{form.bits_allocated // 8}")


def _fit(found: Samples, form: FrameFormat, facts: StreamFacts) -> Samples:
    """The samples in the size, sign and order that the header allocates."""
    shape = _shape(form)
    if found.shape != shape:
        raise ValueError(f"an image of {found.shape} instead of {shape}")
    allocated = _allocated(form)
    limits = np.iinfo(allocated)
    if found.dtype.itemsize > allocated.itemsize and (
        found.min() < limits.min or found.max() > limits.max
    ):
        raise ValueError(f"samples of {found.dtype} do not fit {form.bits_allocated} bits")
    if form.signed != facts.signed and 0 < facts.precision < form.bits_allocated:
        # The header and the code stream disagree about the sign: the bits of the code stream
        # are two's complement of its precision, to be read as the header says.
        spare = form.bits_allocated - facts.precision
        bits = found.astype(f"<u{allocated.itemsize}") << spare
        moved: Samples = bits.view(allocated) >> spare
        return moved
    return found.astype(allocated, copy=False)


def jpeg_facts(data: bytes) -> StreamFacts:
    """What the markers of a JPEG or JPEG-LS stream say: precision, colours, losslessness."""
    position, adobe, jfif = 2, -1, False
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE0 and body.startswith(b"JFIF"):
            jfif = True
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            if len(body) < 6:
                break
            return StreamFacts(
                rows=int.from_bytes(body[1:3], "big"),
                columns=int.from_bytes(body[3:5], "big"),
                precision=body[0],
                is_rgb=_is_rgb(bytes(body[6::3][: body[5]]), adobe, jfif=jfif),
                is_lossless=marker in (0xC3, 0xC7, 0xCB, 0xCF),
            )
        elif marker == 0xDA:
            break
        position += 2 + length
    raise ValueError("no frame header in the JPEG stream")


def _is_rgb(components: bytes, adobe: int, *, jfif: bool) -> bool | None:
    """Whether three components are RGB by their names and markers; None where nothing tells."""
    if components in (b"RGB", b"rgb"):
        return True
    if adobe in (0, 1):
        return adobe == 0
    return False if jfif else None


def jpeg2000_facts(data: bytes) -> StreamFacts:
    """Precision and sign of the first component from the SIZ marker segment (15444-1 A.5.1)."""
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 43:
        raise ValueError("no SIZ marker in the JPEG 2000 stream")
    right, bottom, left, top, wide, high, first, upper = struct.unpack_from(">8I", data, start + 8)
    # A decoder may never come back from tiles that do not begin with the image (15444-1 B.3).
    if not (first <= left < first + wide and upper <= top < upper + high):
        raise ValueError("tiles of the JPEG 2000 stream that do not begin with its image")
    (components,) = struct.unpack_from(">H", data, start + 40)
    sample = data[start + 42]
    return StreamFacts(
        rows=max(0, bottom - top),
        columns=max(0, right - left),
        precision=(sample & 0x7F) + 1,
        signed=bool(sample & 0x80),
        components=components,
    )
