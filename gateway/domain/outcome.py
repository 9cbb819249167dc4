"""Answers that may be partial: items, and what went wrong beside them.

Empty is an answer, partial success is a value; a refusal of everything is an `ExchangeError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from gateway.domain.refusals import Refusal

T = TypeVar("T", covariant=True)


class Severity(StrEnum):
    """Whether an issue took something away (error) or only tells (warning)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that went wrong or deserves a word.

    `refusal` is our kind of it; `code` is the peer's own code as received, "" when the issue is
    ours; `subject` names what it is about (a document id, an instance UID, a parameter).
    """

    refusal: Refusal
    text: str
    severity: Severity = Severity.ERROR
    code: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """Items found and issues met, in the order they were given."""

    items: tuple[T, ...] = ()
    issues: tuple[Issue, ...] = ()

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The issues that took something away from the answer."""
        return tuple(issue for issue in self.issues if issue.severity is Severity.ERROR)

    @property
    def is_partial(self) -> bool:
        """Whether there are items and errors both."""
        return bool(self.items) and bool(self.errors)
