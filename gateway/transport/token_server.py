"""Country B's authorisation server: tokens for clients of its own, over mutual TLS.

    POST /token                                       ITI-71, client credentials
    POST /introspect                                  ITI-102, for those who are shown a token
    GET  /jwks.json                                   the keys that verify our tokens
    GET  /.well-known/oauth-authorization-server      ITI-103
    GET  /.well-known/smart-configuration             the same for SMART clients

A client is its TLS certificate and speaks for the professional its settings name
(`token_clients`); a token is bound to that certificate, meant for one community this gateway
knows, and no wider than the client's scopes. One with a treatment relation is issued only to a
client that may name the patient it treats. Nothing is issued to anybody else.

Every request is kept, with the tokens taken out; every token issued or refused is audited.
RFC 6749, RFC 7662, RFC 8414, RFC 8705; IHE ITI IUA 3.71, 3.102, 3.103.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from gateway.domain import (
    Authentication,
    CallContext,
    Caller,
    CommunityId,
    ExchangeError,
    NotAllowed,
    NotNow,
    Refusal,
    Side,
    Transaction,
    TreatmentRelation,
    refuse,
)
from gateway.peers import Peer, PeerBook
from gateway.token_clients import ClientBook, TokenClient
from gateway.transport.fhir_metadata import given_id
from gateway.transport.record import Keeper, Record
from gateway.transport.redaction import REDACTED, redacted_form, without_secrets
from gateway.transport.sending import request_chunks, send_whole
from gateway.transport.tls import peer_of
from gateway.wire.fhir.jwks import write_jwks
from gateway.wire.fhir.scopes import covers
from gateway.wire.fhir.security import UNKNOWN_COUNTRY
from gateway.wire.fhir.token_check import TokenTrust, read_own_token
from gateway.wire.fhir.token_metadata import (
    AUTHORISATION_METADATA,
    INTROSPECTION,
    KEYS,
    SMART_CONFIGURATION,
    TOKEN,
    AuthorisationServer,
    write_metadata,
    write_smart_configuration,
)
from gateway.wire.fhir.token_requests import (
    MAX_FORM,
    TokenError,
    TokenRefused,
    TokenRequest,
    read_introspection,
    read_token_request,
    write_introspection,
    write_refusal,
    write_token,
)
from gateway.wire.fhir.tokens import TokenPolicy, TokenSigner, mint_token
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.saml import CLASS
from gateway.wire.trust import TrustStore

JSON = "application/json"
TLS_CLIENT = CLASS + "TLSClient"
RETRY_AFTER = "5"  # seconds
# Why no token was given, as it is audited.
REASONS: Mapping[TokenError, Refusal] = {
    TokenError.REQUEST: Refusal.MALFORMED_REQUEST,
    TokenError.CLIENT: Refusal.NO_ASSERTION,
    TokenError.GRANT: Refusal.ASSERTION_MALFORMED,
    TokenError.UNAUTHORISED: Refusal.INSUFFICIENT_RIGHTS,
    TokenError.GRANT_TYPE: Refusal.UNSUPPORTED,
    TokenError.SCOPE: Refusal.INSUFFICIENT_RIGHTS,
    TokenError.TARGET: Refusal.UNKNOWN_COMMUNITY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """Who issues tokens, to whom, and for how long; `url` is the issuer's name and address."""

    url: str
    community: CommunityId
    country: str
    signer: TokenSigner
    clients: ClientBook
    peers: PeerBook
    seconds: int
    now: Callable[[], datetime]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request: whose it is, and what it brought."""

    request: web.Request
    record: Record
    caller: Caller
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer, and what of it may be written down."""

    told: dict[str, Any]
    kept: dict[str, Any]


class TokenServer:
    """The routes of an authorisation server."""

    def __init__(self, issuer: TokenIssuer, *, keeper: Keeper, request_seconds: float) -> None:
        self._issuer = issuer
        self._keeper = keeper
        self._request_seconds = request_seconds
        self._description = AuthorisationServer(issuer=issuer.url, scopes=issuer.clients.scopes)
        certificate = issuer.signer.seal.certificate
        self._own = TokenTrust(certificates=TrustStore(pinned=(certificate,)))
        self._answers: dict[tuple[str, str], Callable[[_Call], _Said]] = {
            ("POST", TOKEN): self._issue,
            ("POST", INTROSPECTION): self._introspect,
            ("GET", KEYS): lambda _: _open(write_jwks(issuer.signer)),
            ("GET", AUTHORISATION_METADATA): lambda _: _open(write_metadata(self._description)),
            ("GET", SMART_CONFIGURATION): lambda _: _open(
                write_smart_configuration(self._description)
            ),
        }

    def add_to(self, app: web.Application) -> None:
        """Add the whole of the server; which route a request is for is found here."""
        app.router.add_route("*", "/{path:.*}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        caller = peer_of(request.get_extra_info("ssl_object"), request.remote or "")
        request_id = given_id(request.headers) or self._issuer.new_id()
        try:
            record = self._keeper.open(
                side=Side.RESPONDER,
                transaction=Transaction.GET_TOKEN if request.path == TOKEN else None,
                peer=None,
                endpoint=f"{request.scheme}://{request.host}{request.path}",
                correlation_id=request_id,
                caller=caller,
            )
        except NotNow:
            # What cannot be kept is not begun.
            return web.json_response(
                {"error": "temporarily_unavailable"},
                status=503,
                headers={"Retry-After": RETRY_AFTER, "Cache-Control": "no-store"},
            )
        with record:
            try:
                body = await self._read(request, record, request_id)
                return self._answer(_Call(request, record, caller, request_id, body))
            except DecodeError as error:
                refused = TokenRefused(TokenError.REQUEST, str(error))
                return _refuse(record, request_id, refused)
            except TokenRefused as refused:
                return _refuse(record, request_id, refused)
            except ExchangeError as error:
                record.refused(error)
                body = orjson.dumps({"error": "temporarily_unavailable"})
                return send_whole(record, 503, _headers(request_id), body)

    def _answer(self, call: _Call) -> web.Response:
        path, method = call.request.path.rstrip("/"), call.request.method
        offered = sorted(each for each, at in self._answers if at == path)
        wanted = "GET" if method == "HEAD" else method
        if wanted not in offered:
            status = 405 if offered else 404
            error = refuse(Refusal.UNSUPPORTED, f"{method[:16]} is not offered there")
            call.record.refused(error)
            headers = _headers(call.request_id)
            headers |= {"Allow": ", ".join(offered)} if offered else {}
            body = orjson.dumps({"error": TokenError.REQUEST.value})
            return send_whole(call.record, status, headers, body)
        if path != TOKEN:
            call.record.told_anybody()
        said = self._answers[wanted, path](call)
        return send_whole(
            call.record,
            200,
            _headers(call.request_id),
            orjson.dumps(said.told),
            root=orjson.dumps(said.kept),
        )

    def _issue(self, call: _Call) -> _Said:
        issuer, now = self._issuer, self._issuer.now()
        client = issuer.clients.caller(call.caller)
        if client is None:
            raise TokenRefused(TokenError.CLIENT, "no client is known by this certificate")
        asked = read_token_request(call.request.headers.get("Content-Type", ""), call.body)
        if asked.client_id not in ("", client.name):
            raise TokenRefused(TokenError.CLIENT, "the certificate is another client's")
        scopes = _granted(asked, client)
        peer, audience = self._target(asked)
        if asked.patient is not None and not client.treats:
            text = "this client may not name the patient it treats"
            raise TokenRefused(TokenError.UNAUTHORISED, text)
        context = CallContext(
            correlation_id=call.request_id,
            asking=issuer.community,
            answering=peer,
            professional=client.professional,
            purpose=asked.purpose,
            authentication=Authentication(at=now, method=TLS_CLIENT),
            patient=asked.patient,
            relation=(TreatmentRelation.NONE if asked.patient is None else TreatmentRelation.TRC),
            caller=call.caller,
            issuer=issuer.url,
        )
        call.record.context = context
        call.record.about(patients=() if asked.patient is None else (asked.patient,))
        try:
            token = mint_token(
                context,
                issuer.signer,
                now=now,
                token_id=issuer.new_id(),
                relation_id=issuer.new_id(),
                audience=audience,
                client_fingerprint=call.caller.fingerprint,
                country=issuer.country or issuer.signer.country or UNKNOWN_COUNTRY,
                scope=" ".join(scopes),
                issuer=issuer.url,
                client_id=client.name,
                seconds=issuer.seconds,
            )
        except EncodeError as error:
            raise TokenRefused(TokenError.REQUEST, str(error)) from error
        told = write_token(token, seconds=issuer.seconds, scopes=scopes)
        return _Said(told, told | {"access_token": REDACTED})

    def _target(self, asked: TokenRequest) -> tuple[CommunityId, str]:
        """The community a token is meant for, and the name it is called by in the token."""
        known: dict[str, Peer] = {}
        for peer in self._issuer.peers.peers:
            names = (peer.community.urn if peer.community else "", peer.fhir_url)
            known |= {name: peer for name in names if name}
        communities = {peer.community for peer in known.values()}
        wanted = asked.resource.rstrip("/")
        if not wanted and len(communities) == 1:
            wanted = next(iter(known))
        found = known.get(wanted)
        if found is None or found.community is None:
            text = "resource must name a community this gateway knows, or its FHIR base"
            raise TokenRefused(TokenError.TARGET, text)
        return found.community, wanted

    def _introspect(self, call: _Call) -> _Said:
        known = self._issuer.peers.caller(call.caller) is not self._issuer.peers.stranger
        if not known and self._issuer.clients.caller(call.caller) is None:
            raise TokenRefused(TokenError.CLIENT, "nobody is known by this certificate")
        token = read_introspection(call.request.headers.get("Content-Type", ""), call.body)
        claims = None
        try:
            claims = read_own_token(
                token,
                self._own,
                now=self._issuer.now(),
                policy=TokenPolicy(),
                issuer=self._issuer.url,
            )
        except NotAllowed:
            # Not in force, whatever the reason: more is nobody's business (RFC 7662 2.2).
            claims = None
        told = write_introspection(claims)
        return _Said(told, {"active": told["active"]})

    async def _read(self, request: web.Request, record: Record, request_id: str) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._request_seconds):
                async for data in request_chunks(request, MAX_FORM):
                    body += data
        except TimeoutError:
            text = f"the request was not complete after {self._request_seconds:g} s"
            raise NotNow(Refusal.PEER_TIMEOUT, text) from None
        except ConnectionError as error:
            raise NotNow(Refusal.PEER_UNREACHABLE, "the caller went away") from error
        finally:
            line = f"{request.method} {request.raw_path} HTTP/1.1"
            headers = tuple((str(k), str(v)) for k, v in request.headers.items())
            # What is posted here may be a proof of who somebody is, whatever it is called.
            said = redacted_form(bytes(body))
            record.got_request(Message(start_line=line, headers=headers, body=said))
            record.identify(request_id, without_secrets(line).encode() + b"\n" + said)
        return bytes(body)


def _granted(asked: TokenRequest, client: TokenClient) -> tuple[str, ...]:
    """The scopes a token gets: those asked for, or all the client may have."""
    allowed = " ".join(client.scopes)
    if not all(covers(allowed, frozenset({scope})) for scope in asked.scopes):
        raise TokenRefused(TokenError.SCOPE, f"this client may have {allowed}")
    return asked.scopes or client.scopes


def _open(document: dict[str, Any]) -> _Said:
    return _Said(document, document)


def _refuse(record: Record, request_id: str, refused: TokenRefused) -> web.Response:
    record.refused(refuse(REASONS[refused.error], refused.text))
    body = orjson.dumps(write_refusal(refused))
    return send_whole(record, refused.status, _headers(request_id), body)


def _headers(request_id: str) -> dict[str, str]:
    return {
        "Content-Type": JSON,
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
        "X-Request-Id": request_id,
    }
