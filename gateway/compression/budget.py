"""What is done where a deadline or a number of bytes cannot be kept without loss.

Without consent, or for a diagnosis: what fits is sent and the rest is deferred, whole series
before parts of one. With consent: the least loss that fits, the same for all series in terms of
their noise, within the caps; and if the greatest permitted loss does not fit, deferral again. A
cap is never exceeded. A hard bound on the error (JPEG-LS near-lossless) is preferred to a step.
The caps and their sources: docs/delivery.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.compression.choices import lossy_syntaxes
from gateway.compression.facts import InstanceFacts
from gateway.compression.lossless import Delivery, Limits
from gateway.compression.permitted import HTJ2K_LOSSY, JPEG_LS_NEAR, lossy_bar
from gateway.compression.policy import Policy
from gateway.compression.timeline import Pipeline
from gateway.compression.ways import Option, SeriesMenu, Way, option_of, runs_of
from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.pixels import PixelFacts

KAPPA_MIN: Final = 0.25
WORTH: Final = 1.15  # lossless within this of lossy: nothing is gained by losing
SMALL_BYTES: Final = 64 * 1024  # raw; not worth an instance of its own
_BISECTIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Level:
    """How much may be lost: a JPEG-LS error (of 12 bits), and a step in units of the noise."""

    near: int
    kappa: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What comes: (place of the series, place in it), in the order of sending, and what does not.

    `etas` are when what is deferred would be readable if it followed at once.
    """

    coming: tuple[tuple[int, int], ...]
    deferred: tuple[tuple[int, int], ...]
    etas: tuple[float, ...]


def near_levels(near_max: int, kappa_max: float) -> Iterator[Level]:
    """From the least loss on: the errors of JPEG-LS, each with its share of the greatest step."""
    for error in range(1, near_max + 1):
        yield Level(error, kappa_max * error / near_max)


def with_loss(
    delivery: Delivery, options: Sequence[Option], limits: Limits, policy: Policy, reserve: float
) -> tuple[Option, ...]:
    """The options with the least loss that keeps the limits; the greatest permitted if none does.

    The options unchanged where nothing may be lost.
    """
    wish = delivery.menus[0].wish if delivery.menus else None
    if wish is None or not lossy_syntaxes(wish):
        return tuple(options)
    kappa_max, near_max = policy.kappa(wish.purpose), policy.near(wish.purpose, 12)
    if kappa_max <= 0:
        return tuple(options)

    def tried(level: Level) -> tuple[tuple[Option, ...], bool]:
        changed = tuple(
            _with_level(menu, option, level, policy)
            for menu, option in zip(delivery.menus, options, strict=True)
        )
        seconds, _, size = delivery.totals(changed)
        missed = limits.missed(seconds * (1 + reserve), size * (1 + reserve))
        return changed, not any(missed)

    for level in near_levels(near_max if JPEG_LS_NEAR in wish.syntaxes else 0, kappa_max):
        changed, fits = tried(level)
        if fits:
            return changed
    if HTJ2K_LOSSY not in wish.syntaxes:
        return tried(Level(near_max, 0.0))[0]
    greatest, fits = tried(Level(0, kappa_max))
    if not fits:
        smaller = tried(Level(near_max, 0.0))[0] if JPEG_LS_NEAR in wish.syntaxes else greatest
        return tuple(
            one if one.size_bytes <= other.size_bytes else other
            for one, other in zip(greatest, smaller, strict=True)
        )
    least, fits = tried(Level(0, KAPPA_MIN))
    if fits:
        return least
    low, high, best = KAPPA_MIN, kappa_max, greatest
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        changed, fits = tried(Level(0, middle))
        if fits:
            high, best = middle, changed
        else:
            low = middle
    return best


def cap_of(menu: SeriesMenu, policy: Policy, pixels: PixelFacts | None = None) -> RatioCap | None:
    """The cap for images of a series; of its strictest image where none is named."""
    purpose = menu.wish.purpose
    forms = (pixels,) if pixels else menu.forms
    found = [
        policy.cap(
            purpose,
            modality=menu.series.modality,
            body_part=menu.series.body_part,
            pixels=form,
        )
        for form in forms
    ]
    caps = [cap for cap in found if cap is not None]
    return min(caps, key=lambda cap: cap.ratio) if caps and len(caps) == len(found) else None


def bar_of(menu: SeriesMenu, instance: InstanceFacts) -> str:
    """Why an instance stays lossless, in words; "" if it need not."""
    if instance.pixels is None:
        return "there are no pixels"
    if instance.key_image:
        return "a key image stays lossless"
    if instance.raw_bytes < SMALL_BYTES:
        return "too small for a loss to be worth it"
    return lossy_bar(
        instance.pixels,
        modality=menu.series.modality,
        sop_class=instance.sop_class,
        transfer_syntax=instance.transfer_syntax,
    )


def _with_level(menu: SeriesMenu, option: Option, level: Level, policy: Policy) -> Option:
    bars: dict[tuple[PixelFacts | None, str, str, bool], str] = {}
    cached: dict[tuple[PixelFacts | None, str], Way | None] = {}
    ways: list[Way | None] = list(option.ways)
    coding = _coding(menu, level, policy)
    if coding is None:
        return option
    for place, one in enumerate(menu.series.instances):
        key = one.pixels, one.transfer_syntax, one.sop_class, one.key_image
        if key not in bars:
            bars[key] = bar_of(menu, one)
        if bars[key]:
            continue
        kin = one.pixels, one.transfer_syntax
        if kin not in cached and not one.made:
            cached[kin] = menu.coded_way(one, coding)
        lossy = menu.coded_way(one, coding) if one.made else cached[kin]
        lossless = ways[place]
        if lossy is not None and (
            lossless is None or lossless.size_bytes > WORTH * lossy.size_bytes
        ):
            ways[place] = lossy
    return option_of(option.coding, ways)


def _coding(menu: SeriesMenu, level: Level, policy: Policy) -> Coding | None:
    """How a series is written at a level: within its cap; None if it is not."""
    cap = cap_of(menu, policy)
    pixels = [one.pixels for one in menu.series.instances if one.pixels]
    if cap is None or not pixels:
        return None
    wish, known = menu.wish, menu.estimate
    least_rate = 1 / cap.ratio
    if level.near and JPEG_LS_NEAR in wish.syntaxes:
        bits = min(one.bits_stored for one in pixels)
        most = min(level.near, policy.near(wish.purpose, bits))
        for near in range(most, 0, -1):
            coding = Coding(syntax=JPEG_LS_NEAR, near=near)
            rate = known.rate(coding)
            if rate is not None and rate >= least_rate and all(one.samples == 1 for one in pixels):
                return coding
    if level.kappa and HTJ2K_LOSSY in wish.syntaxes and known.noise:
        return _stepped(menu, level.kappa * known.noise, least_rate)
    return None


def _stepped(menu: SeriesMenu, most: float, least_rate: float) -> Coding | None:
    """Lossy HTJ2K with the greatest step up to `most` that is within the cap; None if none is."""
    points = menu.estimate.points(HTJ2K_LOSSY)
    if not points or most < points[0][0]:
        return None

    def rate(step: float) -> float:
        return menu.estimate.rate(Coding(syntax=HTJ2K_LOSSY, step=step)) or 0.0

    low, high = points[0][0], min(most, points[-1][0])
    if rate(low) < least_rate:
        return None
    if rate(high) >= least_rate:
        low = high
    for _ in range(_BISECTIONS * 2):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rate(middle) >= least_rate else (low, middle)
    step = max(points[0][0], _rounded_down(low))
    return Coding(syntax=HTJ2K_LOSSY, step=step)


def _rounded_down(step: float) -> float:
    """Three digits, which is what a plan shows and a coder needs."""
    digits = 2 - math.floor(math.log10(step))
    return math.floor(step * math.pow(10, digits) + 1e-9) / math.pow(10, digits)


def fitting(delivery: Delivery, options: Sequence[Option], limits: Limits, reserve: float) -> Sent:
    """What of a delivery keeps the limits: notes and key images, whole series, part of one."""
    pipeline = Pipeline(delivery.link, delivery.processors)
    size = 0
    coming: list[tuple[int, int]] = []
    left: list[tuple[int, tuple[int, ...]]] = []

    def put(at: int, places: Sequence[int], *, request: bool) -> bool:
        nonlocal pipeline, size
        ways = [options[at].ways[place] for place in places]
        tried, end = pipeline.copy(), 0.0
        for run in runs_of(ways, request=request):
            end = tried.put(run)
        more = sum(way.size_bytes for way in ways if way is not None)
        if any(limits.missed(end * (1 + reserve), (size + more) * (1 + reserve))):
            return False
        pipeline, size = tried, size + more
        coming.extend((at, place) for place in places)
        return True

    for segment in delivery.segments:
        going = tuple(place for place in segment.places if options[segment.series].ways[place])
        if going and not put(segment.series, going, request=True):
            left.append((segment.series, going))
    # Of the first series that does not fit whole, as many images as do.
    for number, (at, places) in enumerate(left):
        part = [place for place in places if not _is_first(delivery, at, place)]
        if part:
            fits = 0
            while fits < len(part) and put(at, part[fits : fits + 1], request=fits == 0):
                fits += 1
            gone = set(part[:fits])
            left[number] = at, tuple(place for place in places if place not in gone)
            break
    deferred: list[tuple[int, int]] = []
    etas: list[float] = []
    for at, places in left:
        for place in places:
            for run in runs_of([options[at].ways[place]], request=place == places[0]):
                etas.append(pipeline.put(run))
                deferred.append((at, place))
    return Sent(tuple(coming), tuple(deferred), tuple(etas))


def _is_first(delivery: Delivery, at: int, place: int) -> bool:
    return any(
        segment.first and segment.series == at and place in segment.places
        for segment in delivery.segments
        if segment.first
    )
