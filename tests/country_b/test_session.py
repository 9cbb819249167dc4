"""The order of the steps, and what is remembered of a visit."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from country_b.database import create_tables, database_url, make_engine
from country_b.session import (
    NEXT_ACTION,
    STEPS,
    TRANSITIONS,
    Action,
    Listing,
    OutOfOrder,
    Session,
    SessionStore,
    State,
    UnknownSession,
    require,
)
from gateway.domain import Issue, Refusal
from tests.fakes import COUNTRY_A, make_entry

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SessionStore]:
    """A store on a new database, with a clock that moves a second a look."""
    engine = make_engine(database_url(tmp_path))
    await create_tables(engine)
    ticks = itertools.count()
    yield SessionStore(engine, lambda: NOON + timedelta(seconds=next(ticks)))
    await engine.dispose()


def test_every_action_has_a_step_and_some_state() -> None:
    """The tables are complete: each action is named and can be done at some time."""
    assert set(STEPS) == set(Action)
    assert {action for _, action in TRANSITIONS} == set(Action) - {Action.OPEN}
    assert {number for number, _ in STEPS.values()} == {1, 2, 3, 4, 5, 7, 8, 9, 10}


def test_steps_in_order_lead_from_opened_to_closed() -> None:
    """Doing what comes next, again and again, reaches the end through every state."""
    state, seen = State.OPENED, [State.OPENED]
    while state in NEXT_ACTION:
        state = TRANSITIONS[state, NEXT_ACTION[state]]
        seen.append(state)

    assert seen == list(State)


def test_what_is_not_in_the_table_names_what_must_come_first() -> None:
    """Every pair outside of the table is refused, with the step that is due or that it is over."""
    pairs = set(itertools.product(State, set(Action) - {Action.OPEN}))
    refused = {pair: error for pair in pairs if (error := _refused(*pair))}

    assert pairs - refused.keys() == TRANSITIONS.keys()
    for pair, error in refused.items():
        assert error.needed is NEXT_ACTION.get(pair[0]), pair
        assert "must come first" in str(error) or "closed" in str(error), pair


def _refused(state: State, action: Action) -> OutOfOrder | None:
    try:
        require(Session(id="x", state=state, opened_at=NOON), action)
    except OutOfOrder as error:
        return error
    return None


def test_a_closed_visit_stays_closed() -> None:
    """Nothing can be done in a closed visit."""
    assert not [action for state, action in TRANSITIONS if state is State.CLOSED]


async def test_a_visit_is_remembered_with_its_journal(store: SessionStore) -> None:
    """State, facts and times are read back as they were written."""
    await store.open("visit", correlation_id="c-0")
    await store.advance("visit", Action.SIGN_IN, correlation_id="c-1")
    await store.advance(
        "visit",
        Action.INFORM,
        lambda held: replace(held, information_version="2026-1", informed_at=NOON),
        text="text version 2026-1",
    )

    session = await store.get("visit")
    journal = await store.journal("visit")

    assert session.state is State.INFORMED
    assert (session.information_version, session.informed_at) == ("2026-1", NOON)
    assert [(line.action, line.step, line.outcome) for line in journal] == [
        (Action.OPEN, 1, "done"),
        (Action.SIGN_IN, 2, "done"),
        (Action.INFORM, 3, "done"),
    ]
    assert [line.at for line in journal] == sorted(line.at for line in journal)
    assert journal[1].correlation_id == "c-1"


async def test_a_step_out_of_order_changes_nothing(store: SessionStore) -> None:
    """A refused step leaves state and journal as they were."""
    await store.open("visit", correlation_id="")

    with pytest.raises(OutOfOrder):
        await store.advance("visit", Action.LIST)

    assert (await store.get("visit")).state is State.OPENED
    assert len(await store.journal("visit")) == 1


async def test_refusals_are_written_down(store: SessionStore) -> None:
    """The journal holds what was refused, and why."""
    await store.open("visit", correlation_id="")

    await store.record("visit", Action.LIST, "refused", "no-consent", correlation_id="c-2")

    assert (await store.journal("visit"))[-1].text == "no-consent"


async def test_an_unknown_visit_is_told(store: SessionStore) -> None:
    """No visit, no state."""
    with pytest.raises(UnknownSession):
        await store.get("nobody")


async def test_a_list_is_read_back_as_it_was(store: SessionStore) -> None:
    """The last list replaces the one before, and comes back with everything in it."""
    listing = Listing(
        at=NOON,
        community=COUNTRY_A,
        seconds=0.25,
        entries=(make_entry("2.999.1", b"x"), make_entry("2.999.2", b"y", manifest=False)),
        issues=(Issue(refusal=Refusal.PEER_MISBEHAVED, text="odd"),),
        dropped={"patient": 1},
    )
    await store.save_listing("visit", replace(listing, entries=()))

    await store.save_listing("visit", listing)

    assert await store.listing("visit") == listing
    assert await store.listing("other") is None


def test_the_words_say_what_was_wanted_and_how_to_do_what_comes_first() -> None:
    """Reading a list is no action; presenting has no route of its name."""
    assert str(OutOfOrder(State.CONFIRMED, Action.LIST, "show the list")).startswith(
        "cannot show the list yet: 'list' must come first"
    )
    assert "to GET a document or an image" in str(OutOfOrder(State.RETRIEVED, Action.USE))
    assert "open a new one" in str(OutOfOrder(State.CLOSED, Action.LIST))
