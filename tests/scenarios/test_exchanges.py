"""Two captures become one exchange, and the worse of two views is what is believed."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.exchanges import COUNTRY_A, COUNTRY_B, SOURCE, pair


def capture(second: int, **changes: Any) -> dict[str, Any]:
    """A transcript as a control port gives it."""
    return {
        "opened_at": f"2026-11-22T12:00:{second:02d}.000000+00:00",
        "direction": "out",
        "transaction": "ITI-38",
        "message_id": "m-1",
        "state": "closed",
        "outcome": "success",
        "seconds": 0.5,
        "status": 200,
        "request_bytes": 10,
        "answer_bytes": 20,
        "request": None,
        "answer": None,
    } | changes


def test_both_views_of_an_exchange_are_put_together() -> None:
    """Same transaction, same message id: one exchange, seen by both."""
    (exchange,) = pair([capture(1)], [capture(2, direction="in", seconds=0.1)])

    assert set(exchange.views) == {COUNTRY_A, COUNTRY_B}
    assert (exchange.asker, exchange.answerer) == (COUNTRY_B, COUNTRY_A)
    assert exchange.seen_by == "both countries"
    assert exchange.seconds == 0.5
    assert exchange.state == "complete"


def test_what_one_side_alone_saw_is_kept_and_told() -> None:
    """A message without a twin, whichever side has it, stands by itself, in order of time."""
    first, second, third = pair(
        [capture(3, message_id="m-3"), capture(1, message_id="")],
        [capture(2, direction="in", message_id="m-2"), capture(4, direction="in", message_id="")][
            :1
        ],
    )

    assert [exchange.number for exchange in (first, second, third)] == [1, 2, 3]
    assert [exchange.seen_by for exchange in (first, second, third)] == [
        "Country B only",
        "Country A only",
        "Country B only",
    ]


def test_a_call_of_country_a_goes_to_its_source() -> None:
    """What Country A asks of its own imaging source has a lifeline of its own."""
    (exchange,) = pair([], [capture(1, transaction="RAD-69")])

    assert (exchange.asker, exchange.answerer) == (COUNTRY_A, SOURCE)


@pytest.mark.parametrize(
    ("change", "state", "incomplete"),
    [
        ({"outcome": "partial"}, "partial", True),
        ({"outcome": "refused", "refusal": "no-consent"}, "refused", False),
        ({"outcome": "failed"}, "failed", True),
        ({"state": "open", "outcome": ""}, "still open", True),
        ({"state": "interrupted", "outcome": ""}, "broken off", True),
        ({"answer": {"parts": [{"complete": False}]}}, "broken off", True),
    ],
)
def test_the_worse_view_counts(change: dict[str, Any], state: str, incomplete: bool) -> None:
    """One side's success does not hide the other's loss."""
    (exchange,) = pair([capture(1, **change)], [capture(1, direction="in")])

    assert exchange.state == state
    assert exchange.is_incomplete is incomplete
