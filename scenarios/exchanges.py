"""What the control ports of both countries captured, put together into exchanges.

A transcript (`GET /transcripts/{id}`) is one side's view. The two views of an exchange share a
transaction and a message id; one of them may be missing, and that is told, never filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Transcript = Mapping[str, Any]

COUNTRY_A, COUNTRY_B, SOURCE = "Country A", "Country B", "Imaging source"
# What one exchange came to, in words; only the first is a transfer of everything asked for.
COMPLETE, PARTIAL, REFUSED = "complete", "partial", "refused"
BROKEN_OFF, FAILED, STILL_OPEN = "broken off", "failed", "still open"
INCOMPLETE_STATES = frozenset({PARTIAL, BROKEN_OFF, FAILED, STILL_OPEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, seen by one side or both.

    `asker` and `answerer` are names of lifelines; `view` is the better of the two transcripts
    and `views` both, by country. `seconds` is what the asker waited.
    """

    number: int
    transaction: str
    asker: str
    answerer: str
    started: datetime
    seconds: float
    state: str
    status: int | None
    refusal: str
    text: str
    request_bytes: int
    answer_bytes: int
    view: Transcript
    views: Mapping[str, Transcript] = field(default_factory=dict)

    @property
    def is_incomplete(self) -> bool:
        """Whether something that was promised did not arrive."""
        return self.state in INCOMPLETE_STATES

    @property
    def seen_by(self) -> str:
        """Who captured it, in words."""
        both = len(self.views) > 1
        return "both countries" if both else f"{next(iter(self.views))} only"


def pair(country_b: Sequence[Transcript], country_a: Sequence[Transcript]) -> tuple[Exchange, ...]:
    """The exchanges of a run, in the order in which they began."""
    answered: dict[tuple[str, str], list[Transcript]] = {}
    rest: list[dict[str, Transcript]] = []
    for transcript in country_a:
        if transcript.get("direction") == "in":
            answered.setdefault(_key(transcript), []).append(transcript)
        else:
            rest.append({COUNTRY_A: transcript})
    together: list[dict[str, Transcript]] = []
    for transcript in country_b:
        twins = answered.get(_key(transcript), []) if transcript.get("message_id") else []
        views = {COUNTRY_B: transcript}
        if twins:
            views[COUNTRY_A] = twins.pop(0)
        together.append(views)
    alone = [{COUNTRY_A: transcript} for twins in answered.values() for transcript in twins]
    every = sorted([*together, *alone, *rest], key=_began)
    return tuple(_exchange(number, views) for number, views in enumerate(every, 1))


def _key(transcript: Transcript) -> tuple[str, str]:
    return str(transcript.get("transaction", "")), str(transcript.get("message_id", ""))


def _began(views: Mapping[str, Transcript]) -> datetime:
    return min(_time(view) for view in views.values())


def _exchange(number: int, views: dict[str, Transcript]) -> Exchange:
    view = views.get(COUNTRY_B) or views[COUNTRY_A]
    to_source = COUNTRY_B not in views and view.get("direction") == "out"
    states = [_state(each) for each in views.values()]
    # The worse of the two views counts: what one side thought whole the other may have lost.
    state = next((each for each in _WORST_FIRST if each in states), states[0])
    telling = next((each for each in views.values() if each.get("refusal")), view)
    return Exchange(
        number=number,
        transaction=str(view.get("transaction") or "unknown"),
        asker=COUNTRY_A if to_source else COUNTRY_B,
        answerer=SOURCE if to_source else COUNTRY_A,
        started=_began(views),
        seconds=float(view.get("seconds") or 0.0),
        state=state,
        status=view.get("status") or (views.get(COUNTRY_A) or view).get("status"),
        refusal=str(telling.get("refusal") or ""),
        text=str(telling.get("text") or ""),
        request_bytes=int(view.get("request_bytes") or 0),
        answer_bytes=int(view.get("answer_bytes") or 0),
        view=view,
        views=views,
    )


_WORST_FIRST = (BROKEN_OFF, FAILED, STILL_OPEN, PARTIAL, REFUSED, COMPLETE)
_OUTCOMES = {"success": COMPLETE, "partial": PARTIAL, "refused": REFUSED}


def _state(transcript: Transcript) -> str:
    if transcript.get("state") == "interrupted":
        return BROKEN_OFF
    if transcript.get("state") == "open":
        return STILL_OPEN
    whole = all(
        part.get("complete", True)
        for role in ("request", "answer")
        for part in (transcript.get(role) or {}).get("parts", ())
    )
    state = _OUTCOMES.get(str(transcript.get("outcome")), FAILED)
    return state if whole or state == FAILED else BROKEN_OFF


def _time(transcript: Transcript) -> datetime:
    return datetime.fromisoformat(str(transcript["opened_at"]))
