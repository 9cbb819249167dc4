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
from gateway.domain.times import Precision
from gateway.peers import Peer
from gateway.transport.content_sending import RangeRefused, send_content
from gateway.transport.fhir_answers import FhirAnswer, FhirAnswerer, FhirAsked, FhirNoun
from gateway.transport.fhir_documents import FoundContent, Withdrawn
from gateway.transport.fhir_metadata import (
    PUBLIC,
    capability_statement,
    country_finding,
    echoed,
    given_id,
    tag_of,
)
from gateway.transport.fhir_routes import (
    BASE,
    Interaction,
    MethodNotAllowed,
    NothingThere,
    Route,
    match,
    methods_of,
)
from gateway.transport.packed import GZIP, MIN_PACKED_BYTES, packed, takes_gzip
from gateway.transport.pages import PageExpired
from gateway.transport.record import Keeper, Record
from gateway.transport.redaction import redacted_form, without_secrets
from gateway.transport.sending import STATUS_OF_PLACE, outward, request_chunks, send_whole
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.tls import peer_of
from gateway.transport.token_gate import FORM, TokenGate, check_community
from gateway.wire.fhir.bundles import searchset
from gateway.wire.fhir.denials import Showing
from gateway.wire.fhir.mhd_retrieve import MAX_BINARY, wrap_binary
from gateway.wire.fhir.negotiation import (
    NotAcceptable,
    UnsupportedMediaType,
    answer_format,
    document_form,
)
from gateway.wire.fhir.refusals import status_of, write_outcome
from gateway.wire.fhir.resources import Format, write_resource
from gateway.wire.fhir.security import write_challenge
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError
from gateway.wire.ranges import no_such_range
from gateway.wire.validators import strong_tag, unchanged

RETRY_AFTER = "5"  # seconds
# Answers differ by what was asked for and by who asked (RFC 9110 12.5.5).
VARY = "Accept, Accept-Encoding, Authorization"
PRIVATE = "private, no-cache"


@dataclass(slots=True)
class _Call:
    """One request on its way through: what has been made out so far."""

    request: web.Request
    record: Record
    caller: Caller
    peer: Peer
    request_id: str
    format: Format = Format.JSON
    route: Route | None = None
    id: str = ""

    def understood(self, asked: FhirNoun) -> None:
        """What the request asks is on record before anybody decides about it."""
        self.record.asked(noun=asked.noun, patients=asked.patients, documents=asked.documents)

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        return _headers(self.request, self.request_id)

    @property
    def base(self) -> str:
        """The address of the base as the caller knows it."""
        return f"{self.request.scheme}://{self.request.host}{BASE}"


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
        name: str = "",
        showing: Showing | None = None,
    ) -> None:
        self._answerer = answerer
        self._identity = identity
        self._keeper = keeper
        self._limits = limits
        self._name = name
        self._showing = showing or Showing()
        self._since = identity.now()
        # The name we are called by in a request is the caller's choice, and proves nothing.
        audiences = (f"{public_url.rstrip('/')}{BASE}",) if public_url else ()
        self._gate = TokenGate(identity, audiences)

    def add_to(self, app: web.Application) -> None:
        """Add the base; which row of the table a request is for is found here, not by aiohttp."""
        app.router.add_route("*", BASE + "{path:(?:/.*)?}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        peer = self._identity.peers.caller(caller)
        request_id = given_id(request.headers) or self._identity.new_id()
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
                headers=_headers(request, request_id)
                | {"Content-Type": _typed(Format.JSON), "Retry-After": RETRY_AFTER},
            )
        call = _Call(
            request=request, record=record, caller=caller, peer=peer, request_id=request_id
        )
        with record:
            try:
                body = await self._read(call)
                if request.method == "OPTIONS" or not self._find(call).needs_token:
                    return self._tell(call)
                answer = await self._answer(call, body)
            except DecodeError as error:
                refused = BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where)
                return self._refuse(call, refused)
            except ExchangeError as error:
                return self._refuse(call, error)
            try:
                return await self._send(call, answer)
            except (NotAcceptable, RangeRefused) as error:
                # Of what breaks once bytes have left, nothing can be said any more.
                return self._refuse(call, error)

    def _find(self, call: _Call) -> Route:
        """The row a request is for, and the format of its answer."""
        request = call.request
        call.route, call.id = route, _ = match(request.method, request.match_info["path"])
        call.record.transaction = route.transaction
        if route.transaction is not Transaction.FETCH_DOCUMENT:
            call.format = answer_format(
                request.headers.get("Accept", ""), request.query.get("_format", "")
            )
        return route

    def _tell(self, call: _Call) -> web.Response:
        """What needs no token: the methods of a path, and what the base offers."""
        call.record.told_anybody()
        headers = call.headers
        if call.request.method == "OPTIONS":
            headers["Allow"] = ", ".join(methods_of(call.request.match_info["path"]))
            return send_whole(call.record, 204, headers, b"")
        body = capability_statement(call.format, base=call.base, name=self._name, at=self._since)
        headers |= {"Cache-Control": PUBLIC, "Content-Type": _typed(call.format)}
        return _send_resource(call, 200, headers, body, etag=tag_of(body))

    async def _answer(self, call: _Call, body: bytes) -> FhirAnswer:
        request, route = call.request, call.route
        if route is None:
            raise InternalFault(Refusal.INTERNAL, "a request for no row")
        context = self._context(call, route, body)
        asked = FhirAsked(
            route=route,
            id=call.id,
            query=request.rel_url.raw_query_string,
            body=body,
            content_type=request.headers.get("Content-Type", ""),
            strict="handling=strict" in request.headers.get("Prefer", ""),
            base=call.base,
            format=call.format,
            context=context,
            peer=call.peer,
            tell=call.understood,
        )
        answer = await self._answerer.answer(asked)
        call.record.about(patients=answer.patients)
        call.record.answered(noun=answer.answered, issues=answer.issues)
        return answer

    def _context(self, call: _Call, route: Route, body: bytes) -> CallContext:
        """Who asks, from the token and from TLS."""
        context = self._gate.admit(
            call.request,
            caller=call.caller,
            peer=call.peer,
            correlation_id=call.request_id,
            patient_specific=route.patient_specific,
            scopes=scopes_of(route),
            form=_form_of(call.request, body),
        )
        call.record.context = context
        finding = country_finding(call.request.headers, call.caller, context)
        if finding:
            call.record.note("finding", finding)
        check_community(context, call.peer)
        return context

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
            # Once for each request, so that one which cannot be routed is audited as it came.
            call.record.identify(call.request_id, _asked_as(request, bytes(body)))
        return bytes(body)

    def _refuse(self, call: _Call, error: ExchangeError) -> web.Response:
        call.record.refused(error)
        route, headers = call.route, call.headers
        searching = route is not None and route.interaction is not Interaction.READ
        if self._showing.is_empty(error, searching=searching):
            return self._send_nothing(call)
        resource = route.resource if route is not None else ""
        shown = self._showing.shown(error, resource, read_id=call.id)
        status, issue_code = _status(shown)
        status = status or self._showing.status(shown)
        scopes = scopes_of(route) if route is not None else frozenset()
        if isinstance(shown, NotAllowed) and (
            challenge := write_challenge(shown.refusal, scopes, status=status)
        ):
            headers["WWW-Authenticate"] = challenge
        if isinstance(error, MethodNotAllowed):
            headers["Allow"] = ", ".join(error.allowed)
        if isinstance(error, RangeRefused):
            headers["Content-Range"] = no_such_range(error.size_bytes)
        if isinstance(error, Withdrawn) and error.successor:
            headers["Link"] = f'<{error.successor}>; rel="successor-version"'
        if error.retry:
            headers["Retry-After"] = RETRY_AFTER
        outcome = write_outcome(
            outward(shown), correlation_id=call.request_id, issue_code=issue_code
        )
        headers["Content-Type"] = _typed(call.format)
        return send_whole(call.record, status, headers, write_resource(outcome, call.format))

    def _send_nothing(self, call: _Call) -> web.Response:
        """A search that found nothing, whatever there was to find."""
        request = call.request
        bundle = searchset(
            (),
            bundle_id=self._identity.new_id(),
            at=self._identity.now(),
            self_url=f"{request.scheme}://{request.host}{request.raw_path}",
        )
        headers = call.headers | {"Content-Type": _typed(call.format)}
        return _send_resource(call, 200, headers, write_resource(bundle, call.format))

    async def _send(self, call: _Call, answer: FhirAnswer) -> web.StreamResponse:
        if answer.content is not None:
            return await self._send_document(call, answer.content)
        if answer.resource is None:
            raise InternalFault(Refusal.INTERNAL, "an answer of nothing")
        headers = call.headers | {"Content-Type": _typed(call.format)}
        return _send_resource(call, 200, headers, write_resource(answer.resource, call.format))

    async def _send_document(self, call: _Call, found: FoundContent) -> web.StreamResponse:
        """The bytes of a document, or a Binary around them (ITI TF-2 3.68.4.2)."""
        request, content, mime = call.request, found.document.content, found.document.mime_type
        form = document_form(request.headers.get("Accept", ""), mime)
        if form is not None and content.size_bytes > MAX_BINARY:
            text = f"{content.size_bytes} bytes are too many for a Binary; ask for {mime}"
            raise NotAcceptable(Refusal.UNSUPPORTED, text, subject="Accept")
        if form is not None:
            whole = await read_content(content, MAX_BINARY)
            headers = call.headers | {"Content-Type": _typed(form)}
            return _send_resource(
                call, 200, headers, write_resource(wrap_binary(whole, mime), form)
            )
        created = found.entry.created
        exact = created is not None and created.precision is Precision.SECOND
        return await send_content(
            request,
            call.record,
            content,
            mime_type=mime,
            headers=call.headers,
            etag=strong_tag(found.document.sha1) if found.document.sha1 else "",
            modified=created.at if created is not None and exact else None,
            silence_seconds=self._limits.silence_seconds,
        )


def scopes_of(route: Route) -> frozenset[str]:
    """The scopes any of which covers a request: IUA's transaction, or SMART's right to do it."""
    right = "r" if route.interaction is Interaction.READ else "s"
    return frozenset({str(route.transaction), f"system/{route.resource}.{right}"})


def _status(error: ExchangeError) -> tuple[int, str]:
    """The status and issue code of a refusal that HTTP tells more of than its reason, or 0."""
    match error:
        case RangeRefused():
            return 416, ""
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
        case BadRequest(refusal=Refusal.MALFORMED_REQUEST):
            return STATUS_OF_PLACE.get(error.subject, 0), _flaw(error.subject)
        case _:
            return 0, ""


def _flaw(where: str) -> str:
    """The issue code of what is malformed: a body that cannot be parsed, a value that is none."""
    if where == "body":
        return "structure"
    if status := STATUS_OF_PLACE.get(where):
        return "not-supported" if status == 415 else "too-long"
    return "value" if where.startswith("query.") else ""


def _headers(request: web.Request, request_id: str) -> dict[str, str]:
    return echoed(request.headers, request_id) | {"Vary": VARY, "Cache-Control": PRIVATE}


def _send_resource(
    call: _Call, status: int, headers: dict[str, str], body: bytes, *, etag: str = ""
) -> web.Response:
    """A resource, compressed for who takes that, or the word that the asker has it already."""
    asked, sent = call.request.headers, body
    if len(body) >= MIN_PACKED_BYTES and takes_gzip(asked.get("Accept-Encoding", "")):
        sent = packed(body)
        headers["Content-Encoding"] = GZIP
        etag = f'{etag[:-1]}-{GZIP}"' if etag else ""
    if etag:
        headers["ETag"] = etag
        if unchanged(asked.get("If-None-Match", ""), "", etag=etag):
            return send_whole(call.record, 304, headers, b"")
    return send_whole(call.record, status, headers, sent, root=body)


def _form_of(request: web.Request, body: bytes) -> bytes:
    return body if FORM in request.headers.get("Content-Type", "").lower() else b""


def _typed(format: Format) -> str:
    return f"{format.media_type}; charset=utf-8"


def _asked_as(request: web.Request, body: bytes) -> bytes:
    """The request as it is audited: path, query and what was posted (BALP, PatientQuery)."""
    asked = without_secrets(f"{request.method} {request.raw_path}").encode()
    said = redacted_form(body) if _form_of(request, body) else body
    return asked + b"\n" + said if said else asked


def apology(request: web.Request, correlation_id: str) -> web.Response:
    """The answer to a request that met a fault of ours: an OperationOutcome that names the log."""
    request_id = given_id(request.headers) or correlation_id
    error = refuse(Refusal.INTERNAL, "internal error")
    return web.Response(
        status=status_of(error.refusal),
        body=write_resource(write_outcome(error, correlation_id=correlation_id), Format.JSON),
        headers=_headers(request, request_id) | {"Content-Type": _typed(Format.JSON)},
    )
