"""What a run of a scenario came to, and its machine-readable form, `report.json`.

    {"runs": [{"scenario", "transport", "link", "verdict",
               "steps": [{"number", "name", "verdict", "seconds", "bytes", "note"}],
               "pictures": [{"title", "caption"}],
               "messages": [{"transaction", "direction", "status", "bytes", "file"}]}]}

`link` is the profile of the line between the countries, "" where they meet directly or over one
that shapes nothing. The shape is exactly this: programs elsewhere read it, and it only grows.
People read the HTML made from the same values, where the pictures are (`report`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from scenarios.pictures import Picture


class Verdict(StrEnum):
    """How a step or a run ended. INCOMPLETE: something arrived, but not all that was asked for."""

    PASS = "pass"
    FAIL = "fail"
    INCOMPLETE = "incomplete"
    SKIPPED = "skipped"


# The worst comes first; a run is as good as its worst step.
_WORST_FIRST = (Verdict.FAIL, Verdict.INCOMPLETE, Verdict.PASS, Verdict.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One functional step of the use case: how long it took, and the bytes it moved.

    `note` says in words what was seen, or why the verdict is what it is.
    """

    number: int
    name: str
    verdict: Verdict
    seconds: float
    bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """One message that crossed the border.

    `direction` is "request" or "answer"; `status` is the HTTP status of an answer and None for
    a request; `bytes` counts attachments too; `file` is relative to the report, "" where the
    message was not captured.
    """

    transaction: str
    direction: str
    status: int | None
    bytes: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One scenario played once over one transport, over a line by its profile."""

    scenario: str
    transport: str
    verdict: Verdict
    steps: tuple[Step, ...]
    messages: tuple[MessageLine, ...] = ()
    link: str = ""
    pictures: tuple[Picture, ...] = ()


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of the whole: that of its worst part; SKIPPED where there is nothing."""
    found = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.SKIPPED)


def to_json(runs: Sequence[Run]) -> dict[str, Any]:
    """The runs in the shape of `report.json`."""
    return {
        "runs": [
            {
                "scenario": run.scenario,
                "transport": run.transport,
                "link": run.link,
                "verdict": run.verdict.value,
                "steps": [
                    {
                        "number": step.number,
                        "name": step.name,
                        "verdict": step.verdict.value,
                        "seconds": round(step.seconds, 6),
                        "bytes": step.bytes,
                        "note": step.note,
                    }
                    for step in run.steps
                ],
                "pictures": [
                    {"title": picture.title, "caption": picture.caption} for picture in run.pictures
                ],
                "messages": [
                    {
                        "transaction": message.transaction,
                        "direction": message.direction,
                        "status": message.status,
                        "bytes": message.bytes,
                        "file": message.file,
                    }
                    for message in run.messages
                ],
            }
            for run in runs
        ]
    }


def write_json(path: Path, runs: Sequence[Run]) -> None:
    """Write `report.json`, replacing what was there only once the new one is whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(to_json(runs), indent=2, ensure_ascii=False) + "\n", "utf-8")
    fresh.replace(path)
