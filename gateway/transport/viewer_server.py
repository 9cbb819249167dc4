"""Opens viewers for peers: Invoke Image Display (RAD-106), and sessions asked for by POST.

Who asks is made out from TLS and the access token, as on the DICOMweb routes; what is answered is
an address for a browser, in which no token stands. The plain IID address is for those who follow
the profile to the letter: it takes the token in the same header and redirects. The page itself is
served elsewhere. Every request is kept as a transcript and audited, refusals too: this one event
tells of the opening, as the address it gives opens once. Clauses: IHE RAD TF-2 4.106, RFC 9110 15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.domain import (
    BadRequest,
    CallContext,
    Caller,
    CommunityId,
    Exchange,
    ExchangeError,
    ImagingManifest,
    NotAllowed,
    NotFound,
    NotNow,
    Refusal,
    Side,
    Transaction,
    Uid,
    ViewerLink,
    refuse,
)
from gateway.peers import Peer
from gateway.transport.dicomweb_server import BASE, MAX_REQUEST_ID, RETRY_AFTER, SIBLING_BASE
from gateway.transport.record import Keeper, Record
from gateway.transport.redaction import without_secrets
from gateway.transport.sending import outward, request_chunks, send_whole
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.tls import peer_of
from gateway.transport.token_gate import TokenGate, check_community
from gateway.wire.dicom.iid import (
    MAX_BODY,
    PATH,
    SESSIONS,
    DisplayRequest,
    decode_session,
    encode_opened,
    parse_query,
    without_secret,
)
from gateway.wire.dicom.web_refusals import status_of, write_refusal
from gateway.wire.fhir.security import write_challenge
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError

SCOPES = frozenset({Transaction.VIEW_IMAGES.value, "system/ImagingStudy.r"})
# One more than a page shows: then it is known that more than one fits.
_ENOUGH = 2


@dataclass(slots=True)
class _Call:
    """One request on its way through: what has been made out so far."""

    request: web.Request
    record: Record
    caller: Caller
    peer: Peer
    request_id: str

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries: an address that opens something is in no cache."""
        return {
            "X-Request-Id": self.request_id,
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }


class ViewerServer:
    """The routes by which viewers of an Exchange are opened; `exchange_of` gives a peer's."""

    def __init__(
        self,
        exchange_of: Callable[[Peer], Exchange],
        *,
        community: CommunityId,
        identity: ServerIdentity,
        keeper: Keeper,
        public_url: str = "",
    ) -> None:
        self._exchange_of = exchange_of
        self._community = community
        self._identity = identity
        self._keeper = keeper
        root = public_url.rstrip("/")
        audiences = tuple(f"{root}{base}" for base in (BASE, SIBLING_BASE)) if root else ()
        self._gate = TokenGate(identity, audiences)

    def add_to(self, app: web.Application) -> None:
        """Add the routes; before those of DICOMweb, below whose bases they lie."""
        for base in (BASE, SIBLING_BASE):
            app.router.add_route("*", base + SESSIONS, self._serve)
            app.router.add_route("*", base + PATH, self._serve)
        app.router.add_route("*", PATH, self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        peer = self._identity.peers.caller(caller)
        given = request.headers.get("X-Request-Id", "")
        fit = given.isprintable() and given.isascii() and 0 < len(given) <= MAX_REQUEST_ID
        request_id = given if fit else self._identity.new_id()
        try:
            record = self._keeper.open(
                side=Side.RESPONDER,
                transaction=Transaction.VIEW_IMAGES,
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
        call = _Call(request, record, caller, peer, request_id)
        with record:
            try:
                return await self._answer(call)
            except DecodeError as error:
                refused = BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where)
                return self._refuse(call, refused)
            except ExchangeError as error:
                return self._refuse(call, error)

    async def _answer(self, call: _Call) -> web.Response:
        request = call.request
        by_session = request.path.endswith(SESSIONS)
        method = "POST" if by_session else "GET"
        body = b""
        try:
            if request.method == method == "POST":
                body = b"".join([piece async for piece in request_chunks(request, MAX_BODY)])
        finally:
            self._keep(call, body)
        if request.method != method:
            raise _MethodNotAllowed(request.method, method)
        context = self._gate.admit(
            request,
            caller=call.caller,
            peer=call.peer,
            correlation_id=call.request_id,
            patient_specific=True,
            scopes=SCOPES,
        )
        call.record.context = context
        check_community(context, call.peer)
        asked = (
            decode_session(body) if by_session else parse_query(request.raw_path.partition("?")[2])
        )
        call.record.asked(
            noun=asked,
            studies=asked.studies,
            patients=(context.patient,) if context.patient else (),
        )
        link = await self._link(call, asked, context)
        # What opens a viewer is a secret while it lasts: records tell where it is, and no more.
        told = replace(link, url=without_secret(link.url))
        call.record.answered(noun=told, issues=())
        headers = call.headers | {"Location": told.url}
        status, body = (201, encode_opened(link)) if by_session else (303, b"")
        response = send_whole(call.record, status, headers, body, root=encode_opened(told))
        response.headers["Location"] = link.url
        return response

    async def _link(self, call: _Call, asked: DisplayRequest, context: CallContext) -> ViewerLink:
        exchange = self._exchange_of(call.peer)
        study = await self._study(exchange, asked, context)
        call.record.asked(noun=asked, studies=(study,))
        return await exchange.open_viewer(study, context, key_images_only=asked.key_images_only)

    async def _study(self, exchange: Exchange, asked: DisplayRequest, context: CallContext) -> Uid:
        """The one study that is meant."""
        if len(asked.studies) == 1:
            return asked.studies[0]
        query = asked.query(self._community)
        found = await exchange.find_studies(
            replace(query, limit=min(query.limit or _ENOUGH, _ENOUGH)), context
        )
        fitting = [study for study in found.items if _is_of(asked, study)]
        if not fitting:
            for issue in found.errors:
                raise refuse(issue.refusal, issue.text, subject=issue.subject)
            raise NotFound(Refusal.UNKNOWN_INSTANCE, "no study here fits what is asked for")
        if len(fitting) > 1:
            raise BadRequest(
                Refusal.UNSUPPORTED,
                "several studies fit and one is shown at a time: name it by studyUID, or ask for "
                "mostRecentResults=1",
            )
        return fitting[0].study

    def _keep(self, call: _Call, body: bytes) -> None:
        # A token in the address is refused; it is not written down for that.
        line = f"{call.request.method} {without_secrets(call.request.raw_path)}"
        headers = tuple((str(k), str(v)) for k, v in call.request.headers.items())
        call.record.got_request(Message(start_line=f"{line} HTTP/1.1", headers=headers, body=body))
        call.record.identify(call.request_id, line.encode() + (b"\n" + body if body else b""))

    def _refuse(self, call: _Call, error: ExchangeError) -> web.Response:
        call.record.refused(error)
        headers = call.headers
        if isinstance(error, NotAllowed) and (challenge := write_challenge(error.refusal)):
            headers["WWW-Authenticate"] = challenge
        if error.retry:
            headers["Retry-After"] = RETRY_AFTER
        status = status_of(error.refusal)
        if isinstance(error, _MethodNotAllowed):
            status, headers["Allow"] = 405, error.offered
        body = write_refusal(outward(error), correlation_id=call.request_id)
        return send_whole(call.record, status, headers, body)


class _MethodNotAllowed(BadRequest):
    """A method that the address does not take (405)."""

    def __init__(self, method: str, offered: str) -> None:
        text = f"{method[:16]} is not offered here; {offered} is"
        super().__init__(Refusal.UNSUPPORTED, text)
        self.offered = offered


def _is_of(asked: DisplayRequest, study: ImagingManifest) -> bool:
    born = study.patient.birth_date
    return asked.birth_date is None or born is None or born == asked.birth_date
