"""The beginning of an HTJ2K code stream as a smaller image: where each resolution ends.

An RPCL code stream has a tile-part for each resolution, smallest first, and its TLM marker says how
long they are; cut behind one and closed, it decodes to the image at that size. What is read here
may come from anywhere: every length is checked against the bytes that are there. Clauses: ISO/IEC
15444-1 A.4.2 (SOT), A.6.1 (COD), A.7.1 (TLM), DICOM PS3.5 10.18.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np

from gateway.compression.codecs.htj2k import decode_reduced
from gateway.compression.permitted import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL
from gateway.wire.dicom.frames import MAX_FRAME_BYTES, Samples
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.problems import DecodeError

# Lossless HTJ2K, whose beginning is sent for a first look; that which promises RPCL first.
LOOKED_AT: Final = (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS)

_SOC: Final = b"\xff\x4f"
_SOT, _EOC = 0xFF90, b"\xff\xd9"
_SIZ, _COD, _TLM = 0xFF51, 0xFF52, 0xFF55
_SOT_BYTES: Final = 12  # with its marker
_RPCL: Final = 2
_MAX_LEVELS: Final = 32  # 15444-1 table A.15
_COMPONENTS: Final = (1, 3)
_RULE: Final = "ISO/IEC 15444-1 annex A"
_CODEC_ERRORS: Final = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError)


@dataclass(frozen=True, slots=True)
class ResolutionEnd:
    """Where a resolution ends: the bytes up to `end` hold the image halved `reduction` times."""

    reduction: int
    end: int


@dataclass(frozen=True, slots=True)
class _MainHeader:
    """What is needed of it: size, components, halvings, and lengths of tile-parts as TLM has them.

    `end` is where the first tile-part begins.
    """

    rows: int
    columns: int
    components: int
    levels: int
    tile_parts: tuple[int, ...]
    end: int


def resolution_offsets(stream: bytes) -> tuple[ResolutionEnd, ...]:
    """The end of every resolution of a code stream, smallest first; the last is the whole of it.

    The stream may be cut short behind its main header, as long as TLM says what follows. Raises
    `DecodeError` for what is no RPCL code stream of one tile with a tile-part a resolution.
    """
    header = _main_header(stream)
    lengths = header.tile_parts or tuple(_tile_parts(stream, header.end))
    if len(lengths) != header.levels + 1:
        raise DecodeError(
            "code stream", f"{len(lengths)} tile-parts", f"{header.levels + 1} resolutions", _RULE
        )
    found, end = [], header.end
    for index, length in enumerate(lengths):
        _demand_tile_part(stream, end, index, length)
        end += length
        found.append(ResolutionEnd(header.levels - index, end))
    return tuple(found)


def prefix_of(stream: bytes, reduction: int) -> bytes:
    """The beginning of a code stream that holds the image halved `reduction` times, closed.

    Raises `DecodeError` as `resolution_offsets`, and where there is no such resolution or the
    stream ends before it.
    """
    ends = {one.reduction: one.end for one in resolution_offsets(stream)}
    if reduction not in ends:
        raise DecodeError("reduction", str(reduction), f"0 to {max(ends)}")
    if ends[reduction] > len(stream):
        raise DecodeError("code stream", f"{len(stream)} bytes", f"{ends[reduction]} bytes")
    return stream[: ends[reduction]] + _EOC


def beginning_bytes(source: BinaryIO, reduction: int) -> int:
    """How much of a DICOM file holds its first frame halved `reduction` times.

    `source` is open and seekable, of an instance in lossless HTJ2K. An image that is not halved so
    often is taken at its smallest. Raises `DecodeError` for a file or a code stream that cannot be
    read, or has no resolutions to be told apart, and `NoPixels`.
    """
    frames = StoredFrames(source)
    if frames.syntax not in LOOKED_AT:
        raise DecodeError("transfer syntax", frames.syntax, "lossless HTJ2K")
    ends = {one.reduction: one.end for one in resolution_offsets(frames.stored(1))}
    left = ends.get(reduction, ends[max(ends)])
    for at, size in frames.fragments(1):
        if left <= size:
            return at + left
        left -= size
    raise DecodeError("code stream", f"{left} bytes less", "every resolution", _RULE)


def look_at(beginning: BinaryIO) -> tuple[Samples, StoredFrames]:
    """The first frame of an instance, as large as it can be had of the beginning of its file.

    `beginning` is open and seekable, as long as `beginning_bytes` says or longer; the frames that
    come with the samples have the header of the instance. Raises as `decode_prefix`.
    """
    frames = StoredFrames(beginning)
    if frames.syntax not in LOOKED_AT:
        raise DecodeError("transfer syntax", frames.syntax, "lossless HTJ2K")
    stream, form = frames.begun(), frames.form
    here = [one for one in resolution_offsets(stream) if one.end <= len(stream)]
    if not here:
        raise DecodeError("code stream", f"{len(stream)} bytes", "its smallest resolution")
    samples = decode_prefix(stream, here[-1].reduction, rows=form.rows, columns=form.columns)
    return samples, frames


def decode_prefix(prefix: bytes, reduction: int, *, rows: int, columns: int) -> Samples:
    """The image halved `reduction` times out of the beginning of a lossless code stream.

    `rows` and `columns` are those of the whole image as a header promises them; a stream of any
    other size is refused before its pixels are allocated. The shape that comes back is (rows,
    columns) or (rows, columns, samples), each side halved and rounded up. Ends that are missing
    make the image coarser, and damage may pass unnoticed: it is for a first look and for nothing
    else. Raises `DecodeError`.
    """
    header = _main_header(prefix)
    if (header.rows, header.columns) != (rows, columns):
        told = f"an image of {header.columns}x{header.rows}"
        raise DecodeError("code stream", told, f"one of {columns}x{rows}")
    if not 0 <= reduction <= header.levels:
        raise DecodeError("reduction", str(reduction), f"0 to {header.levels}")
    size = 4 * rows * columns * header.components
    if size > MAX_FRAME_BYTES:
        raise DecodeError("code stream", f"{size} bytes of samples", f"at most {MAX_FRAME_BYTES}")
    closed = prefix if prefix.endswith(_EOC) else prefix + _EOC
    try:
        found = decode_reduced(closed, reduction)
    except (*_CODEC_ERRORS, ValueError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise DecodeError("code stream", said, "the beginning of an HTJ2K image", _RULE) from error
    expected = tuple(-(-side // (1 << reduction)) for side in (rows, columns))
    if found.shape[:2] != expected:
        raise DecodeError("code stream", f"an image of {found.shape}", f"one of {expected}")
    return np.ascontiguousarray(found)


def _main_header(stream: bytes) -> _MainHeader:
    """Everything before the first tile-part."""
    if not stream.startswith(_SOC):
        raise DecodeError("code stream", stream[:2].hex() or "nothing", "an SOC marker", _RULE)
    size: tuple[int, int, int] | None = None
    levels: int | None = None
    lengths: dict[int, tuple[int, ...]] = {}
    for marker, body, at in _segments(stream):
        if marker == _SIZ:
            size = _size(body)
        elif marker == _COD:
            levels = _levels(body)
        elif marker == _TLM:
            index, some = _told_lengths(body)
            lengths[index] = some
        elif marker == _SOT:
            if size is None or levels is None:
                raise DecodeError("code stream", "no SIZ or no COD", "both before SOT", _RULE)
            parts = tuple(length for index in sorted(lengths) for length in lengths[index])
            return _MainHeader(*size, levels, parts, at)
    raise DecodeError("code stream", "no SOT marker", "a tile-part", _RULE)


def _segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, body and place of the marker segments up to the first SOT, which has no body here."""
    at = len(_SOC)
    while at + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == _SOT:
            yield marker, b"", at
            return
        if marker < 0xFF00 or length < 2 or at + 2 + length > len(stream):
            raise DecodeError(
                f"code stream at {at}", f"marker {marker:04x} of {length} bytes", "a whole segment"
            )
        yield marker, stream[at + 4 : at + 2 + length], at
        at += 2 + length


def _size(body: bytes) -> tuple[int, int, int]:
    """Rows, columns and components of SIZ, of an image that is one tile."""
    if len(body) < 39:
        raise DecodeError("SIZ", f"{len(body)} bytes", "at least 39", _RULE)
    columns, rows, left, top, wide, high, first, upper = struct.unpack_from(">8I", body, 2)
    (components,) = struct.unpack_from(">H", body, 34)
    if left or top or first or upper:
        # OpenJPH does not come back from a tile that begins behind the image.
        raise DecodeError("SIZ", f"offsets {left}, {top}, {first}, {upper}", "none", _RULE)
    if not rows or not columns or components not in _COMPONENTS:
        found = f"{components} components of {columns}x{rows}"
        raise DecodeError("SIZ", found, "an image in grey or colour", _RULE)
    if wide < columns or high < rows:
        raise DecodeError("SIZ", f"tiles of {wide}x{high}", "one", "PS3.5 10.18")
    scales = body[37::3] + body[38::3]
    if len(body) != 36 + 3 * components or scales.strip(b"\1"):
        raise DecodeError("SIZ", f"components of scales {scales.hex()}", "of scale 1", _RULE)
    return rows, columns, components


def _levels(body: bytes) -> int:
    """The halvings of COD, of an RPCL stream."""
    if len(body) < 6:
        raise DecodeError("COD", f"{len(body)} bytes", "at least 6", _RULE)
    if body[1] != _RPCL:
        raise DecodeError("COD", f"progression {body[1]}", f"{_RPCL} (RPCL)", "PS3.5 10.18")
    if body[5] > _MAX_LEVELS:
        raise DecodeError("COD", f"{body[5]} levels", f"at most {_MAX_LEVELS}", _RULE)
    return body[5]


def _told_lengths(body: bytes) -> tuple[int, tuple[int, ...]]:
    """The index of a TLM segment and the lengths in it."""
    if len(body) < 2:
        raise DecodeError("TLM", f"{len(body)} bytes", "at least 2", _RULE)
    index, form = body[0], body[1]
    tile, wide = (form >> 4) & 3, 4 if form & 0x40 else 2
    if tile == 3 or (len(body) - 2) % (tile + wide):
        raise DecodeError("TLM", f"{len(body)} bytes of form {form:02x}", "whole entries", _RULE)
    entries = range(2, len(body), tile + wide)
    lengths = (body[at + tile : at + tile + wide] for at in entries)
    return index, tuple(int.from_bytes(length, "big") for length in lengths)


def _tile_parts(stream: bytes, at: int) -> Iterator[int]:
    """The lengths of tile-parts by their own markers, where there is no TLM."""
    while at + _SOT_BYTES <= len(stream) and stream[at : at + 2] != _EOC:
        marker, _, _, length = struct.unpack_from(">HHHI", stream, at)
        if marker != _SOT:
            raise DecodeError(f"code stream at {at}", f"{marker:04x}", "an SOT marker", _RULE)
        if not length:  # the last tile-part may go on to the end of the stream (A.4.2)
            length = len(stream) - at - (len(_EOC) if stream.endswith(_EOC) else 0)
        if length < _SOT_BYTES:
            raise DecodeError(f"code stream at {at}", f"{length} bytes", "a tile-part", _RULE)
        yield length
        at += length


def _demand_tile_part(stream: bytes, at: int, index: int, length: int) -> None:
    """Refuse a length that the tile-part itself does not have, as far as it is there."""
    if length < _SOT_BYTES:
        raise DecodeError(f"tile-part {index}", f"{length} bytes", f"at least {_SOT_BYTES}", _RULE)
    if at + _SOT_BYTES > len(stream):
        return
    marker, _, tile, told, part, _ = struct.unpack_from(">HHHIBB", stream, at)
    if marker != _SOT or tile != 0 or part != index or told not in (0, length):
        found = f"marker {marker:04x}, tile {tile}, part {part}, {told} bytes"
        raise DecodeError(f"tile-part {index}", found, f"part {index} of {length} bytes", _RULE)
