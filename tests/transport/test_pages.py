"""Pages are kept a while, for whoever asked, and not without end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.domain import PurposeOfUse
from gateway.transport import pages
from gateway.transport.pages import KEPT_FOR, PageExpired, Pages, owner_of
from tests.builders import COUNTRY_A, NOON, make_context


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_a_page_may_be_turned_to_more_than_once() -> None:
    """An answer may get lost on its way."""
    kept: Pages[str] = Pages(Clock())
    token = kept.keep("rest", 1, "B")

    assert [kept.get(token, "B") for _ in range(2)] == ["rest", "rest"]


def test_a_page_is_for_whoever_asked() -> None:
    """Nobody else learns that it is there."""
    kept: Pages[str] = Pages(Clock())
    token = kept.keep("rest", 1, "B")

    for name, owner in ((token, "C"), ("made up", "B")):
        with pytest.raises(PageExpired):
            kept.get(name, owner)


def test_a_page_is_kept_for_a_while() -> None:
    """Then the search is to be repeated."""
    clock = Clock()
    kept: Pages[str] = Pages(clock)
    token = kept.keep("rest", 1, "B")
    clock.now += KEPT_FOR - timedelta(seconds=1)
    assert kept.get(token, "B") == "rest"
    clock.now += timedelta(seconds=1)

    with pytest.raises(PageExpired):
        kept.get(token, "B")


def test_what_is_oldest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that was asked for last is always there."""
    monkeypatch.setattr(pages, "MAX_ROWS", 10)
    kept: Pages[int] = Pages(Clock())
    tokens = [kept.keep(number, rows, "B") for number, rows in enumerate((4, 4, 4, 20))]

    assert kept.get(tokens[-1], "B") == 3
    for token in tokens[:-1]:
        with pytest.raises(PageExpired):
            kept.get(token, "B")


def test_an_owner_is_all_that_was_decided_on() -> None:
    """The same professional for another patient or purpose is another asker."""
    context = make_context()
    others = (
        replace(context, purpose=PurposeOfUse.EMERGENCY),
        replace(context, patient=None),
        replace(context, asking=COUNTRY_A),
    )

    assert owner_of(make_context()) == owner_of(context)
    assert owner_of(context) not in {owner_of(other) for other in others}
