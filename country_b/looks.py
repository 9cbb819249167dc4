"""A first look at an image that has not come whole: a picture of what is here of it.

The beginning of a file in lossless HTJ2K is the image at a part of its size. It is for finding
one's way in a study while the rest comes, and for no diagnosis.
"""

from __future__ import annotations

from pathlib import Path

from gateway.compression.first_look import look_at
from gateway.domain import NotFound, PeerMisbehaved, Refusal
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.picture_canvas import PNG, encoded
from gateway.wire.dicom.picture_colours import colours_of, is_colour
from gateway.wire.dicom.picture_grey import grey_of
from gateway.wire.problems import DecodeError

RGB = "RGB"  # what a code stream decodes to, whatever transform it has inside


def picture_of_beginning(path: Path) -> bytes:
    """A PNG of the beginning of an image. Blocks: to be called in a thread.

    Raises `NotFound` where nothing of it can be looked at, and `PeerMisbehaved` for bytes that
    cannot be read.
    """
    try:
        with path.open("rb") as file:
            samples, frames = look_at(file)
            photometric = RGB if frames.form.samples > 1 else frames.form.photometric
            with reading("image"):
                if is_colour(photometric, frames.form.samples):
                    shades = colours_of(samples, photometric, frames)
                else:
                    shades = grey_of(samples, frames, 1, None)
            return encoded(shades, PNG)
    except FileNotFoundError as error:
        raise NotFound(Refusal.UNKNOWN_INSTANCE, "nothing of this image is here") from error
    except DecodeError as error:
        text = f"what is here of this image is no first look: {error}"
        raise PeerMisbehaved(Refusal.INTEGRITY_FAILED, text) from error
