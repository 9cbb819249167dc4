"""A shape as JSON: from a profile with changes, whole, and refused by place."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.link.model import Event, Kind, LaneShape, LinkShape, ShapeError
from gateway.link.profiles import PROFILES
from gateway.link.shape_json import CHANGED, profile_from_json, shape_to_json


def test_a_profile_alone_keeps_its_name() -> None:
    """By name and in the plain form."""
    assert profile_from_json({"profile": "satellite"}) is PROFILES["satellite"]
    assert profile_from_json({"profile": "8MBIT/80ms"}).name == "8mbit/80ms"


def test_values_change_a_profile() -> None:
    """What is not said stays as the profile has it."""
    found = profile_from_json({"profile": "8mbit/80ms", "down": {"cut_after_bytes": 1000}})

    assert found.name == CHANGED
    assert found.shape.up == LaneShape(bits_per_second=8e6, latency_seconds=0.04)
    assert found.shape.down.cut_after_bytes == 1000
    assert found.shape.down.bits_per_second == 8e6


def test_a_shape_is_told_and_read_whole() -> None:
    """Every value of it, schedule included."""
    shape = LinkShape(
        up=LaneShape(bits_per_second=1e6),
        down=LaneShape(latency_seconds=0.5, jitter_seconds=0.1, cut_after_bytes=7),
        schedule=(
            Event(kind=Kind.PAUSE, at_seconds=1, lasts_seconds=2, every_seconds=10),
            Event(kind=Kind.CUT, at_seconds=3),
        ),
    )

    assert profile_from_json(shape_to_json(shape)).shape == shape


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "found nothing, expected at least one of profile"),
        ([], "the shape: expected an object"),
        ({"colour": "red"}, "'colour', expected profile, up, down, schedule"),
        ({"profile": 8}, "profile: found 8"),
        ({"profile": "fast"}, "satellite"),
        ({"up": 8}, "up: expected an object"),
        ({"up": {"rate": 8}}, "up: found 'rate', expected bits_per_second"),
        ({"down": {"bits_per_second": -1}}, "down.bits_per_second: found -1"),
        ({"down": {"latency_seconds": "x"}}, "down.latency_seconds: found 'x'"),
        ({"schedule": "cut"}, "schedule: expected a list"),
        ({"schedule": [{"kind": "cut"}]}, r"schedule\[0\]: expected at_seconds"),
        ({"schedule": [{"kind": ["x"], "at_seconds": 1}]}, "a kind of pause, cut, reset"),
        ({"schedule": [{"kind": "cut", "at_seconds": -1}]}, r"schedule\[0\].at_seconds"),
        ({"schedule": [{"kind": "cut", "at_seconds": 1, "why": 1}]}, r"schedule\[0\]: found 'why'"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(wish: Any, words: str) -> None:
    """What was found where, and what is expected there."""
    with pytest.raises(ShapeError, match=words):
        profile_from_json(wish)
