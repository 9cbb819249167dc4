"""Assertions we mint: schema-valid, self-contained, with every attribute of the profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from lxml import etree

from gateway.domain import Organisation
from gateway.pki import TrustDomain, mint_trust
from gateway.wire.problems import EncodeError
from gateway.wire.saml import AUDIENCE, BEARER, SENDER_VOUCHES, Kind
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from gateway.wire.signatures import verify
from gateway.wire.xml import SAML, Element, parse_xml, text_of
from tests.builders import NOON, PATIENT, make_context
from tests.shared import shared

HCP_ID = "_00000000-0000-4000-8000-000000000001"
TRC_ID = "_00000000-0000-4000-8000-000000000002"
NS = {"s": SAML, "h": "urn:hl7-org:v3"}


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOON, countries=("XB",))


@pytest.fixture(scope="module")
def minted(domain: TrustDomain) -> dict[Kind, Element]:
    professional = replace(make_context().professional, speciality="Radiology")
    context, signer = make_context(professional=professional), domain.signer("xb")
    return {
        Kind.HCP: parse_xml(mint_hcp(context, signer, assertion_id=HCP_ID, now=NOON, country="XB")),
        Kind.TRC: parse_xml(
            mint_trc(context, signer, assertion_id=TRC_ID, hcp_id=HCP_ID, now=NOON, country="XB")
        ),
        Kind.XUA: parse_xml(mint_xua(context, signer, assertion_id=HCP_ID, now=NOON, country="XB")),
    }


def attributes(assertion: Element) -> dict[str, list[Element]]:
    return {
        str(attribute.get("Name")): list(attribute)
        for attribute in assertion.iterfind(".//s:Attribute", NS)
    }


def one(assertion: Element, path: str) -> Element:
    found = assertion.findall(path, NS)
    assert len(found) == 1, path
    return found[0]


@pytest.mark.parametrize("kind", [Kind.HCP, Kind.TRC, Kind.XUA])
def test_what_we_mint_is_valid_saml_and_verifies(
    minted: dict[Kind, Element], domain: TrustDomain, kind: Kind
) -> None:
    """The OASIS schema accepts it, and so does our own verification."""
    path = shared("schemas/saml2/sstc-saml-schema-assertion-2.0.xsd")
    # The schema of XML signatures beside it has a document type of its own.
    schema = etree.XMLSchema(etree.parse(path, etree.XMLParser(load_dtd=True, no_network=True)))

    schema.assertValid(minted[kind])
    verify(minted[kind], domain.trust_store, now=NOON)


@pytest.mark.parametrize(
    ("kind", "qualifier", "issuer", "method", "hours"),
    [
        (Kind.HCP, "urn:ehdsi:assertions:hcp", "urn:idp:XB:countryB", SENDER_VOUCHES, 4),
        (Kind.TRC, "urn:ehdsi:assertions:trc", "urn:initgw:XB:countryB", SENDER_VOUCHES, 2),
        (Kind.XUA, None, "urn:idp:XB:countryB", BEARER, 4),
    ],
)
def test_each_kind_says_who_issued_it_for_whom_and_for_how_long(
    minted: dict[Kind, Element],
    kind: Kind,
    qualifier: str | None,
    issuer: str,
    method: str,
    hours: int,
) -> None:
    """Issuer, subject, confirmation, conditions and audience follow the profile."""
    assertion = minted[kind]

    assert one(assertion, "s:Issuer").get("NameQualifier") == qualifier
    assert text_of(one(assertion, "s:Issuer")) == issuer
    assert text_of(one(assertion, "s:Subject/s:NameID")) == "hcp-77"
    assert one(assertion, "s:Subject/s:SubjectConfirmation").get("Method") == method
    conditions = one(assertion, "s:Conditions")
    start, end = (
        datetime.fromisoformat(str(conditions.get(name))) for name in ("NotBefore", "NotOnOrAfter")
    )
    assert start == NOON
    assert end - start == timedelta(hours=hours)
    assert text_of(one(assertion, ".//s:Audience")) == AUDIENCE
    assert assertion.get("IssueInstant") == "2026-11-22T12:00:00.000Z"


def test_the_identity_carries_every_attribute_of_the_profile(
    minted: dict[Kind, Element],
) -> None:
    """Names, values and codes are those of the eHDSI table."""
    found = attributes(minted[Kind.HCP])
    texts = {name: [text_of(value) for value in values] for name, values in found.items()}
    xspa = "urn:oasis:names:tc:xspa:1.0:"

    assert texts["urn:ihe:iti:xca:2010:homeCommunityId"] == ["urn:oid:2.999.2.1"]
    assert texts[xspa + "subject:npi"] == ["hcp-77"]
    assert texts[xspa + "subject:subject-id"] == ["Maja Lindqvist"]
    assert texts[xspa + "subject:organization"] == ["Teaching Hospital"]
    assert texts[xspa + "subject:organization-id"] == ["urn:hl7ii:2.999.2.3:TH"]
    assert texts["urn:ehdsi:names:subject:healthcare-facility-type"] == ["Hospital"]
    assert texts["urn:ehdsi:names:subject:clinical-speciality"] == ["Radiology"]
    assert texts[xspa + "environment:locality"] == ["Teaching Hospital"]
    assert texts[xspa + "subject:hl7:permission"] == [
        f"{xspa}subject:hl7:permission:{code}"
        for code in ("PRD-003", "PRD-005", "PRD-006", "PRD-010", "PRD-016")
    ]
    role = one(minted[Kind.HCP], ".//h:Role")
    assert (role.get("code"), role.get("codeSystemName")) == ("221", "ISCO")
    purpose = one(minted[Kind.HCP], ".//h:PurposeOfUse")
    assert purpose.get("code") == "TREATMENT"
    assert purpose.get("codeSystem") == "3bc18518-d305-46c2-a8d6-94bd59856e9e"
    assert all(a.get("FriendlyName") for a in minted[Kind.HCP].iterfind(".//s:Attribute", NS))


def test_the_treatment_relation_names_the_patient_and_the_identity(
    minted: dict[Kind, Element],
) -> None:
    """It refers to the identity assertion and to a previous session."""
    trc = minted[Kind.TRC]
    found = attributes(trc)

    assert text_of(one(trc, "s:Advice/s:AssertionIDRef")) == HCP_ID
    assert text_of(one(trc, ".//s:AuthnContextClassRef")).endswith(":PreviousSession")
    [patient] = found["urn:oasis:names:tc:xspa:1.0:subject:subject-id"]
    assert text_of(patient) == PATIENT.cx
    assert len(found) == 2


def test_plain_xua_names_the_patient_as_the_resource(minted: dict[Kind, Element]) -> None:
    """One assertion says who asks and about whom."""
    [patient] = attributes(minted[Kind.XUA])["urn:oasis:names:tc:xacml:2.0:resource:resource-id"]

    assert text_of(patient) == PATIENT.cx


def test_markup_in_a_name_stays_text(domain: TrustDomain) -> None:
    """Nothing a professional is called can add an element to the assertion."""
    who = replace(
        make_context().professional,
        id="a&b<c>",
        organisation=Organisation(name='</saml2:Attribute> "&', id="7"),
    )

    assertion = parse_xml(
        mint_hcp(
            make_context(professional=who),
            domain.signer("xb"),
            assertion_id=HCP_ID,
            now=NOON,
            country="XB",
        )
    )

    assert text_of(one(assertion, "s:Subject/s:NameID")) == "a&b<c>"
    texts = [text_of(value) for value in assertion.iterfind(".//s:AttributeValue", NS)]
    assert '</saml2:Attribute> "&' in texts


@pytest.mark.parametrize("bad", ["", "urn:uuid:1", "1abc", "a b", 'a"b'])
def test_an_id_that_xml_forbids_is_not_minted(domain: TrustDomain, bad: str) -> None:
    """An ID is an NCName; a peer would otherwise refuse the assertion."""
    with pytest.raises(EncodeError, match="NCName"):
        mint_hcp(make_context(), domain.signer("xb"), assertion_id=bad, now=NOON, country="XB")


def test_no_treatment_relation_without_a_patient(domain: TrustDomain) -> None:
    """A relation is to somebody."""
    with pytest.raises(EncodeError, match="patient"):
        mint_trc(
            make_context(patient=None),
            domain.signer("xb"),
            assertion_id=TRC_ID,
            hcp_id=HCP_ID,
            now=NOON,
            country="XB",
        )
