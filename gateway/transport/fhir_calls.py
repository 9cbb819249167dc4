"""Calls to a FHIR base of another gateway: asked with a token, kept, audited, and read with limits.

What is asked and what an answer means is for the clients over it. An address that a peer gives,
of a next page or of a document, is followed only within its own host: a token goes nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import aiohttp

from gateway.config import LimitSection
from gateway.domain import (
    CallContext,
    CommunityId,
    ExchangeError,
    PeerMisbehaved,
    Refusal,
    Side,
    Transaction,
    refuse,
)
from gateway.peers import Peer
from gateway.transport.failures import network_failures
from gateway.transport.packed import unpacked
from gateway.transport.record import Keeper, Record
from gateway.wire.fhir.foreign_outcomes import read_refusal
from gateway.wire.fhir.negotiation import request_format
from gateway.wire.fhir.resources import Json, read_resource
from gateway.wire.fhir.security import attach_context
from gateway.wire.fhir.tokens import TokenSigner
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

ACCEPT = "application/fhir+json;q=1, application/fhir+xml;q=0.5"
FORM = "application/x-www-form-urlencoded"
# Live peers answer a search without matches by 204, or by 404 with an outcome that says this
# code and names no reason of XDS, eHDSI or ours.
NOT_FOUND = "not-found"
NOTHING_FOUND: Json = {"resourceType": "Bundle", "type": "searchset"}

_SLASHES = re.compile("//+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirClientIdentity:
    """Who calls: our country, the seal, the TLS client, the clock, ids.

    `client_fingerprint` is the SHA-256 of our TLS client certificate in lower-case hex: a token is
    bound to it.
    """

    country: str
    signer: TokenSigner
    client_fingerprint: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]


class FhirCalls:
    """The FHIR base of one peer. `session` carries our TLS certificate."""

    def __init__(
        self,
        peer: Peer,
        *,
        identity: FhirClientIdentity,
        session: aiohttp.ClientSession,
        keeper: Keeper,
        limits: LimitSection,
    ) -> None:
        self.peer = peer
        self.limits = limits
        self._identity = identity
        self._session = session
        self._keeper = keeper
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
        )

    def now(self) -> datetime:
        """The time by the caller's clock."""
        return self._identity.now()

    def community(self, context: CallContext) -> CommunityId:
        """Whose patients and documents the peer answers with."""
        return self.peer.community or context.answering

    def record(
        self, transaction: Transaction, context: CallContext, *, endpoint: str = ""
    ) -> Record:
        """The record of a call about to begin, by default to the FHIR base."""
        return self._keeper.open(
            side=Side.INITIATOR,
            transaction=transaction,
            peer=self.peer.community,
            endpoint=endpoint or self.peer.fhir_url,
            correlation_id=context.correlation_id,
            context=context,
        )

    def address(self, url: str) -> str:
        """An address a peer gave, made absolute; `PeerMisbehaved` for one of another host.

        A doubled slash inside the path is one that came of joining two strings.
        """
        try:
            whole = urlsplit(urljoin(f"{self.peer.fhir_url}/", url))
        except ValueError:
            whole = urlsplit("")
        if _origin(whole) != _origin(urlsplit(self.peer.fhir_url)):
            text = f"{self.peer.name} points at {quoted(url)}, which is not its own host"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)
        return urlunsplit(whole._replace(path=_SLASHES.sub("/", whole.path), fragment=""))

    async def ask(
        self,
        record: Record,
        context: CallContext,
        transaction: Transaction,
        url: str,
        *,
        form: bytes | None = None,
    ) -> Json:
        """Send one request, posted where there is a form, and read the resource that answers it.

        A refusal is raised; an answer that says "nothing found" in any way is an empty searchset.
        """
        async with self.opened(
            record, context, transaction, url, form=form, accept=ACCEPT
        ) as response:
            body = await self.body(response, record)
        return self.resource(response, body)

    @asynccontextmanager
    async def opened(
        self,
        record: Record,
        context: CallContext,
        transaction: Transaction,
        url: str,
        *,
        accept: str,
        form: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is still to be read; what the network does to it is a refusal."""
        method = "GET" if form is None else "POST"
        request_id = self._identity.new_id()
        sent = {
            "Accept": accept,
            "Accept-Encoding": "gzip",
            **({} if form is None else {"Content-Type": FORM}),
            **(headers or {}),
            "X-Request-Id": request_id,
            "Authorization": attach_context(
                context,
                self._identity.signer,
                now=self._identity.now(),
                new_id=self._identity.new_id,
                country=self._identity.country,
                audience=context.answering.urn,
                client_fingerprint=self._identity.client_fingerprint,
                scope=transaction.value,
            ),
        }
        record.sent_request(
            Message(
                start_line=f"{method} {url} HTTP/1.1", headers=tuple(sent.items()), body=form or b""
            ),
            message_id=request_id,
            payload=f"{method} {url}".encode() + (b"" if form is None else b"\n" + form),
        )
        with network_failures(self.peer.name):
            async with self._session.request(
                method,
                url,
                data=form,
                headers=sent,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                yield response

    async def body(self, response: aiohttp.ClientResponse, record: Record) -> bytes:
        """The answer's body, unpacked; what came of it is on record, however it ends."""
        body = bytearray()
        try:
            async for data in self.pieces(response):
                body += data
                if len(body) > self.limits.answer_bytes:
                    text = f"{self.peer.name} answered with over {self.limits.answer_bytes} bytes"
                    raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)
        finally:
            record.got_answer(answer_message(response, bytes(body)))
        return bytes(body)

    async def pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The answer's bytes as they come, unpacked; what the network does to them is a refusal."""
        try:
            packed = response.headers.get("Content-Encoding", "")
            with network_failures(self.peer.name):
                async for data in unpacked(_arriving(response.content), packed):
                    yield data
        except DecodeError as error:
            raise self.unreadable(error) from error

    def resource(self, response: aiohttp.ClientResponse, body: bytes) -> Json:
        """The resource in an answer; see `ask`."""
        resource: Json | None = None
        problem: ExchangeError | None = None
        try:
            format = request_format(response.headers.get("Content-Type", ""))
            resource = read_resource(body, format, where="answer")
        except DecodeError as error:
            problem = self.unreadable(error)
        except ExchangeError as error:
            problem = PeerMisbehaved(
                Refusal.PEER_MISBEHAVED, f"the answer of {self.peer.name}: {error.text}"
            )
        if response.status == 204:
            return NOTHING_FOUND
        if response.status != 200:
            refused = read_refusal(response.status, resource, self.peer.name)
            if response.status == 404 and refused.code == NOT_FOUND:
                return NOTHING_FOUND
            raise refused
        if resource is None:
            raise problem or PeerMisbehaved(Refusal.PEER_MISBEHAVED, "an answer without a resource")
        return resource

    def encoded(self, encode: Callable[[], T]) -> T:
        """What a codec writes; what it cannot write is a refusal."""
        try:
            return encode()
        except EncodeError as error:
            text = f"the request cannot be written: {error}"
            raise refuse(Refusal.MALFORMED_REQUEST, text) from error

    def decoded(self, decode: Callable[[], T]) -> T:
        """What a codec reads; what it cannot read is the peer's fault."""
        try:
            return decode()
        except DecodeError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: DecodeError) -> PeerMisbehaved:
        """The refusal of an answer that cannot be read."""
        text = f"the answer of {self.peer.name} cannot be read: {error}"
        return PeerMisbehaved(Refusal.PEER_MISBEHAVED, text, subject=error.where)


async def _arriving(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The bytes as they come, those that had come when the connection broke included."""
    try:
        async for data in content.iter_any():
            yield data
    except (aiohttp.ClientError, OSError):
        # aiohttp tells of the break before it hands over what lies in its buffer, for which there
        # is no other way in; over a fast line that is all there is between two breaks.
        if left := content._read_nowait(-1):
            yield left
        raise


def _origin(address: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port of an address (RFC 6454); nobody's where it cannot be read."""
    try:
        port = address.port or {"https": 443, "http": 80}.get(address.scheme, 0)
        return address.scheme, address.hostname or "", port
    except ValueError:
        return "", "", 0


def answer_message(response: aiohttp.ClientResponse, body: bytes) -> Message:
    """An answer as a transcript keeps it."""
    line = f"HTTP/1.1 {response.status} {response.reason or ''}".rstrip()
    headers = tuple((str(k), str(v)) for k, v in response.headers.items())
    return Message(start_line=line, headers=headers, body=body)
