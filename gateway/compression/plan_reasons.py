"""Why a plan does what it does, in one sentence with figures for whoever waits for the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.compression.budget import bar_of, cap_of
from gateway.compression.choices import name_of
from gateway.compression.facts import InstanceFacts
from gateway.compression.lossless import Delivery, Limits, open_options
from gateway.compression.policy import Policy
from gateway.compression.ways import Option, SeriesMenu, Way, untouchable
from gateway.domain.delivery import LinkProfile, LinkSource
from gateway.domain.delivery_plan import Coding, CodingForecast, DeliveryAction
from gateway.domain.fidelity import NOT_FITNESS

_SOURCES: Final = {
    LinkSource.MEASURED: "as measured",
    LinkSource.DECLARED: "as the requester says",
    LinkSource.DEFAULT: "assumed, for nobody has measured it",
}


def rate_text(link: LinkProfile) -> str:
    """A rate as people say it."""
    return f"{link.bits_per_second / 1e6:g} Mbit/s"


def seconds_text(seconds: float) -> str:
    """Seconds with as many digits as mean something."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


class SeriesReasons:
    """The sentences of one series, made once for all its instances."""

    def __init__(
        self, delivery: Delivery, at: int, lossless: Option, taken: Option, policy: Policy
    ) -> None:
        self._delivery = delivery
        self._at = at
        self._menu: SeriesMenu = delivery.menus[at]
        self._lossless = lossless
        self._taken = taken
        self._policy = policy
        self._times = {option.coding: delivery.alone(at, option) for option in self._menu.options}
        self._open = {option.coding for option in open_options(self._menu)}
        self._said: dict[object, str] = {}

    def of(self, way: Way, facts: InstanceFacts) -> str:
        """Why an instance comes as it does."""
        untouched = untouchable(facts)
        # The coding by identity, which the option keeps: thousands of instances ask.
        stored = way.action is DeliveryAction.AS_STORED
        key = id(way.coding), stored, untouched, facts.key_image
        if key not in self._said:
            self._said[key] = self._sentence(way, facts, untouched)
        return self._said[key]

    def deferred(self, eta: float, limits: Limits) -> str:
        """Why an instance does not come now, and when it would."""
        wanted = []
        if limits.seconds is not None:
            wanted.append(f"within {limits.seconds:g} s")
        if limits.size_bytes is not None:
            wanted.append(f"in {limits.size_bytes / 1e6:g} MB")
        return (
            f"not {' and '.join(wanted)} over {rate_text(self._delivery.link)}: "
            f"it would be there after {seconds_text(eta)}; ask again for it"
        )

    def refused(self, facts: InstanceFacts) -> str:
        """Why an instance can be had in none of the syntaxes, and in which it could."""
        key = "refused", facts.transfer_syntax, facts.pixels
        if key not in self._said:
            could = [name_of(Coding(syntax=facts.transfer_syntax)) + " as it is stored"]
            could += [
                name_of(coding)
                for coding, why in self._menu.choice.rejected
                if why == "the requester does not take it" and self._can(facts, coding)
            ]
            self._said[key] = (
                f"stored as {facts.transfer_syntax} and in none of the transfer syntaxes asked "
                f"for; it could be sent as {', '.join(dict.fromkeys(could))}"
            )
        return self._said[key]

    def forecasts(self) -> tuple[CodingForecast, ...]:
        """What each coding would cost and why it was taken or not."""
        menu = self._menu
        found = []
        for option in menu.options:
            if not any(option.ways):
                continue
            chosen = self._is_taken(option) and self._taken is self._lossless
            coding = option.coding or Coding(syntax=menu.series.instances[0].transfer_syntax)
            found.append(
                CodingForecast(
                    coding=coding,
                    size_bytes=option.size_bytes,
                    seconds=self._times[option.coding],
                    cpu_seconds=option.cpu_seconds,
                    chosen=chosen,
                    reason=self._comparison(option) if chosen else self._why_not(option),
                )
            )
        if self._taken is not self._lossless:
            found += self._lossy_forecasts()
        found += [
            CodingForecast(
                coding=coding, size_bytes=0, seconds=0.0, cpu_seconds=0.0, chosen=False, reason=why
            )
            for coding, why in menu.choice.rejected
        ]
        return tuple(found)

    def _lossy_forecasts(self) -> list[CodingForecast]:
        codings = dict.fromkeys(
            way.coding for way in self._taken.ways if way and way.coding.is_lossy
        )
        seconds = self._delivery.alone(self._at, self._taken)
        return [
            CodingForecast(
                coding=coding,
                size_bytes=self._taken.size_bytes,
                seconds=seconds,
                cpu_seconds=self._taken.cpu_seconds,
                chosen=True,
                reason=self._lossy_sentence(coding),
            )
            for coding in codings
        ]

    def _sentence(self, way: Way, facts: InstanceFacts, untouched: bool) -> str:
        if way.action is DeliveryAction.LOSSY:
            return self._lossy_sentence(way.coding)
        if way.action is DeliveryAction.AS_STORED and untouched:
            return f"as stored: {self._untouched(facts)}"
        taken = self._lossless.coding
        if taken is not None and taken.syntax == way.coding.syntax and taken != way.coding:
            return (
                f"{self._name(way)}: it comes first, and the link has nothing else to carry while "
                f"it is made; {name_of(taken)} takes longer"
            )
        if not self._menu.wish.may_choose:
            return f"{self._name(way)}: the order of the transfer syntaxes asked for decides"
        if self._taken is not self._lossless:
            bar = bar_of(self._menu, facts)
            why = bar or "a loss would save too little"
            return f"{self._name(way)}, without loss: {why}"
        return self._comparison(self._lossless)

    def _comparison(self, taken: Option) -> str:
        """The time of the taken option, and of the others."""
        text = (
            f"{self._option_name(taken)}: {seconds_text(self._times[taken.coding])} over "
            f"{rate_text(self._delivery.link)}"
        )
        others = [
            f"{self._option_name(other)} would be {seconds_text(self._times[other.coding])}"
            for other in self._menu.options
            if other.coding != taken.coding and any(other.ways)
        ]
        return ", ".join([text, *others])

    def _why_not(self, option: Option) -> str:
        took = self._lossless
        mine, theirs = self._times[option.coding], self._times.get(took.coding, 0.0)
        if self._is_taken(option):
            return f"{seconds_text(mine)} is later than was asked for"
        if option.coding not in self._open:
            return (
                f"within a few per cent of {self._option_name(took)}, which is stored or preferred"
            )
        if mine > theirs:
            return f"{seconds_text(mine)} instead of {seconds_text(theirs)}"
        return "soonest by itself, but not with the other series on the same link and processors"

    def _lossy_sentence(self, coding: Coding) -> str:
        menu = self._menu
        lossy = [way for way in self._taken.ways if way and way.coding == coding]
        raw = sum(
            one.raw_bytes
            for one, way in zip(menu.series.instances, self._taken.ways, strict=True)
            if way and way.coding == coding
        )
        ratio = raw / max(1, sum(way.size_bytes for way in lossy))
        cap = cap_of(menu, self._policy)
        within = f", at most {cap.ratio:g}:1 ({cap.source})" if cap else ""
        noise = menu.estimate.noise
        beside = f", noise {noise:.3g}" if noise else ""
        seconds = seconds_text(self._delivery.alone(self._at, self._taken))
        without = self._times.get(self._lossless.coding)
        instead = (
            f" instead of {seconds_text(without)} without loss"
            if without and any(self._lossless.ways)
            else ""
        )
        return (
            f"{name_of(coding)} with consent, {ratio:.1f}:1{within}{beside}: {seconds} over "
            f"{rate_text(self._delivery.link)}{instead}"
        )

    def _untouched(self, facts: InstanceFacts) -> str:
        if facts.pixels is None:
            return "it has no pixels to code"
        if facts.pixels.lossy:
            return "it has been compressed with loss before"
        return "its samples are of a kind that is not coded"

    def _can(self, facts: InstanceFacts, coding: Coding) -> bool:
        return self._menu.coded_way(facts, coding) is not None

    def _is_taken(self, option: Option) -> bool:
        """Whether the series comes in an option, but perhaps for the first image of all."""
        return option.coding == self._lossless.coding

    def _option_name(self, option: Option) -> str:
        return "as stored" if option.coding is None else name_of(option.coding)

    def _name(self, way: Way) -> str:
        return "as stored" if way.action is DeliveryAction.AS_STORED else name_of(way.coding)


def plan_notes(
    menus: Sequence[SeriesMenu], link: LinkProfile, limits: Limits, reserve: float
) -> tuple[str, ...]:
    """What a plan assumed, and what no plan says."""
    notes = [f"planned for {rate_text(link)}, {_SOURCES[link.source]}"]
    if menus and menus[0].sender.shared:
        notes.append("the requester runs on this machine and decodes on the same processors")
    if reserve and (limits.seconds is not None or limits.size_bytes is not None):
        notes.append(f"{reserve:.0%} was kept in reserve, for sizes are estimated from samples")
    unsampled = [
        menu.series.series
        for menu in menus
        if menu.estimate.reserve and not menu.estimate.sampled and menu.wish.may_choose
    ]
    if unsampled:
        notes.append(
            f"{len(unsampled)} series not sampled: sizes are the greatest seen of their modality"
        )
    notes.append(NOT_FITNESS)
    return tuple(notes)
