"""A stored instance as a file in explicit VR little endian, uncompressed: what anybody can read.

Decompresses and re-encodes, frame by frame; the instance stays the same instance (same UIDs),
for nothing of its content changes. Video is refused. Clauses: DICOM PS3.5 annex A (syntaxes) and
8 (pixel data), PS3.10 7; a lossy past stays on record (PS3.3 C.7.6.1.1.5).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.tag import Tag

from gateway.wire.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    read_to_pixels,
    transfer_syntax,
)
from gateway.wire.dicom.elements import PYDICOM_ERRORS, Elements, integer, reading, text, uid
from gateway.wire.dicom.frames import FrameFormat, decode_frame, has_decoder
from gateway.wire.dicom.pixel_element import (
    UNDEFINED,
    PixelElement,
    copy_pixels,
    read_pixel_element,
    write_pixel_element,
)
from gateway.wire.dicom.rewrite import swapped, write_header
from gateway.wire.problems import DecodeError

_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
_PIXEL_DATA = 0x7FE00010
_ROWS, _COLUMNS = Tag(0x0028, 0x0010), Tag(0x0028, 0x0011)
_SAMPLES, _PHOTOMETRIC = Tag(0x0028, 0x0002), Tag(0x0028, 0x0004)
_ALLOCATED, _STORED, _SIGN = Tag(0x0028, 0x0100), Tag(0x0028, 0x0101), Tag(0x0028, 0x0103)
_MAX_NATIVE = UNDEFINED - 1  # a length of 32 bits, even, and not the undefined one

# Syntaxes that may have lost something, and the method to put on record (PS3.3 C.7.6.1.1.5.1).
_LOSSY_METHOD = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.111": "ISO_10918_1",
}


def can_decode(uid_of: str) -> bool:
    """Whether instances of a transfer syntax can be turned into explicit little endian."""
    return uid_of in _NATIVE or has_decoder(uid_of)


def to_explicit_little_endian(source: bytes | Path | BinaryIO) -> bytes:
    """The instance as a DICOM file in explicit VR little endian with native pixel data.

    A file that is so already comes back as it is. Pixel values are those of the source; colour
    that a codec had turned into YBR comes back as RGB and says so. Raises `DecodeError` when the
    source cannot be read or decoded, video included.
    """
    if isinstance(source, Path):
        source = source.read_bytes()
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    ds, pixels = read_to_pixels(stream)
    with reading("instance"):
        syntax = transfer_syntax(ds)
        named = uid(ds.file_meta, Tag(0x0002, 0x0010))
        is_plain = named == EXPLICIT_LITTLE and ds.original_encoding == (False, True)
        if is_plain and ds.preamble is not None:
            pixels.seek(0)
            return pixels.read()
        return _rewritten(ds, pixels, syntax)


def _rewritten(ds: FileDataset, pixels: BinaryIO, syntax: str) -> bytes:
    implicit, little = (bool(flag) for flag in ds.original_encoding)
    element = read_pixel_element(pixels, implicit=implicit, little=little)
    out = io.BytesIO()
    if element is None:
        write_header(ds, out, EXPLICIT_LITTLE)
    elif element.length == UNDEFINED:
        if syntax in _NATIVE:
            raise DecodeError("pixel data", "fragments", f"native pixels by {syntax}", "PS3.5 A.4")
        _write_decoded(ds, pixels, syntax, out)
    else:
        # A native value in a file that names a compressed syntax is what it looks like.
        _write_native(ds, pixels, element, out, little=little)
    return out.getvalue()


def _write_native(
    ds: FileDataset, pixels: BinaryIO, element: PixelElement, out: io.BytesIO, *, little: bool
) -> None:
    bits = integer(ds, Tag(0x0028, 0x0100)) or 8
    vr = element.vr or ("OW" if bits > 8 else "OB")
    if element.tag != _PIXEL_DATA:
        vr = "OF" if element.tag == 0x7FE00008 else "OD"
    width = {"OF": 4, "OD": 8}.get(vr, bits // 8 if bits >= 16 else 2)
    if vr == "UN":
        vr = "OW"
    write_header(ds, out, EXPLICIT_LITTLE)
    write_pixel_element(
        out, PixelElement(element.tag, vr, element.length), implicit=False, little=True
    )
    if little or vr == "OB":
        copy_pixels(pixels, out, element)
    else:
        plain = io.BytesIO()
        copy_pixels(pixels, plain, element)
        out.write(swapped(plain.getvalue(), width))


def _write_decoded(ds: FileDataset, pixels: BinaryIO, syntax: str, out: io.BytesIO) -> None:
    form = frame_format(ds, syntax)
    count = max(1, integer(ds, Tag(0x0028, 0x0008)) or 1)
    total = form.frame_bytes * count
    padded = total + total % 2
    if padded > _MAX_NATIVE:
        raise DecodeError("pixel data", f"{total} bytes", "at most 4 GiB when native", "PS3.5 A.2")
    frames = _frames(ds, pixels, count)
    first, photometric = decode_frame(_next(frames, 0, count), form)
    declare_decoded(ds, form, photometric)
    write_header(ds, out, EXPLICIT_LITTLE)
    vr = "OW" if form.bits_allocated > 8 else "OB"
    write_pixel_element(out, PixelElement(_PIXEL_DATA, vr, padded), implicit=False, little=True)
    out.write(first)
    for index in range(1, count):
        plain, colours = decode_frame(_next(frames, index, count), form)
        if colours != photometric:
            raise DecodeError(f"frame {index + 1}", colours, f"{photometric} as in the first")
        out.write(plain)
    if total % 2:
        out.write(b"\0")


def _frames(ds: FileDataset, pixels: BinaryIO, count: int) -> Iterator[bytes]:
    offsets = None
    extended, lengths = ds.get(Tag(0x7FE0, 0x0001)), ds.get(Tag(0x7FE0, 0x0002))
    if extended is not None and lengths is not None:
        offsets = (bytes(extended.value), bytes(lengths.value))
    yield from generate_frames(pixels, number_of_frames=count, extended_offsets=offsets)


def _next(frames: Iterator[bytes], index: int, count: int) -> bytes:
    try:
        frame = next(frames, None)
    except PYDICOM_ERRORS as error:
        raise DecodeError(
            f"frame {index + 1}", str(error)[:200], "fragments", "PS3.5 A.4"
        ) from error
    if frame is None:
        raise DecodeError("pixel data", f"{index} frames", f"{count} frames", "PS3.3 C.7.6.6")
    return frame


def frame_format(ds: Elements, syntax: str) -> FrameFormat:
    """What the header says of every frame; `DecodeError` where it says too little."""
    wanted = {
        "Rows": integer(ds, _ROWS),
        "Columns": integer(ds, _COLUMNS),
        "Bits Allocated": integer(ds, _ALLOCATED),
    }
    for name, value in wanted.items():
        if value is None or value <= 0:
            raise DecodeError(name, str(value), "a positive number", "PS3.3 C.7.6.3.1")
    allocated = wanted["Bits Allocated"] or 0
    if allocated not in (1, 8, 16, 32, 64):
        raise DecodeError("Bits Allocated", str(allocated), "1, 8, 16, 32 or 64", "PS3.5 8.1.1")
    return FrameFormat(
        transfer_syntax=syntax,
        rows=wanted["Rows"] or 0,
        columns=wanted["Columns"] or 0,
        samples=integer(ds, _SAMPLES) or 1,
        bits_allocated=allocated,
        bits_stored=integer(ds, _STORED) or allocated,
        signed=integer(ds, _SIGN) == 1,
        photometric=text(ds, _PHOTOMETRIC).upper(),
    )


def declare_decoded(ds: FileDataset, form: FrameFormat, photometric: str) -> None:
    """Make the header say what decoded frames are; `form` is what they were decoded from."""
    ds.PhotometricInterpretation = photometric
    if form.samples > 1:
        ds.PlanarConfiguration = 0
    for tag in (Tag(0x7FE0, 0x0001), Tag(0x7FE0, 0x0002)):
        if tag in ds:
            del ds[tag]
    method = _LOSSY_METHOD.get(form.transfer_syntax)
    if method and text(ds, Tag(0x0028, 0x2110)) != "01":
        ds.LossyImageCompression = "01"
        if not text(ds, Tag(0x0028, 0x2114)):
            ds.LossyImageCompressionMethod = method
