"""An Exchange over SOAP: asks another gateway, as XCPD, XCA and XCA-I say.

Each call mints its assertions, is kept as a transcript and audited, whatever comes back. What the
peer sends is read as it arrives: documents wait on disk beyond a small size, images pass through
(`soap_delivery`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import aiohttp

from gateway.config import LimitSection
from gateway.domain import (
    Association,
    AuditedDocument,
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryRef,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    Issue,
    NotNow,
    Outcome,
    PatientIdentity,
    PatientTraits,
    PeerMisbehaved,
    Refusal,
    ReturnType,
    Side,
    StudyQuery,
    SyntaxChoice,
    Transaction,
    Uid,
    ViewerLink,
    refuse,
)
from gateway.domain.selection import failing
from gateway.peers import Peer
from gateway.transport.bodies import IncomingBody, OutgoingBody
from gateway.transport.failures import network_failures
from gateway.transport.manifest_search import find_by_manifest
from gateway.transport.manifest_viewer import ManifestViewer
from gateway.transport.packed import unpacked
from gateway.transport.record import Keeper, Record
from gateway.transport.soap_delivery import SoapDelivery
from gateway.transport.soap_documents import Received, documents_of, receive
from gateway.transport.spool import TooLarge
from gateway.wire.delivery_wish import read_delivery_id, write_wish
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.signatures import Signer
from gateway.wire.soap import xca_images, xca_query, xca_retrieve, xcpd
from gateway.wire.soap.contract import Endpoint, Operation, operation_of
from gateway.wire.soap.envelope import (
    ANONYMOUS,
    Envelope,
    read_envelope,
    read_fault,
    simple_content_type,
    write_envelope,
)
from gateway.wire.soap.foreign_codes import refusal_of_fault
from gateway.wire.soap.mtom import mtom_content_type
from gateway.wire.soap.query_parameters import unasked
from gateway.wire.soap.security import attach_context

# Reads large enough that a gigabyte is not thousands of wake-ups.
READ_BUFFER_BYTES = 1024 * 1024


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Who calls: our country, the seal, the clock and the source of ids."""

    country: str
    signer: Signer
    now: Callable[[], datetime]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: the envelope, and the body it came in."""

    envelope: Envelope
    incoming: IncomingBody
    response: aiohttp.ClientResponse

    def message(self, root: bytes) -> Message:
        """The answer as a transcript keeps it."""
        line = f"HTTP/1.1 {self.response.status} {self.response.reason or ''}".rstrip()
        headers = tuple((str(k), str(v)) for k, v in self.response.headers.items())
        return Message(start_line=line, headers=headers, body=root)


class SoapClient:
    """Another gateway as an `Exchange`.

    `session` carries our TLS client certificate. `endpoint` and `url` say where the peer's
    responding gateway is; for a source of images (RAD-69) give its own.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        identity: ClientIdentity,
        session: aiohttp.ClientSession,
        keeper: Keeper,
        limits: LimitSection,
        endpoint: Endpoint = Endpoint.RESPONDING_GATEWAY,
        url: str = "",
    ) -> None:
        self._peer = peer
        self._identity = identity
        self._session = session
        self._keeper = keeper
        self._limits = limits
        self._endpoint = endpoint
        self._url = url or peer.url
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=limits.connect_seconds,
            sock_read=limits.silence_seconds,
        )

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Patients of the other country who fit the traits (ITI-55)."""
        operation = operation_of(self._endpoint, Transaction.IDENTIFY)
        with self._record(operation, context) as record:
            record.asked(noun=traits, patients=traits.ids)
            body = self._encoded(
                lambda: xcpd.encode_request(
                    traits,
                    message_id=self._identity.new_id(),
                    created=self._identity.now(),
                    sender=context.asking,
                    receiver=context.answering,
                )
            )
            async with self._ask(operation, body, context, record) as answer:
                outcome = self._decoded(lambda: xcpd.decode_response(answer.envelope.body))
                record.answered(noun=outcome, issues=outcome.issues)
                record.about(patients=tuple(item.id for item in outcome.items))
            return outcome

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """Entries of one patient of the other country (ITI-38).

        What a stored query cannot ask for is applied here; whether the peer applied the rest is
        for the asker to judge.
        """
        wanted = replace(query, return_type=ReturnType.LEAF_CLASS)
        found = await self._find(wanted, context)
        entries = tuple(item for item in found.items if isinstance(item, DocumentEntry))
        if left := set(unasked(query)):
            entries = tuple(entry for entry in entries if left.isdisjoint(failing(query, entry)))
        return Outcome(entries, found.issues)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """Entries of the other country by id (ITI-38)."""
        wanted = replace(lookup, return_type=ReturnType.LEAF_CLASS)
        found = await self._find(wanted, context)
        items = tuple(item for item in found.items if isinstance(item, DocumentEntry | Association))
        return Outcome(items, found.issues)

    async def _find(
        self, query: DocumentQuery | DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | EntryRef | Association]:
        operation = operation_of(self._endpoint, Transaction.FIND)
        with self._record(operation, context) as record:
            patients = (query.patient,) if isinstance(query, DocumentQuery) else ()
            if not patients and context.patient is not None:
                patients = (context.patient,)
            record.asked(noun=query, patients=patients)
            body = self._encoded(lambda: xca_query.encode_request(query))
            async with self._ask(operation, body, context, record) as answer:
                outcome = self._decoded(
                    lambda: xca_query.decode_response(
                        answer.envelope.body, default_home=self._peer.community
                    )
                )
                record.answered(noun=outcome, issues=outcome.issues)
            return outcome

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """Documents of the other country (ITI-39), one by one where the peer wants it so."""
        if not self._peer.profile.one_document_per_retrieve:
            return await self._retrieve(refs, context)
        documents: list[Document] = []
        issues: list[Issue] = []
        for ref in refs:
            try:
                outcome = await self._retrieve((ref,), context)
            except ExchangeError as error:
                if len(refs) == 1:
                    raise
                issues.append(
                    Issue(
                        refusal=error.refusal,
                        text=error.text,
                        code=error.code,
                        subject=str(ref.document),
                    )
                )
                continue
            documents.extend(outcome.items)
            issues.extend(outcome.issues)
        return Outcome(tuple(documents), tuple(issues))

    async def _retrieve(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        operation = operation_of(self._endpoint, Transaction.RETRIEVE)
        with self._record(operation, context) as record:
            record.asked(noun=tuple(refs), documents=_audited(refs))
            if context.patient is not None:
                record.about(patients=(context.patient,))
            body = self._encoded(lambda: xca_retrieve.encode_request(refs))
            async with self._ask(operation, body, context, record) as answer:
                outcome = self._decoded(
                    lambda: xca_retrieve.decode_response(
                        answer.envelope.body, default_home=self._peer.community
                    )
                )
                named = {part.cid for part in outcome.items}
                received = await self._received(answer, record, named)
                documents, issues = documents_of(refs, outcome, received)
                record.answered(noun=Outcome(documents, issues), issues=issues)
            return Outcome(documents, issues)

    async def _received(self, answer: _Answer, record: Record, named: set[str]) -> Received:
        try:
            return await receive(
                answer.incoming, record, named, document_bytes=self._limits.document_bytes
            )
        except TooLarge as error:
            text = f"{self._peer.name} sent a document larger than we take: {error}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from None
        except DecodeError as error:
            raise self._unreadable(error) from error

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """Studies of the other country, told by the manifests it lists (ITI-38, ITI-39)."""
        return await find_by_manifest(self, query, context)

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """The viewer that the study's manifest names: SOAP has no verb to open one."""
        named = ManifestViewer(self, self._peer, self._keeper)
        return await named.open_viewer(study, context, key_images_only=key_images_only)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """Images of the other country, on their way (RAD-75; RAD-69 from a source)."""
        transaction = (
            Transaction.IMAGES
            if self._endpoint is Endpoint.RESPONDING_GATEWAY
            else Transaction.IMAGES_FROM_SOURCE
        )
        operation = operation_of(self._endpoint, transaction)
        record = self._record(operation, context)
        with record.unless_handed_over():
            record.asked(
                noun=request,
                images=tuple(ref for ref, _ in request.instances),
                patients=(context.patient,) if context.patient else (),
            )
            body = self._encoded(lambda: xca_images.encode_request(request, wish.syntaxes))
            # What is wanted is listed one by one here, and nothing else is sent.
            stated = write_wish(replace(wish, have=frozenset()), implied=SyntaxChoice.SENDER)
            conversation = self._ask(operation, body, context, record, stated)
            answer = await conversation.__aenter__()
            try:
                outcome = self._decoded(
                    lambda: xca_images.decode_response(
                        answer.envelope.body,
                        default_home=self._peer.community,
                        transaction=transaction,
                    )
                )
                delivery = SoapDelivery(
                    request=request,
                    outcome=outcome,
                    incoming=answer.incoming,
                    peer=self._peer.name,
                    conversation=conversation,
                    record=record,
                    id=read_delivery_id(answer.response.headers),
                )
            except BaseException as error:
                await conversation.__aexit__(type(error), error, error.__traceback__)
                raise
            record.hand_over()
            return delivery

    async def plan_images(
        self,
        request: ImageRequest,  # noqa: ARG002  a verb of the port
        wish: DeliveryWish,  # noqa: ARG002
        context: CallContext,  # noqa: ARG002
    ) -> DeliveryPlan:
        """See `DeliveryPlanner.plan_images`: no transaction of SOAP asks for a plan."""
        text = f"{self._peer.name} has no address at which deliveries are planned"
        raise refuse(Refusal.UNSUPPORTED, text)

    async def certify_images(
        self,
        delivery: str,  # noqa: ARG002
        study: Uid,  # noqa: ARG002
        context: CallContext,  # noqa: ARG002
    ) -> bytes:
        """See `DeliveryCertifier.certify_images`: no transaction of SOAP asks for one."""
        text = f"{self._peer.name} has no address at which deliveries are certified"
        raise refuse(Refusal.UNSUPPORTED, text)

    def _record(self, operation: Operation, context: CallContext) -> Record:
        return self._keeper.open(
            side=Side.INITIATOR,
            transaction=operation.transaction,
            peer=self._peer.community,
            endpoint=self._url,
            correlation_id=context.correlation_id,
            context=context,
        )

    @asynccontextmanager
    async def _ask(
        self,
        operation: Operation,
        body: bytes,
        context: CallContext,
        record: Record,
        stated: Mapping[str, str] | None = None,
    ) -> AsyncIterator[_Answer]:
        """Send one request and read the root of its answer; a fault is raised as a refusal.

        `stated` are headers of HTTP beside those of SOAP.
        """
        message_id = f"urn:uuid:{self._identity.new_id()}"
        security = attach_context(
            context,
            self._identity.signer,
            now=self._identity.now(),
            new_id=self._identity.new_id,
            country=self._identity.country,
            audience=self._peer.profile.audience,
        )
        root = write_envelope(
            body,
            action=operation.action,
            message_id=message_id,
            to=self._url,
            reply_to=ANONYMOUS,
            security=security,
        )
        content_type, data = self._packed(operation, root)
        headers = {
            "Content-Type": content_type,
            "Accept-Encoding": "identity",
            **(stated or {}),
        }
        record.sent_request(
            Message(
                start_line=f"POST {self._url} HTTP/1.1",
                headers=tuple(headers.items()),
                body=root,
            ),
            message_id=message_id,
            payload=body,
        )
        with network_failures(self._peer.name):
            response = await self._session.post(
                self._url, data=data, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        done = False
        try:
            answer, answer_root = await self._opened(response)
            record.got_answer(answer.message(answer_root))
            self._check(answer, operation, message_id)
            yield answer
            done = True
        finally:
            if done and response.content.at_eof():
                response.release()
            else:
                response.close()

    def _packed(self, operation: Operation, root: bytes) -> tuple[str, bytes]:
        if not operation.mtom:
            return simple_content_type(operation.action), root
        boundary, root_id = (
            f"mime-{self._identity.new_id()}",
            f"root-{self._identity.new_id()}@ncpeh",
        )
        outgoing = OutgoingBody(root, boundary=boundary, root_id=root_id)
        content_type = mtom_content_type(
            boundary=boundary, root_id=root_id, action=operation.action
        )
        return content_type, outgoing.alone()

    async def _opened(self, response: aiohttp.ClientResponse) -> tuple[_Answer, bytes]:
        status = f"HTTP {response.status}"
        try:
            incoming = IncomingBody(
                response.headers.get("Content-Type", ""),
                unpacked(self._chunks(response), response.headers.get("Content-Encoding", "")),
                limit=self._limits.answer_bytes,
            )
            root = await incoming.root()
            envelope = read_envelope(
                root,
                understood=None,
                encoding=incoming.charset,
                require_action=False,
                max_bytes=self._limits.answer_bytes,
                large_text=True,
            )
        except DecodeError as error:
            if response.status in {502, 503, 504}:
                text = f"{self._peer.name} is out of service ({status})"
                raise NotNow(Refusal.PEER_UNREACHABLE, text) from error
            text = f"{self._peer.name} answered {status}, and not in SOAP: {error}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from error
        return _Answer(envelope, incoming, response), root

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with network_failures(self._peer.name):
            # Piece by piece as the socket gave them: joined, every byte would be copied once more.
            async for data, _ in response.content.iter_chunks():
                yield data

    def _check(self, answer: _Answer, operation: Operation, message_id: str) -> None:
        fault = read_fault(answer.envelope)
        if fault is not None:
            refusal = refusal_of_fault(fault)
            code = fault.subcode or fault.code.value
            text = f"{self._peer.name} refused with a fault: {fault.reason}"
            raise refuse(refusal, text, code=code)
        relates_to = answer.envelope.relates_to
        if relates_to and relates_to != message_id:
            text = f"{self._peer.name} answered another message than ours ({relates_to})"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)
        action = answer.envelope.action
        if action and action != operation.answer_action:
            text = f"{self._peer.name} answered with action {action}, not {operation.answer_action}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)

    def _encoded(self, encode: Callable[[], bytes]) -> bytes:
        try:
            return encode()
        except EncodeError as error:
            text = f"the request cannot be written: {error}"
            raise refuse(Refusal.MALFORMED_REQUEST, text) from error

    def _decoded(self, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except DecodeError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: DecodeError) -> PeerMisbehaved:
        text = f"the answer of {self._peer.name} cannot be read: {error}"
        return PeerMisbehaved(Refusal.PEER_MISBEHAVED, text, subject=error.where)


def _audited(refs: Sequence[DocumentRef]) -> tuple[AuditedDocument, ...]:
    return tuple(
        AuditedDocument(document=ref.document, repository=ref.repository, community=ref.community)
        for ref in refs
    )
