"""A shape as JSON, both ways: what the link's control port is told and tells.

A wish may begin from a profile and change some values of it:
`{"profile": "8mbit/80ms", "down": {"cut_after_bytes": 100000}}`. Without a profile it begins from
a line that shapes nothing. What it does not know is refused, by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from gateway.link.model import (
    EVENT_FIELDS,
    LANE_FIELDS,
    UNSHAPED,
    Event,
    Kind,
    LaneShape,
    LinkShape,
    ShapeError,
)
from gateway.link.profiles import Profile, parse_profile, plain_form

CHANGED = "changed"  # the name of a shape that no other name is exact for

_KEYS = ("profile", "up", "down", "schedule")


def shape_to_json(shape: LinkShape) -> dict[str, Any]:
    """Every value of a shape, under the names `profile_from_json` reads."""
    plain = asdict(shape)
    plain["schedule"] = [asdict(event) for event in shape.schedule]
    return plain


def profile_from_json(wish: object) -> Profile:
    """The profile somebody wishes for; `ShapeError` says which value is wrong and why."""
    told = _object("the shape", wish, _KEYS)
    if not told:
        raise ShapeError(f"found nothing, expected at least one of {', '.join(_KEYS)}")
    base = Profile(name="unshaped", shape=UNSHAPED)
    if "profile" in told:
        if not isinstance(told["profile"], str):
            raise ShapeError(f"profile: found {told['profile']!r}, expected a text")
        base = parse_profile(told["profile"])
    shape = base.shape
    if "up" in told:
        shape = replace(shape, up=_lane("up", told["up"], shape.up))
    if "down" in told:
        shape = replace(shape, down=_lane("down", told["down"], shape.down))
    if "schedule" in told:
        shape = replace(shape, schedule=_schedule(told["schedule"]))
    if shape == base.shape:
        return base
    return Profile(name=plain_form(shape) or CHANGED, shape=shape)


def _lane(place: str, told: object, base: LaneShape) -> LaneShape:
    values = _object(place, told, LANE_FIELDS)
    try:
        return replace(base, **values)
    except ShapeError as error:
        raise ShapeError(f"{place}.{error}") from None


def _schedule(told: object) -> tuple[Event, ...]:
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise ShapeError("schedule: expected a list of events")
    return tuple(_event(f"schedule[{place}]", each) for place, each in enumerate(told))


def _event(place: str, told: object) -> Event:
    values = _object(place, told, EVENT_FIELDS)
    kinds = [kind.value for kind in Kind]
    if values.get("kind") not in kinds or "at_seconds" not in values:
        raise ShapeError(f"{place}: expected at_seconds, and a kind of {', '.join(kinds)}")
    try:
        return Event(**{**values, "kind": Kind(values["kind"])})
    except ShapeError as error:
        raise ShapeError(f"{place}.{error}") from None


def _object(place: str, told: object, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise ShapeError(f"{place}: expected an object with {', '.join(known)}")
    for key in told:
        if key not in known:
            raise ShapeError(f"{place}: found {str(key)[:80]!r}, expected {', '.join(known)}")
    return told
