"""Assertions in a SOAP header: what is accepted, and what is refused row by row."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

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
from gateway.pki import TrustDomain
from gateway.wire.saml import AssertionPolicy
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from gateway.wire.signatures import Signer
from gateway.wire.soap.security import attach_context
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, SAML, Element, parse_xml
from tests.builders import NOON, PATIENT, make_context, resign
from tests.shared import shared
from tests.wire.soap.headers import (
    CALLER,
    HCP_ID,
    TRC,
    TRC_ID,
    copy,
    envelope,
    find,
    read,
    refused,
    saml,
    security_of,
)

RESOURCE = AssertionPolicy(relation=TreatmentRelation.RESOURCE_ID)
NONE = AssertionPolicy(relation=TreatmentRelation.NONE)


def new_ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"urn:uuid:00000000-0000-4000-8000-{next(numbers):012d}"


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


def test_a_refusal_tells_no_name_and_no_patient(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """The text is logged and sent; it says which assertion and why."""
    with pytest.raises(NotAllowed) as caught:
        read(envelope(hcp, trc.replace(b"A-0001", b"A-0002")), domain.trust_store)

    assert caught.value.text.startswith("trc assertion:")
    assert caught.value.subject == "trc"
    assert "A-000" not in caught.value.text


def test_a_plain_xua_assertion_where_a_professionals_is_wanted_is_named(
    domain: TrustDomain, signer: Signer
) -> None:
    """Two peers of different profiles learn from the words which of them to change."""
    xua = mint_xua(TRC, signer, assertion_id="_x1", now=NOON, country="XB")

    with pytest.raises(NotAllowed, match="plain XUA") as caught:
        read(envelope(xua), domain.trust_store)
    assert caught.value.refusal is Refusal.NO_ASSERTION
