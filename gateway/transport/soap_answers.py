"""What a SOAP server answers, transaction by transaction: nouns in, an answer's parts out.

Each function decodes one request, asks the Exchange, and encodes what it said. Refusals of a
whole transaction are encoded by `refusal_of`. Nothing here knows HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from gateway.config import LimitSection
from gateway.domain import (
    Association,
    AuditedDocument,
    BadRequest,
    CallContext,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    Exchange,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    InstanceRef,
    Issue,
    NotFound,
    Outcome,
    PatientId,
    Refusal,
    SyntaxChoice,
    Transaction,
)
from gateway.peers import Peer
from gateway.transport.bodies import OutgoingPart
from gateway.wire.delivery_wish import read_wish
from gateway.wire.problems import DecodeError
from gateway.wire.soap import xca_images, xca_query, xca_retrieve, xcpd
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import Element

_log = structlog.get_logger("gateway")

# A peer chooses these names: enough of them to see what it wanted, no more.
MAX_LOGGED_NAMES, MAX_LOGGED_NAME = 20, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request turned out to ask, and whom and what it is about: for the record."""

    noun: object
    patients: tuple[PatientId, ...] = ()
    documents: tuple[AuditedDocument, ...] = ()
    images: tuple[InstanceRef, ...] = ()
    query_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose caller has been made out.

    `headers` are those of HTTP, looked up without regard to case. `tell` is called as soon as the
    request is understood, so that a refusal is recorded with what was refused.
    """

    body: Element
    context: CallContext
    peer: Peer
    headers: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[Subject], None] = field(default=lambda _: None)

    @property
    def patients(self) -> tuple[PatientId, ...]:
        """The patient the treatment relation is about, if there is one."""
        return (self.context.patient,) if self.context.patient else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapAnswer:
    """An answer's body, what is attached to it, and what the record tells of it."""

    body: bytes
    documents: tuple[OutgoingPart, ...] = ()
    delivery: ImageDelivery | None = None
    cids: Mapping[str, str] = field(default_factory=dict)
    answered: object = None
    issues: tuple[Issue, ...] = ()
    patients: tuple[PatientId, ...] = ()


class Answerer:
    """Answers the transactions of one community from its Exchange."""

    def __init__(
        self,
        exchange: Callable[[Peer], Exchange],
        *,
        community: CommunityId,
        limits: LimitSection,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._exchange = exchange
        self._community = community
        self._limits = limits
        self._now = now
        self._new_id = new_id
        self._answers: dict[Transaction, Callable[[Asked], Awaitable[SoapAnswer]]] = {
            Transaction.IDENTIFY: self._identify,
            Transaction.FIND: self._find,
            Transaction.RETRIEVE: self._retrieve,
            Transaction.IMAGES: self._images,
            Transaction.IMAGES_FROM_SOURCE: self._images_from_source,
        }

    async def answer(self, transaction: Transaction, asked: Asked) -> SoapAnswer:
        """The answer to a request; raises `ExchangeError` to refuse the whole of it."""
        try:
            return await self._answers[transaction](asked)
        except DecodeError as error:
            raise BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where) from error

    def refusal(
        self, transaction: Transaction, error: ExchangeError, style: ErrorStyle, body: Element
    ) -> bytes:
        """The body by which a transaction says that all of it is refused."""
        if transaction is Transaction.IDENTIFY:
            return xcpd.encode_refusal(
                error,
                xcpd.decode_reference(body),
                message_id=self._new_id(),
                created=self._now(),
                responder=self._community,
                style=style,
            )
        if transaction is Transaction.FIND:
            return xca_query.encode_refusal(
                error, transaction=transaction, responder=self._community, style=style
            )
        encode = (
            xca_retrieve.encode_refusal
            if transaction is Transaction.RETRIEVE
            else xca_images.encode_refusal
        )
        return encode(error, responder=self._community, style=style, transaction=transaction)

    async def _identify(self, asked: Asked) -> SoapAnswer:
        request = xcpd.decode_request(asked.body)
        asked.tell(Subject(noun=request.traits))
        style = asked.peer.profile.error_style
        if request.deferred:
            body = xcpd.encode_deferred_refusal(
                request,
                message_id=self._new_id(),
                created=self._now(),
                responder=self._community,
            )
            return SoapAnswer(body=body)
        if request.receiver is not None and request.receiver != self._community:
            text = f"community {request.receiver} is not here; this gateway is {self._community}"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text, subject=str(request.receiver))
        if style is ErrorStyle.EHDSI and not request.traits.ids:
            raise BadRequest(Refusal.IDENTIFIER_REQUIRED, "a patient identifier is required")
        outcome = await self._exchange(asked.peer).identify_patient(request.traits, asked.context)
        body = xcpd.encode_response(
            outcome,
            request,
            message_id=self._new_id(),
            created=self._now(),
            responder=self._community,
            style=style,
        )
        return SoapAnswer(
            body=body,
            answered=outcome,
            issues=outcome.issues,
            patients=tuple(item.id for item in outcome.items),
        )

    async def _find(self, asked: Asked) -> SoapAnswer:
        decoded = xca_query.decode_request(asked.body, answering=self._community)
        if decoded.ignored:
            # ebRS 3.0 6.3.2.1: a parameter the query does not define is ignored, not refused.
            names = [name[:MAX_LOGGED_NAME] for name in decoded.ignored[:MAX_LOGGED_NAMES]]
            _log.info("query.parameters-ignored", names=names)
        exchange = self._exchange(asked.peer)
        query = decoded.query
        patients = (query.patient,) if isinstance(query, DocumentQuery) else asked.patients
        asked.tell(Subject(noun=query, patients=patients, query_id=decoded.query_id))
        outcome: Outcome[DocumentEntry | Association]
        if decoded.asks_nothing:
            # Folders and submission sets: known queries about things this gateway has none of.
            outcome = Outcome()
        elif isinstance(query, DocumentQuery):
            outcome = await exchange.find_documents(query, asked.context)
        else:
            outcome = await exchange.look_up_documents(query, asked.context)
        body = xca_query.encode_response(
            outcome,
            return_type=query.return_type,
            responder=self._community,
            style=asked.peer.profile.error_style,
        )
        return SoapAnswer(body=body, answered=outcome, issues=outcome.issues)

    async def _retrieve(self, asked: Asked) -> SoapAnswer:
        refs = xca_retrieve.decode_request(
            asked.body,
            home_required=asked.peer.profile.home_required,
            default_home=self._community,
        )
        documents = tuple(
            AuditedDocument(
                document=ref.document, repository=ref.repository, community=ref.community
            )
            for ref in refs
        )
        asked.tell(Subject(noun=refs, patients=asked.patients, documents=documents))
        if len(refs) > self._limits.documents_per_request:
            raise self._too_many(len(refs), self._limits.documents_per_request, "documents")
        outcome = await self._exchange(asked.peer).retrieve_documents(refs, asked.context)
        parts: list[RetrievedPart] = []
        attached: list[OutgoingPart] = []
        for number, document in enumerate(outcome.items, 1):
            cid = f"document-{number}-{self._new_id()}@ncpeh"
            parts.append(RetrievedPart(ref=document.ref, mime_type=document.mime_type, cid=cid))
            attached.append(
                OutgoingPart(cid=cid, mime_type=document.mime_type, content=document.content)
            )
        body = xca_retrieve.encode_response(
            parts,
            outcome.issues,
            responder=self._community,
            style=asked.peer.profile.error_style,
            transaction=Transaction.RETRIEVE,
        )
        return SoapAnswer(
            body=body,
            documents=tuple(attached),
            answered=outcome,
            issues=outcome.issues,
        )

    async def _images(self, asked: Asked) -> SoapAnswer:
        return await self._deliver(asked, Transaction.IMAGES)

    async def _images_from_source(self, asked: Asked) -> SoapAnswer:
        return await self._deliver(asked, Transaction.IMAGES_FROM_SOURCE)

    async def _deliver(self, asked: Asked, transaction: Transaction) -> SoapAnswer:
        across = transaction is Transaction.IMAGES
        # A request may name thousands of instances: it is read beside other callers.
        decoded = await asyncio.to_thread(
            xca_images.decode_request,
            asked.body,
            home_required=across and asked.peer.profile.home_required,
            default_home=self._community,
        )
        images = tuple(ref for request in decoded.requests for ref, _ in request.instances)
        asked.tell(Subject(noun=decoded.requests, patients=asked.patients, images=images))
        if len(images) > self._limits.instances_per_request:
            raise self._too_many(len(images), self._limits.instances_per_request, "instances")
        request, elsewhere = self._ours(decoded.requests)
        # The list has no order of preference (RAD TF-3 4.69.4.1.2): who sends may choose.
        wish = read_wish(
            asked.headers,
            syntaxes=decoded.syntaxes,
            choice=SyntaxChoice.SENDER,
            purpose_of_use=asked.context.purpose,
        )
        if wish.first_look:
            text = "RAD-75 brings images whole; their beginnings are had over WADO-RS"
            raise BadRequest(Refusal.UNSUPPORTED, text, subject="first-look")
        delivery = await self._exchange(asked.peer).retrieve_images(request, wish, asked.context)
        try:
            # The root part says what comes, and under which UIDs, before the first byte of it.
            await delivery.settle()
        except BaseException:
            async with delivery:
                raise
        cids = {
            str(item.ref.instance): f"image-{number}-{self._new_id()}@ncpeh"
            for number, item in enumerate(delivery.announced, 1)
        }
        parts = [
            RetrievedPart(
                ref=DocumentRef(
                    request.community, item.repository, DocumentId(str(item.ref.instance))
                ),
                mime_type="application/dicom",
                cid=cids[item.ref.instance],
                new_repository=item.repository if item.derived else "",
                new_document=item.derived or "",
                without_home=item.ref.instance in decoded.without_home,
            )
            for item in delivery.announced
        ]
        issues = (*delivery.issues, *elsewhere)
        body = xca_images.encode_response(
            parts,
            issues,
            responder=self._community,
            style=asked.peer.profile.error_style,
            transaction=transaction,
        )
        return SoapAnswer(
            body=body,
            delivery=delivery,
            cids=cids,
            answered=delivery.announced,
            issues=issues,
        )

    def _ours(self, requests: Sequence[ImageRequest]) -> tuple[ImageRequest, tuple[Issue, ...]]:
        """The request to this community, and an issue for every instance of another one."""
        text = f"the instance's community is not here; this gateway is {self._community}"
        elsewhere = tuple(
            Issue(refusal=Refusal.UNKNOWN_COMMUNITY, text=text, subject=str(ref.instance))
            for request in requests
            if request.community != self._community
            for ref, _ in request.instances
        )
        ours = [request for request in requests if request.community == self._community]
        if not ours:
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text)
        return ours[0], elsewhere

    @staticmethod
    def _too_many(found: int, limit: int, what: str) -> BadRequest:
        text = f"found {found} {what} in one request, expected at most {limit}"
        return BadRequest(Refusal.TOO_MANY_RESULTS, text)
