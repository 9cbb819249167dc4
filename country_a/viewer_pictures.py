"""Pictures for the viewer: a frame of a stored file as a JPEG that fits a screen.

Not diagnostic: 8 bits and lossy. What has to stand beside a picture comes with it, read from the
same file, so that it cannot be about another one. Work for a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.domain import NotFound, Refusal
from gateway.wire.dicom.picture import picture_of, thumbnail_of
from gateway.wire.dicom.rendering import Rendering, Viewport
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.dicom.viewing import Viewing, viewing_of

SIDE = 1280.0  # pixels; what a screen has room for beside the rest of the page
THUMBNAIL_SIDE = 160.0
QUALITY = 85


@dataclass(frozen=True, slots=True)
class FramePicture:
    """A JPEG, and what has to stand beside it."""

    data: bytes
    viewing: Viewing


def frame_picture(path: Path, frame: int) -> FramePicture:
    """A frame, numbered from 1; raises as `picture_of`, and OSError where there is no file."""
    with path.open("rb") as file:
        stored = StoredFrames(file)
        if not 0 < frame <= stored.count:
            text = f"there is no frame {frame} of {stored.count}"
            raise NotFound(Refusal.UNKNOWN_INSTANCE, text)
        # Never made larger than it is: the browser does that as well.
        side = min(SIDE, float(max(stored.form.rows, stored.form.columns)))
        file.seek(0)
        picture = picture_of(
            file, Rendering(quality=QUALITY, viewport=Viewport(width=side, height=side)), (), frame
        )
        return FramePicture(picture.data, viewing_of(stored.header, frame))


def thumbnail(path: Path) -> bytes:
    """The frame in the middle, small."""
    with path.open("rb") as file:
        viewport = Viewport(width=THUMBNAIL_SIDE, height=THUMBNAIL_SIDE)
        return thumbnail_of(file, Rendering(quality=QUALITY, viewport=viewport)).data
