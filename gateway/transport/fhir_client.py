"""An Exchange over FHIR: asks another gateway, as PDQm says.

Each call carries a token minted for it, is kept as a transcript and audited, whatever comes back.
An answer is read whole under a limit. What this client cannot ask is refused by name
(`UNSUPPORTED`): which verbs of a peer go over FHIR is chosen in the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import aiohttp

from gateway.config import LimitSection
from gateway.domain import (
    CallContext,
    ExchangeError,
    Outcome,
    PatientIdentity,
    PatientTraits,
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
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.foreign_outcomes import read_refusal
from gateway.wire.fhir.negotiation import request_format
from gateway.wire.fhir.resources import Json, read_resource
from gateway.wire.fhir.security import attach_context
from gateway.wire.fhir.tokens import TokenSigner
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError, EncodeError

ACCEPT = "application/fhir+json;q=1, application/fhir+xml;q=0.5"
FORM = "application/x-www-form-urlencoded"
# Live peers answer a search without matches by 204, or by 404 with an outcome that says this
# code and names no reason of XDS, eHDSI or ours.
NOT_FOUND = "not-found"
NOTHING_FOUND: Json = {"resourceType": "Bundle", "type": "searchset"}

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


class FhirClient:
    """Another gateway as a `PatientDirectory` over FHIR. `session` carries our TLS certificate."""

    def __init__(
        self,
        peer: Peer,
        *,
        identity: FhirClientIdentity,
        session: aiohttp.ClientSession,
        keeper: Keeper,
        limits: LimitSection,
    ) -> None:
        self._peer = peer
        self._identity = identity
        self._session = session
        self._keeper = keeper
        self._limits = limits
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
        )

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Patients of the other country who fit the traits (ITI-78).

        The search is posted: identifiers do not belong into addresses, which proxies write down.
        """
        with self._record(Transaction.SEARCH_PATIENTS, context) as record:
            record.asked(noun=traits, patients=traits.ids)
            form = self._encoded(lambda: pdqm.encode_request(traits))
            resource = await self._ask(
                record,
                context,
                Transaction.SEARCH_PATIENTS,
                "/Patient/_search",
                form=form.encode(),
            )
            outcome = self._decoded(
                lambda: pdqm.decode_response(resource, self._peer.community or context.answering)
            )
            record.answered(noun=outcome, issues=outcome.issues)
            record.about(patients=tuple(item.id for item in outcome.items))
            return outcome

    def _record(self, transaction: Transaction, context: CallContext) -> Record:
        return self._keeper.open(
            side=Side.INITIATOR,
            transaction=transaction,
            peer=self._peer.community,
            endpoint=self._peer.fhir_url,
            correlation_id=context.correlation_id,
            context=context,
        )

    async def _ask(
        self,
        record: Record,
        context: CallContext,
        transaction: Transaction,
        path: str,
        *,
        form: bytes,
    ) -> Json:
        """Send one request and read the resource that answers it; a refusal is raised."""
        url = f"{self._peer.fhir_url}{path}"
        request_id = self._identity.new_id()
        headers = {
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "Content-Type": FORM,
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
            Message(start_line=f"POST {url} HTTP/1.1", headers=tuple(headers.items()), body=form),
            message_id=request_id,
            payload=f"POST {url}\n".encode() + form,
        )
        with network_failures(self._peer.name):
            async with self._session.post(
                url,
                data=form,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                body = await self._body(response, record)
        return self._resource(response, body)

    async def _body(self, response: aiohttp.ClientResponse, record: Record) -> bytes:
        """The answer's body, unpacked; what came of it is on record, however it ends."""
        body = bytearray()
        try:
            packed = response.headers.get("Content-Encoding", "")
            async for data in unpacked(response.content.iter_any(), packed):
                body += data
                if len(body) > self._limits.answer_bytes:
                    text = f"{self._peer.name} answered with over {self._limits.answer_bytes} bytes"
                    raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)
        except DecodeError as error:
            raise self._unreadable(error) from error
        finally:
            record.got_answer(_message(response, bytes(body)))
        return bytes(body)

    def _resource(self, response: aiohttp.ClientResponse, body: bytes) -> Json:
        resource: Json | None = None
        problem: ExchangeError | None = None
        try:
            format = request_format(response.headers.get("Content-Type", ""))
            resource = read_resource(body, format, where="answer")
        except DecodeError as error:
            problem = self._unreadable(error)
        except ExchangeError as error:
            problem = PeerMisbehaved(
                Refusal.PEER_MISBEHAVED, f"the answer of {self._peer.name}: {error.text}"
            )
        if response.status == 204:
            return NOTHING_FOUND
        if response.status != 200:
            refused = read_refusal(response.status, resource, self._peer.name)
            if response.status == 404 and refused.code == NOT_FOUND:
                return NOTHING_FOUND
            raise refused
        if resource is None:
            raise problem or PeerMisbehaved(Refusal.PEER_MISBEHAVED, "an answer without a resource")
        return resource

    def _encoded(self, encode: Callable[[], str]) -> str:
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


def _message(response: aiohttp.ClientResponse, body: bytes) -> Message:
    line = f"HTTP/1.1 {response.status} {response.reason or ''}".rstrip()
    headers = tuple((str(k), str(v)) for k, v in response.headers.items())
    return Message(start_line=line, headers=headers, body=body)
