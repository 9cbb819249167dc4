"""The record of one exchange: its transcript and its audit event, from opening to end.

Servers and clients tell a `Record` what they learn as they learn it; when the exchange ends, in
whatever way, the transcript is closed and one audit event appended. An event that cannot be
appended is an error of the exchange: nothing goes unaudited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import structlog

from gateway.domain import (
    AuditedDocument,
    AuditEvent,
    AuditOutcome,
    CallContext,
    Caller,
    CommunityId,
    Content,
    ExchangeError,
    ImageChunk,
    ImageDelivery,
    InstanceRef,
    InternalFault,
    Issue,
    NotNow,
    Outcome,
    PatientId,
    PeerMisbehaved,
    PurposeOfUse,
    Refusal,
    Severity,
    Side,
    Transaction,
    Uid,
    refuse,
)
from gateway.transport.audit_store import AuditStore
from gateway.transport.part_recorder import PartRecorder
from gateway.transport.tap import Direction, Role, Tap, Transcript
from gateway.wire.message import Message
from gateway.wire.xml import Element, canonical

_log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Opens records: where transcripts and audit events of this gateway go."""

    tap: Tap
    audit: AuditStore
    community: CommunityId
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def open(
        self,
        *,
        side: Side,
        transaction: Transaction | None,
        peer: CommunityId | None,
        endpoint: str,
        correlation_id: str,
        caller: Caller | None = None,
        context: CallContext | None = None,
    ) -> Record:
        """A record of an exchange about to begin; refuses when there is no room for it."""
        caller = caller or Caller()
        transcript = self.tap.open(
            direction=Direction.OUT if side is Side.INITIATOR else Direction.IN,
            transaction=transaction or "",
            correlation_id=correlation_id,
            peer=peer or "",
            caller=caller.subject,
        )
        record = Record(self, transcript, side, endpoint, caller)
        record.transaction = transaction
        record.peer = peer
        record.context = context
        return record


class Record:
    """One exchange as it is told. A context manager: leaving it ends the record.

    `transaction`, `peer` and `context` are set as they become known.
    """

    def __init__(
        self, keeper: Keeper, transcript: Transcript, side: Side, endpoint: str, caller: Caller
    ) -> None:
        self._keeper = keeper
        self._transcript = transcript
        self._side = side
        self._endpoint = endpoint
        self._caller = caller
        self._started = keeper.now()
        self.transaction: Transaction | None = None
        self.peer: CommunityId | None = None
        self.context: CallContext | None = None
        self._message_id = ""
        self._payload = b""
        self._query_id = ""
        self._patients: tuple[PatientId, ...] = ()
        self._documents: tuple[AuditedDocument, ...] = ()
        self._images: tuple[InstanceRef, ...] = ()
        self._studies: tuple[Uid, ...] = ()
        self._issues: tuple[Issue, ...] = ()
        self._refused: ExchangeError | None = None
        self._finished = False
        self._told_anybody = False
        self._handed_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish(error)

    @contextmanager
    def unless_handed_over(self) -> Iterator[None]:
        """End the record on leaving, unless somebody else has promised to (`hand_over`)."""
        try:
            yield
        except BaseException as error:
            self.finish(error)
            raise
        if not self._handed_over:
            self.finish(None)

    def told_anybody(self) -> None:
        """What is told to whoever asks, and is about no patient, is kept and not audited.

        A refusal of it is audited like any other.
        """
        self._told_anybody = True

    def note(self, name: str, value: object) -> None:
        """A fact beside the messages, such as a finding."""
        self._transcript.note(name, value)

    def hand_over(self) -> None:
        """Somebody else will call `finish`: the exchange goes on after this call."""
        self._handed_over = True

    def asked(
        self,
        *,
        noun: object,
        patients: tuple[PatientId, ...] = (),
        documents: tuple[AuditedDocument, ...] = (),
        images: tuple[InstanceRef, ...] = (),
        studies: tuple[Uid, ...] = (),
    ) -> None:
        """What the request means, and what it is about."""
        self._transcript.decoded(request_noun=noun)
        self._patients = patients or self._patients
        self._documents = documents or self._documents
        self._images = images or self._images
        self._studies = studies or self._studies

    def about(self, *, patients: tuple[PatientId, ...] = (), query_id: str = "") -> None:
        """Whom the exchange turned out to be about."""
        self._patients = patients or self._patients
        self._query_id = query_id or self._query_id

    def answered(self, *, noun: object, issues: tuple[Issue, ...]) -> None:
        """What the answer means: an outcome, or the instances announced.

        An answer that brings nothing but errors is a refusal, whatever form it takes.
        """
        self._transcript.decoded(answer_noun=noun)
        self._issues = issues
        brought = noun.items if isinstance(noun, Outcome) else noun
        if self._errors and not brought:
            first = self._errors[0]
            self.refused(refuse(first.refusal, first.text, subject=first.subject))

    def sent_request(self, message: Message, *, message_id: str, payload: bytes) -> None:
        """A client's request, as it is on the wire."""
        self._transcript.request(message)
        self._transcript.identify(message_id=message_id)
        self._message_id, self._payload = message_id, payload

    def got_request(self, message: Message) -> None:
        """A request as it came, however much of it came."""
        self._transcript.request(message)

    def named(self, message_id: str) -> None:
        """The request's own id, where that is all that could be read of it."""
        self._message_id = message_id
        self._transcript.identify(message_id=message_id, correlation_id=message_id)

    def identified(self, message_id: str, body: Element) -> None:
        """The request's own id, and what it asks.

        `DecodeError` where what it asks has no canonical form: it could not be audited.
        """
        self.identify(message_id, canonical(body))

    def identify(self, message_id: str, payload: bytes) -> None:
        """The request's own id, and what it asks as it is audited."""
        self._message_id, self._payload = message_id, payload
        self._transcript.identify(message_id=message_id, correlation_id=message_id)

    def got_answer(self, message: Message) -> None:
        """An answer as it came; its attachments follow by `part`."""
        self._transcript.answer(message)

    def sent_answer(self, message: Message) -> None:
        """An answer as it leaves; its attachments are told as they pass."""
        self._transcript.answer(message)

    def part(
        self,
        headers: tuple[tuple[str, str], ...],
        *,
        stored: str = "",
        sha256: str = "",
        digest: bool = True,
    ) -> PartRecorder:
        """A recorder for an attachment of the answer as it passes.

        `stored` says where its bytes lie anyway, `sha256` its digest if it is known already;
        without `digest` somebody else takes it and tells it at the end.
        """
        return self._transcript.part(
            Role.ANSWER, headers, stored=stored, sha256=sha256, digest=digest
        )

    def refused(self, error: ExchangeError) -> None:
        """The exchange was refused, or broke off."""
        self._refused = error

    def finish(self, error: BaseException | None) -> None:
        """End the record: close the transcript and append the audit event. Once."""
        if self._finished:
            return
        self._finished = True
        if isinstance(error, ExchangeError):
            self._refused = error
        elif error is not None and self._refused is None:
            self._refused = (
                InternalFault(Refusal.INTERNAL, type(error).__name__)
                if isinstance(error, Exception)
                else NotNow(Refusal.PEER_UNREACHABLE, "the exchange was broken off")
            )
        refused = self._refused
        try:
            self._transcript.identify(
                transaction=self.transaction or "",
                peer=self.peer or "",
            )
            self._transcript.close(
                refusal=refused.refusal if refused else None,
                text=refused.text if refused else "",
                outcome="partial" if not refused and self._errors else "",
            )
        finally:
            # Whoever could be made out or not, whatever was decided: it is audited.
            if refused is not None or not self._told_anybody:
                self._keeper.audit.append(self._event())
        _log.info(
            "exchange",
            id=self._transcript.id,
            side=self._side.value,
            transaction=self.transaction.value if self.transaction else "",
            peer=str(self.peer or ""),
            outcome=refused.refusal.value if refused else "partial" if self._errors else "success",
            seconds=round((self._keeper.now() - self._started).total_seconds(), 3),
        )

    @property
    def _errors(self) -> tuple[Issue, ...]:
        return tuple(issue for issue in self._issues if issue.severity is Severity.ERROR)

    def _event(self) -> AuditEvent:
        refused, errors = self._refused, self._errors
        if refused is None:
            outcome = AuditOutcome.MINOR_FAILURE if errors else AuditOutcome.SUCCESS
            text = errors[0].text if errors else ""
        else:
            serious = isinstance(refused, NotNow | InternalFault)
            outcome = AuditOutcome.MAJOR_FAILURE if serious else AuditOutcome.SERIOUS_FAILURE
            text = refused.text
        us = str(self._keeper.community)
        initiator = self._side is Side.INITIATOR
        context = self.context
        return AuditEvent(
            id=self._keeper.new_id(),
            at=self._keeper.now(),
            transaction=self.transaction,
            side=self._side,
            outcome=outcome,
            outcome_text=text,
            refusal=refused.refusal if refused else None,
            community=self._keeper.community,
            peer=self.peer,
            message_id=self._message_id,
            source_endpoint=us if initiator else self._caller.subject or self._caller.address,
            destination_endpoint=self._endpoint,
            caller=self._caller,
            context=context,
            emergency=context is not None and context.purpose is PurposeOfUse.EMERGENCY,
            patients=self._patients,
            query=self._payload,
            query_id=self._query_id,
            documents=self._documents,
            images=self._images,
            studies=self._studies,
        )


async def recorded_images(delivery: ImageDelivery, record: Record) -> AsyncIterator[ImageChunk]:
    """A delivery's chunks, its instances told to a record as they pass.

    Raises `PeerMisbehaved` where an instance that was announced has not come in the end: whoever
    receives them must not take what came for all there is.
    """
    known = {item.ref.instance: item for item in delivery.announced}
    recorder: PartRecorder | None = None
    async for chunk in delivery.chunks():
        if recorder is None:
            item = chunk.sent or known[chunk.instance]
            recorder = record.part(
                (("Content-Type", "application/dicom"),),
                stored=f"{item.ref.study}/{item.ref.series}/{item.ref.instance}",
                # The digest is of the whole file.
                sha256=item.sha256 if item.begin_bytes is None else "",
            )
        recorder.update(chunk.data)
        yield chunk
        if chunk.last:
            delivery.hashed(chunk.instance, recorder.done().sha256)
            recorder = None
            known.pop(chunk.instance)
    for instance in known:
        told = {issue.subject: issue.text for issue in delivery.issues}
        text = f"an announced instance did not come: {told.get(str(instance), 'no reason given')}"
        raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text, subject=str(instance))


@dataclass(frozen=True, slots=True)
class RecordedContent:
    """A content whose bytes are told to a record as they pass."""

    inner: Content
    mime_type: str
    record: Record

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self.inner.size_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the inner content."""
        recorder = self.record.part((("Content-Type", self.mime_type),))
        async for chunk in self.inner.chunks():
            recorder.update(chunk)
            yield chunk
        recorder.done()
