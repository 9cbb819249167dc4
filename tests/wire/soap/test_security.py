"""Assertions in a SOAP header: accepted, refused row by row, and attacked in every known way."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from cryptography import x509
from lxml import etree

from gateway.domain import (
    CallContext,
    Caller,
    NotAllowed,
    Organisation,
    PurposeOfUse,
    Refusal,
    TreatmentRelation,
)
from gateway.pki import TrustDomain, mint_trust
from gateway.wire.problems import DecodeError
from gateway.wire.saml import AssertionPolicy
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from gateway.wire.signatures import Signer
from gateway.wire.soap.security import ReadContext, attach_context, read_context
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, SAML, SOAP, WSSE, Element, parse_xml
from tests.builders import COUNTRY_A, NOON, PATIENT, make_context, resign
from tests.shared import shared

CALLER = Caller(subject="CN=gateway-b,C=XB", fingerprint="ab" * 32, address="192.0.2.7")
TRC = make_context(relation=TreatmentRelation.TRC)
HCP_ID = "_00000000-0000-4000-8000-000000000001"
TRC_ID = "_00000000-0000-4000-8000-000000000002"
RESOURCE = AssertionPolicy(relation=TreatmentRelation.RESOURCE_ID)
NONE = AssertionPolicy(relation=TreatmentRelation.NONE)


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOON, countries=("XB",))


@pytest.fixture(scope="module")
def signer(domain: TrustDomain) -> Signer:
    return domain.signer("xb")


@pytest.fixture(scope="module")
def hcp(signer: Signer) -> bytes:
    return mint_hcp(TRC, signer, assertion_id=HCP_ID, now=NOON, country="XB")


@pytest.fixture(scope="module")
def trc(signer: Signer) -> bytes:
    return mint_trc(TRC, signer, assertion_id=TRC_ID, hcp_id=HCP_ID, now=NOON, country="XB")


def new_ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"urn:uuid:00000000-0000-4000-8000-{next(numbers):012d}"


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
    return next(root.iter(f"{{{WSSE}}}Security"))


def read(security: Element | None, trust: TrustStore, **changes: Any) -> ReadContext:
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
    with pytest.raises(NotAllowed) as caught:
        read(security, domain.trust_store, **changes)
    return caught.value.refusal


def saml(name: str) -> str:
    return f"{{{SAML}}}{name}"


def find(root: Element, name: str, namespace: str = SAML) -> Element:
    return next(root.iter(f"{{{namespace}}}{name}"))


def copy(element: Element) -> Element:
    return parse_xml(etree.tostring(element, with_tail=False))


# --- what is accepted


def test_what_we_attach_is_what_the_receiver_reads(domain: TrustDomain, signer: Signer) -> None:
    """Round trip: identity and treatment relation, everything in the context."""
    security = envelope(attach_context(TRC, signer, now=NOON, new_id=new_ids()))

    found = read(security, domain.trust_store)

    context = found.context
    # One text names the person, so the parts of the name are not told apart.
    assert context.professional.name.full == TRC.professional.name.full
    assert replace(context.professional, name=TRC.professional.name) == TRC.professional
    assert replace(context, professional=TRC.professional, caller=Caller(), assertion_ids=()) == TRC
    assert context.caller == CALLER
    assert context.assertion_ids == (HCP_ID, TRC_ID)
    assert [(item.id, item.subject) for item in found.assertions] == [
        (HCP_ID, "hcp-77"),
        (TRC_ID, "hcp-77"),
    ]
    assert [item.expires - NOON for item in found.assertions] == [
        timedelta(hours=4),
        timedelta(hours=2),
    ]
    assert not any(item.single_use for item in found.assertions)


def test_before_identification_the_identity_stands_alone(
    domain: TrustDomain, signer: Signer
) -> None:
    """Without a patient there is no treatment relation to send or to demand."""
    asked = make_context(patient=None, relation=TreatmentRelation.TRC)
    security = envelope(attach_context(asked, signer, now=NOON, new_id=new_ids()))

    found = read(security, domain.trust_store, patient_specific=False)

    assert found.context.patient is None
    assert found.context.relation is TreatmentRelation.NONE
    assert len(found.assertions) == 1


def test_a_plain_xua_assertion_says_both(domain: TrustDomain, signer: Signer) -> None:
    """Where the peer's relation is the resource, one assertion is enough."""
    asked = make_context(relation=TreatmentRelation.RESOURCE_ID)
    security = envelope(attach_context(asked, signer, now=NOON, new_id=new_ids()))

    found = read(security, domain.trust_store, policy=RESOURCE)

    assert found.context.patient == PATIENT
    assert found.context.relation is TreatmentRelation.RESOURCE_ID
    assert len(found.assertions) == 1
    assert read(security, domain.trust_store, policy=NONE).context.patient == PATIENT
    assert refused(security, domain) is Refusal.NO_ASSERTION


@pytest.mark.parametrize(
    "organisation",
    [
        Organisation(name="H", id="7", authority="2.999.4"),
        Organisation(name="H", authority="2.999.4"),
        Organisation(name="H", id="their-own"),
        Organisation(name=""),
    ],
)
def test_an_organisation_survives_the_border(
    domain: TrustDomain, signer: Signer, organisation: Organisation
) -> None:
    """With an authority, without, by OID alone, not at all."""
    who = replace(TRC.professional, organisation=organisation, speciality="Radiology")
    asked = replace(TRC, professional=who, purpose=PurposeOfUse.EMERGENCY)
    security = envelope(attach_context(asked, signer, now=NOON, new_id=new_ids()))

    context = read(security, domain.trust_store).context

    assert context.professional.organisation == organisation
    assert context.professional.speciality == "Radiology"
    assert context.purpose is PurposeOfUse.EMERGENCY


def test_the_order_and_the_company_of_assertions_do_not_matter(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """Found by qualifier; a next-of-kin assertion and a time stamp beside them are left alone."""
    kin = hcp.replace(b"assertions:hcp", b"assertions:nok").replace(HCP_ID.encode(), b"_kin")
    stamp = (
        b'<wsu:Timestamp xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/'
        b'oasis-200401-wss-wssecurity-utility-1.0.xsd" wsu:Id="TS-1"/>'
    )

    found = read(envelope(stamp, kin, trc, hcp), domain.trust_store)

    assert found.context.assertion_ids == (HCP_ID, TRC_ID)


def test_an_assertion_without_audience_is_accepted(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes
) -> None:
    """A live test tool leaves it out."""

    def no_audience(root: Element) -> None:
        find(root, "Conditions").remove(find(root, "AudienceRestriction"))

    read(envelope(resign(hcp, signer, no_audience), trc), domain.trust_store)


def test_a_single_use_assertion_is_reported_as_such(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes
) -> None:
    """The log against reuse must know."""

    def once(root: Element) -> None:
        etree.SubElement(find(root, "Conditions"), saml("OneTimeUse"))

    found = read(envelope(resign(hcp, signer, once), trc), domain.trust_store)

    assert [item.single_use for item in found.assertions] == [True, False]


def test_a_captured_header_of_a_live_peer_is_read() -> None:
    """A real OpenNCP header gives a complete context, its signer pinned."""
    path = shared("samples/soap/saml/dk-openncp_soap_header.signature-restored.xml")
    root = parse_xml(path.read_bytes())
    der = base64.b64decode("".join(find(root, "X509Certificate", DS).itertext()))
    trust = TrustStore(pinned=(x509.load_der_x509_certificate(der),))

    found = read(security_of(root), trust, now=datetime(2025, 7, 26, 11, 40, tzinfo=UTC))

    context = found.context
    assert context.asking == "1.2.208"
    assert context.issuer == "urn:idp:DK:countryB"
    assert context.patient is not None
    assert context.patient.authority == "1.2.208.176.1.2"
    assert context.relation is TreatmentRelation.TRC
    assert context.professional.role.value == "221"
    assert context.professional.facility_type == "Resident Physician"
    assert {"PRD-003", "PRD-006"} <= set(context.professional.permissions)


def test_the_same_header_reformatted_is_refused() -> None:
    """Its signatures no longer match, and nothing else is reported."""
    path = shared("samples/soap/saml/dk-openncp_soap_header_bad.xml")
    root = parse_xml(path.read_bytes())
    der = base64.b64decode("".join(find(root, "X509Certificate", DS).itertext()))
    trust = TrustStore(pinned=(x509.load_der_x509_certificate(der),))

    with pytest.raises(NotAllowed) as caught:
        read(security_of(root), trust, now=datetime(2025, 7, 26, 11, 40, tzinfo=UTC))
    assert caught.value.refusal is Refusal.SIGNATURE_INVALID


# --- what is refused


def test_no_header_and_no_assertion_are_refused(domain: TrustDomain, trc: bytes) -> None:
    """Row 1: nobody says who asks; a treatment relation alone does not."""
    assert refused(None, domain) is Refusal.NO_ASSERTION
    assert refused(envelope(b" "), domain) is Refusal.NO_ASSERTION
    assert refused(envelope(trc), domain) is Refusal.NO_ASSERTION


def change(name: str, attribute: str, value: str) -> Callable[[Element], None]:
    def edit(root: Element) -> None:
        element = root if name == "Assertion" else find(root, name)
        if attribute:
            element.set(attribute, value)
        else:
            element.text = value

    return edit


def drop(name: str) -> Callable[[Element], None]:
    def edit(root: Element) -> None:
        element = find(root, name)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return edit


def second(name: str, namespace: str = SAML) -> Callable[[Element], None]:
    def edit(root: Element) -> None:
        element = find(root, name, namespace)
        element.addnext(copy(element))

    return edit


def second_role_attribute(root: Element) -> None:
    role = find(root, "Role", "urn:hl7-org:v3").getparent()
    assert role is not None
    attribute = role.getparent()
    assert attribute is not None
    attribute.addnext(copy(attribute))


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        (change("Assertion", "Version", "1.1"), Refusal.ASSERTION_INCOMPLETE),
        (drop("Subject"), Refusal.ASSERTION_INCOMPLETE),
        (drop("Conditions"), Refusal.ASSERTION_INCOMPLETE),
        (drop("SubjectConfirmation"), Refusal.ASSERTION_INCOMPLETE),
        (second("Conditions"), Refusal.ASSERTION_MALFORMED),
        (second("NameID"), Refusal.ASSERTION_MALFORMED),
        (
            change("Conditions", "NotOnOrAfter", "2026-11-22T11:58:59Z"),
            Refusal.ASSERTION_NOT_VALID_NOW,
        ),
        (
            change("Conditions", "NotBefore", "2026-11-22T12:01:01Z"),
            Refusal.ASSERTION_NOT_VALID_NOW,
        ),
        (
            change("Conditions", "NotOnOrAfter", "2026-11-22T16:00:01Z"),
            Refusal.ASSERTION_NOT_VALID_NOW,
        ),
        (change("Audience", "", "urn:somebody:else"), Refusal.WRONG_AUDIENCE),
        (drop("AuthnStatement"), Refusal.WEAK_AUTHENTICATION),
        (second("AuthnStatement"), Refusal.WEAK_AUTHENTICATION),
        (second("AuthnContext"), Refusal.WEAK_AUTHENTICATION),
        (second("AuthnContextClassRef"), Refusal.WEAK_AUTHENTICATION),
        (change("AuthnContextClassRef", "", "urn:password"), Refusal.WEAK_AUTHENTICATION),
        (drop("AttributeStatement"), Refusal.ATTRIBUTES_MISSING),
        (second("Role", "urn:hl7-org:v3"), Refusal.ATTRIBUTES_INVALID),
        (second("PurposeOfUse", "urn:hl7-org:v3"), Refusal.ATTRIBUTES_INVALID),
        (second_role_attribute, Refusal.ATTRIBUTES_INVALID),
    ],
)
def test_each_row_refuses_a_correctly_signed_assertion(
    domain: TrustDomain,
    signer: Signer,
    hcp: bytes,
    trc: bytes,
    edit: Callable[[Element], None],
    refusal: Refusal,
) -> None:
    """A good signature is necessary and not sufficient."""
    assert refused(envelope(resign(hcp, signer, edit), trc), domain) is refusal


def named(name: str) -> Callable[[Element], None]:
    def edit(root: Element) -> None:
        for attribute in list(root.iter(saml("Attribute"))):
            if attribute.get("Name") == name:
                parent = attribute.getparent()
                assert parent is not None
                parent.remove(attribute)

    return edit


@pytest.mark.parametrize(
    "name",
    [
        "urn:ihe:iti:xca:2010:homeCommunityId",
        "urn:oasis:names:tc:xspa:1.0:subject:subject-id",
        "urn:oasis:names:tc:xacml:2.0:subject:role",
        "urn:ehdsi:names:subject:healthcare-facility-type",
        "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse",
        "urn:oasis:names:tc:xspa:1.0:environment:locality",
        "urn:oasis:names:tc:xspa:1.0:subject:hl7:permission",
    ],
)
def test_each_missing_required_attribute_is_refused(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes, name: str
) -> None:
    """Row 8, attribute by attribute."""
    security = envelope(resign(hcp, signer, named(name)), trc)

    assert refused(security, domain) is Refusal.ATTRIBUTES_MISSING


@pytest.mark.parametrize(
    "name",
    [
        "urn:oasis:names:tc:xspa:1.0:subject:subject-id",
        "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse",
    ],
)
def test_each_missing_attribute_of_the_relation_is_refused(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes, name: str
) -> None:
    """A treatment relation names a patient and a purpose."""
    security = envelope(hcp, resign(trc, signer, named(name)))

    assert refused(security, domain) is Refusal.ATTRIBUTES_MISSING


def test_a_missing_relation_is_refused_once_a_patient_is_known(
    domain: TrustDomain, hcp: bytes
) -> None:
    """Row 10."""
    assert refused(envelope(hcp), domain) is Refusal.NO_TREATMENT_RELATION
    read(envelope(hcp), domain.trust_store, patient_specific=False)


def test_a_relation_tied_to_another_identity_is_refused(
    domain: TrustDomain, signer: Signer, hcp: bytes
) -> None:
    """A relation of yesterday's session, or of a colleague, does not serve."""
    other = mint_trc(TRC, signer, assertion_id=TRC_ID, hcp_id="_another", now=NOON, country="XB")
    colleague = replace(TRC, professional=replace(TRC.professional, id="hcp-78"))
    stolen = mint_trc(colleague, signer, assertion_id=TRC_ID, hcp_id=HCP_ID, now=NOON, country="XB")

    assert refused(envelope(hcp, other), domain) is Refusal.TREATMENT_RELATION_MISMATCH
    assert refused(envelope(hcp, stolen), domain) is Refusal.TREATMENT_RELATION_MISMATCH


def test_a_relation_to_a_malformed_patient_is_refused(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes
) -> None:
    """Who is meant must be beyond doubt."""
    bad = resign(trc, signer, change("AttributeValue", "", "A-0001"))

    assert refused(envelope(hcp, bad), domain) is Refusal.ATTRIBUTES_INVALID


def test_white_space_around_the_patient_does_not_matter(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes
) -> None:
    """Peers pretty-print before they sign."""
    spaced = resign(trc, signer, change("AttributeValue", "", f"\n  {PATIENT.cx}\n"))

    assert read(envelope(hcp, spaced), domain.trust_store).context.patient == PATIENT


def test_two_assertions_of_one_kind_are_refused(
    domain: TrustDomain, signer: Signer, hcp: bytes, trc: bytes
) -> None:
    """Also when both are flawless."""
    hcp_2 = mint_hcp(TRC, signer, assertion_id="_second", now=NOON, country="XB")
    xua = [
        mint_xua(TRC, signer, assertion_id=f"_x{number}", now=NOON, country="XB")
        for number in (1, 2)
    ]

    assert refused(envelope(hcp, hcp_2, trc), domain) is Refusal.ASSERTION_MALFORMED
    assert refused(envelope(*xua), domain, policy=RESOURCE) is Refusal.ASSERTION_MALFORMED


def test_a_flood_of_assertions_is_refused(domain: TrustDomain, hcp: bytes) -> None:
    """Each would cost a signature check."""
    assert refused(envelope(hcp * 50), domain) is Refusal.ASSERTION_MALFORMED


# --- attacks on the signature


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "revoked", "unknown-ca"])
def test_an_untrusted_signer_is_refused(domain: TrustDomain, trc: bytes, kind: str) -> None:
    """Expired, early, revoked and unknown signers mint flawless assertions in vain."""
    forged = mint_hcp(TRC, domain.broken[kind].signer, assertion_id=HCP_ID, now=NOON, country="XB")

    assert refused(envelope(forged, trc), domain) is Refusal.SIGNATURE_INVALID


def test_an_unsigned_assertion_is_refused(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """Even one that is otherwise perfect, or expired: what it says is not read at all."""
    for text in (hcp, hcp.replace(b"16:00:00.000Z", b"01:00:00.000Z")):
        security = envelope(text, trc)
        identity = security[0]
        identity.remove(find(identity, "Signature", DS))
        assert refused(security, domain) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">hcp-77<", b">hcp-78<"),
        (b"PRD-003", b"PRD-004"),
        (b'code="221"', b'code="2221"'),
        (b"16:00:00.000Z", b"15:00:00.000Z"),
        (b"Hospital", b"Pharmacy"),
    ],
)
def test_a_tampered_assertion_is_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes, old: bytes, new: bytes
) -> None:
    """Any changed value, whichever row would read it."""
    assert refused(envelope(hcp.replace(old, new), trc), domain) is Refusal.SIGNATURE_INVALID


def test_a_forged_relation_is_refused_also_where_none_is_needed(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """What is sent is checked."""
    forged = trc.replace(b"A-0001", b"A-0002")

    refusal = refused(envelope(hcp, forged), domain, patient_specific=False)

    assert refusal is Refusal.SIGNATURE_INVALID


def test_a_comment_in_the_name_does_not_change_who_asks(
    domain: TrustDomain, signer: Signer, trc: bytes
) -> None:
    """`admin<!-- -->.evil` is one name, for the signature and for us."""
    whole = mint_hcp(
        replace(TRC, professional=replace(TRC.professional, id="hcp-77.evil")),
        signer,
        assertion_id=HCP_ID,
        now=NOON,
        country="XB",
    ).replace(b"hcp-77.evil", b"hcp-77<!-- -->.evil")
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + whole + b"</wsse:Security>"
    )

    context = read(security, domain.trust_store, patient_specific=False).context

    assert context.professional.id == "hcp-77.evil"


def evil_of(hcp: bytes) -> Element:
    """The forger's version: another professional, no valid signature."""
    root = parse_xml(hcp.replace(b">hcp-77<", b">evil<"))
    root.remove(find(root, "Signature", DS))
    return root


def wrappings(hcp: bytes, *, own_id: bool) -> Iterator[tuple[str, Element]]:
    """Every published shape of signature wrapping, adapted to a header of assertions.

    `own_id` gives the forged assertion an ID of its own; else it takes that of the original.
    """
    for shape in range(1, 11):
        security = envelope(hcp)
        original = security[0]
        signature = find(original, "Signature", DS)
        evil = evil_of(hcp)
        if own_id:
            evil.set("ID", "_evil")
        if shape == 1:  # evil sibling before the original
            security.insert(0, evil)
        elif shape == 2:  # evil sibling after it
            security.append(evil)
        elif shape == 3:  # evil around the original, signature inside
            security.replace(original, evil)
            evil.append(original)
        elif shape == 4:  # evil has the signature, the original hangs in Advice
            security.replace(original, evil)
            evil.insert(1, signature)
            find(evil, "Conditions").addnext(evil.makeelement(saml("Advice")))
            find(evil, "Advice").append(original)
        elif shape == 5:  # evil has the signature, the original hangs in an Extensions element
            security.replace(original, evil)
            evil.insert(1, signature)
            extensions = evil.makeelement("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
            evil.append(extensions)
            extensions.append(original)
        elif shape == 6:  # evil has the signature, the original hangs in its ds:Object
            security.replace(original, evil)
            evil.insert(1, signature)
            etree.SubElement(signature, f"{{{DS}}}Object").append(original)
        elif shape == 7:  # the original moved inside its own signature, still signed for
            security.replace(original, evil)
            moved = copy(original)
            moved.remove(find(moved, "Signature", DS))
            evil.insert(1, signature)
            signature.append(moved)
        elif shape == 8:  # the original beside the header, evil with the signature in it
            security.replace(original, evil)
            evil.insert(1, signature)
            header = security.getparent()
            assert header is not None
            header.append(original)
        elif shape == 9:  # the original in the body
            security.replace(original, evil)
            evil.insert(1, signature)
            find(security.getroottree().getroot(), "Body", SOAP).append(original)
        else:  # evil root: the header itself is a forged assertion that wraps the original
            evil.append(original)
            header = security.getparent()
            assert header is not None
            header.replace(security, evil)
            security = evil
        yield f"shape {shape}", security


@pytest.mark.parametrize("own_id", [True, False])
def test_signature_wrapping_is_refused_in_every_shape(
    domain: TrustDomain, hcp: bytes, own_id: bool
) -> None:
    """The forged professional is never read; at best the genuine one is."""
    expected = {
        # Two identities side by side are refused before anything is verified.
        "shape 1": Refusal.ASSERTION_MALFORMED,
        "shape 2": Refusal.ASSERTION_MALFORMED,
    }
    for name, security in wrappings(hcp, own_id=own_id):
        if name == "shape 10" and own_id:
            # Only direct children count, and here the one child is the genuine assertion;
            # with a double of its ID in the message not even that.
            found = read(security, domain.trust_store, patient_specific=False)
            assert found.context.professional.id == "hcp-77"
            continue
        refusal = refused(security, domain, patient_specific=False)
        assert refusal is expected.get(name, Refusal.SIGNATURE_INVALID), name


def test_a_wrapped_assertion_of_another_kind_does_not_help(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """A signed relation relabelled as an identity is not one."""
    relabelled = trc.replace(b"assertions:trc", b"assertions:hcp")

    assert refused(envelope(relabelled), domain) is Refusal.SIGNATURE_INVALID


def test_an_id_doubled_in_the_body_is_refused(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """The ID that a signature refers to must mean one element in the whole message."""
    body = f'<r ID="{HCP_ID}"/>'.encode()

    assert refused(envelope(hcp, trc, body=body), domain) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    ],
)
def test_sha1_and_hmac_are_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes, algorithm: str
) -> None:
    """The first is broken, the others would take the public certificate as a secret."""
    old = b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    security = envelope(hcp.replace(old, algorithm.encode()), trc)

    assert refused(security, domain) is Refusal.SIGNATURE_INVALID


def test_an_inclusive_canonicalisation_bomb_is_refused_at_once(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """Five thousand namespaces would keep an inclusive canonicaliser busy for half a minute."""
    namespaces = " ".join(f'xmlns:n{i}="urn:n{i}"' for i in range(5_000))
    bomb = hcp.replace(
        b"<saml2:Subject>", f"<b {namespaces}>".encode() + b"<c/>" * 200 + b"</b><saml2:Subject>"
    ).replace(
        b"http://www.w3.org/2001/10/xml-exc-c14n#",
        b"http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    )
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + bomb + trc + b"</wsse:Security>"
    )

    assert refused(security, domain) is Refusal.SIGNATURE_INVALID
    with pytest.raises(DecodeError):
        envelope(bomb, trc)


def test_forty_thousand_attributes_are_refused_at_once(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """Canonicalising them would take seconds, in whichever place they stand."""
    many = " ".join(f'a{i}=""' for i in range(40_000)).encode()
    flooded = hcp.replace(b"<saml2:Subject>", b"<saml2:Subject " + many + b">")
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + flooded + b"</wsse:Security>"
    )

    assert refused(security, domain) is Refusal.ASSERTION_MALFORMED
    with pytest.raises(DecodeError):
        envelope(flooded, trc)


def test_processing_instructions_and_document_types_are_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """SOAP forbids both; the parser never lets them through, and neither does the reader."""
    opened = f'<wsse:Security xmlns:wsse="{WSSE}">'.encode()
    with_pi = opened + hcp.replace(b">hcp-77<", b">hcp-77<?x y?><") + trc + b"</wsse:Security>"
    with_dtd = b'<!DOCTYPE x [<!ENTITY e "evil">]>' + opened + hcp + trc + b"</wsse:Security>"

    for text in (with_pi, with_dtd):
        parser = etree.XMLParser(resolve_entities=False)
        refusal = refused(etree.fromstring(text, parser), domain)
        assert refusal is Refusal.ASSERTION_MALFORMED
    with pytest.raises(DecodeError):
        parse_xml(with_dtd)


def test_no_change_of_bytes_changes_who_asks(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """Whatever is altered, the answer is the same context or a refusal, never anything else."""
    message = etree.tostring(envelope(hcp, trc).getroottree())
    expected = read(security_of(parse_xml(message)), domain.trust_store)
    pieces = (b"<", b">", b"&", b'"', b"ID", b"saml2:", b"ds:", b"\xff", b"<!-- -->", b"<a/>")
    dice = random.Random(20260301)
    for _ in range(150):
        altered = bytearray(message)
        at = dice.randrange(len(altered))
        cut = dice.choice((0, 0, 1, 20))
        altered[at : at + cut] = dice.choice(pieces)
        try:
            found = read(
                next(parse_xml(bytes(altered)).iter(f"{{{WSSE}}}Security"), None),
                domain.trust_store,
            )
        except (DecodeError, NotAllowed):
            continue
        assert found == expected


def test_a_refusal_tells_no_name_and_no_patient(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """The text is logged and sent; it says which assertion and why."""
    with pytest.raises(NotAllowed) as caught:
        read(envelope(hcp, trc.replace(b"A-0001", b"A-0002")), domain.trust_store)

    assert caught.value.text.startswith("trc assertion:")
    assert caught.value.subject == "trc"
    assert "A-000" not in caught.value.text


def test_country_and_audience_can_be_named(domain: TrustDomain, signer: Signer) -> None:
    """By default the country is that of the certificate and the audience that of the profile."""
    asked: CallContext = make_context(patient=None)
    security = envelope(
        attach_context(asked, signer, now=NOON, new_id=new_ids(), country="XC", audience="urn:them")
    )
    policy = AssertionPolicy(audiences=("urn:them",))

    context = read(security, domain.trust_store, policy=policy, patient_specific=False).context

    assert context.issuer == "urn:idp:XC:countryB"
    assert refused(security, domain) is Refusal.WRONG_AUDIENCE


def test_a_plain_xua_assertion_where_a_professionals_is_wanted_is_named(
    domain: TrustDomain, signer: Signer
) -> None:
    """Two peers of different profiles learn from the words which of them to change."""
    xua = mint_xua(TRC, signer, assertion_id="_x1", now=NOON, country="XB")

    with pytest.raises(NotAllowed, match="plain XUA") as caught:
        read(envelope(xua), domain.trust_store)
    assert caught.value.refusal is Refusal.NO_ASSERTION
