"""Puts an Exchange on the network as SOAP: one endpoint, dispatched by `wsa:Action`.

A request is read under limits, its caller made out from TLS and signed content, its action found
in the contract, and then answered (`soap_answers`). Everything that happens is kept as a
transcript and audited, refusals too. What fails before the transaction is known is a SOAP fault;
what fails within it is the transaction's own error, except that a peer of style `ihe` is told of
a bad assertion by a fault (ITI TF-2 V.3, 3.40).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import web

from gateway.config import LimitSection
from gateway.domain import (
    BadRequest,
    CallContext,
    Caller,
    ExchangeError,
    InternalFault,
    NotAllowed,
    NotNow,
    Refusal,
    Side,
)
from gateway.peers import Peer
from gateway.transport.bodies import IncomingBody, OutgoingBody, OutgoingPart
from gateway.transport.goodput import Goodput, Sending
from gateway.transport.record import Keeper, Record, RecordedContent, recorded_images
from gateway.transport.sending import outward, request_chunks, send_stream, send_whole
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.soap_answers import Answerer, Asked, SoapAnswer, Subject
from gateway.transport.tls import peer_of
from gateway.wire.delivery_wish import delivery_id
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError
from gateway.wire.soap.contract import Endpoint, Operation, operations, served_wsdl
from gateway.wire.soap.envelope import (
    ANONYMOUS,
    Envelope,
    EnvelopeProblem,
    Fault,
    FaultCode,
    read_envelope,
    simple_content_type,
    write_envelope,
    write_fault,
)
from gateway.wire.soap.mtom import inline_includes, mtom_content_type
from gateway.wire.soap.refusals import ErrorStyle, security_fault
from gateway.wire.soap.security import read_context

# Reading more than this takes long enough for other callers to notice: it is done beside them.
LARGE_ROOT_BYTES = 256 * 1024
FAULT_CONTENT_TYPE = "application/soap+xml; charset=UTF-8"


@dataclass(slots=True)
class _Call:
    """One request on its way through: what has been made out so far."""

    request: web.Request
    record: Record
    caller: Caller
    peer: Peer
    envelope: Envelope | None = None
    operation: Operation | None = None
    mtom: bool = False

    @property
    def message_id(self) -> str:
        return self.envelope.message_id if self.envelope else ""

    def understood(self, subject: Subject) -> None:
        """What the request asks is on record before anybody decides about it."""
        self.record.asked(
            noun=subject.noun,
            patients=subject.patients,
            documents=subject.documents,
            images=subject.images,
        )
        self.record.about(query_id=subject.query_id)


class SoapServer:
    """Routes of one endpoint for an Exchange."""

    def __init__(
        self,
        answerer: Answerer,
        *,
        endpoint: Endpoint,
        identity: ServerIdentity,
        keeper: Keeper,
        limits: LimitSection,
        goodput: Goodput | None = None,
    ) -> None:
        self._answerer = answerer
        self._endpoint = endpoint
        self._identity = identity
        self._keeper = keeper
        self._limits = limits
        self._goodput = goodput or Goodput()
        self._operations: Mapping[str, Operation] = operations(endpoint)

    def add_to(self, app: web.Application) -> None:
        """Add the endpoint's two routes: POST for messages, GET for the contract."""
        app.router.add_post(self._endpoint.value, self._post)
        app.router.add_get(self._endpoint.value, self._get)

    async def _get(self, request: web.Request) -> web.Response:
        if "wsdl" not in {name.lower() for name in request.query}:
            raise web.HTTPMethodNotAllowed("GET", ["POST"], text="POST a SOAP message, or ?wsdl\n")
        location = f"{request.scheme}://{request.host}{self._endpoint.value}"
        return web.Response(
            body=served_wsdl(self._endpoint, location), content_type="text/xml", charset="utf-8"
        )

    async def _post(self, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        peer = self._identity.peers.caller(caller)
        try:
            record = self._keeper.open(
                side=Side.RESPONDER,
                transaction=None,
                peer=peer.community,
                endpoint=f"{request.scheme}://{request.host}{request.path}",
                correlation_id="",
                caller=caller,
            )
        except NotNow as error:
            # What cannot be kept is not begun: no transcript, no exchange.
            fault = Fault(code=FaultCode.RECEIVER, reason=error.text)
            return web.Response(
                status=fault.http_status,
                body=write_fault(fault),
                headers={"Content-Type": FAULT_CONTENT_TYPE},
            )
        call = _Call(request=request, record=record, caller=caller, peer=peer)
        with record:
            try:
                answer = await self._answer(call)
            except EnvelopeProblem as problem:
                record.named(problem.message_id)
                record.refused(BadRequest(Refusal.MALFORMED_REQUEST, str(problem)))
                return await self._fault(call, problem.fault, problem.message_id)
            except DecodeError as error:
                record.refused(BadRequest(Refusal.MALFORMED_REQUEST, str(error)))
                return await self._fault(call, Fault(code=FaultCode.SENDER, reason=str(error)))
            except ExchangeError as error:
                record.refused(error)
                return await self._refuse(call, error)
            return await self._send(call, answer)

    async def _answer(self, call: _Call) -> SoapAnswer:
        envelope = await self._read(call)
        operation = self._dispatch(envelope)
        call.operation = operation
        call.record.transaction = operation.transaction
        now = self._identity.now()
        accepted = read_context(
            envelope.security,
            self._identity.trust,
            self._identity.policy(call.peer),
            now=now,
            caller=call.caller,
            correlation_id=envelope.message_id,
            answering=self._identity.community,
            patient_specific=operation.patient_specific,
        )
        for assertion in accepted.assertions:
            self._identity.assertions.accept(
                assertion.id,
                fingerprint=call.caller.fingerprint,
                subject=assertion.subject,
                expires=assertion.expires,
                single_use=call.peer.single_use or assertion.single_use,
                now=now,
            )
        call.record.context = accepted.context
        self._same_community(call.peer, accepted.context)
        asked = Asked(
            body=envelope.body,
            context=accepted.context,
            peer=call.peer,
            headers=call.request.headers,
            tell=call.understood,
        )
        answer = await self._answerer.answer(operation.transaction, asked)
        call.record.about(patients=answer.patients)
        call.record.answered(noun=answer.answered, issues=answer.issues)
        return answer

    def _same_community(self, peer: Peer, context: CallContext) -> None:
        """A gateway speaks for its own community; an imaging source serves gateways' callers."""
        if self._endpoint is not Endpoint.RESPONDING_GATEWAY or peer.community is None:
            return
        if context.asking != peer.community:
            text = f"the assertion names community {context.asking}, its sender is {peer.community}"
            raise NotAllowed(Refusal.ATTRIBUTES_INVALID, text)

    async def _read(self, call: _Call) -> Envelope:
        """The envelope, with XOP includes put back before anything is judged."""
        request = call.request
        root = b""
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                incoming = IncomingBody(
                    request.headers.get("Content-Type", ""),
                    request_chunks(request, self._limits.request_bytes),
                    limit=self._limits.request_bytes,
                )
                call.mtom = incoming.is_mtom
                root = await incoming.root()
                parts = await incoming.small_attachments(self._limits.request_bytes)
        except TimeoutError:
            text = f"the request was not complete after {self._limits.request_seconds:g} s"
            raise NotNow(Refusal.PEER_TIMEOUT, text) from None
        except ConnectionError as error:
            raise NotNow(Refusal.PEER_UNREACHABLE, "the caller went away") from error
        finally:
            call.record.got_request(
                Message(
                    start_line=f"{request.method} {request.path_qs} HTTP/1.1",
                    headers=tuple((str(k), str(v)) for k, v in request.headers.items()),
                    body=root,
                )
            )
        read = partial(
            read_envelope, root, encoding=incoming.charset, max_bytes=self._limits.request_bytes
        )
        large = len(root) > LARGE_ROOT_BYTES
        envelope = await asyncio.to_thread(read) if large else read()
        if parts:
            inline_includes(envelope.root, parts)
        call.envelope = envelope
        call.record.identified(envelope.message_id, envelope.body)
        return envelope

    def _dispatch(self, envelope: Envelope) -> Operation:
        operation = self._operations.get(envelope.action)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            fault = Fault(
                code=FaultCode.SENDER,
                reason=f"The action {envelope.action!r} is not offered here; offered: {known}",
                subcode="wsa:ActionNotSupported",
            )
            raise EnvelopeProblem(fault, "wsa:Action", envelope.action, known)
        if envelope.body.tag != operation.request:
            fault = Fault(
                code=FaultCode.SENDER,
                reason=(
                    f"The action {envelope.action!r} goes with {operation.request}, "
                    f"found {envelope.body.tag!s}"
                ),
            )
            raise EnvelopeProblem(
                fault, "soap:Body", str(envelope.body.tag), operation.request, "SOAP contract"
            )
        if envelope.reply_to != ANONYMOUS:
            fault = Fault(
                code=FaultCode.SENDER,
                reason="Answers go back on the same connection; ReplyTo must be anonymous",
                subcode="wsa:InvalidAddressingHeader",
            )
            raise EnvelopeProblem(fault, "wsa:ReplyTo", envelope.reply_to, ANONYMOUS)
        return operation

    async def _refuse(self, call: _Call, error: ExchangeError) -> web.StreamResponse:
        """The answer to a refusal: a fault, or the transaction's own error."""
        style = call.peer.profile.error_style
        if call.operation is None or call.envelope is None:
            code = FaultCode.RECEIVER if error.retry else FaultCode.SENDER
            return await self._fault(call, Fault(code=code, reason=_told(error)))
        if isinstance(error, NotAllowed) and style is ErrorStyle.IHE:
            fault = security_fault(error.refusal, style)
            if fault is not None:
                return await self._fault(call, fault)
        body = self._answerer.refusal(
            call.operation.transaction, outward(error), style, call.envelope.body
        )
        return await self._send(call, SoapAnswer(body=body))

    async def _fault(self, call: _Call, fault: Fault, message_id: str = "") -> web.StreamResponse:
        root = write_fault(
            fault,
            message_id=f"urn:uuid:{self._identity.new_id()}",
            relates_to=call.message_id or message_id,
        )
        headers = {"Content-Type": FAULT_CONTENT_TYPE}
        return send_whole(call.record, fault.http_status, headers, root)

    async def _send(self, call: _Call, answer: SoapAnswer) -> web.StreamResponse:
        operation = call.operation
        if operation is None:
            raise InternalFault(Refusal.INTERNAL, "an answer to no operation")
        root = write_envelope(
            answer.body,
            action=operation.answer_action,
            message_id=f"urn:uuid:{self._identity.new_id()}",
            relates_to=call.message_id,
        )
        if not operation.mtom:
            headers = {"Content-Type": simple_content_type(operation.answer_action)}
            return send_whole(call.record, 200, headers, root)
        boundary = f"mime-{self._identity.new_id()}"
        root_id = f"root-{self._identity.new_id()}@ncpeh"
        headers = {
            "Content-Type": mtom_content_type(
                boundary=boundary, root_id=root_id, action=operation.answer_action
            )
        }
        outgoing = OutgoingBody(root, boundary=boundary, root_id=root_id)
        if answer.delivery is None and not answer.documents:
            return send_whole(call.record, 200, headers, outgoing.alone(), root=root)
        async with AsyncExitStack() as held:
            if answer.delivery is not None:
                delivery = await held.enter_async_context(answer.delivery)
                headers |= delivery_id(delivery.id)
                length = outgoing.images_length(delivery.announced, answer.cids)
                images = recorded_images(delivery, call.record)
                chunks = outgoing.images(delivery.announced, images, answer.cids)
            else:
                length = outgoing.documents_length(answer.documents)
                chunks = outgoing.documents(recorded_documents(answer.documents, call.record))
            sending = Sending()
            try:
                return await send_stream(
                    call.request,
                    call.record,
                    chunks,
                    headers=headers,
                    root=root,
                    length=length,
                    tail=outgoing.tail,
                    silence_seconds=self._limits.silence_seconds,
                    sending=sending,
                )
            finally:
                if answer.delivery is not None and call.record.context is not None:
                    self._goodput.sent(str(call.record.context.asking), sending)


def apology(_: web.Request, correlation_id: str) -> web.Response:
    """The answer to a request that met a fault of ours: told in SOAP, and nothing of the inside."""
    fault = Fault(code=FaultCode.RECEIVER, reason=f"internal error, logged as {correlation_id}")
    return web.Response(
        status=fault.http_status,
        body=write_fault(fault),
        headers={"Content-Type": FAULT_CONTENT_TYPE},
    )


def recorded_documents(parts: Sequence[OutgoingPart], record: Record) -> tuple[OutgoingPart, ...]:
    """The same documents, told to a record as they pass."""
    return tuple(
        replace(part, content=RecordedContent(part.content, part.mime_type, record))
        for part in parts
    )


def _told(error: ExchangeError) -> str:
    return "internal error" if isinstance(error, InternalFault) else error.text
