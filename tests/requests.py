"""Raw SOAP requests for tests: right by default, so that a test breaks one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import aiohttp

from gateway.domain import Authentication, CallContext, TreatmentRelation
from gateway.transport.bodies import IncomingBody, OutgoingBody
from gateway.wire.message import Message
from gateway.wire.soap import xca_query
from gateway.wire.soap.envelope import (
    ANONYMOUS,
    Envelope,
    Fault,
    read_envelope,
    read_fault,
    simple_content_type,
    write_envelope,
)
from gateway.wire.soap.mtom import mtom_content_type
from gateway.wire.soap.security import attach_context
from tests.builders import make_context, make_query
from tests.gateways import Pair

FIND = "urn:ihe:iti:2007:CrossGatewayQuery"
IDENTIFY = "urn:hl7-org:v3:PRPA_IN201305UV02:CrossGatewayPatientDiscovery"
RETRIEVE = "urn:ihe:iti:2007:CrossGatewayRetrieve"
IMAGES = "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSet"
SOURCE = "urn:ihe:rad:2009:RetrieveImagingDocumentSet"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"

RELATION = {"ihe": TreatmentRelation.RESOURCE_ID, "ehdsi": TreatmentRelation.TRC}


@dataclass(frozen=True, slots=True)
class Got:
    """What came back: HTTP status, the envelope if there is one, and its fault if it is one."""

    status: int
    envelope: Envelope | None
    fault: Fault | None
    root: bytes

    @property
    def codes(self) -> list[str]:
        """Every error code the body states, wherever the transaction puts it."""
        if self.envelope is None:
            return []
        found = [str(e.get("errorCode")) for e in self.envelope.body.iter("{*}RegistryError")]
        found += [
            str(code.get("code"))
            for detail in self.envelope.body.iter("{*}acknowledgementDetail")
            for code in detail.iter("{*}code")
        ]
        return found


def context_for(profile: str, **changes: Any) -> CallContext:
    """A caller a gateway of this profile is content with."""
    now = datetime.now(UTC)
    context = make_context(
        relation=RELATION[profile], authentication=Authentication(at=now, method=SMARTCARD)
    )
    return replace(context, **changes)


def security_for(pair: Pair, context: CallContext, **changes: Any) -> bytes:
    """A header with genuine assertions of Country B."""
    from gateway.transport.compose import signer_of

    now = changes.pop("now", datetime.now(UTC))
    return attach_context(
        context,
        changes.pop("signer", None) or signer_of(pair.asking_settings.seal),
        now=now,
        new_id=pair.clockwork.new_id,
        country="XB",
        **changes,
    )


def enveloped(
    pair: Pair, body: bytes, action: str, *, profile: str = "ihe", security: bytes | None = None
) -> bytes:
    """A whole request with genuine assertions around a body."""
    if security is None:
        security = security_for(pair, context_for(profile))
    return write_envelope(
        body,
        action=action,
        message_id="urn:uuid:7d4f2a10-0000-4000-8000-000000000001",
        to=pair.url,
        reply_to=ANONYMOUS,
        security=security,
    )


def find_request(pair: Pair, *, profile: str = "ihe", **changes: Any) -> bytes:
    """A genuine list request."""
    return enveloped(pair, xca_query.encode_request(make_query(**changes)), FIND, profile=profile)


async def post(
    pair: Pair,
    root: bytes,
    *,
    action: str = FIND,
    content_type: str | None = None,
    session: aiohttp.ClientSession | None = None,
    mtom: bool = False,
) -> Got:
    """Send bytes as a request and read what comes back."""
    if mtom:
        outgoing = OutgoingBody(root, boundary="bound", root_id="root@test")
        content_type = mtom_content_type(boundary="bound", root_id="root@test", action=action)
        root = outgoing.alone()
    async with (session or pair.session).post(
        pair.url,
        data=BytesIO(root),
        headers={"Content-Type": content_type or simple_content_type(action)},
    ) as response:

        async def chunks() -> Any:
            yield await response.read()

        incoming = IncomingBody(response.headers["Content-Type"], chunks(), limit=10_000_000)
        answer = await incoming.root()
    envelope = read_envelope(answer, understood=None, require_action=False)
    return Got(response.status, envelope, read_fault(envelope), answer)


def audited(pair: Pair) -> list[str]:
    """The audit messages of the serving gateway, as text."""
    return [record.xml.decode() for record in pair.serving.audit.events()]


def kept(pair: Pair) -> list[dict[str, Any]]:
    """The transcripts' summaries of the serving gateway."""
    return pair.serving.tap.summaries()


def request_message(root: bytes) -> Message:
    """A request as a value."""
    return Message(start_line="POST / HTTP/1.1", headers=(), body=root)
