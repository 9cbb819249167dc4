"""Telling a story in steps: each is timed, judged, printed as it ends, and kept for the report.

A step passes when its block ends, and fails when a check in it does or when the portal refuses
what the story did not expect to be refused. The first failed step ends the story; an incomplete
one does not. Text goes out line by line, without colours, so that a log reads like a screen.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from scenarios.client import Portal, Refused
from scenarios.links import Link, LinkRefused
from scenarios.pictures import Picture
from scenarios.readable import readable_bytes, readable_rate, readable_seconds
from scenarios.result import Step, Verdict, worst
from scenarios.seeds import Seeds

PROGRESS_SECONDS = 2.0  # how often a long step says how far it is
NAME_WIDTH = 58

Say = Callable[[str], None]


class CheckFailed(Exception):
    """Something is not as the story says it must be."""


class StoryEnds(Exception):
    """A step failed: what follows would mean nothing."""


@dataclass(slots=True)
class Telling:
    """A step while it runs: what it moved, and what there is to say about it."""

    number: int
    name: str
    bytes: int = 0
    notes: list[str] = field(default_factory=list)
    incomplete: bool = False

    def note(self, text: str) -> None:
        """Something worth a word in the report."""
        self.notes.append(text)

    def moved(self, size: int) -> None:
        """Count bytes."""
        self.bytes += size

    def leave_incomplete(self, text: str) -> None:
        """Not everything came: the step cannot pass, and the story goes on."""
        self.incomplete = True
        self.notes.append(text)


class Story:
    """A scenario being told.

    `way` is how the other country is asked, by the name it has in Country B's settings, "" the
    usual way; `links` are the links between the countries by what goes through them, none where
    they meet directly; `clock` gives seconds; `say` prints a line.
    """

    def __init__(
        self,
        portal: Portal,
        seeds: Seeds,
        *,
        say: Say,
        way: str = "",
        links: Mapping[str, Link] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.portal = portal
        self.way = way
        self.links: Mapping[str, Link] = links or {}
        self.seeds = seeds
        self.steps: list[Step] = []
        self.pictures: list[Picture] = []
        self._say = say
        self._clock = clock
        self._said = 0.0

    @property
    def verdict(self) -> Verdict:
        """How the story ended, so far."""
        return worst(step.verdict for step in self.steps)

    @asynccontextmanager
    async def step(self, number: int, name: str) -> AsyncIterator[Telling]:
        """A step of the guideline's process, by its number there."""
        telling = Telling(number, name)
        started = self._said = self._clock()
        verdict = Verdict.PASS
        try:
            yield telling
            if telling.incomplete:
                verdict = Verdict.INCOMPLETE
        except (CheckFailed, Refused, LinkRefused, aiohttp.ClientError, TimeoutError) as error:
            verdict = Verdict.FAIL
            telling.note(_reason(error))
            raise StoryEnds(name) from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            # An answer of the portal that is not of the documented shape.
            verdict = Verdict.FAIL
            telling.note(f"the answer is not of the expected shape: {error!r}")
            raise StoryEnds(name) from error
        finally:
            self._end(telling, verdict, self._clock() - started)

    def _end(self, telling: Telling, verdict: Verdict, seconds: float) -> None:
        step = Step(
            number=telling.number,
            name=telling.name,
            verdict=verdict,
            seconds=seconds,
            bytes=telling.bytes,
            note="; ".join(telling.notes),
        )
        self.steps.append(step)
        moved = ""
        if step.bytes:
            moved = f"  {readable_bytes(step.bytes)}  {readable_rate(step.bytes, seconds)}"
        name = f"{step.number:>2} {step.name}"
        self._say(f"  {name:<{NAME_WIDTH}} {verdict.value:<10} {readable_seconds(seconds)}{moved}")
        if step.note:
            self._say(f"       {step.note}")

    def skip(self, number: int, name: str, why: str) -> None:
        """A step that cannot be told with this seed."""
        self._end(Telling(number, name, notes=[why]), Verdict.SKIPPED, 0.0)

    def picture(self, picture: Picture) -> None:
        """Something to look at in the report."""
        self.pictures.append(picture)

    def watch(self, view: Mapping[str, Any]) -> None:
        """Say how far an image job is, every few seconds."""
        now = self._clock()
        if now - self._said < PROGRESS_SECONDS:
            return
        self._said = now
        rate = readable_rate(int(view["bytes"]), float(view["seconds"]))
        self._say(
            f"       {view['received']} of {view['asked'] - view['already_kept']} images, "
            f"{readable_bytes(int(view['bytes']))}, {rate}"
        )


def check(holds: bool, text: str) -> None:
    """Fail the step with these words unless something holds."""
    if not holds:
        raise CheckFailed(text)


def equal(what: str, found: object, expected: object) -> None:
    """Fail the step unless two values are the same; the words name both."""
    check(found == expected, f"{what}: found {found!r}, expected {expected!r}")


async def refused(call: Any, *refusals: str) -> Refused:
    """The refusal a call must end with; fails the step if it succeeds or is refused otherwise."""
    try:
        await call
    except Refused as error:
        if error.refusal in refusals:
            return error
        raise CheckFailed(
            f"refused as {error.refusal!r}, expected {' or '.join(map(repr, refusals))}: {error}"
        ) from error
    raise CheckFailed(f"accepted, expected a refusal: {' or '.join(refusals)}")


def _reason(error: Exception) -> str:
    if isinstance(error, Refused):
        who = error.answer.get("who_can_fix", "")
        return f"refused: {error}" + (f" (who can fix it: {who})" if who else "")
    if isinstance(error, CheckFailed | LinkRefused):
        return str(error)
    return f"no usable answer from the portal: {str(error) or type(error).__name__}"
