"""An assertion to sign, and what the verifier makes of one that is signed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.pki import TrustDomain
from gateway.wire.signatures import SignatureFlaw, SignatureProblem, Verified, verify
from gateway.wire.xml import DS, SAML, Element, parse_xml

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = "_a0000000-0000-4000-8000-000000000001"
BODY = "".join(
    f'<saml2:Attribute Name="n{i}"><saml2:AttributeValue xsi:type="xsd:string">v{i}'
    "</saml2:AttributeValue></saml2:Attribute>"
    for i in range(12)
)
PLAIN = (
    f'<saml2:Assertion xmlns:saml2="{SAML}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    f'ID="{ID}" Version="2.0"><saml2:Issuer>x</saml2:Issuer>'
    "<saml2:Subject><saml2:NameID>admin.example</saml2:NameID></saml2:Subject>"
    f"<saml2:AttributeStatement>{BODY}</saml2:AttributeStatement></saml2:Assertion>"
).encode()


def accept(assertion: bytes | Element, domain: TrustDomain, **options: bool) -> Verified:
    """What is read of an assertion whose signature verifies."""
    root = parse_xml(assertion) if isinstance(assertion, bytes) else assertion
    return verify(root, domain.trust_store, now=NOW, **options)


def refused(assertion: bytes | Element, domain: TrustDomain, **options: bool) -> SignatureFlaw:
    """What is wrong with a signature."""
    with pytest.raises(SignatureProblem) as caught:
        accept(assertion, domain, **options)
    return caught.value.reason


def part(root: Element, name: str) -> Element:
    """The first element of a signature by its name."""
    return next(root.iter(f"{{{DS}}}{name}"))
