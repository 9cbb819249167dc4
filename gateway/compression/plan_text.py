"""A plan as plain values for JSON and back, and as lines for a terminal.

Field names are those of the nouns in `domain/delivery_plan.py` and `domain/delivery.py`, and stay:
others keep plans and read them again. Absent is null. A plan from elsewhere is read with a limit
on everything that has a length, and must be one; else `DecodeError` with where, found, expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from gateway.compression.choices import name_of
from gateway.domain.delivery import (
    Decoding,
    DeliveryWish,
    InvalidWish,
    LinkProfile,
    LinkSource,
    ReadingPurpose,
    SyntaxChoice,
)
from gateway.domain.delivery_plan import (
    Coding,
    CodingForecast,
    DeliveryAction,
    DeliveryPlan,
    PlannedInstance,
    PlannedSeries,
    RatioCap,
)
from gateway.domain.ids import InvalidIdentifier, Uid
from gateway.domain.manifests import InstanceRef
from gateway.wire.problems import DecodeError

MAX_INSTANCES: Final = 200_000
MAX_SERIES: Final = 10_000
MAX_SHORT_LIST: Final = 200  # syntaxes, notes, forecasts
MAX_TEXT: Final = 2000
MAX_BYTES: Final = 1 << 53  # a whole number that JSON keeps everywhere
# What somebody has of a plan is said in a request that names it, and is no part of the plan.
_OF_REQUESTS: Final = frozenset({"have"})

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def plan_view(plan: DeliveryPlan) -> dict[str, Any]:
    """A plan as values that JSON has: objects, lists, texts, numbers, null."""
    view: dict[str, Any] = _view(plan)
    return view


def _view(value: Any) -> Any:
    if is_dataclass(value):
        return {
            each.name: _view(getattr(value, each.name))
            for each in fields(value)
            if each.name not in _OF_REQUESTS
        }
    if isinstance(value, tuple):
        return [_view(each) for each in value]
    return str(value) if isinstance(value, str) else value


class _Reader:
    """An object of a plan at its place, every access of which is judged."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise DecodeError(where, type(value).__name__, "an object")
        self._value = value
        self.where = where

    def raw(self, name: str) -> object:
        """The value of a field that must be there."""
        if name not in self._value:
            raise DecodeError(f"{self.where}.{name}", "nothing", "a value")
        found: object = self._value[name]
        return found

    def text(self, name: str) -> str:
        found = self.raw(name)
        if not isinstance(found, str) or len(found) > MAX_TEXT:
            raise self._wrong(name, found, f"a text of at most {MAX_TEXT} characters")
        return found

    def uid(self, name: str) -> Uid:
        return _uid(self.text(name), f"{self.where}.{name}")

    def one_of(self, name: str, kind: type[E]) -> E:
        found = self.text(name)
        try:
            return kind(found)
        except ValueError as error:
            raise self._wrong(name, found, ", ".join(kind)) from error

    def flag(self, name: str) -> bool:
        found = self.raw(name)
        if not isinstance(found, bool):
            raise self._wrong(name, found, "true or false")
        return found

    def whole(self, name: str, most: int = MAX_BYTES) -> int:
        found = self.raw(name)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise self._wrong(name, found, f"a whole number from 0 to {most}")
        return found

    def number(self, name: str) -> float:
        found = self.raw(name)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, found, "a number")
        if not (abs(found) <= MAX_BYTES and math.isfinite(found) and found >= 0):
            raise self._wrong(name, found, f"a number from 0 to {MAX_BYTES}")
        return float(found)

    def maybe(self, name: str, read: Callable[[str], T]) -> T | None:
        return None if self.raw(name) is None else read(name)

    def inner(self, name: str) -> _Reader:
        return _Reader(self.raw(name), f"{self.where}.{name}")

    def several(self, name: str, most: int) -> list[tuple[object, str]]:
        found = self.raw(name)
        if not isinstance(found, list) or len(found) > most:
            raise self._wrong(name, found, f"a list of at most {most}")
        return [(each, f"{self.where}.{name}[{n}]") for n, each in enumerate(found)]

    def _wrong(self, name: str, found: object, expected: str) -> DecodeError:
        shown = f"{type(found).__name__} {found!r:.60}" if not isinstance(found, list) else "a list"
        return DecodeError(f"{self.where}.{name}", shown, expected)


def read_plan(view: object) -> DeliveryPlan:
    """A plan from what `plan_view` gave. Raises `DecodeError` for what is none."""
    it = _Reader(view, "plan")
    return DeliveryPlan(
        id=it.text("id"),
        wish=_wish(it.inner("wish")),
        link=_link(it.inner("link")),
        instances=tuple(
            _instance(_Reader(*each)) for each in it.several("instances", MAX_INSTANCES)
        ),
        series=tuple(_series(_Reader(*each)) for each in it.several("series", MAX_SERIES)),
        stored_seconds=it.number("stored_seconds"),
        notes=tuple(_text(*each) for each in it.several("notes", MAX_SHORT_LIST)),
    )


def _wish(it: _Reader) -> DeliveryWish:
    syntaxes = tuple(_uid(_text(*each), each[1]) for each in it.several("syntaxes", MAX_SHORT_LIST))
    try:
        return DeliveryWish(
            purpose=it.one_of("purpose", ReadingPurpose),
            syntaxes=syntaxes,
            choice=it.one_of("choice", SyntaxChoice),
            deadline_seconds=it.maybe("deadline_seconds", it.number),
            first_image_seconds=it.maybe("first_image_seconds", it.number),
            lossy_consent=it.flag("lossy_consent"),
            max_bytes=it.maybe("max_bytes", it.whole),
            decoding=it.one_of("decoding", Decoding),
            link=it.maybe("link", lambda name: _link(it.inner(name))),
            plan=it.text("plan"),
            delivery=it.text("delivery"),
        )
    except InvalidWish as error:
        raise DecodeError(f"{it.where}, {error.name}", error.found, error.expected) from error


def _link(it: _Reader) -> LinkProfile:
    try:
        return LinkProfile(
            bits_per_second=it.number("bits_per_second"),
            round_trip_seconds=it.number("round_trip_seconds"),
            source=it.one_of("source", LinkSource),
        )
    except InvalidWish as error:
        raise DecodeError(f"{it.where}, {error.name}", error.found, error.expected) from error


def _instance(it: _Reader) -> PlannedInstance:
    ref = it.inner("ref")
    return PlannedInstance(
        ref=InstanceRef(
            study=ref.uid("study"), series=ref.uid("series"), instance=ref.uid("instance")
        ),
        action=it.one_of("action", DeliveryAction),
        reason=it.text("reason"),
        coding=it.maybe("coding", lambda name: _coding(it.inner(name))),
        size_bytes=it.whole("size_bytes"),
        seconds=it.number("seconds"),
        key_image=it.flag("key_image"),
        derived=it.maybe("derived", it.uid),
    )


def _series(it: _Reader) -> PlannedSeries:
    forecasts = it.several("forecasts", MAX_SHORT_LIST)
    return PlannedSeries(
        series=it.uid("series"),
        modality=it.text("modality"),
        instances=it.whole("instances", MAX_INSTANCES),
        raw_bytes=it.whole("raw_bytes"),
        stored_bytes=it.whole("stored_bytes"),
        sampled=it.whole("sampled"),
        noise=it.maybe("noise", it.number),
        cap=it.maybe("cap", lambda name: _cap(it.inner(name))),
        forecasts=tuple(_forecast(_Reader(*each)) for each in forecasts),
    )


def _cap(it: _Reader) -> RatioCap:
    return RatioCap(ratio=it.number("ratio"), source=it.text("source"))


def _forecast(it: _Reader) -> CodingForecast:
    return CodingForecast(
        coding=_coding(it.inner("coding")),
        size_bytes=it.whole("size_bytes"),
        seconds=it.number("seconds"),
        cpu_seconds=it.number("cpu_seconds"),
        chosen=it.flag("chosen"),
        reason=it.text("reason"),
    )


def _coding(it: _Reader) -> Coding:
    return Coding(
        syntax=it.uid("syntax"),
        effort=it.whole("effort", 10),
        near=it.whole("near", 1 << 16),
        step=it.number("step"),
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise DecodeError(where, type(value).__name__, f"a text of at most {MAX_TEXT} characters")
    return value


def _uid(text: str, where: str) -> Uid:
    try:
        return Uid(text)
    except InvalidIdentifier as error:
        raise DecodeError(where, error.found, error.expected) from error


def plan_lines(plan: DeliveryPlan) -> Iterator[str]:
    """A plan for a terminal: what comes of each series, what each coding would cost, totals."""
    yield f"{'series':<10}{'images':>7}  {'action':<10}{'coding':<30}{'MB':>9}{'s':>9}  reason"
    for each in plan.series:
        groups: dict[tuple[DeliveryAction, str], list[PlannedInstance]] = {}
        for one in plan.instances:
            if one.ref.series == each.series:
                name = name_of(one.coding) if one.coding else "-"
                groups.setdefault((one.action, name), []).append(one)
        for (action, name), found in groups.items():
            size = sum(one.size_bytes for one in found) / 1e6
            last = max(one.seconds for one in found)
            yield (
                f"{each.modality:<10}{len(found):>7}  {action:<10}{name:<30}"
                f"{size:>9.2f}{last:>9.2f}  {found[0].reason}"
            )
    yield "why not:"
    for each in plan.series:
        for forecast in each.forecasts:
            if not forecast.chosen:
                yield f"  {each.modality:<8}{name_of(forecast.coding):<30}  {forecast.reason}"
    yield (
        f"total {plan.size_bytes / 1e6:.2f} MB in {plan.seconds:.2f} s; everything as stored "
        f"{sum(each.stored_bytes for each in plan.series) / 1e6:.2f} MB in "
        f"{plan.stored_seconds:.2f} s"
    )
    yield from plan.notes
