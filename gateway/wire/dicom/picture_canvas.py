"""A picture of 8-bit samples cut, scaled, written on and encoded.

Scaling averages areas on the way down and is linear on the way up; Pillow does it, and draws the
letters, with a font that covers Latin, Greek and Cyrillic. Clauses: DICOM PS3.18 8.3.5.1 (viewport,
quality, annotation), 8.7.4 (rendered media types).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Final

import imagecodecs
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from ttf_opensans import OPENSANS_REGULAR  # type: ignore[import-untyped]

from gateway.domain import Refusal, refuse
from gateway.wire.dicom.picture_grey import Shades
from gateway.wire.dicom.rendering import Viewport

# 8192 by 8192: no screen shows more, and encoding one takes some hundred megabytes.
MAX_PICTURE_PIXELS: Final = 64 * 1024 * 1024
MAX_SIDE: Final = 65_500  # what a JPEG stream can be (libjpeg)
MAX_LINE: Final = 80  # characters of a line that is burned in

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
DEFAULT_QUALITY: Final = 90

_PNG_LEVEL: Final = 6
_LINES_IN_HEIGHT: Final = 36  # a line of text is this part of the picture's height
_SMALLEST_TEXT: Final = 9  # pixels; below, nobody can read it
_LARGEST_TEXT: Final = 64


def fitted(picture: Shades, viewport: Viewport) -> Shades:
    """The region of a picture as large as it fits into the viewport, its proportions kept.

    A region that reaches beyond the picture is cut; a negative width or height turns it over.
    Refuses a region outside of the picture with `Refusal.MALFORMED_REQUEST`, and a result beyond
    `MAX_PICTURE_PIXELS` with `Refusal.TOO_MANY_RESULTS`.
    """
    rows, columns = picture.shape[:2]
    left, right = _span(viewport.left, viewport.region_width, columns)
    top, bottom = _span(viewport.top, viewport.region_height, rows)
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        raise refuse(
            Refusal.MALFORMED_REQUEST,
            f"the region lies outside of the image of {columns} by {rows} pixels",
            subject="query, viewport",
        )
    scale = min(viewport.width / width, viewport.height / height)
    size = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
    demand_size(size[1], size[0])
    # Cut first: pixels beside the region would otherwise shine into it.
    first_column, first_row = math.floor(left), math.floor(top)
    cut = picture[first_row : math.ceil(bottom), first_column : math.ceil(right)]
    found = Image.fromarray(cut).resize(
        size,
        Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR,
        box=(left - first_column, top - first_row, right - first_column, bottom - first_row),
    )
    scaled: Shades = np.asarray(found)
    if viewport.region_width is not None and viewport.region_width < 0:
        scaled = scaled[:, ::-1]
    if viewport.region_height is not None and viewport.region_height < 0:
        scaled = scaled[::-1]
    return scaled


def _span(start: float | None, size: float | None, whole: int) -> tuple[float, float]:
    begin = start or 0.0
    end = whole if size is None else begin + abs(size)
    return max(begin, 0.0), min(end, float(whole))


def demand_size(rows: int, columns: int) -> None:
    """Refuse a picture that is too large, with `Refusal.TOO_MANY_RESULTS` (413)."""
    if rows * columns > MAX_PICTURE_PIXELS or max(rows, columns) > MAX_SIDE:
        raise refuse(
            Refusal.TOO_MANY_RESULTS,
            f"a picture of {columns} by {rows} pixels, more than {MAX_PICTURE_PIXELS} or with a "
            f"side beyond {MAX_SIDE}: ask for a smaller viewport",
            subject="query, viewport",
        )


def annotated(picture: Shades, above: Sequence[str], below: Sequence[str]) -> Shades:
    """A picture with lines of text burned in, from its upper and its lower left corner.

    Letters are white with a dark edge, and shrink where a line would not fit; lines that still do
    not are cut by the picture's border.
    """
    lines = [*above, *below]
    if not lines:
        return picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    size = min(max(image.height // _LINES_IN_HEIGHT, _SMALLEST_TEXT), _LARGEST_TEXT)
    longest = max(draw.textlength(line[:MAX_LINE], _font(size)) for line in lines)
    if longest > image.width:
        size = max(_SMALLEST_TEXT, int(size * image.width / longest))
    font = _font(size)
    step = size * 4 // 3
    white, black = (255, 0) if picture.ndim == 2 else ((255,) * 3, (0,) * 3)
    places = [index * step for index in range(len(above))]
    places += [image.height - (len(below) - index) * step for index in range(len(below))]
    for line, top in zip(lines, places, strict=True):
        draw.text(
            (size // 3, top),
            line[:MAX_LINE],
            fill=white,
            font=font,
            stroke_width=max(1, size // 12),
            stroke_fill=black,
        )
    return np.asarray(image)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(OPENSANS_REGULAR.path), size)


def encoded(picture: Shades, media_type: str, quality: int | None = None) -> bytes:
    """A picture, grey or RGB, in one of `ENCODERS`; `quality` from 1 to 100 is a JPEG's alone."""
    return ENCODERS[media_type](np.ascontiguousarray(picture), quality or DEFAULT_QUALITY)


def _jpeg(picture: Shades, quality: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(picture, level=quality))


def _png(picture: Shades, _quality: int) -> bytes:
    return bytes(imagecodecs.png_encode(picture, level=_PNG_LEVEL))


def _gif(picture: Shades, _quality: int) -> bytes:
    image = Image.fromarray(picture)
    out = io.BytesIO()
    (image if picture.ndim == 2 else image.quantize(256)).save(out, "GIF")
    return out.getvalue()


ENCODERS: Final[dict[str, Callable[[Shades, int], bytes]]] = {JPEG: _jpeg, PNG: _png, GIF: _gif}
