"""Headers of a SOAP message with assertions in them, and what the reader makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from gateway.domain import Caller, NotAllowed, Refusal, TreatmentRelation
from gateway.pki import TrustDomain
from gateway.wire.saml import AssertionPolicy
from gateway.wire.soap.security import ReadContext, read_context
from gateway.wire.trust import TrustStore
from gateway.wire.xml import SAML, SOAP, WSSE, Element, parse_xml
from tests.builders import COUNTRY_A, NOON, make_context

CALLER = Caller(subject="CN=gateway-b,C=XB", fingerprint="ab" * 32, address="192.0.2.7")
TRC = make_context(relation=TreatmentRelation.TRC)
HCP_ID = "_00000000-0000-4000-8000-000000000001"
TRC_ID = "_00000000-0000-4000-8000-000000000002"


def envelope(*assertions: bytes, body: bytes = b"<r/>") -> Element:
    """The header of a message that holds these assertions, in its message."""
    content = b"".join(assertions)
    if not content.startswith(b"<wsse:Security"):
        content = f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + content + b"</wsse:Security>"
    message = (
        f'<env:Envelope xmlns:env="{SOAP}" xmlns:xsd="urn:not-the-schema"><env:Header>'.encode()
        + content
        + b"</env:Header><env:Body>"
        + body
        + b"</env:Body></env:Envelope>"
    )
    return security_of(parse_xml(message))


def security_of(root: Element) -> Element:
    """The Security header of a message."""
    return next(root.iter(f"{{{WSSE}}}Security"))


def read(security: Element | None, trust: TrustStore, **changes: Any) -> ReadContext:
    """What a gateway of Country A reads out of a header; `changes` are options of the reader."""
    options: dict[str, Any] = {
        "policy": AssertionPolicy(),
        "now": NOON,
        "caller": CALLER,
        "correlation_id": "corr-1",
        "answering": COUNTRY_A,
        "patient_specific": True,
    }
    return read_context(security, trust, **(options | changes))


def refused(security: Element | None, domain: TrustDomain, **changes: Any) -> Refusal:
    """Why a header is not allowed."""
    with pytest.raises(NotAllowed) as caught:
        read(security, domain.trust_store, **changes)
    return caught.value.refusal


def saml(name: str) -> str:
    """A name in the namespace of SAML."""
    return f"{{{SAML}}}{name}"


def find(root: Element, name: str, namespace: str = SAML) -> Element:
    """The first element of a name, wherever it stands."""
    return next(root.iter(f"{{{namespace}}}{name}"))


def copy(element: Element) -> Element:
    """The same element in a tree of its own."""
    return parse_xml(etree.tostring(element, with_tail=False))
