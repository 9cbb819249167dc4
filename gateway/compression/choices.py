"""Which codings come into question for a series, and why each of the others does not.

What the requester takes, what is written here and what the pixels are meet here; what it would
cost is judged later. Clauses: DICOM PS3.18 table 8.7.3-2 ff. (JPEG-LS is not listed for
multi-frame), PS3.5 8.2. JPEG XL is for hops between gateways: few viewers read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.compression.facts import SeriesFacts
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
    LOSSLESS_WRITTEN,
    form_bar,
)
from gateway.domain.delivery import Decoding, DeliveryWish, ReadingPurpose
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts

PLAIN_CODING: Final = Coding(syntax=EXPLICIT_LITTLE_ENDIAN)
# Every lossless way to write, the house's own order: what is progressive and fast first.
OFFERED: Final = (
    Coding(syntax=HTJ2K_LOSSLESS_RPCL),
    Coding(syntax=HTJ2K_LOSSLESS),
    Coding(syntax=JPEG_LS_LOSSLESS),
    Coding(syntax=JPEG_2000_LOSSLESS),
    Coding(syntax=JPEG_XL_LOSSLESS, effort=3),
    Coding(syntax=JPEG_XL_LOSSLESS, effort=7),
    PLAIN_CODING,
)
# What takes JPEG-LS's place for colour and multi-frame, where the requester takes it.
_INSTEAD: Final = frozenset({HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS, JPEG_2000_LOSSLESS})
_NAMES: Final = {
    HTJ2K_LOSSLESS_RPCL: "HTJ2K",
    HTJ2K_LOSSLESS: "HTJ2K (any progression)",
    JPEG_LS_LOSSLESS: "JPEG-LS",
    JPEG_2000_LOSSLESS: "JPEG 2000",
    JPEG_XL_LOSSLESS: "JPEG XL",
    EXPLICIT_LITTLE_ENDIAN: "uncompressed",
    JPEG_LS_NEAR: "JPEG-LS near-lossless",
    HTJ2K_LOSSY: "lossy HTJ2K",
}
# Steps that are sampled, in stored values, and for eight bits; between them is interpolated.
STEPS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
STEPS_OF_BYTES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
NEARS: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Choice:
    """The codings of a series that come into question, in the requester's order, and the others."""

    candidates: tuple[Coding, ...]
    rejected: tuple[tuple[Coding, str], ...]


def name_of(coding: Coding) -> str:
    """A coding as people call it."""
    name = _NAMES.get(coding.syntax, f"syntax {coding.syntax}")
    if coding.effort:
        return f"{name} (effort {coding.effort})"
    if coding.near:
        return f"{name} (error at most {coding.near})"
    return f"{name} (step {coding.step:g})" if coding.step else name


def lossless_choice(
    series: SeriesFacts, wish: DeliveryWish, forms: tuple[PixelFacts, ...] | None = None
) -> Choice:
    """The lossless codings of a series. A coding that fits some of its instances is a candidate.

    `forms` are those that `distinct_pixels` finds, where they are known already.
    """
    if forms is None:
        forms = distinct_pixels(series)
    candidates: list[Coding] = []
    rejected: list[tuple[Coding, str]] = []
    for coding in OFFERED:
        reason = _bar(series, forms, wish, coding)
        if reason:
            rejected.append((coding, reason))
        else:
            candidates.append(coding)
    candidates.sort(key=lambda coding: wish.syntaxes.index(coding.syntax))
    return Choice(tuple(candidates), tuple(rejected))


def lossy_syntaxes(wish: DeliveryWish) -> tuple[Uid, ...]:
    """The lossy syntaxes that may be written: none without consent or for a diagnosis."""
    if not wish.lossy_consent or wish.purpose is ReadingPurpose.DIAGNOSTIC or not wish.may_choose:
        return ()
    return tuple(uid for uid in (JPEG_LS_NEAR, HTJ2K_LOSSY) if uid in wish.syntaxes)


def lossy_samples(series: SeriesFacts, wish: DeliveryWish) -> Iterator[Coding]:
    """The lossy codings that are to be sampled, between which a plan interpolates."""
    pixels = [one.pixels for one in series.instances if one.pixels]
    if not pixels:
        return
    stored = max(one.bits_stored for one in pixels)
    for syntax in lossy_syntaxes(wish):
        if syntax == HTJ2K_LOSSY:
            yield from (
                Coding(syntax=syntax, step=step)
                for step in (STEPS if stored > 8 else STEPS_OF_BYTES)
            )
        elif all(one.samples == 1 for one in pixels):
            yield from (Coding(syntax=syntax, near=near) for near in NEARS)


def distinct_pixels(series: SeriesFacts) -> tuple[PixelFacts, ...]:
    """The forms of pixels in a series, each once: mostly one."""
    return tuple(dict.fromkeys(one.pixels for one in series.instances if one.pixels))


def _bar(
    series: SeriesFacts, forms: tuple[PixelFacts, ...], wish: DeliveryWish, coding: Coding
) -> str:
    """Why a coding is out of question for a series; "" if it is not."""
    syntax = coding.syntax
    if syntax not in wish.syntaxes:
        return "the requester does not take it"
    if not forms:
        return "" if syntax == EXPLICIT_LITTLE_ENDIAN else "there are no pixels to code"
    reasons = [form_bar(each, coding) for each in forms]
    if all(reasons):
        return reasons[0]
    if not wish.may_choose:
        return ""
    if syntax == HTJ2K_LOSSLESS and HTJ2K_LOSSLESS_RPCL in wish.syntaxes:
        return "written only for requesters that do not take the progressive form (.202)"
    if syntax == JPEG_XL_LOSSLESS:
        return _xl_bar(series, wish)
    if syntax == JPEG_LS_LOSSLESS and _INSTEAD & set(wish.syntaxes):
        if any(each.frames > 1 for each in forms):
            return "not listed for multi-frame images (PS3.18), and the requester takes another"
        if any(each.samples > 1 for each in forms):
            return "has no colour transform, and the requester takes one that has"
    return ""


def _xl_bar(series: SeriesFacts, wish: DeliveryWish) -> str:
    if wish.decoding is Decoding.GATEWAY:
        return ""
    stored = {one.transfer_syntax for one in series.instances}
    besides = set(wish.syntaxes) - {JPEG_XL_LOSSLESS, EXPLICIT_LITTLE_ENDIAN} - stored
    if besides & LOSSLESS_WRITTEN:
        return "for hops between gateways: few workstations and browsers read it"
    return ""
