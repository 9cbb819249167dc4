"""The frames of an instance as DICOMweb sends them: which ones, and in which media type.

A frame goes uncompressed in little endian, or as it is stored; nothing is compressed here. A
stored frame is a bare code stream, its fragments joined, under the media type of its transfer
syntax, or as octets to clients that ask for `transfer-syntax=*`. Clauses: DICOM PS3.18 8.7.3
(media types and default transfer syntaxes), 10.4.1.1.6 (frames), 10.4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, overload

import numpy as np
from pydicom.tag import Tag

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Refusal, Uid, refuse
from gateway.wire.dicom.accept import ANY_SYNTAX, MediaRange, NotAcceptable
from gateway.wire.dicom.elements import integer
from gateway.wire.dicom.frames import REFUSED
from gateway.wire.dicom.stored_frames import NATIVE, StoredFrames

OCTETS: Final = "application/octet-stream"

_JPEG: Final = "1.2.840.10008.1.2.4."
# Media types of compressed frames: the default syntax first (PS3.18 table 8.7.3-2).
_SYNTAXES_OF: Final[dict[str, tuple[str, ...]]] = {
    "image/jpeg": (_JPEG + "70", _JPEG + "50", _JPEG + "51", _JPEG + "57"),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jls": (_JPEG + "80", _JPEG + "81"),
    "image/jp2": (_JPEG + "90", _JPEG + "91"),
    "image/jpx": (_JPEG + "92", _JPEG + "93"),
    "image/jphc": (_JPEG + "201", _JPEG + "202", _JPEG + "203"),
    "image/jxl": (_JPEG + "110", _JPEG + "111", _JPEG + "112"),
}
_MEDIA_OF: Final = {
    syntax: media for media, syntaxes in _SYNTAXES_OF.items() for syntax in syntaxes
}
_VIDEO: Final = _JPEG + "10"  # MPEG-2, MPEG-4 and HEVC, and nothing else begins so
_PLANAR: Final = Tag(0x0028, 0x0006)


@dataclass(frozen=True, slots=True)
class FrameForm:
    """A form in which frames can be sent: media type and transfer syntax, in parts or bare."""

    media_type: str
    transfer_syntax: Uid
    multipart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAnswer:
    """Frames in the order asked for, and how they are sent.

    `multipart` is False when the one frame is the body itself. Each of `frames` is read and
    decoded when it is looked at, so the source must stay open until then; a frame that turns out
    to be damaged raises `DecodeError` there.
    """

    media_type: str
    transfer_syntax: Uid
    multipart: bool
    frames: Sequence[bytes]

    @property
    def content_type(self) -> str:
        """The Content-Type of each frame."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def frames_of(
    source: bytes | BinaryIO, numbers: Sequence[int] | None, accept: Sequence[MediaRange]
) -> FrameAnswer:
    """The frames of a DICOM file that are asked for, numbered from 1, or all of them for None.

    A frame may be asked for twice. Raises `NotAcceptable` (406); refuses an instance without
    pixel data and a frame it does not have with `Refusal.UNKNOWN_INSTANCE` (404); `DecodeError`
    when the file cannot be read.
    """
    stored = StoredFrames(source)
    wanted = range(1, stored.count + 1) if numbers is None else tuple(numbers)
    beyond = [number for number in wanted if not 0 < number <= stored.count]
    if beyond or not wanted:
        has = "1 frame" if stored.count == 1 else f"{stored.count} frames"
        asked = f"no frame {beyond[0]}" if beyond else "none was asked for"
        raise refuse(
            Refusal.UNKNOWN_INSTANCE, f"this instance has {has}, {asked}", subject="frames"
        )
    form = choose_frames(
        accept, stored.syntax, can_decode=stored.can_decode, alone=len(wanted) == 1
    )
    return FrameAnswer(
        media_type=form.media_type,
        transfer_syntax=form.transfer_syntax,
        multipart=form.multipart,
        frames=_Frames(stored, wanted, plain=form.transfer_syntax in NATIVE),
    )


class _Frames(Sequence[bytes]):
    """Frames that are read when they are looked at."""

    def __init__(self, stored: StoredFrames, numbers: Sequence[int], *, plain: bool) -> None:
        self._stored = stored
        self._numbers = numbers
        self._plain = plain

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes]: ...

    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(at, slice):
            return _Frames(self._stored, self._numbers[at], plain=self._plain)
        number = self._numbers[at]
        return plain_frame(self._stored, number) if self._plain else self._stored.stored(number)


def plain_frame(stored: StoredFrames, number: int) -> bytes:
    """A frame uncompressed, its samples arranged as the header says (Planar Configuration)."""
    data, _ = stored.plain(number)
    form = stored.form
    by_plane = form.samples > 1 and integer(stored.elements, _PLANAR) == 1
    if not stored.is_compressed or not by_plane:
        return data
    pixels = np.frombuffer(data, f"<u{form.bits_allocated // 8}")
    return np.ascontiguousarray(pixels.reshape(-1, form.samples).T).tobytes()


def choose_frames(
    accept: Sequence[MediaRange], stored: Uid, *, can_decode: bool = True, alone: bool = False
) -> FrameForm:
    """How frames stored in a transfer syntax are sent to a client that accepts these ranges.

    `alone` is True for exactly one frame, which may go without a multipart. Raises
    `NotAcceptable`.
    """
    if stored.startswith(_VIDEO):
        raise NotAcceptable(f"{stored}: {REFUSED.get(stored, 'video has no frames')}")
    as_stored = EXPLICIT_LITTLE_ENDIAN if stored in NATIVE else stored
    forms = tuple(_forms(as_stored, can_decode=can_decode, alone=alone))
    best: tuple[float, int] | None = None
    choice: FrameForm | None = None
    for form in forms:
        found = _wanted(accept, form, forms[0], as_stored)
        if found is not None and (best is None or found > best):
            best, choice = found, form
    if choice is None:
        offered = dict.fromkeys(
            f"{form.media_type}; transfer-syntax={form.transfer_syntax}" for form in forms
        )
        how = "multipart/related, or bare for a single frame" if alone else "multipart/related"
        raise NotAcceptable(
            f"frames are offered in {how}, as " + " or ".join(offered), subject="Accept"
        )
    return choice


def _forms(as_stored: Uid, *, can_decode: bool, alone: bool) -> list[FrameForm]:
    """The forms frames can have; the first is the one for clients that accept anything."""
    media = []
    if can_decode:
        media.append((OCTETS, EXPLICIT_LITTLE_ENDIAN))
    if as_stored not in NATIVE:
        named = _MEDIA_OF.get(as_stored)
        media += [(named, as_stored)] if named else []
        media.append((OCTETS, as_stored))
    return [
        FrameForm(media_type, syntax, multipart)
        for multipart in ((True, False) if alone else (True,))
        for media_type, syntax in media
    ]


def _wanted(
    accept: Sequence[MediaRange], form: FrameForm, default: FrameForm, as_stored: Uid
) -> tuple[float, int] | None:
    """How much a form is wanted, by quality and place in the header; None when it is not.

    Of the ranges that cover a form the most specific decides (RFC 9110 12.5.1).
    """
    decisive: tuple[int, float, int] | None = None
    for place, one in enumerate(accept or (MediaRange("*/*"),)):
        covers = _specificity(one, form)
        if covers is None or not _covers_syntax(one, form, default, as_stored):
            continue
        depth = covers * 3 + (one.transfer_syntax == form.transfer_syntax) * 2
        depth += one.transfer_syntax == ANY_SYNTAX
        if decisive is None or (depth, one.q) > decisive[:2]:
            decisive = (depth, one.q, -place)
    if decisive is None or decisive[1] == 0:
        return None
    return decisive[1], decisive[2]


def _specificity(one: MediaRange, form: FrameForm) -> int | None:
    """How narrowly a range covers the media type of a form, None if it does not."""
    in_parts = one.media_type in ("multipart/related", "multipart/*", "*/*")
    if in_parts != form.multipart:
        return None
    pattern = (one.type or "*/*") if in_parts else one.media_type
    family = form.media_type.partition("/")[0] + "/*"
    depth = {form.media_type: 2, family: 1, "*/*": 0}.get(pattern)
    return None if depth is None else depth * 3 + (one.media_type == "multipart/related")


def _covers_syntax(one: MediaRange, form: FrameForm, default: FrameForm, as_stored: Uid) -> bool:
    """Whether a range means the transfer syntax of a form: without one, the media type's own."""
    if one.transfer_syntax == ANY_SYNTAX:
        return form.transfer_syntax == as_stored
    if one.transfer_syntax:
        return form.transfer_syntax == one.transfer_syntax
    pattern = one.type if form.multipart else one.media_type
    if pattern == form.media_type or pattern == "image/*":
        own = _SYNTAXES_OF.get(form.media_type, (EXPLICIT_LITTLE_ENDIAN,))[0]
        return form.transfer_syntax == own
    return (form.media_type, form.transfer_syntax) == (default.media_type, default.transfer_syntax)
