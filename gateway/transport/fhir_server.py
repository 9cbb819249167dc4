"""Puts an Exchange on the network as FHIR: one base, a closed table of routes.

A request finds its row (`fhir_routes`), read under limits, its caller made out from TLS and
the access token, and then answered (`fhir_answers`). Everything that happens is kept as a
transcript and audited, refusals too; every refusal is an OperationOutcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

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
    Transaction,
    read_content,
    refuse,
)
from gateway.peers import Peer
from gateway.transport.fhir_answers import FhirAnswer, FhirAnswerer, FhirAsked, FhirNoun
from gateway.transport.fhir_documents import FoundContent, Withdrawn
from gateway.transport.fhir_routes import (
    BASE,
    Interaction,
    MethodNotAllowed,
    NothingThere,
    Route,
    match,
)
from gateway.transport.pages import PageExpired
from gateway.transport.record import Keeper, Record, RecordedContent
from gateway.transport.sending import outward, request_chunks, send_stream, send_whole
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.tls import peer_of
from gateway.wire.fhir.mhd_retrieve import MAX_BINARY, wrap_binary
from gateway.wire.fhir.negotiation import (
    NotAcceptable,
    UnsupportedMediaType,
    answer_format,
    document_form,
)
from gateway.wire.fhir.refusals import status_of, write_outcome
from gateway.wire.fhir.resources import Format, write_resource
from gateway.wire.fhir.security import read_context, write_challenge
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError

MAX_REQUEST_ID = 128
RETRY_AFTER = "5"  # seconds
# Answers differ by what was asked for and by who asked (RFC 9110 12.5.5).
VARY = "Accept, Accept-Encoding, Authorization"


@dataclass(slots=True)
class _Call:
    """One request on its way through: what has been made out so far."""

    request: web.Request
    record: Record
    caller: Caller
    peer: Peer
    request_id: str
    format: Format = Format.JSON

    def understood(self, asked: FhirNoun) -> None:
        """What the request asks is on record before anybody decides about it."""
        self.record.asked(noun=asked.noun, patients=asked.patients, documents=asked.documents)

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        return _headers(self.request_id)


class FhirServer:
    """The routes of a FHIR base for an Exchange."""

    def __init__(
        self,
        answerer: FhirAnswerer,
        *,
        identity: ServerIdentity,
        keeper: Keeper,
        limits: LimitSection,
        public_url: str = "",
    ) -> None:
        self._answerer = answerer
        self._identity = identity
        self._keeper = keeper
        self._limits = limits
        # The name we are called by in a request is the caller's choice, and proves nothing.
        self._audiences = (f"{public_url.rstrip('/')}{BASE}",) if public_url else ()
        self._trust = TokenTrust(certificates=identity.trust)

    def add_to(self, app: web.Application) -> None:
        """Add the base; which row of the table a request is for is found here, not by aiohttp."""
        app.router.add_route("*", BASE + "{path:(?:/.*)?}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        peer = self._identity.peers.caller(caller)
        request_id = self._request_id(request)
        try:
            record = self._keeper.open(
                side=Side.RESPONDER,
                transaction=None,
                peer=peer.community,
                endpoint=f"{request.scheme}://{request.host}{request.path}",
                correlation_id=request_id,
                caller=caller,
            )
        except NotNow as error:
            # What cannot be kept is not begun: no transcript, no exchange.
            return web.Response(
                status=status_of(error.refusal),
                body=write_resource(write_outcome(error), Format.JSON),
                headers=_headers(request_id)
                | {"Content-Type": _typed(Format.JSON), "Retry-After": RETRY_AFTER},
            )
        call = _Call(
            request=request, record=record, caller=caller, peer=peer, request_id=request_id
        )
        with record:
            try:
                answer = await self._answer(call)
            except DecodeError as error:
                refused = BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where)
                return self._refuse(call, refused)
            except ExchangeError as error:
                return self._refuse(call, error)
            return await self._send(call, answer)

    async def _answer(self, call: _Call) -> FhirAnswer:
        request = call.request
        body = await self._read(call)
        call.record.identify(call.request_id, _asked_as(request, body))
        route, name = match(request.method, request.match_info["path"])
        call.record.transaction = route.transaction
        if route.transaction is not Transaction.FETCH_DOCUMENT:
            call.format = answer_format(
                request.headers.get("Accept", ""), request.query.get("_format", "")
            )
        context = self._context(call, route)
        asked = FhirAsked(
            route=route,
            id=name,
            query=request.rel_url.raw_query_string,
            body=body,
            content_type=request.headers.get("Content-Type", ""),
            strict="handling=strict" in request.headers.get("Prefer", ""),
            base=f"{request.scheme}://{request.host}{BASE}",
            context=context,
            peer=call.peer,
            tell=call.understood,
        )
        answer = await self._answerer.answer(asked)
        call.record.about(patients=answer.patients)
        call.record.answered(noun=answer.answered, issues=answer.issues)
        return answer

    def _context(self, call: _Call, route: Route) -> CallContext:
        """Who asks, from the token and from TLS."""
        now = self._identity.now()
        accepted = read_context(
            call.request.headers.getall("Authorization", []),
            self._trust,
            TokenPolicy(
                audiences=self._audiences,
                assertions=self._identity.policy(call.peer),
            ),
            now=now,
            caller=call.caller,
            correlation_id=call.request_id,
            answering=self._identity.community,
            patient_specific=route.patient_specific,
            scopes=scopes_of(route),
        )
        self._identity.assertions.accept(
            accepted.token_id,
            fingerprint=call.caller.fingerprint,
            subject=accepted.subject,
            expires=accepted.expires,
            single_use=call.peer.single_use,
            now=now,
        )
        call.record.context = accepted.context
        peer = call.peer.community
        if peer is not None and accepted.context.asking != peer:
            text = f"the token names community {accepted.context.asking}, its sender is {peer}"
            raise NotAllowed(Refusal.ATTRIBUTES_INVALID, text)
        return accepted.context

    async def _read(self, call: _Call) -> bytes:
        request = call.request
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                async for data in request_chunks(request, self._limits.request_bytes):
                    body += data
        except TimeoutError:
            text = f"the request was not complete after {self._limits.request_seconds:g} s"
            raise NotNow(Refusal.PEER_TIMEOUT, text) from None
        except ConnectionError as error:
            raise NotNow(Refusal.PEER_UNREACHABLE, "the caller went away") from error
        finally:
            call.record.got_request(
                Message(
                    start_line=f"{request.method} {request.raw_path} HTTP/1.1",
                    headers=tuple((str(k), str(v)) for k, v in request.headers.items()),
                    body=bytes(body),
                )
            )
        return bytes(body)

    def _refuse(self, call: _Call, error: ExchangeError) -> web.Response:
        call.record.refused(error)
        told = outward(error)
        headers = call.headers
        if isinstance(error, NotAllowed) and (challenge := write_challenge(error.refusal)):
            headers["WWW-Authenticate"] = challenge
        if isinstance(error, MethodNotAllowed):
            headers["Allow"] = ", ".join(error.allowed)
        if isinstance(error, Withdrawn) and error.successor:
            headers["Link"] = f'<{error.successor}>; rel="successor-version"'
        if error.retry:
            headers["Retry-After"] = RETRY_AFTER
        status, issue_code = _status(error)
        outcome = write_outcome(told, correlation_id=call.request_id, issue_code=issue_code)
        headers["Content-Type"] = _typed(call.format)
        return send_whole(call.record, status, headers, write_resource(outcome, call.format))

    async def _send(self, call: _Call, answer: FhirAnswer) -> web.StreamResponse:
        if answer.content is not None:
            return await self._send_document(call, answer.content)
        if answer.resource is None:
            raise InternalFault(Refusal.INTERNAL, "an answer of nothing")
        headers = call.headers
        headers["Content-Type"] = _typed(call.format)
        return send_whole(call.record, 200, headers, write_resource(answer.resource, call.format))

    async def _send_document(self, call: _Call, found: FoundContent) -> web.StreamResponse:
        """The bytes of a document, or a Binary around them (ITI TF-2 3.68.4.2)."""
        request, content, mime = call.request, found.document.content, found.document.mime_type
        try:
            form = document_form(request.headers.get("Accept", ""), mime)
        except NotAcceptable as error:
            return self._refuse(call, error)
        headers = call.headers
        if form is not None and content.size_bytes > MAX_BINARY:
            text = f"{content.size_bytes} bytes are too many for a Binary; ask for {mime}"
            return self._refuse(call, NotAcceptable(Refusal.UNSUPPORTED, text, subject="Accept"))
        if form is not None:
            whole = await read_content(content, MAX_BINARY)
            headers["Content-Type"] = _typed(form)
            return send_whole(
                call.record, 200, headers, write_resource(wrap_binary(whole, mime), form)
            )
        headers["Content-Type"] = mime
        if found.document.sha1:
            headers["ETag"] = f'"{found.document.sha1}"'
            if headers["ETag"] in request.headers.get("If-None-Match", ""):
                return send_whole(call.record, 304, headers, b"")
        if request.method == "HEAD":
            headers["Content-Length"] = str(content.size_bytes)
            return send_whole(call.record, 200, headers, b"")
        return await send_stream(
            request,
            call.record,
            RecordedContent(content, mime, call.record).chunks(),
            headers=headers,
            length=content.size_bytes,
            silence_seconds=self._limits.silence_seconds,
        )

    def _request_id(self, request: web.Request) -> str:
        """The caller's own id of its request, where it is fit to be repeated; else one of ours."""
        given = request.headers.get("X-Request-Id", "")
        fit = given.isprintable() and given.isascii() and 0 < len(given) <= MAX_REQUEST_ID
        return given if fit else self._identity.new_id()


def scopes_of(route: Route) -> frozenset[str]:
    """The scopes any of which covers a request: IUA's transaction, or SMART's right to do it."""
    right = "r" if route.interaction is Interaction.READ else "s"
    return frozenset({str(route.transaction), f"system/{route.resource}.{right}"})


def _status(error: ExchangeError) -> tuple[int, str]:
    """The HTTP status of a refusal, and the issue code where HTTP tells more than the reason."""
    match error:
        case MethodNotAllowed():
            return 405, ""
        case NothingThere():
            return 404, ""
        case NotAcceptable():
            return 406, ""
        case UnsupportedMediaType():
            return 415, ""
        case Withdrawn():
            return 410, "deleted"
        case PageExpired():
            return 410, "expired"
        case _:
            return status_of(error.refusal), ""


def _headers(request_id: str) -> dict[str, str]:
    return {"X-Request-Id": request_id, "Vary": VARY, "Cache-Control": "private, no-cache"}


def _typed(format: Format) -> str:
    return f"{format.media_type}; charset=utf-8"


def _asked_as(request: web.Request, body: bytes) -> bytes:
    """The request as it is audited: path, query and what was posted (BALP, PatientQuery)."""
    asked = f"{request.method} {request.raw_path}".encode()
    return asked + b"\n" + body if body else asked


def apology(_: web.Request, correlation_id: str) -> web.Response:
    """The answer to a request that met a fault of ours: an OperationOutcome that names the log."""
    error = refuse(Refusal.INTERNAL, "internal error")
    return web.Response(
        status=status_of(error.refusal),
        body=write_resource(write_outcome(error, correlation_id=correlation_id), Format.JSON),
        headers={"Content-Type": _typed(Format.JSON)},
    )
