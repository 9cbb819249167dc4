"""One patient's visit: the ten functional steps of use case 1, in their order.

The steps are a table, (state, action) → state; what is not in the table is refused and the answer
names the step that must come first. Each visit is a row, each step a line of a journal that is
only ever appended to. Journal texts hold counts and kinds, never names or identifiers.

Guideline, table 1: functional process steps. Steps 5 and 6 are one action here (a list is asked
for and provided), 7 and 8 are another; the purpose of use is recorded between steps 3 and 4.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, DateTime, Integer, String, Table, Text, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from country_b.database import METADATA
from country_b.stored import pack, unpack
from gateway.domain import (
    Authentication,
    CommunityId,
    DocumentEntry,
    HealthProfessional,
    Issue,
    PatientIdentity,
    PurposeOfUse,
)

MAX_RETRIES = 20  # of a change that meets another one of the same visit


class State(StrEnum):
    """How far a visit has come."""

    OPENED = "opened"
    AUTHENTICATED = "authenticated"
    INFORMED = "informed"
    PURPOSE_RECORDED = "purpose-recorded"
    IDENTIFIED = "identified"
    CONFIRMED = "confirmed"
    LISTED = "listed"
    RETRIEVED = "retrieved"
    PRESENTED = "presented"
    USED = "used"
    CLOSED = "closed"


class Action(StrEnum):
    """What moves a visit on; the value is the name of its route."""

    OPEN = "open"
    SIGN_IN = "sign-in"
    INFORM = "inform"
    PURPOSE = "purpose"
    IDENTIFY = "identify"
    CONFIRM = "confirm"
    LIST = "list"
    RETRIEVE = "retrieve"
    IMAGES = "images"
    VIEWER = "viewer"
    PRESENT = "present"
    USE = "use"
    CLOSE = "close"


# The guideline's step number of each action, and what it is called to people.
STEPS: dict[Action, tuple[int, str]] = {
    Action.OPEN: (1, "the patient consults the health professional"),
    Action.SIGN_IN: (2, "the health professional is identified, authenticated and authorised"),
    Action.INFORM: (3, "the patient is informed"),
    Action.PURPOSE: (3, "the purpose of use is recorded"),
    Action.IDENTIFY: (4, "the patient is identified"),
    Action.CONFIRM: (4, "the patient's identity is confirmed"),
    Action.LIST: (5, "the list is requested and provided"),
    Action.RETRIEVE: (7, "documents are selected and provided"),
    Action.IMAGES: (8, "images are provided"),
    Action.VIEWER: (9, "images are shown by the other country's viewer"),
    Action.PRESENT: (9, "what was retrieved is presented"),
    Action.USE: (10, "what was retrieved is used"),
    Action.CLOSE: (10, "the visit is closed"),
}

_HOLDING = (State.RETRIEVED, State.PRESENTED, State.USED)
_IN_ORDER = (
    (State.OPENED, Action.SIGN_IN, State.AUTHENTICATED),
    (State.AUTHENTICATED, Action.INFORM, State.INFORMED),
    (State.INFORMED, Action.PURPOSE, State.PURPOSE_RECORDED),
    (State.PURPOSE_RECORDED, Action.IDENTIFY, State.IDENTIFIED),
    (State.IDENTIFIED, Action.CONFIRM, State.CONFIRMED),
    (State.CONFIRMED, Action.LIST, State.LISTED),
    (State.LISTED, Action.RETRIEVE, State.RETRIEVED),
    (State.RETRIEVED, Action.PRESENT, State.PRESENTED),
    (State.PRESENTED, Action.USE, State.USED),
    (State.USED, Action.CLOSE, State.CLOSED),
)

TRANSITIONS: dict[tuple[State, Action], State] = {
    (before, action): after for before, action, after in _IN_ORDER
}
# Another patient may be looked for as long as nothing was asked about this one.
TRANSITIONS |= {
    (State.IDENTIFIED, Action.IDENTIFY): State.IDENTIFIED,
    (State.CONFIRMED, Action.IDENTIFY): State.IDENTIFIED,
    (State.LISTED, Action.LIST): State.LISTED,
    (State.USED, Action.PRESENT): State.USED,
    (State.USED, Action.USE): State.USED,
    (State.PRESENTED, Action.PRESENT): State.PRESENTED,
}
# Whoever holds something may list, retrieve and fetch images again; nothing is undone by it.
TRANSITIONS |= {
    (state, action): state
    for state in _HOLDING
    for action in (Action.LIST, Action.RETRIEVE, Action.IMAGES)
}
# The other country's viewer shows what is listed; where something was retrieved, that presents it.
TRANSITIONS |= {
    (State.LISTED, Action.VIEWER): State.LISTED,
    (State.RETRIEVED, Action.VIEWER): State.PRESENTED,
    (State.PRESENTED, Action.VIEWER): State.PRESENTED,
    (State.USED, Action.VIEWER): State.USED,
}
# A patient may leave at any time.
TRANSITIONS |= {(state, Action.CLOSE): State.CLOSED for state in State if state is not State.CLOSED}

NEXT_ACTION: dict[State, Action] = {before: action for before, action, _ in _IN_ORDER}


# How an action that has no route of its name is done.
_HOW = {Action.PRESENT: "; to GET a document or an image, or to open the viewer, does it"}


class OutOfOrder(Exception):
    """A step asked for before its time. `needed` is the action that must come first, if any.

    `doing` says what was asked for, where it is not the action itself.
    """

    def __init__(self, state: State, action: Action, doing: str = "") -> None:
        self.state = state
        self.action = action
        self.needed = NEXT_ACTION.get(state)
        doing = doing or f"do {action.value!r}"
        if self.needed is None:
            text = f"cannot {doing}: the visit is closed; open a new one"
        else:
            number, words = STEPS[self.needed]
            text = (
                f"cannot {doing} yet: {self.needed.value!r} must come first "
                f"(step {number}: {words}{_HOW.get(self.needed, '')})"
            )
        super().__init__(text)


class UnknownSession(Exception):
    """No visit has this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A visit as it stands. Fields are None or empty until their step has been done.

    `way` is how the country is asked, "" the usual way.
    """

    id: str
    state: State
    opened_at: datetime
    professional: HealthProfessional | None = None
    authentication: Authentication | None = None
    information_version: str = ""
    informed_at: datetime | None = None
    purpose: PurposeOfUse | None = None
    purpose_at: datetime | None = None
    community: CommunityId | None = None
    way: str = ""
    candidates: tuple[PatientIdentity, ...] = ()
    patient: PatientIdentity | None = None
    use_note: str = ""
    closed_at: datetime | None = None
    retention_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """One line of the journal: a step that was done, or refused with its reason."""

    at: datetime
    action: Action
    step: int
    outcome: str
    text: str
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The last list a visit was given. `dropped` counts entries a filter took out again here."""

    at: datetime
    community: CommunityId
    seconds: float
    entries: tuple[DocumentEntry, ...] = ()
    issues: tuple[Issue, ...] = ()
    dropped: dict[str, int]


SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("state", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
JOURNAL = Table(
    "session_journal",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("session", String(64), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("body", Text, nullable=False),
)
LISTINGS = Table(
    "session_listings",
    METADATA,
    Column("session", String(64), primary_key=True),
    Column("body", Text, nullable=False),
)


def require(session: Session, action: Action) -> None:
    """Raise `OutOfOrder` unless the action may be done now."""
    if (session.state, action) not in TRANSITIONS:
        raise OutOfOrder(session.state, action)


def _unchanged(session: Session) -> Session:
    return session


class SessionStore:
    """Visits, their journal and their last list, in SQL."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now

    async def open(self, session_id: str, *, correlation_id: str) -> Session:
        """A new visit (step 1)."""
        session = Session(id=session_id, state=State.OPENED, opened_at=self._now())
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(SESSIONS).values(
                    id=session.id, state=session.state.value, revision=0, body=_text(session)
                )
            )
            await self._append(connection, session_id, Action.OPEN, "done", "", correlation_id)
        return session

    async def get(self, session_id: str) -> Session:
        """The visit as it stands; `UnknownSession` if there is none."""
        async with self._engine.connect() as connection:
            return (await self._load(connection, session_id))[0]

    async def advance(
        self,
        session_id: str,
        action: Action,
        change: Callable[[Session], Session] = _unchanged,
        *,
        text: str = "",
        correlation_id: str = "",
    ) -> Session:
        """Do a step: apply the change, move the state on, write the journal; all or nothing.

        Raises `OutOfOrder` when the table has no such step. `change` may be called again when
        another request changed the visit in between.
        """
        for _ in range(MAX_RETRIES):
            async with self._engine.begin() as connection:
                session, revision = await self._load(connection, session_id)
                require(session, action)
                state = TRANSITIONS[session.state, action]
                changed = replace(change(session), state=state)
                done = await connection.execute(
                    update(SESSIONS)
                    .where(SESSIONS.c.id == session_id, SESSIONS.c.revision == revision)
                    .values(state=state.value, revision=revision + 1, body=_text(changed))
                )
                if done.rowcount == 1:
                    await self._append(connection, session_id, action, "done", text, correlation_id)
                    return changed
        raise RuntimeError(f"a visit changed {MAX_RETRIES} times while a step was being written")

    async def record(
        self, session_id: str, action: Action, outcome: str, text: str, *, correlation_id: str
    ) -> None:
        """Write down something that moved nothing on: a refusal, the end of a job."""
        async with self._engine.begin() as connection:
            await self._append(connection, session_id, action, outcome, text, correlation_id)

    async def journal(self, session_id: str) -> tuple[JournalLine, ...]:
        """Everything that happened in a visit, in order."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(JOURNAL.c.body)
                .where(JOURNAL.c.session == session_id)
                .order_by(JOURNAL.c.number)
            )
            return tuple(unpack(JournalLine, json.loads(body)) for (body,) in rows)

    async def save_listing(self, session_id: str, listing: Listing) -> None:
        """Keep the list a visit was given, in place of the one before."""
        body = _text(listing)
        async with self._engine.begin() as connection:
            done = await connection.execute(
                update(LISTINGS).where(LISTINGS.c.session == session_id).values(body=body)
            )
            if done.rowcount == 0:
                await connection.execute(insert(LISTINGS).values(session=session_id, body=body))

    async def listing(self, session_id: str) -> Listing | None:
        """The last list a visit was given, None before the first."""
        async with self._engine.connect() as connection:
            body = await connection.scalar(
                select(LISTINGS.c.body).where(LISTINGS.c.session == session_id)
            )
        return None if body is None else unpack(Listing, json.loads(body))

    async def _load(self, connection: AsyncConnection, session_id: str) -> tuple[Session, int]:
        row = (
            await connection.execute(
                select(SESSIONS.c.body, SESSIONS.c.revision).where(SESSIONS.c.id == session_id)
            )
        ).one_or_none()
        if row is None:
            raise UnknownSession(session_id)
        return unpack(Session, json.loads(row.body)), int(row.revision)

    async def _append(
        self,
        connection: AsyncConnection,
        session_id: str,
        action: Action,
        outcome: str,
        text: str,
        correlation_id: str,
    ) -> None:
        at = self._now()
        line = JournalLine(
            at=at,
            action=action,
            step=STEPS[action][0],
            outcome=outcome,
            text=text,
            correlation_id=correlation_id,
        )
        await connection.execute(
            insert(JOURNAL).values(session=session_id, at=at, body=_text(line))
        )


def _text(value: object) -> str:
    return json.dumps(pack(value), ensure_ascii=False, separators=(",", ":"))
