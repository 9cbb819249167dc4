"""One value of an instance by the path that its metadata gives: bytes, and their media type.

Binary values come in little endian, texts in UTF-8 and numbers as explicit little endian has
them, for this is the encoding the metadata speaks of. An encapsulated document comes as what it
is. Clauses: DICOM PS3.18 10.4.1.1.5 (bulk data) and 8.7.3.3 (media types), annex F (paths);
PS3.3 C.24.2 (encapsulated documents).
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag, Tag

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, ExchangeError, Refusal, refuse
from gateway.wire.dicom.accept import MediaRange, NotAcceptable
from gateway.wire.dicom.dataset import PIXEL_TAGS, read_header
from gateway.wire.dicom.elements import PYDICOM_ERRORS, integer, items, reading, text
from gateway.wire.dicom.json_write import MAX_DEPTH
from gateway.wire.dicom.rewrite import swapped
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.dicom.web_frames import OCTETS, plain_frame
from gateway.wire.problems import DecodeError

# An uncompressed series in one instance; whoever wants more asks frame by frame.
MAX_BULK_BYTES: Final = 1024 * 1024 * 1024

DOCUMENT: Final = Tag(0x0042, 0x0011)
_DOCUMENT_LENGTH: Final = Tag(0x0042, 0x0015)
_DOCUMENT_TYPE: Final = Tag(0x0042, 0x0012)
# What encapsulated documents are by PS3.3 A.45, A.85 and A.104: whoever made the instance may
# name no other type, such as a page that a browser would run.
_DOCUMENT_TYPES: Final = frozenset(
    ["application/pdf", "text/xml", "model/stl", "model/obj", "model/mtl"]
)

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_ITEM: Final = re.compile(r"[0-9]{1,9}")
_NEVER: Final = frozenset({0x0000, 0x0002})
_WORDS: Final = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_INTEGERS: Final = {"SS": "h", "US": "H", "SL": "i", "UL": "I", "SV": "q", "UV": "Q"}
_FORMATS: Final = {**_INTEGERS, "FL": "f", "FD": "d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAnswer:
    """A value and how it is sent; `multipart` is False when it is the body itself."""

    media_type: str
    data: bytes
    multipart: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EncapsulatedDocument:
    """A document inside an instance."""

    media_type: str
    data: bytes


def bulk_of(
    source: bytes | BinaryIO, path: str | Sequence[str], accept: Sequence[MediaRange] = ()
) -> BulkAnswer:
    """The value at a path, such as `00420011` or `00400275/0/0040A160`, or its segments.

    Pixel data come uncompressed, frame after frame; compressed ones are `web_frames.frames_of`'s.
    Refuses with `Refusal.UNKNOWN_INSTANCE` (404) what is not there, is empty, or is a sequence,
    and with `Refusal.TOO_MANY_RESULTS` (413) pixel data beyond `MAX_BULK_BYTES`. Raises
    `NotAcceptable` (406), and `DecodeError` for what is no path or cannot be read.
    """
    segments = tuple(path.split("/")) if isinstance(path, str) else tuple(path)
    tags = _tags(segments)
    shown = "/".join(segments)
    if len(tags) == 1 and tags[0] in PIXEL_TAGS:
        multipart = _packaging(accept, OCTETS)
        return BulkAnswer(
            media_type=OCTETS, data=_pixels(source, tags[0], shown), multipart=multipart
        )
    header = read_header(io.BytesIO(source) if isinstance(source, bytes) else source)
    with reading("header"):
        document = document_in(header) if tags == (DOCUMENT,) else None
        if document is not None:
            media_type, data = document.media_type, document.data
        else:
            media_type, data = OCTETS, _value(header, segments, shown)
    return BulkAnswer(media_type=media_type, data=data, multipart=_packaging(accept, media_type))


def document_of(source: bytes | BinaryIO) -> EncapsulatedDocument | None:
    """The document a DICOM file holds, None where it holds none. Raises `DecodeError`."""
    header = read_header(io.BytesIO(source) if isinstance(source, bytes) else source)
    with reading("header"):
        return document_in(header)


def document_in(header: Dataset) -> EncapsulatedDocument | None:
    """The encapsulated document (0042,0011) of a header, without its padding.

    Its media type is (0042,0012), octets where that is none that such documents have.
    """
    if DOCUMENT not in header or not isinstance(header[DOCUMENT].value, bytes):
        return None
    data = bytes(header[DOCUMENT].value)
    length = integer(header, _DOCUMENT_LENGTH)
    if length is not None and length == len(data) - 1:
        data = data[:length]
    named = text(header, _DOCUMENT_TYPE).lower()
    media_type = named if named in _DOCUMENT_TYPES else OCTETS
    return EncapsulatedDocument(media_type=media_type, data=data) if data else None


def _tags(segments: Sequence[str]) -> tuple[BaseTag, ...]:
    """The tags of a path; `DecodeError` for what is no path."""
    tags, numbers = segments[::2], segments[1::2]
    fits = len(segments) % 2 == 1 and len(tags) <= MAX_DEPTH
    if not fits or not all(map(_TAG.fullmatch, tags)) or not all(map(_ITEM.fullmatch, numbers)):
        raise DecodeError(
            "path, bulkdata",
            repr("/".join(segments)[:80]),
            "a tag, perhaps after tags and numbers of items",
            "PS3.18 10.4.1.1.5",
        )
    return tuple(Tag(int(tag, 16)) for tag in tags)


def _not_there(shown: str) -> ExchangeError:
    return refuse(
        Refusal.UNKNOWN_INSTANCE,
        f"this instance has no bulk value {shown[:120]}",
        subject="bulkdata",
    )


def _value(header: FileDataset, segments: Sequence[str], shown: str) -> bytes:
    ds: Dataset = header
    for outer, number in zip(segments[:-1:2], segments[1::2], strict=True):
        below = items(ds, Tag(int(outer, 16)))
        if int(number) >= len(below):
            raise _not_there(shown)
        ds = below[int(number)]
    tag = Tag(int(segments[-1], 16))
    raw = ds.get_item(tag)
    if raw is None or tag.group in _NEVER or tag.element == 0:
        raise _not_there(shown)
    big = header.original_encoding[1] is False
    bare = raw.value  # before the conversion, which replaces it
    try:
        data = _encoded(ds[tag], big=big)
    except PYDICOM_ERRORS:
        # What cannot be read is in the metadata as unknown bytes.
        data = bare.encode("utf-8", "replace") if isinstance(bare, str) else bytes(bare or b"")
    if not data:
        raise _not_there(shown)
    return data


def _encoded(element: DataElement, *, big: bool) -> bytes:
    """A value in explicit little endian and UTF-8; b"" for sequences and empty ones."""
    value, vr = element.value, str(element.VR)
    if vr == "SQ" or element.is_empty:
        return b""
    if isinstance(value, bytes):
        width = _WORDS.get("OW" if vr.endswith(" or OW") else vr, 1)
        return swapped(value, width) if big and width > 1 else value
    several = not isinstance(value, str) and hasattr(value, "__len__") and vr != "PN"
    values: list[Any] = list(value) if several or element.VM > 1 else [value]
    if " or " in vr:
        vr = "SS" if any(one < 0 for one in values) else "US"
    if vr == "AT":
        return b"".join(struct.pack("<HH", Tag(one).group, Tag(one).element) for one in values)
    if vr in _FORMATS:
        return struct.pack(f"<{len(values)}{_FORMATS[vr]}", *values)
    texts = (getattr(one, "original_string", None) or one for one in values)
    return "\\".join("" if one is None else str(one) for one in texts).encode("utf-8", "replace")


def _pixels(source: bytes | BinaryIO, tag: BaseTag, shown: str) -> bytes:
    stored = StoredFrames(source)
    if stored.element.tag != tag:
        raise _not_there(shown)
    if not stored.can_decode:
        raise NotAcceptable(
            f"the pixel data, in {stored.syntax}, cannot be sent uncompressed", subject="Accept"
        )
    total = stored.form.frame_bytes * stored.count
    if total > MAX_BULK_BYTES:
        raise refuse(
            Refusal.TOO_MANY_RESULTS,
            f"the pixel data have {total} bytes, more than {MAX_BULK_BYTES}: ask for frames",
            subject="bulkdata",
        )
    if stored.is_compressed or stored.frame_bits % 8 == 0:
        return b"".join(plain_frame(stored, number) for number in range(1, stored.count + 1))
    return stored.whole()


def _packaging(accept: Sequence[MediaRange], media_type: str) -> bool:
    """Whether a value goes in a multipart, by Accept; `NotAcceptable` where it may not go."""
    best: tuple[float, int] | None = None
    choice = True
    for place, one in enumerate(accept or (MediaRange("*/*"),)):
        in_parts = one.media_type in ("multipart/related", "multipart/*", "*/*")
        pattern = (one.type or "*/*") if in_parts else one.media_type
        family = media_type.partition("/")[0] + "/*"
        covers = pattern in (media_type, family, "*/*")
        # An uncompressed value has no other transfer syntax than this.
        covers = covers and one.transfer_syntax in ("", "*", EXPLICIT_LITTLE_ENDIAN)
        if covers and one.q > 0 and (best is None or (one.q, -place) > best):
            best, choice = (one.q, -place), in_parts
    if best is None:
        raise NotAcceptable(
            f"this value is offered as {media_type}, bare or in multipart/related",
            subject="Accept",
        )
    return choice
