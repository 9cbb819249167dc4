"""What a person sees of an instance: a rendered picture, a thumbnail, or the document inside.

A picture is not diagnostic: 8 bits, perhaps lossy, on a screen that nobody calibrated. Overlays,
presentation states, colour profiles and the shape of pixels that are not square are left out;
structured reports and video are not rendered. Clauses: DICOM PS3.18 8.3.5 (parameters), 8.7.4
(rendered media types), 10.4.1.1.3 (rendered), 10.4.1.1.4 (thumbnails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from pydicom.dataset import Dataset

from gateway.domain import Refusal, refuse
from gateway.wire.dicom.accept import MediaRange, NotAcceptable
from gateway.wire.dicom.dataset import describe
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.frames import REFUSED
from gateway.wire.dicom.picture_canvas import (
    ENCODERS,
    JPEG,
    annotated,
    demand_size,
    encoded,
    fitted,
)
from gateway.wire.dicom.picture_colours import colours_of, is_colour
from gateway.wire.dicom.picture_grey import Shades, grey_of
from gateway.wire.dicom.rendering import Annotation, Profile, Rendering, Viewport, Window
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.dicom.web_bulk import EncapsulatedDocument, document_of

PDF: Final = "application/pdf"
PICTURES: Final = (JPEG, *(media for media in ENCODERS if media != JPEG))  # the default first
THUMBNAIL_SIDE: Final = 128  # pixels, of a thumbnail for which no viewport is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A rendered instance: an image, or the document that it holds."""

    media_type: str
    data: bytes


def picture_of(
    source: bytes | BinaryIO,
    rendering: Rendering,
    accept: Sequence[MediaRange] = (),
    frame: int | None = None,
) -> Picture:
    """A frame of a DICOM file, numbered from 1, as a picture; an encapsulated PDF as itself.

    Without a number it is the first frame, at the size it has unless a viewport is asked for. A
    window changes nothing of a colour image. `NoPixels` (404) for what is neither image nor PDF,
    `NotAcceptable` (406) for other media types and pixels that cannot be decoded; refuses unknown
    frames (404), parameters that are not offered (400) and pictures too large (413). Raises
    `DecodeError` when the file is damaged.
    """
    try:
        stored = StoredFrames(source)
    except NoPixels as error:
        return _document(document_of(source), accept, frame, error)
    return _rendered(stored, rendering, accept, 1 if frame is None else frame)


def thumbnail_of(
    source: bytes | BinaryIO,
    rendering: Rendering,
    accept: Sequence[MediaRange] = (),
    frame: int | None = None,
) -> Picture:
    """A small picture of a frame; without a number, of the one in the middle.

    It fits into the viewport, or into `THUMBNAIL_SIDE` pixels and is then never larger than the
    image. Raises and refuses as `picture_of`; a PDF has no thumbnail (404).
    """
    stored = StoredFrames(source)
    if rendering.viewport is None:
        rows, columns = stored.form.rows, stored.form.columns
        side = float(min(THUMBNAIL_SIDE, max(rows, columns)))
        rendering = replace(rendering, viewport=Viewport(width=side, height=side))
    return _rendered(stored, rendering, accept, stored.count // 2 + 1 if frame is None else frame)


def choose_picture(accept: Sequence[MediaRange], *, parts: bool = False) -> str:
    """The media type of a picture, JPEG where nothing else is preferred; `NotAcceptable`.

    `parts` is True for pictures that go in a multipart, of several instances.
    """
    return _chosen(accept, PICTURES, parts=parts)


def _chosen(accept: Sequence[MediaRange], offered: Sequence[str], *, parts: bool = False) -> str:
    best: tuple[float, int, int] | None = None
    choice = ""
    for order, media_type in enumerate(offered):
        decisive: tuple[int, float, int] | None = None
        for place, one in enumerate(accept or (MediaRange("*/*"),)):
            pattern = _pattern(one, parts=parts)
            family = media_type.partition("/")[0] + "/*"
            depth = {media_type: 2, family: 1, "*/*": 0}.get(pattern)
            if depth is not None and (decisive is None or (depth, one.q) > decisive[:2]):
                decisive = (depth, one.q, -place)
        if decisive and decisive[1] and (best is None or (*decisive[1:], -order) > best):
            best, choice = (*decisive[1:], -order), media_type
    if not choice:
        raise NotAcceptable("this is offered as " + " or ".join(offered), subject="Accept")
    return choice


def _pattern(one: MediaRange, *, parts: bool) -> str:
    """What a range says of a picture, "" where it speaks of another packaging."""
    if one.media_type == "*/*":
        return one.media_type
    if one.media_type.startswith("multipart/"):
        return (one.type or "*/*") if parts else ""
    return "" if parts else one.media_type


def _document(
    found: EncapsulatedDocument | None,
    accept: Sequence[MediaRange],
    frame: int | None,
    error: NoPixels,
) -> Picture:
    if found is None or found.media_type != PDF or frame is not None:
        raise error
    return Picture(media_type=_chosen(accept, (PDF,)), data=found.data)


def _rendered(
    stored: StoredFrames, rendering: Rendering, accept: Sequence[MediaRange], number: int
) -> Picture:
    media_type = choose_picture(accept)
    if rendering.profile not in (None, Profile.NO):
        raise refuse(
            Refusal.UNSUPPORTED,
            "pictures are offered without a colour profile",
            subject="query, iccprofile",
        )
    if not 0 < number <= stored.count:
        has = "1 frame" if stored.count == 1 else f"{stored.count} frames"
        raise refuse(
            Refusal.UNKNOWN_INSTANCE, f"this instance has {has}, no frame {number}", subject="frame"
        )
    if not stored.can_decode:
        reason = REFUSED.get(stored.syntax, "there is no decoder for it")
        raise NotAcceptable(f"{stored.syntax} makes no picture here: {reason}")
    picture = shades_of(stored, number, rendering.window)
    if rendering.viewport is not None:
        picture = fitted(picture, rendering.viewport)
    demand_size(*picture.shape[:2])
    with reading("header"):
        asked = rendering.annotations
        above = _patient(stored.header) if Annotation.PATIENT in asked else ()
        technique = _technique(stored.header, number, stored.count)
        below = technique if Annotation.TECHNIQUE in asked else ()
    picture = annotated(picture, above, below)
    return Picture(media_type=media_type, data=encoded(picture, media_type, rendering.quality))


def shades_of(stored: StoredFrames, number: int, window: Window | None = None) -> Shades:
    """A frame in 8 bits: shape (rows, columns) when it is grey, (rows, columns, 3) in colour."""
    samples, photometric = samples_of(stored, number)
    with reading("image"):
        if is_colour(photometric, stored.form.samples):
            return colours_of(samples, photometric, stored)
        return grey_of(samples, stored, number, window)


def _patient(header: Dataset) -> tuple[str, ...]:
    """Who it is, in lines: name, identifier, birth date and sex."""
    patient = describe(header).patient
    name = patient.name
    lines = (
        " ".join(filter(None, (name.prefix, *name.given, name.family, name.suffix)))
        if name
        else "",
        patient.bare_id or (patient.ids[0].value if patient.ids else ""),
        " ".join(
            filter(
                None,
                (
                    patient.birth_date.isoformat() if patient.birth_date else "",
                    patient.gender.value if patient.gender else "",
                ),
            )
        ),
    )
    return tuple(line for line in lines if line)


def _technique(header: Dataset, number: int, count: int) -> tuple[str, ...]:
    """How the image came about, in lines: modality and date, series, place in it."""
    found = describe(header)
    numbers = (
        f"series {found.series_number}" if found.series_number is not None else "",
        f"image {found.instance_number}" if found.instance_number is not None else "",
        f"frame {number} of {count}" if count > 1 else "",
    )
    lines = (
        " ".join(filter(None, (found.modality, str(found.study_date or "")))),
        found.series_description,
        ", ".join(filter(None, numbers)),
    )
    return tuple(line for line in lines if line)
