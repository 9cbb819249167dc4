"""Which lossless option each series takes, so that the whole delivery is there soonest.

Link and processors are shared by all series, so that the best of each is not the best of all.
Every way to share them lies near the lower hull of (bytes, seconds of processors): scanning a
multiplier lambda over cost = lambda * bytes + (1 - lambda) * processors meets one series changing
its option at a time, and each such step is put through the timeline. So are all series in one
coding, and everything as stored.

None of these ways depends on the rate of the link, and the soonest of a fixed set of ways comes
never later over a faster link. For the same reason a tie is judged by bytes and seconds and not by
the time they make: an option gives way to one the requester prefers that is within 5 % of it in
both, and to the stored one that is within 2 % of its bytes.

Until the first image is made the link has nothing to carry. Where a slow effort of a coder is worth
its time for a series, the first image to come is therefore tried in the quickest one as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.compression.facts import SeriesFacts
from gateway.compression.ordering import first_lot, rest_of, series_order
from gateway.compression.timeline import Pipeline, Processors, Run
from gateway.compression.ways import Option, SeriesMenu, runs_of
from gateway.domain.delivery import LinkProfile, ReadingPurpose

TIE: Final = 1.05
STAY: Final = 1.02


@dataclass(frozen=True, slots=True)
class Segment:
    """Instances of one series that are sent together: the place of the series, and theirs in it.

    `first` is for notes and key images, which go before everything.
    """

    series: int
    places: tuple[int, ...]
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is awaited; None is no limit."""

    seconds: float | None = None
    first_seconds: float | None = None
    size_bytes: int | None = None

    def missed(self, seconds: float, size_bytes: float) -> tuple[bool, bool]:
        """(too many bytes, too late)."""
        return (
            self.size_bytes is not None and size_bytes > self.size_bytes,
            self.seconds is not None and seconds > self.seconds,
        )


def segments_of(series: Sequence[SeriesFacts], purpose: ReadingPurpose) -> tuple[Segment, ...]:
    """Everything in the order of sending."""
    places = [
        {one.ref.instance: place for place, one in enumerate(each.instances)} for each in series
    ]
    notes, keys = first_lot(series)
    found = [Segment(at, (places[at][one.ref.instance],), True) for at, one in (*notes, *keys)]
    for at in series_order(series):
        rest = rest_of(series[at], purpose)
        if rest:
            found.append(Segment(at, tuple(places[at][one.ref.instance] for one in rest)))
    return tuple(found)


class Delivery:
    """Menus in the order of sending over one link: what an assignment of options would take."""

    def __init__(
        self, menus: Sequence[SeriesMenu], segments: Sequence[Segment], link: LinkProfile
    ) -> None:
        self.menus = menus
        self.segments = segments
        self.link = link
        self.processors = menus[0].sender.processors if menus else Processors(1, 1)
        # An option is kept beside its runs, so that its identity is not used again.
        self._runs: dict[tuple[int, int], tuple[Option, tuple[Run, ...]]] = {}
        self._first = self._first_image()
        self._quickly: dict[int, tuple[Option, Option]] = {}

    def segment_runs(self, number: int, option: Option) -> tuple[Run, ...]:
        """A segment in an option as runs, made once."""
        key = number, id(option)
        if key not in self._runs:
            places, ways = self.segments[number].places, option.ways
            self._runs[key] = option, runs_of([ways[place] for place in places], request=True)
        return self._runs[key][1]

    def quickly_begun(self, options: Sequence[Option]) -> tuple[Option, ...] | None:
        """The same options, the first image to come in the quickest effort of its coder.

        None where it is so already, or there is no other effort.
        """
        if self._first is None:
            return None
        at, place = self._first
        option = options[at]
        if id(option) not in self._quickly:
            quick = _with_quick(self.menus[at].options, option, place)
            self._quickly[id(option)] = option, quick
        quick = self._quickly[id(option)][1]
        return None if quick is option else (*options[:at], quick, *options[at + 1 :])

    def _first_image(self) -> tuple[int, int] | None:
        """(series, place in it) of what comes first and has pixels."""
        for segment in self.segments:
            instances = self.menus[segment.series].series.instances
            for place in segment.places:
                if instances[place].pixels is not None:
                    return segment.series, place
        return None

    def totals(self, options: Sequence[Option]) -> tuple[float, float, int]:
        """(seconds until everything is readable, until the first is, bytes)."""
        pipeline = Pipeline(self.link, self.processors)
        end, first = 0.0, None
        for number, segment in enumerate(self.segments):
            option = options[segment.series]
            for run in self.segment_runs(number, option):
                if first is None:
                    first = pipeline.copy().put(Run(1, *_of_one(run)))
                end = pipeline.put(run)
        return end, first or 0.0, sum(option.size_bytes for option in options)

    def alone(self, at: int, option: Option) -> float:
        """Seconds for one series by itself."""
        pipeline = Pipeline(self.link, self.processors)
        end = 0.0
        for number, segment in enumerate(self.segments):
            if segment.series == at:
                for run in self.segment_runs(number, option):
                    alone = Run(
                        run.count, run.size_bytes, run.cpu_seconds, run.decode_seconds, end == 0
                    )
                    end = pipeline.put(alone)
        return end


def soonest(delivery: Delivery, limits: Limits, reserve: float) -> tuple[Option, ...]:
    """An option for each series: one that keeps the limits if any does, and of those the soonest.

    `reserve` is the share by which sizes and times may be greater than predicted.
    """
    best: tuple[tuple[bool, bool, bool, float, int], tuple[Option, ...]] | None = None
    for assignment in _with_quick_beginnings(delivery):
        seconds, first, size = delivery.totals(assignment)
        too_big, too_late = limits.missed(seconds * (1 + reserve), size * (1 + reserve))
        late_first = limits.first_seconds is not None and first > limits.first_seconds
        rank = too_big, too_late, late_first, seconds, size
        if best is None or rank < best[0]:
            best = rank, assignment
    return best[1] if best is not None else ()


def open_options(menu: SeriesMenu) -> tuple[Option, ...]:
    """The options of a series that are not given up for a tie with one that is preferred.

    An option that leaves instances out is open only where all do.
    """
    most = max((option.going for option in menu.options), default=0)
    whole = [option for option in menu.options if option.going == most]
    stored = next((option for option in whole if option.coding is None), None)
    kept: list[Option] = []
    for option in whole:
        if stored is not None and option is not stored and _stays(stored, option):
            continue
        if any(_ties(other, option) for other in kept if other.coding is not None):
            continue
        kept.append(option)
    return tuple(kept)


def _stays(stored: Option, option: Option) -> bool:
    """Whether what is stored is as small, and the requester not much longer at decoding it."""
    slow = stored.decode_seconds > TIE * max(option.decode_seconds, option.cpu_seconds)
    return stored.line_bytes <= STAY * option.line_bytes and not slow


def _ties(preferred: Option, option: Option) -> bool:
    same = (
        preferred.coding is not None
        and option.coding is not None
        and preferred.coding.syntax == option.coding.syntax
    )
    return (
        not same
        and preferred.line_bytes <= TIE * option.line_bytes
        and preferred.cpu_seconds <= TIE * option.cpu_seconds
        and preferred.decode_seconds <= TIE * option.decode_seconds
    )


def _with_quick(options: Sequence[Option], option: Option, place: int) -> Option:
    """An option with one of its instances in the quickest effort of the same coder."""
    slow, coding = option.ways[place], option.coding
    if slow is None or coding is None or slow.coding != coding or not coding.effort:
        return option
    efforts = [
        other
        for other in options
        if other.coding is not None and other.coding.syntax == coding.syntax
    ]
    quick = min(efforts, key=_effort).ways[place]
    if quick is None or quick.coding == coding:
        return option
    return replace(
        option,
        ways=(*option.ways[:place], quick, *option.ways[place + 1 :]),
        size_bytes=option.size_bytes + quick.size_bytes - slow.size_bytes,
        line_bytes=option.line_bytes + quick.line_bytes - slow.line_bytes,
        cpu_seconds=option.cpu_seconds + quick.cpu_seconds - slow.cpu_seconds,
        decode_seconds=option.decode_seconds + quick.decode_seconds - slow.decode_seconds,
    )


def _effort(option: Option) -> int:
    return option.coding.effort if option.coding is not None else 0


def _with_quick_beginnings(delivery: Delivery) -> Iterator[tuple[Option, ...]]:
    for assignment in _assignments(delivery):
        yield assignment
        quick = delivery.quickly_begun(assignment)
        if quick is not None:
            yield quick


def _assignments(delivery: Delivery) -> Iterator[tuple[Option, ...]]:
    menus = delivery.menus
    open_ = [open_options(menu) for menu in menus]
    hulls = [_hull(options, delivery.processors) for options in open_]
    # Along the hulls, from fewest bytes to fewest seconds of processors: the steepest step first.
    steps = sorted(
        (
            (_slope(hull[k], hull[k + 1], delivery.processors), at, k + 1)
            for at, hull in enumerate(hulls)
            for k in range(len(hull) - 1)
        ),
    )
    current = [hull[0] for hull in hulls]
    yield tuple(current)
    for _, at, k in steps:
        current[at] = hulls[at][k]
        yield tuple(current)
    # Every series in one coding, or else in what it would take by fewest bytes.
    for coding in dict.fromkeys(option.coding for options in open_ for option in options):
        yield tuple(
            next((option for option in options if option.coding == coding), hull[0])
            for options, hull in zip(open_, hulls, strict=True)
        )


def _load(option: Option, processors: Processors) -> float:
    held_up = processors.share(option.cpu_seconds, option.decode_seconds, option.going)
    return max(held_up, option.decode_seconds)


def _hull(options: Sequence[Option], processors: Processors) -> list[Option]:
    """The lower left hull of (bytes, load), fewest bytes first."""
    points = sorted(options, key=lambda option: (option.line_bytes, _load(option, processors)))
    hull: list[Option] = []
    for option in points:
        if hull and _load(option, processors) >= _load(hull[-1], processors):
            continue
        while len(hull) > 1 and (
            _slope(hull[-2], hull[-1], processors) >= _slope(hull[-1], option, processors)
        ):
            hull.pop()
        hull.append(option)
    return hull


def _slope(small: Option, fast: Option, processors: Processors) -> float:
    """Bytes paid for a second of processors less: what is cheap comes first."""
    saved = _load(small, processors) - _load(fast, processors)
    return (fast.line_bytes - small.line_bytes) / saved


def _of_one(run: Run) -> tuple[int, float, float, bool]:
    return run.size_bytes, run.cpu_seconds, run.decode_seconds, run.request
