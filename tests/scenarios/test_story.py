"""Telling in steps: verdicts, times, words, and when a story ends."""

from __future__ import annotations

import itertools
from typing import Any, cast

import aiohttp
import pytest

from scenarios.client import Portal, Refused
from scenarios.result import Verdict
from scenarios.seeds import Seeds
from scenarios.story import CheckFailed, Story, StoryEnds, check, equal, refused

SEEDS = Seeds(community="2.999.1.1", roles={}, nobody={}, folders=())


def make_story(seconds: float = 1.0) -> tuple[Story, list[str]]:
    """A story whose clock moves a fixed time at each look, and its printed lines."""
    lines: list[str] = []
    ticks = itertools.count()
    portal = cast(Portal, None)
    story = Story(portal, SEEDS, say=lines.append, clock=lambda: next(ticks) * seconds)
    return story, lines


async def test_a_step_that_ends_passes() -> None:
    """Number, name, seconds, bytes and note are kept and printed."""
    story, lines = make_story()

    async with story.step(5, "asks") as step:
        step.moved(2_000_000)
        step.note("9 rows")

    (told,) = story.steps
    assert (told.number, told.name, told.verdict) == (5, "asks", Verdict.PASS)
    assert (told.seconds, told.bytes, told.note) == (1.0, 2_000_000, "9 rows")
    assert "pass" in lines[0]
    assert "2.00 MB" in lines[0]
    assert lines[1].strip() == "9 rows"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CheckFailed("3 rows, expected 4"), "3 rows, expected 4"),
        (
            Refused(403, {"refusal": "no-consent", "text": "no", "who_can_fix": "the patient"}),
            "the patient",
        ),
        (aiohttp.ClientConnectionError("gone"), "no usable answer"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("rows"), "not of the expected shape"),
    ],
)
async def test_a_step_that_fails_ends_the_story(error: Exception, words: str) -> None:
    """Whatever goes wrong is a failed step with its reason in words, and the story stops."""
    story, _ = make_story()

    with pytest.raises(StoryEnds):
        async with story.step(1, "asks"):
            raise error

    assert story.verdict is Verdict.FAIL
    assert words in story.steps[0].note


async def test_an_incomplete_step_goes_on_and_is_not_a_pass() -> None:
    """What is missing is said; nothing turns it into a success afterwards."""
    story, _ = make_story()

    async with story.step(8, "images") as step:
        step.leave_incomplete("1 of 6 images missing")
    async with story.step(9, "shows"):
        pass

    assert story.verdict is Verdict.INCOMPLETE


def test_progress_is_said_every_few_seconds() -> None:
    """A long transfer says how far it is, and not at every look."""
    story, lines = make_story(seconds=0.5)
    view: dict[str, Any] = {
        "received": 3, "asked": 6, "already_kept": 0, "bytes": 1_000_000, "seconds": 1.0,
    }  # fmt: skip

    for _ in range(12):
        story.watch(view)

    assert 1 <= len(lines) <= 4
    assert "3 of 6 images" in lines[0]


def test_checks_name_what_was_found() -> None:
    """A failed comparison says both values."""
    check(True, "fine")
    with pytest.raises(CheckFailed, match="rows: found 1, expected 2"):
        equal("rows", 1, 2)


async def test_an_expected_refusal_must_come_for_its_reason() -> None:
    """Success is a failure here, and so is another reason."""

    async def refuse(name: str) -> None:
        raise Refused(404, {"refusal": name})

    async def accept() -> None:
        pass

    assert (await refused(refuse("no-consent"), "no-consent")).status == 404
    with pytest.raises(CheckFailed, match="refused as 'busy'"):
        await refused(refuse("busy"), "no-consent")
    with pytest.raises(CheckFailed, match="accepted"):
        await refused(accept(), "no-consent")
