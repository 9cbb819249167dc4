"""How an image job gets on: its counters, and how they are shown.

A timeline keeps its number of points by letting go of every other one when there are too many, so
that a job of hours draws as well as one of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.domain import Issue

MAX_ISSUES = 1000  # a peer that sends rubbish for every instance fills no memory
MAX_POINTS = 1000
FIRST_STEP_SECONDS = 0.02


class JobState(StrEnum):
    """Where a job stands. Only `complete` means that everything asked for is here."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counters of one job; `missing` maps an instance to why it is not here.

    `bytes` are those that came, `again_bytes` those of them that had come before and were lost
    when the transfer broke; it was gone on with `resumed` times. `looked` are the images of which
    the beginning is here for a first look. `plan` is what an accepted plan
    promised, None where there is none.

    `timeline` has how many bytes were here after how many seconds, `key_images_seconds` is when
    the last key image that was asked for was. `fidelity` is how what came compares with its
    certificate, None where nothing came.
    """

    asked: int = 0
    already_kept: int = 0
    received: int = 0
    bytes: int = 0
    again_bytes: int = 0
    resumed: int = 0
    looked: int = 0
    plan: dict[str, Any] | None = None
    seconds: float = 0.0
    first_image_seconds: float | None = None
    key_images_seconds: float | None = None
    timeline: list[tuple[float, int]] = field(default_factory=list)
    state: JobState = JobState.RUNNING
    missing: dict[str, Issue] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    stopped_by: Issue | None = None
    fidelity: dict[str, Any] | None = None
    _step: float = FIRST_STEP_SECONDS

    def issue(self, issue: Issue) -> None:
        """Note something worth a word, up to a limit."""
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(issue)

    def came(self, size: int, seconds: float) -> None:
        """Count bytes that came in after so many seconds."""
        self.bytes += size
        self.seconds = seconds
        if not self.timeline or seconds - self.timeline[-1][0] >= self._step:
            self.timeline.append((seconds, self.bytes))
            if len(self.timeline) == MAX_POINTS:
                self.timeline = self.timeline[1::2]
                self._step *= 2

    def timeline_view(self) -> list[list[float]]:
        """The timeline as the API shows it: pairs of seconds and bytes, the present at its end."""
        points = [[round(at, 3), size] for at, size in self.timeline]
        if self.bytes and (not points or points[-1][1] != self.bytes):
            points.append([round(self.seconds, 3), self.bytes])
        return points

    def view(self) -> dict[str, Any]:
        """The counters as the API shows them."""
        rate = self.bytes / self.seconds if self.seconds > 0 else 0.0
        return {
            "state": self.state.value,
            "asked": self.asked,
            "already_kept": self.already_kept,
            "received": self.received,
            "bytes": self.bytes,
            "again_bytes": self.again_bytes,
            "resumed": self.resumed,
            "looked": self.looked,
            "plan": self.plan,
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(rate),
            "first_image_seconds": (
                None if self.first_image_seconds is None else round(self.first_image_seconds, 3)
            ),
            "key_images_seconds": (
                None if self.key_images_seconds is None else round(self.key_images_seconds, 3)
            ),
            "missing": [
                {"instance": name, **issue_view(issue), "subject": issue.subject or name}
                for name, issue in self.missing.items()
            ],
            "issues": [issue_view(issue) for issue in self.issues],
            "fidelity": self.fidelity,
            "stopped_by": None if self.stopped_by is None else issue_view(self.stopped_by),
        }


def issue_view(issue: Issue) -> dict[str, Any]:
    """An issue as the API shows it."""
    return {
        "refusal": issue.refusal.value,
        "text": issue.text,
        "severity": issue.severity.value,
        "code": issue.code,
        "subject": issue.subject,
    }
