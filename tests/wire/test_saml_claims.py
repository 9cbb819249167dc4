"""Reading a signed assertion into plain values, and refusing one whose structure is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from gateway.domain import Code, NotAllowed, Refusal
from gateway.domain.codes import ISCO
from gateway.pki import mint_trust
from gateway.wire.saml import Claim, Kind
from gateway.wire.saml_claims import Claims, read_claims
from gateway.wire.saml_mint import mint_hcp
from gateway.wire.xml import DS, SAML, Element, parse_xml
from tests.builders import NOON, make_context
from tests.shared import shared

ID = "_00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def text() -> bytes:
    signer = mint_trust(now=NOON, countries=("XB",)).signer("xb")
    root = parse_xml(mint_hcp(make_context(), signer, assertion_id=ID, now=NOON, country="XB"))
    signature = root.find(f"{{{DS}}}Signature")
    assert signature is not None
    root.remove(signature)
    return etree.tostring(root)


def saml(name: str) -> str:
    return f"{{{SAML}}}{name}"


def find(root: Element, name: str) -> Element:
    return next(root.iter(saml(name)))


def read(root: Element | bytes, kind: Kind = Kind.HCP) -> Claims:
    return read_claims(parse_xml(root) if isinstance(root, bytes) else root, kind)


def test_everything_said_is_read(text: bytes) -> None:
    """Times in UTC, texts trimmed, codes with their system."""
    claims = read(text)

    assert (claims.id, claims.version, claims.issuer) == (ID, "2.0", "urn:idp:XB:countryB")
    assert claims.subject == "hcp-77"
    assert claims.issued == claims.not_before == NOON
    assert claims.not_on_or_after == NOON + timedelta(hours=4)
    assert claims.audiences == (("urn:ehdsi:assertions.audience:x-border",),)
    assert claims.values[Claim.ROLE][0].code == Code("221", ISCO)
    assert claims.first(Claim.LOCALITY) == "Teaching Hospital"
    assert len(claims.values[Claim.PERMISSIONS]) == 5
    assert claims.authentications[0].at == NOON
    assert not claims.single_use


def test_what_is_absent_is_absent_and_not_an_error() -> None:
    """Judging comes later; reading only tells what is there."""
    claims = read(f'<a:Assertion xmlns:a="{SAML}"/>'.encode())

    assert (claims.id, claims.version, claims.issuer, claims.subject) == ("", "", "", "")
    assert claims.issued is None
    assert not claims.has_conditions
    assert claims.authentications == ()
    assert claims.values == {}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T13:00:00+01:00", NOON),
        ("2026-11-22T12:00:00", NOON),
        (" 2026-11-22T12:00:00.000000000Z ", NOON),
        ("2026-11-22T12:00:00.5Z", datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_peers_write_them(text: bytes, written: str, expected: datetime) -> None:
    """With zone, without, with more digits than we keep."""
    root = parse_xml(text)
    root.set("IssueInstant", written)

    assert read(root).issued == expected


def test_one_time_use_and_unknown_conditions_are_noticed(text: bytes) -> None:
    """Both change what may be done with an assertion."""
    root = parse_xml(text)
    conditions = find(root, "Conditions")
    etree.SubElement(conditions, saml("OneTimeUse"))
    etree.SubElement(conditions, saml("Condition"))

    claims = read(root)

    assert claims.single_use
    assert claims.unknown_conditions == ("Condition",)


@pytest.mark.parametrize(
    "markup",
    [
        '<Role xmlns="urn:hl7-org:v3" code="221" codeSystem="2.16.840.1.113883.2.9.6.2.7"/>',
        '<h:Role xmlns:h="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:type="h:CE" code=" 221 " codeSystem="urn:oid:2.16.840.1.113883.2.9.6.2.7"/>',
        '<Role xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:type="CE" code="221" codeSystem="ISCO"/>',
        '<Role xmlns="" code="221" codeSystemName="ISCO"/>',
    ],
)
def test_a_role_is_read_in_every_accepted_spelling(text: bytes, markup: str) -> None:
    """Prefix, type attribute and form of the code system differ between peers."""
    root = parse_xml(text)
    value = next(root.iter("{urn:hl7-org:v3}Role")).getparent()
    assert value is not None
    value.remove(value[0])
    value.append(parse_xml(markup.encode()))

    assert read(root).values[Claim.ROLE][0].code == Code("221", ISCO)


def swap(root: Element) -> None:
    root.insert(0, find(root, "Conditions"))


def double(name: str) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        element = find(root, name)
        element.addnext(parse_xml(etree.tostring(element, with_tail=False)))

    return change


def rename(name: str, new: str) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        find(root, name).tag = saml(new)

    return change


def set_on(name: str, attribute: str, value: str) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        find(root, name).set(attribute, value)

    return change


def foreign(root: Element) -> None:
    etree.SubElement(root, "{urn:evil}Thing")


def signature(root: Element) -> None:
    etree.SubElement(root, f"{{{DS}}}Signature")


def nameless(root: Element) -> None:
    del find(root, "Attribute").attrib["Name"]


def stray(root: Element) -> None:
    etree.SubElement(find(root, "Attribute"), "{urn:evil}Thing")


@pytest.mark.parametrize(
    "change",
    [
        swap,
        foreign,
        signature,
        nameless,
        stray,
        double("Issuer"),
        double("Subject"),
        double("Conditions"),
        double("NameID"),
        rename("NameID", "EncryptedID"),
        rename("Attribute", "EncryptedAttribute"),
        set_on("Assertion", "ID", "1-starts-with-a-digit"),
        set_on("Assertion", "ID", "urn:uuid:00000000-0000-4000-8000-000000000001"),
        set_on("Assertion", "IssueInstant", "yesterday"),
        set_on("Conditions", "NotBefore", "2026-13-01T00:00:00Z"),
        set_on("Conditions", "NotOnOrAfter", "0001-01-01T00:00:00+14:00"),
        set_on("AuthnStatement", "AuthnInstant", "12:00"),
    ],
)
def test_a_broken_structure_is_malformed(text: bytes, change: Callable[[Element], None]) -> None:
    """Order, number, names and lexical forms are those of SAML."""
    root = parse_xml(text)
    change(root)

    with pytest.raises(NotAllowed) as caught:
        read(root)
    assert caught.value.refusal is Refusal.ASSERTION_MALFORMED


def test_another_element_is_no_assertion() -> None:
    """What is not an Assertion is not read as one."""
    with pytest.raises(NotAllowed) as caught:
        read(b"<x/>")
    assert caught.value.refusal is Refusal.ASSERTION_MALFORMED


def test_a_plain_xua_assertion_of_another_country_is_read() -> None:
    """Values typed CE, a patient as resource, white space around everything."""
    root = etree.parse(shared("samples/soap/saml/ipf-xua-assertion.xml")).getroot()
    signature = root.find(f"{{{DS}}}Signature")
    assert signature is not None
    root.remove(signature)

    claims = read(root, Kind.XUA)

    assert claims.first(Claim.HOME) == "urn:oid:1.3.6.1.4.1.21367.2017.2.6.19"
    assert claims.first(Claim.PATIENT).endswith("^^^&2.16.756.5.30.1.127.3.10.3&ISO")
    assert claims.values[Claim.ROLE][0].code == Code("HCP", "2.16.756.5.30.1.127.3.10.6")
