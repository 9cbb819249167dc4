"""Pictures of a delivery: bytes over time, as plain SVG without anything from elsewhere.

What came is a thick line, what was predicted or would have been is a thin or dashed one; every
line has a number at its end that the legend explains, every moment a mark of its own shape with
its words above the plot, so that nothing is told by colour alone. Colours are the report's and
change with its light and dark forms. All texts are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from itertools import combinations

from scenarios.readable import readable_bytes, readable_seconds

WIDTH = 760
LEFT, RIGHT, PLOT_HEIGHT = 76, 34, 250
LANE = 20  # height of a line of words above the plot
TOP = 10
LEGEND_ROW = 24
LETTER = 7.0  # the widest average a letter has at 13 pixels
AIM_TICKS = 6
MAX_SHOWN_POINTS = 400  # more cannot be told apart at this width

_BYTE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
Point = tuple[float, float]


class Kind(StrEnum):
    """What a line tells, which is how it is drawn."""

    CAME = "came"  # what came, the one the picture is about
    OTHER = "other"  # what came another time, or by another route
    PLANNED = "planned"  # what was predicted
    STORED = "stored"  # what it would be as stored
    SINGLE = "single"  # what it would be with one codec for everything


class Sign(StrEnum):
    """What a moment is, which is the shape of its mark."""

    FIRST = "first"
    KEY = "key"
    LAST = "last"
    CUT = "cut"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Seconds and bytes, both from 0 on and never falling; a line without points is not drawn."""

    name: str
    kind: Kind
    points: tuple[Point, ...]

    @property
    def seconds(self) -> float:
        """When its last byte came."""
        return self.points[-1][0] if self.points else 0.0

    @property
    def size_bytes(self) -> float:
        """How much it came to."""
        return self.points[-1][1] if self.points else 0.0

    def at(self, seconds: float) -> float:
        """How many bytes had come at a time, in between as a straight line has it."""
        before: Point = (0.0, 0.0)
        for point in self.points:
            if point[0] >= seconds:
                span = point[0] - before[0]
                share = (seconds - before[0]) / span if span > 0 else 1.0
                return before[1] + share * (point[1] - before[1])
            before = point
        return before[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened: its words, when, and on which line, None across all of them.

    One of many may have no words: its sign is enough.
    """

    words: str
    sign: Sign
    seconds: float
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture for the report: `svg` is an element to be put into a page as it is."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """A scale from 0 to `most`: `unit` is what a label counts, by its name."""

    most: float
    step: float
    unit: float
    name: str

    @property
    def ticks(self) -> list[float]:
        return [self.step * n for n in range(round(self.most / self.step) + 1)]

    def label(self, value: float) -> str:
        return f"{value / self.unit:.6g}"


def bytes_over_time(
    title: str,
    lines: Sequence[Line],
    moments: Sequence[Moment] = (),
    *,
    caption: str = "",
    since: str = "the request",
) -> Picture:
    """A picture of lines and moments; `since` is what happened at 0 seconds.

    Raises `ValueError` where there is no line to draw.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        raise ValueError(f"{title}: there is nothing to draw")
    longest = max([line.seconds for line in lines] + [moment.seconds for moment in moments])
    across = _time_axis(longest)
    up = _byte_axis(max(line.size_bytes for line in lines))
    return Picture(title, _Drawing(title, since, lines, moments, across, up).svg(), caption)


def _time_axis(longest: float) -> _Axis:
    unit, name = (1e-3, "ms") if longest < 1 else (1.0, "s") if longest < 180 else (60.0, "min")
    return _axis(longest, unit, name)


def _byte_axis(most: float) -> _Axis:
    unit, name = next((each for each in _BYTE_UNITS if most >= each[0]), _BYTE_UNITS[-1])
    return _axis(most, unit, name)


def _axis(most: float, unit: float, name: str) -> _Axis:
    """Round steps of 1, 2 or 5, and room for what is greatest."""
    least = max(most / unit, 1e-9) / AIM_TICKS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= least * 0.999)
    return _Axis(step * math.ceil(most / unit / step - 1e-9) * unit, step * unit, unit, name)


@dataclass(frozen=True, slots=True)
class _Label:
    """Words in a lane above the plot, lane 0 nearest to it, from `left` to `right`.

    A line leads from them down at `x`.
    """

    moment: Moment
    x: float
    lane: int
    left: float
    right: float

    def meets(self, other: _Label) -> bool:
        """Whether words would lie on words, or a line run through words."""
        if self.lane == other.lane:
            return self.left < other.right and other.left < self.right
        upper, lower = (self, other) if self.lane > other.lane else (other, self)
        return lower.left - 3 < upper.x < lower.right + 3 and upper.x != lower.x


@dataclass(slots=True)
class _Drawing:
    """The places of everything in one picture."""

    title: str
    since: str
    lines: Sequence[Line]
    moments: Sequence[Moment]
    across: _Axis
    up: _Axis

    @property
    def worded(self) -> list[Moment]:
        return [one for one in self.moments if one.words]

    def svg(self) -> str:
        labels = self._lanes()
        lanes = max((label.lane for label in labels), default=-1) + 1
        top = TOP + LANE * lanes + (12 if lanes else 4)
        bottom = top + PLOT_HEIGHT
        height = bottom + 56 + LEGEND_ROW * len(self.lines)
        parts = [
            f'<svg class="picture" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
            f' height="{height}" role="img"><title>{escape(self.title)}</title>'
            f"<desc>{escape(self._told())}</desc>",
            *self._grid(top, bottom),
            *(part for label in labels for part in self._moment(label, top, bottom)),
            # What came is drawn last, over what was predicted.
            *(
                self._line(line, bottom)
                for line in sorted(self.lines, key=lambda one: one.kind in (Kind.CAME, Kind.OTHER))
            ),
            *(self._mark(moment, top, bottom) for moment in self.moments),
            *self._ends(bottom),
            *self._legend(bottom + 56),
        ]
        return "".join([*parts, "</svg>"])

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.across.most

    def y(self, size: float, bottom: float) -> float:
        return bottom - PLOT_HEIGHT * size / self.up.most

    def _told(self) -> str:
        lines = [f"{one.name}: {_total(one)}." for one in self.lines]
        return " ".join(lines + [f"{_words(one)}." for one in self.worded])

    def _grid(self, top: float, bottom: float) -> list[str]:
        right = WIDTH - RIGHT
        parts = []
        for size in self.up.ticks:
            y = self.y(size, bottom)
            parts.append(
                f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
                f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                f"{self.up.label(size)}</text>"
            )
        for seconds in self.across.ticks:
            x = self.x(seconds)
            parts.append(
                f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
                f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
                f"{self.across.label(seconds)}</text>"
            )
        middle = (LEFT + right) / 2
        turned = (top + bottom) / 2
        return [
            *parts,
            f'<path class="axis" d="M{LEFT} {top}V{bottom}H{right}"/>',
            f'<text class="axis-name" x="{middle:.0f}" y="{bottom + 38}" text-anchor="middle">'
            f"time since {escape(self.since)}, {self.across.name}</text>",
            f'<text class="axis-name" x="18" y="{turned:.0f}" text-anchor="middle"'
            f' transform="rotate(-90 18 {turned:.0f})">received, {self.up.name}</text>',
        ]

    def _line(self, line: Line, bottom: float) -> str:
        every = max(1, math.ceil(len(line.points) / MAX_SHOWN_POINTS))
        points = [*line.points[:-1:every], line.points[-1]]
        path = "L".join(f"{self.x(at):.1f} {self.y(size, bottom):.1f}" for at, size in points)
        if points[0] != (0.0, 0.0):
            path = f"{self.x(0):.1f} {self.y(0, bottom):.1f}L{path}"
        return f'<path class="line {line.kind}" d="M{path}"/>'

    def _ends(self, bottom: float) -> list[str]:
        """A number at the end of each line; of lines that end alike they stand side by side."""
        taken: list[Point] = []
        parts = []
        for number, line in enumerate(self.lines, 1):
            x, y = self.x(line.seconds) + 15, self.y(line.size_bytes, bottom)
            while any(abs(x - other) < 19 and abs(y - height) < 19 for other, height in taken):
                x += 20
            taken.append((x, y))
            parts += _number(number, line.kind, x, y)
        return parts

    def _legend(self, top: float) -> list[str]:
        parts = []
        for number, line in enumerate(self.lines, 1):
            y = top + LEGEND_ROW * (number - 0.5)
            parts += _number(number, line.kind, LEFT - 2, y)
            parts.append(
                f'<path class="line {line.kind}" d="M{LEFT + 16} {y}h44"/>'
                f'<text class="legend" x="{LEFT + 72}" y="{y + 5}">'
                f"<tspan>{escape(line.name)}</tspan>"
                f'<tspan class="total">: {escape(_total(line))}</tspan></text>'
            )
        return parts

    def _lanes(self) -> list[_Label]:
        """Where the words of each moment stand: beside a line that runs down from them to it.

        Words to the right of their line are placed from the last on, words to the left, for which
        there is no room on the right, from the first on: so lines pass beside what is placed.
        """
        late = [one for one in self.worded if self.x(one.seconds) + _width(one) > WIDTH]
        left = sorted(late, key=lambda one: one.seconds)
        right = sorted(
            (one for one in self.worded if one not in late), key=lambda one: -one.seconds
        )
        found = [self._placed([*left, *right]), self._placed([*right, *left])]
        return min(found, key=_crossings)

    def _placed(self, moments: Sequence[Moment]) -> list[_Label]:
        placed: list[_Label] = []
        for moment in moments:
            x, width = self.x(moment.seconds), _width(moment)
            tries = [
                _Label(moment, x, lane, left, left + width)
                for lane in range(len(moments))
                for left in (x, x - width)
                if left >= 0 and left + width <= WIDTH
            ]
            free = (one for one in tries if not any(one.meets(other) for other in placed))
            placed.append(next(free, tries[-1]))
        return placed

    def _moment(self, label: _Label, top: float, bottom: float) -> list[str]:
        x, y = label.x, top - 12 - LANE * label.lane
        moment = label.moment
        end = bottom if moment.line is None else self.y(moment.line.at(moment.seconds), bottom)
        right = label.left >= x
        return [
            f'<line class="lead {moment.sign}" x1="{x:.1f}" y1="{y - 11}" x2="{x:.1f}"'
            f' y2="{end:.1f}"/>',
            f'<text class="moment" x="{x + (5 if right else -5):.1f}" y="{y}"'
            f' text-anchor="{"start" if right else "end"}">{escape(_words(moment))}</text>',
        ]

    def _mark(self, moment: Moment, top: float, bottom: float) -> str:
        x = self.x(moment.seconds)
        y = bottom if moment.line is None else self.y(moment.line.at(moment.seconds), bottom)
        shape = {
            Sign.FIRST: f"M{x - 7:.1f} {y + 6:.1f}h14l-7 -13z",
            Sign.KEY: f"M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z",
            Sign.LAST: f"M{x - 6:.1f} {y - 6:.1f}h12v12h-12z",
            Sign.CUT: f"M{x - 6:.1f} {y - 6:.1f}l12 12M{x + 6:.1f} {y - 6:.1f}l-12 12",
            Sign.DEADLINE: f"M{x - 6:.1f} {bottom:.1f}h12M{x - 6:.1f} {top:.1f}h12",
        }[moment.sign]
        return f'<path class="sign {moment.sign}" d="{shape}"/>'


def _number(number: int, kind: Kind, x: float, y: float) -> list[str]:
    return [
        f'<circle class="number {kind}" cx="{x:.1f}" cy="{y:.1f}" r="9"/>',
        f'<text class="digit" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{number}</text>',
    ]


def _crossings(labels: Sequence[_Label]) -> int:
    return sum(one.meets(other) for one, other in combinations(labels, 2))


def _width(moment: Moment) -> float:
    return LETTER * len(_words(moment)) + 6


def _words(moment: Moment) -> str:
    return f"{moment.words}, {readable_seconds(moment.seconds)}"


def _total(line: Line) -> str:
    return f"{readable_bytes(round(line.size_bytes))} in {readable_seconds(line.seconds)}"
