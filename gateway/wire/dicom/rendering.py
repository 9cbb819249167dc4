"""The parameters of a rendered image or a thumbnail, read from a query and written into one.

Syntax only: what a picture looks like is nobody's business here. A rendered image is no image to
diagnose from. Clauses: DICOM PS3.18 8.3.5 (rendering parameters), 10.4.1.1.3 and 10.4.1.1.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from gateway.wire.dicom.web import query_parameters
from gateway.wire.problems import DecodeError

MAX_VIEWPORT: Final = 16_384  # pixels; no screen is wider, and a picture of that size is 256 MB

_RULE: Final = "PS3.18 8.3.5"
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_KNOWN: Final = frozenset({"annotation", "iccprofile", "quality", "viewport", "window"})


class Annotation(StrEnum):
    """What is to be burned into a rendered image."""

    PATIENT = "patient"
    TECHNIQUE = "technique"


class WindowFunction(StrEnum):
    """How samples within a window become grey values (PS3.3 C.11.2.1.3)."""

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


class Profile(StrEnum):
    """Which colour profile a rendered image is to have."""

    NO = "no"
    YES = "yes"
    SRGB = "srgb"
    ADOBE_RGB = "adobergb"
    ROMM_RGB = "rommrgb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """The size of the picture in pixels, and the region of the image that fills it.

    `left` and `top` are where the region begins, `region_width` and `region_height` how far it
    goes, in pixels of the image: negative ones turn the picture over. None is the whole.
    """

    width: float
    height: float
    left: float | None = None
    top: float | None = None
    region_width: float | None = None
    region_height: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The centre and width of the samples that are shown, in units of the image's output."""

    centre: float
    width: float
    function: WindowFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What is asked of a picture; None and () where nothing is."""

    quality: int | None = None
    viewport: Viewport | None = None
    window: Window | None = None
    annotations: tuple[Annotation, ...] = ()
    profile: Profile | None = None


def parse_rendering(query: str, *, thumbnail: bool = False) -> Rendering:
    """The rendering parameters of a raw query string; others are not looked at.

    A thumbnail has a viewport of two whole numbers and no other parameter. Raises `DecodeError`
    for values that are none, and for a parameter given twice.
    """
    given: dict[str, str] = {}
    for name, value in query_parameters(query):
        name = name.lower()
        if name not in _KNOWN:
            continue
        if name in given:
            raise DecodeError(f"query, {name}", "two values", "one", _RULE)
        if thumbnail and name != "viewport":
            raise DecodeError(f"query, {name}", "a parameter", "none for a thumbnail", _RULE)
        given[name] = value.strip(" ")
    return Rendering(
        quality=_quality(given["quality"]) if "quality" in given else None,
        viewport=_viewport(given["viewport"], whole=thumbnail) if "viewport" in given else None,
        window=_window(given["window"]) if "window" in given else None,
        annotations=_annotations(given.get("annotation", "")),
        profile=_profile(given["iccprofile"]) if "iccprofile" in given else None,
    )


def _wrong(name: str, found: str, expected: str) -> DecodeError:
    return DecodeError(f"query, {name}", repr(found[:80]), expected, _RULE)


def _quality(text: str) -> int:
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 100:
        raise _wrong("quality", text, "a whole number from 1 to 100")
    return int(text)


def _viewport(text: str, *, whole: bool) -> Viewport:
    parts = [part.strip(" ") for part in text.split(",")]
    form = _WHOLE if whole else _DECIMAL
    expected = "a width and a height" + ("" if whole else ", perhaps a region of four numbers")
    sizes = (2,) if whole else (2, 6)
    filled = [part for part in parts[2:] if part]
    if len(parts) not in sizes or not all(map(form.fullmatch, (*parts[:2], *filled))):
        raise _wrong("viewport", text, expected)
    width, height, *region = (float(part) if part else None for part in parts)
    if not width or not height or not all(0 < side <= MAX_VIEWPORT for side in (width, height)):
        raise _wrong("viewport", text, f"sides of at most {MAX_VIEWPORT} pixels")
    left, top, region_width, region_height = region or [None] * 4
    if region_width == 0 or region_height == 0:
        raise _wrong("viewport", text, "a region that is not empty")
    return Viewport(
        width=width,
        height=height,
        left=left,
        top=top,
        region_width=region_width,
        region_height=region_height,
    )


def _window(text: str) -> Window:
    parts = [part.strip(" ") for part in text.split(",")]
    functions = {function.value: function for function in WindowFunction}
    fits = len(parts) == 3 and all(map(_DECIMAL.fullmatch, parts[:2]))
    if not fits or parts[2].lower() not in functions or float(parts[1]) <= 0:
        raise _wrong("window", text, "a centre, a width above 0, and " + " or ".join(functions))
    return Window(
        centre=float(parts[0]), width=float(parts[1]), function=functions[parts[2].lower()]
    )


def _annotations(text: str) -> tuple[Annotation, ...]:
    found = dict.fromkeys(part.strip(" ").lower() for part in text.split(",") if part.strip(" "))
    try:
        return tuple(Annotation(part) for part in found)
    except ValueError:
        raise _wrong("annotation", text, " or ".join(Annotation)) from None


def _profile(text: str) -> Profile:
    try:
        return Profile(text.lower())
    except ValueError:
        raise _wrong("iccprofile", text, " or ".join(Profile)) from None


def write_rendering(rendering: Rendering) -> str:
    """The parameters as a raw query string, without a question mark; "" where nothing is asked."""
    given: list[tuple[str, str]] = []
    if rendering.quality is not None:
        given.append(("quality", str(rendering.quality)))
    if rendering.viewport is not None:
        given.append(("viewport", _viewport_text(rendering.viewport)))
    if rendering.window is not None:
        window = rendering.window
        numbers = f"{_number(window.centre)},{_number(window.width)}"
        given.append(("window", f"{numbers},{window.function}"))
    if rendering.annotations:
        given.append(("annotation", ",".join(rendering.annotations)))
    if rendering.profile is not None:
        given.append(("iccprofile", rendering.profile))
    return "&".join(f"{name}={quote(value, safe=',')}" for name, value in given)


def _viewport_text(viewport: Viewport) -> str:
    region = (viewport.left, viewport.top, viewport.region_width, viewport.region_height)
    sides = (viewport.width, viewport.height)
    return ",".join(map(_number, sides if region == (None,) * 4 else (*sides, *region)))


def _number(value: float | None) -> str:
    """A number without an exponent, which the parameters do not have; "" for None."""
    if value is None:
        return ""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
