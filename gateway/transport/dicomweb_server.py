"""Puts an Exchange on the network as DICOMweb: instances by their addresses (WADO-RS, RAD-107),
and searches for them (QIDO-RS, RAD-129).

The caller is made out from TLS and the access token, as on the FHIR routes; addresses and Accept
headers are read by `wire/dicom`, what they mean is asked by `dicomweb_answers`. Every request is
kept as a transcript and audited, refusals too. An answer that breaks off is cut, never ended.
Clauses: DICOM PS3.18 8 and 10.4, IHE RAD TF-2 4.107, XC-WADO 58.4.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial

import orjson
from aiohttp import web

from gateway.compression.plan_text import plan_view
from gateway.config import LimitSection
from gateway.domain import (
    BadRequest,
    CallContext,
    Caller,
    CommunityId,
    DeliveryWish,
    ExchangeError,
    ImageChunk,
    ImageDelivery,
    NotAllowed,
    NotNow,
    Oid,
    Refusal,
    Side,
    SyntaxChoice,
    Transaction,
)
from gateway.peers import Peer
from gateway.transport.content_sending import RangeRefused, send_content
from gateway.transport.dicomweb_answers import DicomwebAnswerer, Located, require_announced
from gateway.transport.dicomweb_parts import outgoing, parts_of
from gateway.transport.dicomweb_search import read_search, write_found
from gateway.transport.dicomweb_views import ViewRequest, answer_view
from gateway.transport.goodput import Goodput, Sending
from gateway.transport.packed import CONTENT_ENCODING, GZIP, takes_gzip
from gateway.transport.record import Keeper, Record, recorded_images
from gateway.transport.redaction import without_secrets
from gateway.transport.sending import STATUS_OF_PLACE, outward, send_stream, send_whole
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.tls import peer_of
from gateway.transport.token_gate import TokenGate, check_community
from gateway.wire.delivery_wish import delivery_id, read_wish
from gateway.wire.dicom.accept import (
    DICOM_JSON,
    Acceptable,
    MediaRange,
    Packaging,
    choose_instances,
    choose_metadata,
    parse_accept,
)
from gateway.wire.dicom.web import (
    ImageScope,
    View,
    is_search,
    parse_path,
    query_value,
)
from gateway.wire.dicom.web_cross import is_xc_path, parse_xc_path
from gateway.wire.dicom.web_parts import (
    DERIVED_FROM,
    OutgoingInstance,
    body_length,
    content_type,
    instance_tail,
    single_content_type,
)
from gateway.wire.dicom.web_refusals import status_of, write_refusal
from gateway.wire.fhir.security import write_challenge
from gateway.wire.message import Message
from gateway.wire.packing import InstancePacker
from gateway.wire.problems import DecodeError
from gateway.wire.ranges import no_such_range

BASE = "/dicom-web"
# Live peers make it from the FHIR base, by another last word.
SIBLING_BASE = "/dicom"
MAX_REQUEST_ID = 128
RETRY_AFTER = "5"  # seconds
_XML = {"Content-Type": "application/xml"}
# DICOM has no scope of its own; SMART's for the study grants its images too.
SCOPES = frozenset({Transaction.FETCH_IMAGES.value, "system/ImagingStudy.r"})
SEARCH_SCOPES = frozenset({Transaction.SEARCH_STUDIES.value, "system/ImagingStudy.s"})

AnswererOf = Callable[[CommunityId | None], DicomwebAnswerer]


@dataclass(slots=True)
class _Call:
    """One request on its way through: what has been made out so far."""

    request: web.Request
    record: Record
    caller: Caller
    peer: Peer
    base: str
    request_id: str

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        return {
            "X-Request-Id": self.request_id,
            "Vary": "Accept, Accept-Encoding, Authorization",
            "Cache-Control": "private, no-cache",
            # What a peer stored is shown by browsers as what it is said to be, and runs nothing.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """What a request is for, and of whom it is asked."""

    scope: ImageScope
    community: CommunityId | None = None
    location: Oid | None = None
    retrieve_url: str = ""


class DicomwebServer:
    """The routes of a DICOMweb base for Exchanges.

    `answerer` gives who answers for a community, None for our own; it refuses with
    `UNKNOWN_COMMUNITY` for one we have no way to. `public_url` is the origin of addresses in
    answers, "" to take the one that was called. `goodput` is told how fast images go to each
    community.
    """

    def __init__(
        self,
        answerer: AnswererOf,
        *,
        identity: ServerIdentity,
        keeper: Keeper,
        limits: LimitSection,
        public_url: str = "",
        goodput: Goodput | None = None,
    ) -> None:
        self._answerer = answerer
        self._identity = identity
        self._keeper = keeper
        self._limits = limits
        self._goodput = goodput or Goodput()
        self._root = root = public_url.rstrip("/")
        audiences = tuple(f"{root}{base}" for base in (BASE, SIBLING_BASE)) if root else ()
        self._gate = TokenGate(identity, audiences)

    def add_to(self, app: web.Application) -> None:
        """Add the base and its sibling; what an address means is not decided by aiohttp."""
        for base in (BASE, SIBLING_BASE):
            app.router.add_route("*", base + "{path:(?:/.*)?}", partial(self._serve, base))

    async def _serve(self, base: str, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        peer = self._identity.peers.caller(caller)
        request_id = self._request_id(request)
        try:
            record = self._keeper.open(
                side=Side.RESPONDER,
                transaction=Transaction.FETCH_IMAGES,
                peer=peer.community,
                endpoint=f"{request.scheme}://{request.host}{request.path}",
                correlation_id=request_id,
                caller=caller,
            )
        except NotNow as error:
            # What cannot be kept is not begun: no transcript, no exchange.
            return web.Response(
                status=status_of(error.refusal),
                body=write_refusal(error, correlation_id=request_id),
                headers={"Content-Type": "application/json", "Retry-After": RETRY_AFTER},
            )
        call = _Call(
            request=request,
            record=record,
            caller=caller,
            peer=peer,
            base=(self._root or f"{request.scheme}://{request.host}") + base,
            request_id=request_id,
        )
        with record:
            try:
                return await self._answer(call, base)
            except DecodeError as error:
                refused = BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where)
                return self._refuse(call, refused)
            except ExchangeError as error:
                return self._refuse(call, error)

    async def _answer(self, call: _Call, base: str) -> web.StreamResponse:
        request, record = call.request, call.record
        # A token in the address is refused; it is not written down for that.
        line = f"{request.method} {without_secrets(request.raw_path)} HTTP/1.1"
        headers = tuple((str(k), str(v)) for k, v in request.headers.items())
        record.got_request(Message(start_line=line, headers=headers, body=b""))
        record.identify(call.request_id, line.removesuffix(" HTTP/1.1").encode())
        if request.method not in ("GET", "HEAD"):
            raise _MethodNotAllowed(request.method)
        path, _, query = request.raw_path.removeprefix(base).partition("?")
        searching = is_search(path)
        if searching:
            record.transaction = Transaction.SEARCH_STUDIES
        context = self._gate.admit(
            request,
            caller=call.caller,
            peer=call.peer,
            correlation_id=call.request_id,
            patient_specific=True,
            scopes=SEARCH_SCOPES if searching else SCOPES,
        )
        record.context = context
        check_community(context, call.peer)
        if searching:
            return await self._search(call, self._answerer(None), path, query, context)
        address = _address(path, query)
        answerer = self._answerer(address.community)
        located = await answerer.locate(
            address.scope,
            call.peer,
            context,
            location=address.location,
            retrieve_url=address.retrieve_url,
        )
        images = tuple(ref for ref, _ in located.request.instances)
        record.asked(noun=located.request, images=images, patients=located.patients)
        if address.scope.view is View.PLAN:
            return await self._plan(call, answerer, located, context)
        if address.scope.view is View.CERTIFICATE:
            return await self._certificate(call, answerer, address.scope, query, context)
        if address.scope.view is View.INSTANCES:
            return await self._instances(call, answerer, located, context)
        if address.scope.view is View.THUMBNAIL:
            located = located.representative
        asked = ViewRequest(
            request=request,
            record=record,
            scope=address.scope,
            base=call.base,
            headers=call.headers,
            boundary=self._boundary(),
            silence_seconds=self._limits.silence_seconds,
        )
        deliver = partial(answerer.deliver, located, peer=call.peer, context=context)
        return await answer_view(asked, deliver)

    async def _search(
        self, call: _Call, answerer: DicomwebAnswerer, path: str, query: str, context: CallContext
    ) -> web.StreamResponse:
        accept = call.request.headers.getall("Accept", [])
        choose_metadata(parse_accept(",".join(accept), query_value(query, "accept")))
        search = read_search(path, query, community=answerer.community, context=context)
        patient = search.query.patient or context.patient
        call.record.asked(noun=search.query, patients=(patient,) if patient else ())
        found = await answerer.search(search, call.peer, context)
        call.record.answered(noun=found, issues=found.issues)
        body, warnings = write_found(search, found, base=call.base, service=call.base)
        headers = call.headers | {"Content-Type": DICOM_JSON}
        if warnings:
            headers["Warning"] = ", ".join(warnings)
        return send_whole(call.record, 200, headers, body)

    async def _plan(
        self, call: _Call, answerer: DicomwebAnswerer, located: Located, context: CallContext
    ) -> web.StreamResponse:
        """How the instances would come to whoever sent the same headers with the same address."""
        call.record.transaction = Transaction.SEARCH_STUDIES
        _, wish = _wished(call.request, located, context)
        plan = await answerer.plan(located, wish, call.peer, context)
        call.record.answered(noun=plan, issues=())
        headers = call.headers | {"Content-Type": "application/json"}
        return send_whole(call.record, 200, headers, orjson.dumps(plan_view(plan)))

    async def _certificate(
        self,
        call: _Call,
        answerer: DicomwebAnswerer,
        scope: ImageScope,
        query: str,
        context: CallContext,
    ) -> web.StreamResponse:
        """What was done to the instances that went out under an id, sealed by who sent them."""
        call.record.transaction = Transaction.SEARCH_STUDIES
        delivery = query_value(query, "delivery") or ""
        body = await answerer.certify(delivery, scope.study, call.peer, context)
        call.record.answered(noun=delivery, issues=())
        return send_whole(call.record, 200, call.headers | _XML, body)

    async def _instances(
        self, call: _Call, answerer: DicomwebAnswerer, located: Located, context: CallContext
    ) -> web.StreamResponse:
        request = call.request
        acceptable, wish = _wished(request, located, context)
        delivery = await answerer.deliver(located, wish, call.peer, context)
        async with delivery:
            if len(delivery.announced) == 1:
                # What is alone is sent with its size and tag, so that it can be had in part.
                await delivery.settle()
                require_announced(delivery)
            call.record.answered(noun=delivery.announced, issues=delivery.issues)
            sent = tuple(outgoing(call.base, item) for item in delivery.announced)
            headers = call.headers | delivery_id(delivery.id)
            status = 206 if delivery.issues else 200
            images = recorded_images(delivery, call.record)
            sending = Sending()
            if acceptable.packaging(sent[0].transfer_syntax) is Packaging.SINGLE:
                _demand_whole(wish)
                headers["Content-Location"] = sent[0].location
                if sent[0].derived_from:
                    headers[DERIVED_FROM] = sent[0].derived_from
                return await self._alone(call, delivery, sent[0], images, headers)
            boundary = self._boundary()
            headers["Content-Type"] = content_type(boundary)
            # What may be sent in gzip is, and then nobody knows how long it will be.
            packer = InstancePacker() if wish.packs else None
            length = None if packer else body_length(boundary, sent)
            if packer:
                headers[CONTENT_ENCODING] = GZIP
            if request.method == "HEAD":
                if length is not None:
                    headers["Content-Length"] = str(length)
                return send_whole(call.record, status, headers, b"")
            tail = instance_tail(boundary)
            try:
                return await send_stream(
                    request,
                    call.record,
                    parts_of(boundary, delivery, sent, images, call.base, packer),
                    status=status,
                    headers=headers,
                    length=length,
                    tail=partial(packer.end, tail) if packer else tail,
                    silence_seconds=self._limits.silence_seconds,
                    sending=sending,
                )
            finally:
                self._goodput.sent(str(context.asking), sending)

    async def _alone(
        self,
        call: _Call,
        delivery: ImageDelivery,
        sent: OutgoingInstance,
        images: AsyncIterator[ImageChunk],
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """One instance as the body itself: whole, in part, or not again."""
        media_type = single_content_type(sent.transfer_syntax)
        announced, size = delivery.announced[0], sent.size_bytes
        if size is not None:
            return await send_content(
                call.request,
                call.record,
                _Instance(delivery, size),
                mime_type=media_type,
                headers=headers,
                etag=f'"{announced.sha256}"' if announced.sha256 else "",
                silence_seconds=self._limits.silence_seconds,
            )
        headers["Content-Type"] = media_type
        if call.request.method == "HEAD":
            return send_whole(call.record, 200, headers, b"")
        return await send_stream(
            call.request,
            call.record,
            _file(images),
            headers=headers,
            silence_seconds=self._limits.silence_seconds,
        )

    def _refuse(self, call: _Call, error: ExchangeError) -> web.Response:
        call.record.refused(error)
        headers = call.headers | {"Content-Type": "application/json"}
        if isinstance(error, NotAllowed) and (challenge := write_challenge(error.refusal)):
            headers["WWW-Authenticate"] = challenge
        if error.retry:
            headers["Retry-After"] = RETRY_AFTER
        status = STATUS_OF_PLACE.get(error.subject) or status_of(error.refusal)
        if isinstance(error, RangeRefused):
            status, headers["Content-Range"] = 416, no_such_range(error.size_bytes)
        if isinstance(error, _MethodNotAllowed):
            status, headers["Allow"] = 405, "GET, HEAD"
        body = write_refusal(outward(error), status=status, correlation_id=call.request_id)
        return send_whole(call.record, status, headers, body)

    def _boundary(self) -> str:
        # Random enough to occur in no instance.
        return f"b-{self._identity.new_id()}"

    def _request_id(self, request: web.Request) -> str:
        """The caller's own id of its request, where it is fit to be repeated; else one of ours."""
        given = request.headers.get("X-Request-Id", "")
        fit = given.isprintable() and given.isascii() and 0 < len(given) <= MAX_REQUEST_ID
        return given if fit else self._identity.new_id()


class _MethodNotAllowed(BadRequest):
    """A method that DICOMweb has and this service does not (405)."""

    def __init__(self, method: str) -> None:
        super().__init__(Refusal.UNSUPPORTED, f"{method[:16]} is not offered here; GET is")


def _wished(
    request: web.Request, located: Located, context: CallContext
) -> tuple[Acceptable, DeliveryWish]:
    """In which forms located instances may be sent, and what else is wished of them."""
    accept = parse_accept(
        ",".join(request.headers.getall("Accept", [])),
        query_value(request.rel_url.raw_query_string, "accept"),
    )
    alone = len(located.request.instances) == 1
    acceptable = choose_instances(_of_images(accept), alone=alone)
    wish = read_wish(
        request.headers,
        syntaxes=acceptable.syntaxes,
        choice=acceptable.choice,
        purpose_of_use=context.purpose,
    )
    # What is alone is sent by its own bytes, of which a part can be asked for; who wants files as
    # they are stored is not after bytes, and packing would only cost both ends time.
    sparing = bool(wish.plan or wish.first_look) or wish.choice is not SyntaxChoice.AS_STORED
    taken = takes_gzip(",".join(request.headers.getall("Accept-Encoding", [])))
    return acceptable, replace(wish, packs=taken and sparing and not alone)


def _demand_whole(wish: DeliveryWish) -> None:
    """A body that is the instance itself is sent in part by its Range and by nothing else."""
    if wish.first_look:
        text = "a first look comes in a multipart; of one instance a part is had by Range"
        raise BadRequest(Refusal.UNSUPPORTED, text, subject="first-look")


def _of_images(accept: tuple[MediaRange, ...]) -> tuple[MediaRange, ...]:
    """The ranges without those for a plan's own form, which says nothing of images."""
    return tuple(one for one in accept if one.media_type != "application/json")


def _address(path: str, query: str) -> _Address:
    if is_xc_path(path):
        cross = parse_xc_path(path, query)
        return _Address(
            scope=cross.scope,
            community=cross.community,
            location=cross.location,
            retrieve_url=cross.retrieve_url,
        )
    return _Address(scope=parse_path(path))


@dataclass(frozen=True, slots=True)
class _Instance:
    """The one instance of a delivery as a content."""

    delivery: ImageDelivery
    size_bytes: int

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Its file; to be called once."""
        async for chunk in self.delivery.chunks():
            yield chunk.data


async def _file(images: AsyncIterator[ImageChunk]) -> AsyncIterator[bytes]:
    async for chunk in images:
        yield chunk.data
