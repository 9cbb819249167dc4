"""What every rendering of an audit event is told: complete, and of the right things."""

from __future__ import annotations

import pytest

from gateway.domain import AuditOutcome, PurposeOfUse, Refusal, Side, Transaction
from gateway.wire.audit.kinds import (
    KINDS,
    answering,
    carried,
    documents_of,
    gateways,
    host_of,
    is_address,
    outcome_description,
    patients_of,
    purpose_of,
    studies_of,
)
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_audit_event, make_context
from tests.wire.audit.events import DOCUMENTS, IMAGES, OTHER_STUDY, RETRIEVALS, STUDY


def test_every_transaction_has_its_kind() -> None:
    """And those that bring data are known."""
    assert KINDS.keys() == set(Transaction)
    assert {each for each, kind in KINDS.items() if kind.retrieves} == set(RETRIEVALS)


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://gateway.a.example:8443/x", "gateway.a.example"),
        ("https://[2001:db8::1]/x", "2001:db8::1"),
        ("https://[half/x", ""),
        ("gateway-a", "gateway-a"),
        ("2.999.1.1", ""),
        ("http://www.w3.org/2005/08/addressing/anonymous", ""),
        ("", ""),
    ],
)
def test_a_host_is_a_name_or_an_address(endpoint: str, host: str) -> None:
    """An OID, a name of nobody and half an address are none."""
    assert host_of(endpoint) == host
    assert is_address(host) == (":" in host)


@pytest.mark.parametrize("side", Side)
def test_the_telling_side_is_told_by_its_process_and_the_other_by_its_certificate(
    side: Side,
) -> None:
    """The address a caller came from is the other side's, whatever its endpoint is called."""
    asker, answerer = gateways(make_audit_event(side=side), "4711")

    own, other = (asker, answerer) if side is Side.INITIATOR else (answerer, asker)
    assert (asker.asks, answerer.asks) == (True, False)
    assert (own.tells, own.alternative) == (True, "4711")
    assert (other.tells, other.alternative) == (False, "CN=gateway-b,C=XB")
    assert other.host == "192.0.2.7"
    assert own.host in own.endpoint


def test_objects_are_told_where_the_transaction_has_them() -> None:
    """A query has no documents; the asker of a patient knows none yet; no transaction, nothing."""
    query = make_audit_event(documents=DOCUMENTS, images=IMAGES)
    fetched = make_audit_event(
        transaction=Transaction.RETRIEVE, documents=DOCUMENTS, patients=(PATIENT, PATIENT)
    )
    images = make_audit_event(transaction=Transaction.IMAGES, images=IMAGES)
    viewed = make_audit_event(transaction=Transaction.VIEW_IMAGES, studies=(STUDY, OTHER_STUDY))
    asked = make_audit_event(transaction=Transaction.IDENTIFY, side=Side.INITIATOR)

    assert (documents_of(query), studies_of(query)) == ((), ())
    assert (documents_of(fetched), patients_of(fetched)) == (DOCUMENTS, (PATIENT,))
    assert [(study.uid, len(study.images)) for study in studies_of(images)] == [
        (STUDY, 2),
        (OTHER_STUDY, 1),
    ]
    assert [(study.uid, study.images) for study in studies_of(viewed)] == [
        (STUDY, ()),
        (OTHER_STUDY, ()),
    ]
    assert patients_of(asked) == patients_of(make_audit_event(transaction=None)) == ()


def test_the_community_that_answers_is_ours_the_peer_or_the_one_meant() -> None:
    """None where the asker never learnt it."""
    mine = make_audit_event(community=COUNTRY_A)
    theirs = make_audit_event(side=Side.INITIATOR, community=COUNTRY_B, peer=COUNTRY_A)
    meant = make_audit_event(side=Side.INITIATOR, community=COUNTRY_B, peer=None)

    assert [answering(each) for each in (mine, theirs, meant)] == [COUNTRY_A] * 3
    assert answering(make_audit_event(side=Side.INITIATOR, peer=None, context=None)) is None


def test_an_emergency_is_one_whatever_the_caller_said() -> None:
    """And shows in the words of a failure."""
    event = make_audit_event(
        emergency=True,
        context=make_context(),
        outcome=AuditOutcome.SERIOUS_FAILURE,
        refusal=Refusal.NO_CONSENT,
        outcome_text="denied",
    )

    assert purpose_of(event) is PurposeOfUse.EMERGENCY
    assert outcome_description(event) == "no-consent: denied: asked as emergency access"
    assert outcome_description(make_audit_event()) == ""


def test_what_xml_cannot_carry_is_replaced() -> None:
    """On one line, and nothing else is changed."""
    assert carried("a\x00b\nc\td é\ud800") == "a\ufffdb c d é\ufffd"
