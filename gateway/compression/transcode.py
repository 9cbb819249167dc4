"""One instance to a rendition: the same file in another transfer syntax, frame by frame.

Never more than a frame and its code stream are in memory. What loses nothing is the same instance:
its transfer syntax, its photometric interpretation and planar configuration and its pixel data
change and nothing else does, and every frame is decoded as a receiver would and compared before it
counts. What loses something is a derived instance (`derivation`) and is held to guards (`guards`).
Clauses: DICOM PS3.5 A.4 (encapsulation), PS3.3 C.7.6.3.1.8 (extended offset table), C.7.6.3.1.2.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag

from gateway.compression.codecs import encode_frame
from gateway.compression.codecs.samples import bounds, sample_type
from gateway.compression.derivation import Derivation, padding_range, write_derivation
from gateway.compression.guards import (
    SSIM_MODALITIES,
    DisplayWindow,
    ErrorMeter,
    NotFaithful,
    check_error,
    check_range,
    check_ratio,
)
from gateway.compression.padding import PaddingWatch
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    coding_bar,
)
from gateway.domain.delivery_plan import Coding
from gateway.domain.fidelity import PixelError
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.dataset import picture, read_to_pixels
from gateway.wire.dicom.elements import integer, reading, text, texts
from gateway.wire.dicom.frames import FrameFormat, Samples, decode_samples
from gateway.wire.dicom.instances import declare_decoded
from gateway.wire.dicom.offset_tables import (
    EXTENDED_LENGTHS,
    EXTENDED_OFFSETS,
    MAX_OFFSET,
    basic_table,
    extended_tables,
)
from gateway.wire.dicom.pixel_element import UNDEFINED, PixelElement, write_pixel_element
from gateway.wire.dicom.pixel_facts import is_maybe_lossy
from gateway.wire.dicom.rewrite import encode_header, file_head
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.problems import DecodeError, EncodeError

PIXEL_DATA: Final = 0x7FE00010
_PHOTOMETRIC: Final = Tag(0x0028, 0x0004)
_PLANAR: Final = Tag(0x0028, 0x0006)
_LOSSY: Final = Tag(0x0028, 0x2110)
_ITEM: Final = b"\xfe\xff\x00\xe0"
_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_ITEM_HEAD: Final = 8
_CHUNK: Final = 1024 * 1024
_MAX_NATIVE: Final = UNDEFINED - 1  # a length of 32 bits, even, and not the undefined one
# A code stream of noise is larger than its pixels, by far less than this.
_GROWTH: Final = 1.25

# What RGB becomes in code streams with a colour transform (PS3.3 C.7.6.3.1.2).
_TRANSFORMED: Final = {
    HTJ2K_LOSSLESS: "YBR_RCT",
    HTJ2K_LOSSLESS_RPCL: "YBR_RCT",
    JPEG_2000_LOSSLESS: "YBR_RCT",
    HTJ2K_LOSSY: "YBR_ICT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A rendition that was written, measured.

    `size_bytes` and `sha256` (lower-case hex) are of the file, `raw_bytes` of the pixels as
    allocated, `coded_bytes` of the code streams without their wrapping. `pixels_sha256` is over
    all frames as the file decodes, little endian by pixel. `error` is None for what lost nothing.
    """

    size_bytes: int
    frames: int
    raw_bytes: int
    coded_bytes: int
    sha256: str
    pixels_sha256: str
    error: PixelError | None = None

    @property
    def ratio(self) -> float:
        """Raw bytes of the pixels to those of the code streams: the ratio that is capped."""
        return self.raw_bytes / self.coded_bytes if self.coded_bytes else 1.0


def transcode(
    source: BinaryIO,
    out: BinaryIO,
    coding: Coding,
    *,
    derivation: Derivation | None = None,
    native_sha256: str = "",
) -> Rendered:
    """Write an instance in a coding, as a DICOM file, and say what was written.

    `source` is a DICOM file, open and seekable; `out` is binary, seekable, readable and empty.
    `native_sha256` is the digest of its native pixels, if it is known (`pixel_digest`): frames
    that are compared with them and found equal are not hashed again.
    A lossy coding needs a derivation, a lossless one has none. What was written to `out` before an
    error is of no use. Raises `DecodeError` for a source that cannot be read or decoded, and
    `EncodeError` where the coding may not or cannot hold it: `NotFaithful` when a lossless frame
    did not come back, `GuardBroken` when a lossy one lost too much.
    """
    if coding.is_lossy != (derivation is not None):
        raise EncodeError(
            f"rendition: found {'no' if derivation is None else 'a'} derivation, expected one for "
            "a lossy coding and only for that"
        )
    try:
        work = _Work(source, coding, derivation, native_sha256)
        return work.write(out)
    except NoPixels as error:
        raise EncodeError(f"rendition: {error}") from error


class _Work:
    """One rendition in the making."""

    def __init__(
        self,
        source: BinaryIO,
        coding: Coding,
        derivation: Derivation | None,
        native_sha256: str,
    ) -> None:
        self._source = source
        self._coding = coding
        self._derivation = derivation
        self._frames = StoredFrames(source)
        self._told = picture(self._frames.header) if derivation else None
        self._first: tuple[bytes, str] | None = None  # decoded to look at it, and used once
        demand_frames(self._frames, source)
        is_lossless = derivation is None and self._frames.is_by_pixel
        self._known_sha256 = native_sha256 if is_lossless else ""
        self._pixels_sha256 = None if self._known_sha256 else hashlib.sha256()
        self._is_copy = not self._frames.is_compressed and coding.syntax == EXPLICIT_LITTLE_ENDIAN
        self._facts, self._found = self._look()
        self._photometric = self._found
        if self._found == "RGB" and not self._is_copy:
            self._photometric = _TRANSFORMED.get(coding.syntax, "RGB")
        self._form = _written_form(self._frames.form, coding.syntax, self._photometric)
        self._meter = ErrorMeter(_window(self._frames.header) if derivation else None)
        looks = derivation is not None and self._facts.samples == 1
        padding = padding_range(self._frames.header) if looks else None
        self._padding = PaddingWatch(*padding) if padding else None

    def _look(self) -> tuple[PixelFacts, str]:
        """What the pixels are when they are decoded, and whether they may be written so."""
        frames, form = self._frames, self._frames.form
        told = self._told
        if frames.is_subsampled and not self._is_copy:
            raise EncodeError("rendition: two native pixels share their colour (C.7.6.3.1.2)")
        photometric = form.photometric
        if frames.is_compressed:
            self._first = frames.plain(1)
            photometric = self._first[1]
        lossy = text(frames.elements, _LOSSY) == "01" or is_maybe_lossy(frames.named_syntax)
        facts = _facts_of(form, frames.count, photometric, lossy=lossy, is_float=frames.is_float)
        if told is not None and told.pixels is not None:  # what they mean decides over a loss
            facts = replace(
                facts,
                quantitative=told.pixels.quantitative,
                image_type=told.pixels.image_type,
                kernel=told.pixels.kernel,
                slice_millimetres=told.pixels.slice_millimetres,
                text=told.pixels.text,
            )
        reason = coding_bar(
            facts,
            self._coding,
            modality=told.modality if told else "",
            sop_class=(told.sop_class if told else None) or "",
            transfer_syntax=frames.syntax,
            mammography=self._derivation is not None and self._derivation.mammography,
        )
        if reason:
            raise EncodeError(f"rendition: {reason}")
        return facts, photometric

    def write(self, out: BinaryIO) -> Rendered:
        """Write the file. Raises as `transcode` does."""
        head = self._head()
        out.write(head)
        if self._coding.syntax == EXPLICIT_LITTLE_ENDIAN:
            coded = self._write_native(out)
        else:
            coded = self._write_encapsulated(out)
        raw = self._facts.raw_bytes
        error = None
        if self._derivation is not None:
            error = self._judge(raw / coded)
            self._write_again(out, head, raw / coded)
        size, digest = _measured(out)
        return Rendered(
            size_bytes=size,
            frames=self._facts.frames,
            raw_bytes=raw,
            coded_bytes=coded,
            sha256=digest,
            pixels_sha256=(
                self._pixels_sha256.hexdigest() if self._pixels_sha256 else self._known_sha256
            ),
            error=error,
        )

    def _judge(self, ratio: float) -> PixelError:
        """The error of a lossy rendition, which keeps to its guards."""
        derivation = self._derivation
        error = self._meter.error()
        if derivation is not None and self._told is not None:
            has_structure = self._told.modality in SSIM_MODALITIES
            floor = derivation.ssim_floor if has_structure else None
            check_ratio(ratio, derivation.cap.ratio if derivation.cap else None)
            check_error(error, self._coding, ssim_floor=floor)
        return error

    def _head(self, ratio: float = 1.0) -> bytes:
        """The file up to the elements of the pixel data; read anew, as writing uses it up."""
        with reading("instance"):
            kept = self._frames.header_bytes() if self._keeps_header() else None
            if kept is not None:
                return file_head(self._frames.elements, self._coding.syntax) + kept
            ds, _ = read_to_pixels(self._source)
            if self._frames.is_compressed:
                declare_decoded(ds, self._frames.form, self._photometric)
            elif not self._is_copy:
                _declare(ds, self._facts, self._photometric)
            if self._derivation is not None:
                widened = self._padding.found() if self._padding else None
                write_derivation(ds, self._derivation, self._coding, ratio=ratio, padding=widened)
            syntax = self._coding.syntax
            return file_head(ds, syntax) + encode_header(_without_offsets(ds), syntax)

    def _keeps_header(self) -> bool:
        """Whether no element of the header changes, so that its bytes can go as they are.

        Writing them anew takes as long as HTJ2K takes for a slice.
        """
        if self._derivation is not None:
            return False
        if self._is_copy:
            return True
        named = text(self._frames.elements, _PHOTOMETRIC)
        facts = self._facts
        return facts.samples == 1 and not facts.lossy and named == self._photometric

    def _write_again(self, out: BinaryIO, before: bytes, ratio: float) -> None:
        """Put the header with what is known at the end in the place of the first one."""
        head = self._head(ratio)
        if len(head) != len(before):
            raise EncodeError(f"header: found {len(head)} bytes, expected {len(before)}")
        out.seek(0)
        out.write(head)

    def _write_native(self, out: BinaryIO) -> int:
        facts = self._facts
        vr = "OW" if facts.bits_allocated > 8 else "OB"
        tag = self._frames.element.tag
        if self._frames.is_float:
            vr = "OF" if facts.bits_allocated == 32 else "OD"
        total = -(-self._frames.frame_bits * facts.frames // 8)
        if not self._is_copy:
            total, tag = facts.raw_bytes, PIXEL_DATA
        if total > _MAX_NATIVE - 1:
            raise EncodeError(f"pixel data: found {total} bytes, expected less than 4 GiB (A.2)")
        plain = PixelElement(tag, vr, total + total % 2)
        write_pixel_element(out, plain, implicit=False, little=True)
        for piece in self._native_pieces():
            out.write(piece)
        out.write(b"\0" * (total % 2))
        return total

    def _native_pieces(self) -> Iterator[bytes]:
        frames = self._frames
        if self._is_copy and frames.frame_bits % 8:
            # Frames of single bits do not begin at bytes: they are one piece.
            whole = frames.whole()
            if self._pixels_sha256:
                self._pixels_sha256.update(whole)
            yield whole
            return
        for number in range(1, frames.count + 1):
            plain = self._plain(number)
            if self._pixels_sha256:
                pixels = plain if frames.is_compressed else by_pixel(plain, frames)
                self._pixels_sha256.update(pixels)
            yield plain

    def _write_encapsulated(self, out: BinaryIO) -> int:
        count, raw = self._facts.frames, self._facts.raw_bytes
        is_large = raw * _GROWTH + count * 2 * _ITEM_HEAD > MAX_OFFSET
        table_at = out.tell()
        tables = extended_tables([], count) if is_large else b""
        out.write(tables)
        pixels = PixelElement(PIXEL_DATA, "OB", UNDEFINED)
        write_pixel_element(out, pixels, implicit=False, little=True)
        basic_at = out.tell()
        out.write(basic_table([], 0 if is_large else count))
        start = out.tell()
        spans: list[tuple[int, int]] = []
        for number in range(1, count + 1):
            stream = self._encoded(number)
            spans.append((out.tell() - start, len(stream)))
            out.write(_ITEM + struct.pack("<I", len(stream) + len(stream) % 2))
            out.write(stream)
            if len(stream) % 2:
                out.write(b"\0")
        out.write(_DELIMITER)
        end = out.tell()
        if is_large:
            out.seek(table_at)
            out.write(extended_tables(spans, count))
        elif spans[-1][0] > MAX_OFFSET:
            raise EncodeError(f"offset table: found {spans[-1][0]}, expected at most {MAX_OFFSET}")
        else:
            out.seek(basic_at)
            out.write(basic_table(spans, count))
        out.seek(end)
        return sum(length for _, length in spans)

    def _encoded(self, number: int) -> bytes:
        """The code stream of a frame, decoded again and found to be what it should be."""
        samples = self._samples(number)
        try:
            stream = encode_frame(samples, self._coding, self._facts)
        except EncodeError as error:
            raise EncodeError(f"frame {number}: {str(error).removeprefix('frame: ')}") from error
        try:
            back, photometric = decode_samples(stream, self._form)
        except DecodeError as error:
            raise NotFaithful(f"frame {number}: found {error}, expected its pixels") from error
        if photometric != self._found:
            raise NotFaithful(f"frame {number}: found {photometric}, expected {self._found}")
        decoded = back.astype(samples.dtype, copy=False)  # in the order of this machine
        if self._derivation is None:
            if not _are_equal(decoded, samples):
                wrong = int(np.count_nonzero(decoded != samples))
                raise NotFaithful(f"frame {number}: found {wrong} samples changed, expected none")
        else:
            check_range(decoded, *bounds(self._facts))
            self._meter.add(samples, decoded)
            if self._padding:
                self._padding.add(samples, decoded)
        if self._pixels_sha256:
            self._pixels_sha256.update(_octets(back).data)
        return stream

    def _samples(self, number: int) -> Samples:
        """A frame of the source by pixel."""
        plain = self._plain(number)
        if not self._frames.is_compressed:
            plain = by_pixel(plain, self._frames)
        return _array(plain, self._facts)

    def _plain(self, number: int) -> bytes:
        """A frame of the source uncompressed, in the colours of the first."""
        known, self._first = self._first, None
        plain, photometric = known or self._frames.plain(number)
        if photometric != self._found:
            raise DecodeError(f"frame {number}", photometric, f"{self._found} as in the first")
        return plain


# The images of a series are alike: what they are is made once for all of them.
@lru_cache(maxsize=256)
def _facts_of(
    form: FrameFormat, frames: int, photometric: str, *, lossy: bool, is_float: bool
) -> PixelFacts:
    return PixelFacts(
        rows=form.rows,
        columns=form.columns,
        frames=frames,
        samples=form.samples,
        bits_allocated=form.bits_allocated,
        bits_stored=form.bits_stored,
        signed=form.signed,
        photometric=photometric,
        lossy=lossy,
        is_float=is_float,
    )


@lru_cache(maxsize=256)
def _written_form(found: FrameFormat, syntax: Uid, photometric: str) -> FrameFormat:
    """What a receiver is told of the frames, which are those that were found in another coding."""
    return replace(found, transfer_syntax=syntax, photometric=photometric)


def demand_frames(frames: StoredFrames, source: BinaryIO) -> None:
    """Refuse a header that promises more frames than the file can hold, before a table is made."""
    if frames.is_compressed:
        most = source.seek(0, io.SEEK_END) // _ITEM_HEAD
        if frames.count > most:
            raise DecodeError("pixel data", f"room for {most} frames", f"{frames.count} frames")
        return
    needed = -(-frames.frame_bits * frames.count // 8)
    if frames.element.length + frames.element.length % 2 < needed:
        found = f"{frames.element.length} bytes"
        raise DecodeError("pixel data", found, f"{needed} bytes", "PS3.5 8.1.1")


def _array(plain: bytes, facts: PixelFacts) -> Samples:
    """Bytes by pixel as samples in the order of this machine."""
    shape = (facts.rows, facts.columns) + ((facts.samples,) if facts.samples > 1 else ())
    kind = sample_type(facts)
    return np.frombuffer(plain, kind.newbyteorder("<")).reshape(shape).astype(kind, copy=False)


def _octets(samples: Samples) -> Samples:
    """Samples that lie together as the bytes they are."""
    return samples.reshape(-1).view(np.uint8)


def _are_equal(one: Samples, other: Samples) -> bool:
    """Whether two frames are the same: shape, type, and all bytes, eight at once where they can."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    left, right = _octets(one), _octets(np.ascontiguousarray(other))
    if left.size % 8 == 0:
        left, right = left.view(np.uint64), right.view(np.uint64)
    return bool((left == right).all())


def by_pixel(plain: bytes, frames: StoredFrames) -> bytes:
    """A native frame by pixel, whether it stands by plane or not."""
    form = frames.form
    if form.samples == 1 or integer(frames.elements, _PLANAR) != 1 or frames.is_subsampled:
        return plain
    cells = np.frombuffer(plain, f"V{form.bits_allocated // 8}")
    return np.ascontiguousarray(cells.reshape(form.samples, -1).T).tobytes()


def _declare(ds: Dataset, facts: PixelFacts, photometric: str) -> None:
    """Make the header of native pixels that of code streams."""
    ds.PhotometricInterpretation = photometric
    if facts.samples > 1:
        ds.PlanarConfiguration = 0


def _without_offsets(ds: FileDataset) -> FileDataset:
    """The header without tables of where frames lay."""
    for tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS):
        if tag in ds:
            del ds[tag]
    return ds


def _window(ds: Dataset) -> DisplayWindow | None:
    """The display window of the header in stored values; None where it has none."""
    try:
        centre, width = (float(texts(ds, Tag(0x0028, n))[0]) for n in (0x1050, 0x1051))
        slope = float((texts(ds, Tag(0x0028, 0x1053)) or ("1",))[0])
        intercept = float((texts(ds, Tag(0x0028, 0x1052)) or ("0",))[0])
    except (IndexError, ValueError):
        return None
    if not all(map(math.isfinite, (centre, width, slope, intercept))) or width < 1 or slope <= 0:
        return None
    low = (centre - width / 2 - intercept) / slope
    return DisplayWindow(low, low + width / slope)


def _measured(out: BinaryIO) -> tuple[int, str]:
    """Size and hash of what was written, which is left standing at its end."""
    digest, size = hashlib.sha256(), 0
    out.seek(0)
    while chunk := out.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
