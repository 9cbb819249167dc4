"""In which ways each instance of a series can go, and what each costs: the menu a plan picks from.

A way is a coding with its bytes, the sender's CPU seconds (reading what is stored, encoding,
decoding again to verify) and the requester's. Instances that are alike share their ways, so that
thousands cost as much as a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from gateway.compression.choices import Choice, lossless_choice
from gateway.compression.estimate import SeriesEstimate, estimate
from gateway.compression.facts import InstanceFacts, SeriesFacts, SeriesSample
from gateway.compression.pace import pace, pace_of, paces_of
from gateway.compression.permitted import form_bar
from gateway.compression.speeds import DEFLATED, PLAIN, Sender
from gateway.compression.timeline import Run
from gateway.domain.delivery import Decoding, DeliveryWish, SyntaxChoice
from gateway.domain.delivery_plan import Coding, DeliveryAction
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts

# Beside the coder, where nobody has measured it of these images: reading and writing headers,
# comparing and hashing pixels.
REWRITE_SECONDS: Final = 0.0015
_VIDEO: Final = "1.2.840.10008.1.2.4.10"  # MPEG-2, MPEG-4 and HEVC, and nothing else begins so


@dataclass(frozen=True, slots=True)
class Way:
    """One instance in one coding: what is done, whole bytes, CPU seconds here and there.

    `spared_bytes` of the whole do not go over the line.
    """

    action: DeliveryAction
    coding: Coding
    size_bytes: int
    cpu_seconds: float = 0.0
    decode_seconds: float = 0.0
    spared_bytes: int = 0

    @property
    def line_bytes(self) -> int:
        """What goes over the line of it, where headers are packed."""
        return max(1, self.size_bytes - self.spared_bytes)


@dataclass(frozen=True, slots=True)
class Option:
    """A series in one coding as far as its instances go: a way each, None for what cannot go.

    `coding` is None for "as stored"; `going` is how many can go.
    """

    coding: Coding | None
    ways: tuple[Way | None, ...]
    going: int
    size_bytes: int
    line_bytes: int
    cpu_seconds: float
    decode_seconds: float


class SeriesMenu:
    """A series, what is known of it, and its options: as stored first, then in the wish's order.

    There is no option "as stored" where nothing of the series is stored as the wish takes it.
    """

    def __init__(
        self, series: SeriesFacts, sample: SeriesSample | None, wish: DeliveryWish, sender: Sender
    ) -> None:
        self.series = series
        self.sample = sample
        self.wish = wish
        self.sender = sender
        self.accepted = frozenset(wish.syntaxes)
        self.estimate: SeriesEstimate = estimate(series, sample)
        self._paces = paces_of(sample, sender, self.estimate.kind)
        self._open = (sample.open_seconds if sample else None) or 0.0
        self._rewrite = (sample.rewrite_seconds if sample else None) or REWRITE_SECONDS
        self._spared = sample.spared_bytes if sample is not None and wish.packs else 0
        self._kin: dict[tuple[PixelFacts | None, Uid], int] = {}
        self._kin_of = tuple(
            self._kin.setdefault((one.pixels, one.transfer_syntax), len(self._kin))
            for one in series.instances
        )
        self.stored_ways = self._stored_ways()
        # By identity, for facts are slow to hash; the series keeps its instances alive.
        self._stored = dict(zip(map(id, series.instances), self.stored_ways, strict=True))
        self.forms = tuple(dict.fromkeys(pixels for pixels, _ in self._kin if pixels))
        self.choice: Choice = lossless_choice(series, wish, self.forms)
        self.options = self._options()

    def stored_way(self, instance: InstanceFacts) -> Way:
        """An instance of the series as its file lies there, whether the wish takes that or not."""
        return self._stored[id(instance)]

    def _stored_ways(self) -> tuple[Way, ...]:
        """All instances as their files lie there, by their places."""
        kin: list[tuple[Coding, float, int]] = []
        for pixels, syntax in self._kin:
            coding = Coding(syntax=syntax)
            decode = 0.0 if pixels is None else self._decode_seconds(pixels, coding)
            kin.append((coding, decode, self._spared if pixels is not None else 0))
        return tuple(
            Way(DeliveryAction.AS_STORED, kin[which][0], one.size_bytes, 0.0, *kin[which][1:])
            for one, which in zip(self.series.instances, self._kin_of, strict=True)
        )

    def coded_way(self, instance: InstanceFacts, coding: Coding) -> Way | None:
        """An instance in another coding; None where it cannot be, or nobody knows its size.

        What is made already has the size it has and costs no encoding.
        """
        pixels = instance.pixels
        action = DeliveryAction.LOSSY if coding.is_lossy else DeliveryAction.LOSSLESS
        if pixels is None:
            plain = instance.transfer_syntax in PLAIN or instance.transfer_syntax == DEFLATED
            fits = coding.syntax == EXPLICIT_LITTLE_ENDIAN and plain
            return Way(action, coding, instance.size_bytes) if fits else None
        if instance.transfer_syntax.startswith(_VIDEO) or form_bar(pixels, coding):
            return None
        decode = self._decode_seconds(pixels, coding)
        if coding in instance.made:
            return Way(action, coding, instance.made[coding], 0.0, decode, self._spared)
        size = self.estimate.size(pixels.raw_bytes, coding)
        if size is None:
            return None
        speed = self.sender.speed(coding, self.estimate.kind)
        stored = Coding(syntax=instance.transfer_syntax)
        cpu = 0.0
        if stored.syntax not in PLAIN:
            read = self.sample.read_speed if self.sample is not None else None
            believed = self.sender.speed(stored, self.estimate.kind).decode
            cpu = pixels.raw_bytes / (believed * pace(read, believed))
        if coding.syntax not in PLAIN:
            seconds = pixels.raw_bytes * (1 / speed.encode + 1 / speed.decode)
            cpu += seconds / pace_of(coding, self._paces) + self._rewrite
        return Way(action, coding, size, cpu, decode, self._spared)

    def _decode_seconds(self, pixels: PixelFacts, coding: Coding) -> float:
        if coding.syntax in PLAIN:
            return self._open
        speed = self.sender.peer_decodes(coding, self.estimate.kind, self.wish.decoding)
        if self.wish.decoding is not Decoding.WASM:
            speed *= pace_of(coding, self._paces)
        return pixels.raw_bytes / speed + self._open

    def _options(self) -> tuple[Option, ...]:
        kin_can_stay = [syntax in self.accepted for _, syntax in self._kin]
        can_stay = [kin_can_stay[kin] for kin in self._kin_of]
        asked: list[Coding | None]
        if not self.wish.may_choose:
            asked = [self._wanted_first(can_stay)]
        else:
            asked = [None] if any(can_stay) or not self.choice.candidates else []
            asked += self.choice.candidates
        found: list[Option] = []
        for coding in asked:
            option = self._option(coding, can_stay)
            if all(other.ways != option.ways for other in found):
                found.append(option)
        return tuple(found)

    def _wanted_first(self, can_stay: Sequence[bool]) -> Coding | None:
        """The coding that the requester's order decides; None for what stays as it is stored."""
        candidates = self.choice.candidates
        if not any(can_stay) or self.wish.choice is SyntaxChoice.AS_STORED:
            return None if any(can_stay) or not candidates else candidates[0]
        place = self.wish.syntaxes.index
        stored = min(
            place(one.transfer_syntax)
            for one, stays in zip(self.series.instances, can_stay, strict=True)
            if stays
        )
        return candidates[0] if candidates and place(candidates[0].syntax) < stored else None

    def _option(self, coding: Coding | None, can_stay: Sequence[bool]) -> Option:
        # Of its kin, an instance has the way, or None for the one its own file is.
        cached: dict[int, tuple[Way | None, bool]] = {}
        ways: list[Way | None] = []
        for place, one in enumerate(self.series.instances):
            if one.made or one.pixels is None:
                stays = can_stay[place] and _stays(one, coding)
                way = self.stored_way(one) if stays else self._first(one, coding, can_stay[place])
            else:
                kin = self._kin_of[place]
                if kin not in cached:
                    cached[kin] = self._of_kin(one, coding, can_stay[place])
                way, is_stored = cached[kin]
                if is_stored:  # which has a size of its own for each instance
                    way = self.stored_ways[place]
            ways.append(way)
        return option_of(coding, ways)

    def _of_kin(
        self, one: InstanceFacts, coding: Coding | None, can_stay: bool
    ) -> tuple[Way | None, bool]:
        """The way of all that are like an instance, or that theirs is as they are stored."""
        if can_stay and _stays(one, coding):
            return None, True
        way = None if coding is None else self.coded_way(one, coding)
        if way is None and not can_stay:
            way = self._first(one, coding, stays=False)
        return way, way is None and can_stay

    def _first(self, one: InstanceFacts, coding: Coding | None, stays: bool) -> Way | None:
        """In the coding; else as stored, else in the first that the wish names and that fits."""
        if coding is not None:
            way = self.coded_way(one, coding)
            if way is not None:
                return way
        if stays or (one.pixels is None and one.transfer_syntax == EXPLICIT_LITTLE_ENDIAN):
            return self.stored_way(one)
        rest = [each for each in self.choice.candidates if each != coding]
        if one.pixels is None:
            # A syntax of pixels means nothing to it: anybody reads it plain (RAD TF-3 4.75).
            rest.append(Coding(syntax=EXPLICIT_LITTLE_ENDIAN))
        return next((way for each in rest if (way := self.coded_way(one, each))), None)


def untouchable(instance: InstanceFacts) -> bool:
    """What goes as stored wherever that is taken: no pixels, lossy before, no coder for it."""
    pixels = instance.pixels
    return pixels is None or pixels.lossy or pixels.is_float or pixels.bits_allocated not in (8, 16)


def _stays(instance: InstanceFacts, coding: Coding | None) -> bool:
    """Whether what may stay as it is stored does so in an option."""
    same = coding is None or coding.syntax == instance.transfer_syntax
    return same or untouchable(instance)


def _are_alike(ways: Sequence[Way]) -> bool:
    """Whether all are the same one, as in most series."""
    return len(set(map(id, ways))) == 1


def option_of(coding: Coding | None, ways: Sequence[Way | None]) -> Option:
    """An option with its sums."""
    going = [way for way in ways if way is not None]
    if _are_alike(going):
        count, one = len(going), going[0]
        return Option(
            coding,
            tuple(ways),
            count,
            count * one.size_bytes,
            count * one.line_bytes,
            count * one.cpu_seconds,
            count * one.decode_seconds,
        )
    return Option(
        coding,
        tuple(ways),
        len(going),
        sum(way.size_bytes for way in going),
        sum(way.line_bytes for way in going),
        sum(way.cpu_seconds for way in going),
        sum(way.decode_seconds for way in going),
    )


def runs_of(ways: Iterable[Way | None], *, request: bool) -> tuple[Run, ...]:
    """Ways in the order of sending as runs of what is alike; what cannot go is left out."""
    going = [way for way in ways if way is not None]
    if _are_alike(going):
        one = going[0]
        return (Run(len(going), one.line_bytes, one.cpu_seconds, one.decode_seconds, request),)
    runs: list[Run] = []
    costs = ((way.line_bytes, way.cpu_seconds, way.decode_seconds) for way in going)
    for (size, cpu, decode), alike in groupby(costs):
        count = sum(1 for _ in alike)
        runs.append(Run(count, size, cpu, decode, request and not runs))
    return tuple(runs)
