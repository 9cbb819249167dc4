"""Pages of an answer that is too long for one: what was found stays as it was found.

The first page is answered with a token for the next; the rows behind it are kept a while, in
memory and within a limit, for whoever asked and for nobody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from gateway.domain import BadRequest, CallContext, Refusal

KEPT_FOR = timedelta(minutes=5)
# A row of a document list is some 4 KiB.
MAX_ROWS = 20_000

# Of a search whose rows are left for further pages; the token of one is its value.
NEXT_PAGE = "_getpages"

T = TypeVar("T")


class PageExpired(BadRequest):
    """A page that is no longer kept, or was never this asker's (410)."""

    def __init__(self) -> None:
        text = "this page is kept no longer; repeat the search"
        super().__init__(Refusal.UNSUPPORTED, text, subject=NEXT_PAGE)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    owner: str
    until: datetime
    rest: T
    rows: int


class Pages(Generic[T]):
    """What is still to be answered, by token. `owner` is any text that tells askers apart."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[str, _Kept[T]] = {}

    def keep(self, rest: T, rows: int, owner: str) -> str:
        """Keep what is left of an answer; the token under which it is.

        What is oldest goes when there are more than `MAX_ROWS`.
        """
        now = self._now()
        self._kept = {name: kept for name, kept in self._kept.items() if kept.until > now}
        token = secrets.token_urlsafe(24)
        self._kept[token] = _Kept(owner, now + KEPT_FOR, rest, rows)
        held = sum(kept.rows for kept in self._kept.values())
        for name in list(self._kept)[:-1]:
            if held <= MAX_ROWS:
                break
            held -= self._kept.pop(name).rows
        return token

    def get(self, token: str, owner: str) -> T:
        """What is left of an answer; it may be asked for again. Raises `PageExpired`."""
        kept = self._kept.get(token)
        if kept is None or kept.until <= self._now() or kept.owner != owner:
            raise PageExpired
        return kept.rest


def owner_of(context: CallContext) -> str:
    """All that was decided on when the first page was given: with anything else, ask again."""
    return repr(
        (
            context.caller.fingerprint,
            context.asking,
            context.professional,
            context.purpose,
            context.patient,
            context.relation,
        )
    )
