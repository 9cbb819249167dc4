"""The record of an exchange: however it ends, its transcript closes and one event is audited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import (
    AnnouncedInstance,
    AuditEvent,
    AuditOutcome,
    BytesContent,
    Caller,
    InstanceRef,
    InternalFault,
    Issue,
    NotAllowed,
    NotNow,
    Oid,
    Outcome,
    PurposeOfUse,
    Refusal,
    Severity,
    Side,
    Transaction,
    Uid,
)
from gateway.transport.audit_store import AuditNotKept, AuditStore
from gateway.transport.record import Keeper, Record, RecordedContent, recorded_images
from gateway.transport.tap import Tap
from gateway.wire.message import Message
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT, make_context, make_entry
from tests.exchanges import ScriptedDelivery


class Events(AuditStore):
    """An audit store that holds on to the events themselves."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "test")
        self.kept: list[AuditEvent] = []

    def append(self, event: AuditEvent) -> int:
        """Keep the event, in memory as well."""
        self.kept.append(event)
        return super().append(event)


@pytest.fixture
def events(tmp_path: Path) -> Events:
    return Events(tmp_path / "audit")


@pytest.fixture
def keeper(tmp_path: Path, events: Events) -> Keeper:
    numbers = count(1)
    return Keeper(
        tap=Tap(tmp_path / "transcripts", quota_bytes=64 * 1024 * 1024, now=lambda: NOON),
        audit=events,
        community=COUNTRY_A,
        now=lambda: NOON,
        new_id=lambda: f"id-{next(numbers)}",
    )


def opened(keeper: Keeper, side: Side = Side.RESPONDER, **changes: Any) -> Record:
    facts: dict[str, Any] = {
        "transaction": Transaction.FIND,
        "peer": COUNTRY_B,
        "endpoint": "https://a.example/x",
        "correlation_id": "corr-1",
        "caller": Caller(subject="CN=b", address="192.0.2.1"),
        "context": make_context(),
    }
    return keeper.open(side=side, **{**facts, **changes})


def issue(severity: Severity = Severity.ERROR) -> Issue:
    return Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="one is not there", severity=severity)


# How an exchange ends: what is raised in it, the outcome audited, and that of the transcript.
ENDS: dict[str, tuple[BaseException | None, AuditOutcome, str, str]] = {
    "well": (None, AuditOutcome.SUCCESS, "success", ""),
    "refused": (
        NotAllowed(Refusal.NO_CONSENT, "no"),
        AuditOutcome.SERIOUS_FAILURE,
        "refused",
        "no-consent",
    ),
    "not now": (NotNow(Refusal.BUSY, "later"), AuditOutcome.MAJOR_FAILURE, "refused", "busy"),
    "ours": (
        InternalFault(Refusal.INTERNAL, "x"),
        AuditOutcome.MAJOR_FAILURE,
        "refused",
        "internal",
    ),
    "unexpected": (KeyError("secret"), AuditOutcome.MAJOR_FAILURE, "refused", "internal"),
    "cancelled": (
        asyncio.CancelledError(),
        AuditOutcome.MAJOR_FAILURE,
        "refused",
        "peer-unreachable",
    ),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("handing_over", [False, True])
def test_every_end_is_kept_and_audited_once(
    end: str, handing_over: bool, keeper: Keeper, events: Events
) -> None:
    """Whatever was raised, by either way of leaving the record; and it is raised on."""
    error, outcome, told, refusal = ENDS[end]
    record = opened(keeper)

    leaving = pytest.raises(type(error)) if error is not None else nullcontext()
    with leaving, record.unless_handed_over() if handing_over else record:
        if error is not None:
            raise error
    record.finish(None)

    (event,) = events.kept
    assert event.outcome is outcome
    assert (event.refusal or "") == refusal
    (summary,) = keeper.tap.summaries()
    assert (summary["state"], summary["outcome"]) == ("closed", told)
    assert (summary["refusal"] or "") == refusal
    assert "secret" not in event.outcome_text


def test_a_refusal_that_was_told_outlives_what_follows_it(keeper: Keeper, events: Events) -> None:
    """The connection was cut because of it, not the other way round."""
    with pytest.raises(ValueError, match="later"), opened(keeper) as record:
        record.refused(NotNow(Refusal.BACK_END_DOWN, "disk"))
        raise ValueError("later")

    assert events.kept[0].refusal is Refusal.BACK_END_DOWN


@pytest.mark.parametrize(
    ("severity", "outcome", "told"),
    [
        (Severity.ERROR, AuditOutcome.MINOR_FAILURE, "partial"),
        (Severity.WARNING, AuditOutcome.SUCCESS, "success"),
    ],
)
def test_an_answer_with_errors_is_partial_and_one_with_warnings_is_not(
    severity: Severity, outcome: AuditOutcome, told: str, keeper: Keeper, events: Events
) -> None:
    """Only an error took something away."""
    with opened(keeper) as record:
        record.answered(noun=("something",), issues=(issue(severity),))

    assert events.kept[0].outcome is outcome
    assert keeper.tap.summaries()[0]["outcome"] == told


def test_who_was_promised_the_end_makes_it(keeper: Keeper, events: Events) -> None:
    """Handing over leaves the record open, and the end is that of the promised call."""
    record = opened(keeper)
    with record.unless_handed_over():
        record.hand_over()

    assert events.kept == []
    assert keeper.tap.summaries()[0]["state"] == "open"

    record.finish(NotNow(Refusal.PEER_TIMEOUT, "silent"))
    assert events.kept[0].refusal is Refusal.PEER_TIMEOUT


def test_what_breaks_before_it_is_handed_over_ends_there(keeper: Keeper, events: Events) -> None:
    """Nobody else will."""
    record = opened(keeper)

    with pytest.raises(NotNow), record.unless_handed_over():
        record.hand_over()
        raise NotNow(Refusal.BUSY, "busy")

    assert events.kept[0].refusal is Refusal.BUSY


def test_an_exchange_whose_transaction_is_unknown_is_kept_and_audited_as_an_alert(
    keeper: Keeper, events: Events
) -> None:
    """Somebody tried what is not offered: that is told too."""
    with opened(keeper, transaction=None) as record:
        record.refused(NotAllowed(Refusal.NO_ASSERTION, "who"))

    assert [event.transaction for event in events.kept] == [None]
    assert keeper.tap.summaries()[0]["refusal"] == "no-assertion"


def test_an_event_that_cannot_be_appended_is_an_error(
    keeper: Keeper, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing goes unaudited in silence."""

    def full(_: object) -> int:
        raise AuditNotKept

    monkeypatch.setattr(events, "append", full)

    with pytest.raises(AuditNotKept), opened(keeper):
        pass

    assert keeper.tap.summaries()[0]["state"] == "closed"


def test_a_transcript_that_cannot_be_closed_does_not_prevent_the_audit(
    keeper: Keeper, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trail is kept elsewhere."""
    record = opened(keeper)

    close = record._transcript.close

    def broken(**how: Any) -> None:
        close(**how)
        raise NotNow(Refusal.STORE_FULL, "full")

    monkeypatch.setattr(record._transcript, "close", broken)

    with pytest.raises(NotNow), record:
        pass

    assert len(events.kept) == 1


@pytest.mark.parametrize(
    ("side", "source"), [(Side.RESPONDER, "CN=b"), (Side.INITIATOR, str(COUNTRY_A))]
)
def test_the_event_tells_what_was_learnt(
    side: Side, source: str, keeper: Keeper, events: Events
) -> None:
    """Whom, what, by which message, from where: as it became known during the exchange."""
    body = parse_xml(b"<q:Query xmlns:q='urn:q' />")
    with opened(keeper, side, transaction=None, context=None) as record:
        record.transaction = Transaction.FIND
        record.context = make_context(purpose=PurposeOfUse.EMERGENCY)
        record.identified("urn:uuid:1", body)
        record.asked(noun=make_entry())
        record.about(patients=(PATIENT,), query_id="urn:uuid:q")
        record.about()

    (event,) = events.kept
    assert (event.side, event.source_endpoint) == (side, source)
    assert event.destination_endpoint == "https://a.example/x"
    assert (event.message_id, event.query_id) == ("urn:uuid:1", "urn:uuid:q")
    assert event.query == b'<q:Query xmlns:q="urn:q"></q:Query>'
    assert event.patients == (PATIENT,)
    assert event.emergency


def test_both_messages_and_both_nouns_are_in_the_transcript(keeper: Keeper) -> None:
    """As sent and as understood."""
    line = Message(start_line="POST /x HTTP/1.1", headers=(), body=b"<ask/>")
    with opened(keeper, Side.INITIATOR) as record:
        record.sent_request(line, message_id="urn:uuid:1", payload=b"<ask/>")
        record.got_answer(Message(start_line="HTTP/1.1 200 OK", headers=(), body=b"<told/>"))
        record.asked(noun=PATIENT)
        record.answered(noun=(), issues=())

    (summary,) = keeper.tap.summaries()
    assert summary["message_id"] == "urn:uuid:1"
    whole = keeper.tap.transcript(summary["id"])
    assert whole is not None
    assert whole["decoded"]["request"]["value"] == "A-0001"
    assert whole["decoded"]["answer"] == []


# --- attachments ----------------------------------------------------------------------------------


def _parts(keeper: Keeper) -> list[dict[str, Any]]:
    (summary,) = keeper.tap.summaries()
    whole = keeper.tap.transcript(summary["id"])
    assert whole is not None
    parts: list[dict[str, Any]] = whole["answer"]["parts"]
    return parts


async def test_a_documents_bytes_pass_and_are_told(keeper: Keeper) -> None:
    """The same bytes, the same size; the record has their count."""
    with opened(keeper) as record:
        record.sent_answer(Message(start_line="HTTP/1.1 200 OK", headers=(), body=b""))
        content = RecordedContent(BytesContent(b"%PDF"), "application/pdf", record)
        assert content.size_bytes == 4
        assert [chunk async for chunk in content.chunks()] == [b"%PDF"]

    (part,) = _parts(keeper)
    assert part["size_bytes"] == 4
    assert part["complete"]


class _Broken(BytesContent):
    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"half"
        raise NotNow(Refusal.BACK_END_DOWN, "gone")


async def test_a_document_that_breaks_off_is_told_as_incomplete(keeper: Keeper) -> None:
    """What was sent of it is on record."""
    with pytest.raises(NotNow), opened(keeper) as record:
        record.sent_answer(Message(start_line="HTTP/1.1 200 OK", headers=(), body=b""))
        async for _ in RecordedContent(_Broken(b"whole"), "application/pdf", record).chunks():
            pass

    (part,) = _parts(keeper)
    assert (part["size_bytes"], part["complete"]) == (4, False)


async def test_images_pass_and_are_told_one_by_one(keeper: Keeper) -> None:
    """Not by their bytes, which lie in the image store anyway, but by their place and digest."""
    refs = [
        InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid(f"1.2.3.{n}"))
        for n in (1, 2)
    ]
    delivery = ScriptedDelivery(
        announced=tuple(
            AnnouncedInstance(ref=ref, repository=Oid("2.999.3"), sha256="ab" * 32) for ref in refs
        ),
        pieces={"1.2.3.1": (b"aa", b"bb"), "1.2.3.2": (b"c",)},
    )

    with opened(keeper) as record:
        record.sent_answer(Message(start_line="HTTP/1.1 200 OK", headers=(), body=b""))
        passed = [chunk async for chunk in recorded_images(delivery, record)]

    assert b"".join(chunk.data for chunk in passed) == b"aabbc"
    assert [(part["stored"], part["size_bytes"], part["sha256"]) for part in _parts(keeper)] == [
        ("1.2/1.2.3/1.2.3.1", 4, "ab" * 32),
        ("1.2/1.2.3/1.2.3.2", 1, "ab" * 32),
    ]


def test_an_answer_of_nothing_but_errors_is_a_refusal(keeper: Keeper, events: Events) -> None:
    """Both sides tell the same of it: not partial, but refused."""
    lost = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="not here", subject="2.999.1.404")
    for noun in (Outcome((), (lost,)), ()):
        with opened(keeper) as record:
            record.answered(noun=noun, issues=(lost,))

    assert [event.refusal for event in events.kept] == [Refusal.UNKNOWN_DOCUMENT] * 2
    assert {event.outcome for event in events.kept} == {AuditOutcome.SERIOUS_FAILURE}
