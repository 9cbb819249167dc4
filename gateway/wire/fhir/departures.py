"""What a reader met that departs from the rules and did not stop it, kept up to a limit.

A collector for one reading, not a judgement: what must not be used is the caller's to say.
"""

from __future__ import annotations

from typing import Final

from gateway.domain import Issue, Refusal, Severity

MAX_ISSUES: Final = 50  # a manifest wrong in every series need not say so a thousand times
_MAX_SUBJECT: Final = 200


class Departures:
    """The warnings of one reading, in the order they were met; the same one is kept once."""

    def __init__(self) -> None:
        self._found: dict[Issue, None] = {}

    def add(self, text: str, subject: str = "") -> None:
        """Note one."""
        if len(self._found) < MAX_ISSUES:
            issue = Issue(
                refusal=Refusal.PEER_MISBEHAVED,
                text=text,
                severity=Severity.WARNING,
                subject=subject[:_MAX_SUBJECT],
            )
            self._found.setdefault(issue)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Those noted so far."""
        return tuple(self._found)
