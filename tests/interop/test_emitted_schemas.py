"""Every message both gateways send on a journey stands before the schemas of strict peers.

The journey is made in both profiles; besides, every reason to refuse is encoded without a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from lxml import etree

from gateway.domain import PatientTraits, Refusal, Transaction, refuse
from gateway.pki import TrustDomain
from gateway.wire.soap import document_set, xca_query, xcpd
from gateway.wire.soap.refusals import ErrorStyle
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT, SOAP_TRANSACTIONS
from tests.conftest import Seeded
from tests.interop import judges
from tests.interop.journey import Journey, Sent, travel

pytestmark = pytest.mark.interop

Element = judges.Element
PROFILES = ("ihe", "ehdsi")


@pytest.fixture(scope="module", params=PROFILES)
def journey(
    request: pytest.FixtureRequest,
    seeded: Seeded,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> Journey:
    """One journey a profile, judged by every test."""
    folder = tmp_path_factory.mktemp(f"journey-{request.param}")
    return asyncio.run(travel(request.param, seeded, trust_domain, folder))


def _judged(messages: list[Sent], judge: Callable[[Element], list[str]]) -> dict[str, list[str]]:
    return {sent.name: said for sent in messages if (said := judge(sent.envelope))}


def test_the_journey_went_everywhere(journey: Journey) -> None:
    """Every kind of message and of outcome is among those judged below."""
    kinds = {etree.QName(sent.child).localname for sent in journey.messages}
    statuses = {
        str(child.get("status")).rpartition(":")[2]
        for sent in journey.answers
        for child in sent.child.iter(f"{{{judges.RS}}}RegistryResponse", judges.QUERY_RESPONSE)
    }
    assert kinds == {
        "PRPA_IN201305UV02",
        "PRPA_IN201306UV02",
        "MCCI_IN000002UV01",
        "AdhocQueryRequest",
        "AdhocQueryResponse",
        "RetrieveDocumentSetRequest",
        "RetrieveDocumentSetResponse",
        "RetrieveImagingDocumentSetRequest",
        "Fault",
    }
    assert statuses == {"Success", "PartialSuccess", "Failure"}
    assert len(journey.audits) > 100


def test_every_body_is_valid(journey: Journey) -> None:
    """By the schema of its own standard: ebRS, HL7 v3, XDS.b, XDS-I.b, SOAP for faults."""
    assert _judged(journey.messages, judges.judge_body) == {}


def test_every_envelope_and_header_is_valid(journey: Journey) -> None:
    """By the schemas of SOAP 1.2, WS-Addressing and WS-Security."""
    assert _judged(journey.messages, judges.judge_frame) == {}


def test_every_addressing_header_stands_once_and_bare(journey: Journey) -> None:
    """And the action must be understood (ITI TF-2 appendix V.3.2)."""
    assert _judged(journey.messages, judges.judge_addressing) == {}


def test_every_message_says_what_it_is_and_which_it_answers(journey: Journey) -> None:
    """The action of header and Content-Type are one; an answer relates to its request."""
    for sent in journey.messages:
        header = {
            name: sent.envelope.findtext(f"soap:Header/wsa:{name}", "", judges.NS)
            for name in ("Action", "MessageID", "RelatesTo")
        }
        assert header["MessageID"].startswith("urn:uuid:"), sent.name
        is_fault = etree.QName(sent.child).localname == "Fault"
        if sent in journey.requests:
            assert header["MessageID"] == sent.about
        else:
            unread = header["RelatesTo"] == "" and is_fault
            assert unread or header["RelatesTo"] == sent.about, sent.name
        if not is_fault:
            assert f'action="{header["Action"]}"' in sent.content_type, sent.name


def test_every_assertion_is_valid_where_it_stands(journey: Journey) -> None:
    """By the schema of SAML 2.0; every request carries one at least."""
    assert _judged(journey.requests, judges.judge_assertions) == {}
    for sent in journey.requests:
        assert sent.envelope.find(".//saml:Assertion", judges.NS) is not None, sent.name


def test_no_rule_for_identifications_is_broken(journey: Journey) -> None:
    """The Schematron rules that IPF applies to ITI-55."""
    judged = _judged(journey.messages, lambda it: judges.judge_discovery(judges.body_child(it)))
    assert judged == {}


def test_every_audit_message_is_valid(journey: Journey) -> None:
    """Of both gateways, by DICOM's schema and by that of eHDSI peers."""
    assert [said for audit in journey.audits if (said := judges.judge_audit(audit))] == []


def _refused(
    refusal: Refusal, transaction: Transaction, style: ErrorStyle, asked: xcpd.DiscoveryRequest
) -> bytes:
    error = refuse(refusal, f"<{refusal}> & so on", subject="subject", code="code")
    if transaction is Transaction.IDENTIFY:
        return xcpd.encode_refusal(
            error,
            asked,
            message_id="urn:uuid:0a2d7d0a-3f4e-4c57-9a36-0c2e9d3b5b11",
            created=NOON,
            responder=COUNTRY_A,
            style=style,
        )
    encode = xca_query if transaction is Transaction.FIND else document_set
    return encode.encode_refusal(error, transaction=transaction, responder=COUNTRY_A, style=style)


@pytest.mark.parametrize("style", ErrorStyle)
@pytest.mark.parametrize("transaction", SOAP_TRANSACTIONS)
def test_every_reason_to_refuse_is_said_validly(
    transaction: Transaction, style: ErrorStyle
) -> None:
    """By the schema of the transaction, and by the Schematron rules where there are any."""
    request = xcpd.encode_request(
        PatientTraits(ids=(PATIENT,)),
        message_id="urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d83",
        created=NOON,
        sender=COUNTRY_B,
        receiver=COUNTRY_A,
    )
    asked = xcpd.decode_request(etree.fromstring(request))
    judged = {}
    for refusal in Refusal:
        child = etree.fromstring(_refused(refusal, transaction, style, asked))
        said = judges.complaints(judges.body_schema(child), child) + judges.judge_discovery(child)
        judged |= {refusal: said} if said else {}
    assert judged == {}


def test_the_judges_find_what_is_wrong(journey: Journey) -> None:
    """A judge that never complains is none: one planted fault for each."""

    def spoilt(name: str, spoil: Callable[[Element], object]) -> Element:
        found = next(sent for sent in journey.messages if etree.QName(sent.child).localname == name)
        copy = etree.fromstring(etree.tostring(found.envelope))
        spoil(copy)
        return copy

    def drop(path: str) -> Callable[[Element], object]:
        def spoil(envelope: Element) -> None:
            element = envelope.find(path, {**judges.NS, "hl7": judges.HL7})
            assert element is not None
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)

        return spoil

    for name, path in (
        ("AdhocQueryRequest", ".//{*}ResponseOption"),
        ("RetrieveDocumentSetRequest", ".//{*}RepositoryUniqueId"),
        ("RetrieveImagingDocumentSetRequest", ".//{*}TransferSyntaxUIDList"),
        ("PRPA_IN201306UV02", ".//hl7:creationTime"),
        ("Fault", ".//soap:Reason"),
    ):
        assert judges.judge_body(spoilt(name, drop(path))), name
    assert judges.judge_frame(spoilt("Fault", drop("soap:Body")))
    assert judges.judge_frame(spoilt("AdhocQueryRequest", drop(".//wsa:Address")))
    assert judges.judge_addressing(spoilt("AdhocQueryRequest", drop(".//wsa:Action")))
    assert judges.judge_assertions(spoilt("AdhocQueryRequest", drop(".//saml:Issuer")))
    silent = spoilt("PRPA_IN201306UV02", drop(".//hl7:acknowledgement"))
    assert judges.judge_discovery(judges.body_child(silent))
    assert judges.judge_audit(b"<AuditMessage/>")
