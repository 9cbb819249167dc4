"""The DICOM audit message: valid for both schemas, complete, and unbreakable by peers."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from itertools import product

import pytest
from lxml import etree

from gateway.domain import (
    AuditedDocument,
    AuditEvent,
    AuditOutcome,
    DocumentId,
    Oid,
    PatientId,
    Refusal,
    Side,
    Transaction,
)
from gateway.wire.audit.dicom_xml import HOME_DETAILS, encode_audit
from gateway.wire.audit.kinds import outcome_description
from gateway.wire.problems import EncodeError
from tests.builders import COUNTRY_A, PATIENT, make_audit_event
from tests.shared import shared
from tests.wire.audit.events import IMAGES, PEOPLE, RETRIEVALS, event_of

SCHEMAS = ("dicom2017c-ipf.xsd", "openncp-DICOM_Unsigned.xsd")


def read(event: AuditEvent) -> etree._Element:
    return etree.fromstring(encode_audit(event, source_id="ncpeh-a", process_id="4711"))


def codes(element: etree._Element, path: str) -> list[str]:
    return [str(found.get("csd-code")) for found in element.findall(path)]


def details(element: etree._Element, name: str) -> list[str]:
    return [
        b64decode(str(found.get("value"))).decode()
        for found in element.findall("ParticipantObjectDetail")
        if found.get("type") == name
    ]


def objects(root: etree._Element, type_code: str, role: str) -> list[etree._Element]:
    return [
        found
        for found in root.findall("ParticipantObjectIdentification")
        if found.get("ParticipantObjectTypeCode") == type_code
        and found.get("ParticipantObjectTypeCodeRole") == role
    ]


@pytest.fixture(scope="module", params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared(f"schemas/dicom-audit/{request.param}")))


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("outcome", AuditOutcome)
def test_every_kind_of_event_is_valid(
    schema: etree.XMLSchema, outcome: AuditOutcome, who: str
) -> None:
    """Every transaction on either side, whoever asked and however it ended, fits the schemas."""
    for transaction, side in product(Transaction, Side):
        schema.assertValid(read(event_of(transaction, side, outcome, who)))


def test_hostile_text_still_gives_a_valid_message(schema: etree.XMLSchema) -> None:
    """Control characters, markup and surrogates from a peer do not stop the audit."""
    event = make_audit_event(
        outcome=AuditOutcome.SERIOUS_FAILURE,
        outcome_text="bad \x00\x1b\ud800 <x>&\nnext line",
        query_id="id\x07",
        source_endpoint="http://[half/\x01",
        patients=(PatientId('"><evil/>', Oid("2.999.1.2")),),
        query=b"\xff\xfe\x00",
    )

    line = encode_audit(event, source_id="s")

    schema.assertValid(etree.fromstring(line))
    assert b"\n" not in line
    assert etree.fromstring(line).find(".//evil") is None


# What IHE wants per transaction and side, written down apart from the table under test.
EXPECTED = {
    ("ITI-55", "initiator"): ("110112", "E"),
    ("ITI-55", "responder"): ("110112", "E"),
    ("ITI-38", "initiator"): ("110112", "E"),
    ("ITI-38", "responder"): ("110112", "E"),
    ("ITI-39", "initiator"): ("110107", "C"),
    ("ITI-39", "responder"): ("110106", "R"),
    ("RAD-75", "initiator"): ("110103", "C"),
    ("RAD-75", "responder"): ("110104", "R"),
    ("RAD-69", "initiator"): ("110103", "C"),
    ("RAD-69", "responder"): ("110104", "R"),
    ("ITI-78", "initiator"): ("110112", "E"),
    ("ITI-78", "responder"): ("110112", "E"),
    ("ITI-119", "initiator"): ("110112", "E"),
    ("ITI-119", "responder"): ("110112", "E"),
    ("ITI-67", "initiator"): ("110112", "E"),
    ("ITI-67", "responder"): ("110112", "E"),
    ("ITI-68", "initiator"): ("110107", "C"),
    ("ITI-68", "responder"): ("110106", "R"),
    ("RAD-107", "initiator"): ("110103", "C"),
    ("RAD-107", "responder"): ("110104", "R"),
    ("RAD-129", "initiator"): ("110112", "E"),
    ("RAD-129", "responder"): ("110112", "E"),
    ("get-fhir-study", "initiator"): ("110112", "E"),
    ("get-fhir-study", "responder"): ("110112", "E"),
    ("RAD-106", "initiator"): ("110103", "R"),
    ("RAD-106", "responder"): ("110103", "R"),
    ("ITI-71", "initiator"): ("110114", "E"),
    ("ITI-71", "responder"): ("110114", "E"),
}


def test_event_and_action_follow_the_profile() -> None:
    """Each side names its event and its action as the transaction's audit clause says."""
    for transaction, side in product(Transaction, Side):
        root = read(event_of(transaction, side, AuditOutcome.SUCCESS, "treatment"))

        event = root.find("EventIdentification")
        assert event is not None
        found = (codes(event, "EventID")[0], event.get("EventActionCode"))
        assert found == EXPECTED[transaction.value, side.value]
        assert codes(event, "EventTypeCode") == [transaction.value]
        assert event.get("EventDateTime") == "2026-11-22T12:00:00.000+00:00"
        assert event.get("EventOutcomeIndicator") == "0"
        assert event.find("EventOutcomeDescription") is None


@pytest.mark.parametrize("side", Side)
def test_both_gateways_stand_in_every_message(side: Side) -> None:
    """Queries go from source to destination; retrieved data flow the other way round."""
    for transaction in Transaction:
        root = read(event_of(transaction, side, AuditOutcome.SUCCESS, "treatment"))
        asker, person, answerer = root.findall("ActiveParticipant")

        roles = codes(asker, "RoleIDCode") + codes(answerer, "RoleIDCode")
        retrieves = transaction in RETRIEVALS
        assert roles == (["110152", "110153"] if retrieves else ["110153", "110152"])
        assert asker.get("UserID") == "https://gateway.b.example:8443/reply"
        assert answerer.get("UserID") == "https://gateway.a.example:8443/services"
        requestors = [p.get("UserIsRequestor") for p in (asker, person, answerer)]
        assert requestors == ["true", "true", "false"]
        own, other = (asker, answerer) if side is Side.INITIATOR else (answerer, asker)
        assert own.get("AlternativeUserID") == "4711"
        assert own.get("NetworkAccessPointTypeCode") == "1"
        assert other.get("AlternativeUserID") == "CN=gateway-b,C=XB"
        assert other.get("NetworkAccessPointID") == "192.0.2.7"
        assert other.get("NetworkAccessPointTypeCode") == "2"


def test_the_person_who_asked_is_named_with_role_and_issuer() -> None:
    """The human requestor carries id, issuer in the XUA form, name and role."""
    person = read(make_audit_event()).findall("ActiveParticipant")[1]

    assert person.get("UserID") == "hcp-77"
    assert person.get("UserName") == "<hcp-77@urn:idp:XB:countryB>"
    assert person.get("AlternativeUserID") == "Maja Lindqvist"
    assert codes(person, "RoleIDCode") == ["221"]


@pytest.mark.parametrize(
    ("endpoint", "host", "kind"),
    [
        ("https://gateway.a.example:8443/x", "gateway.a.example", "1"),
        ("gateway-a", "gateway-a", "1"),
        ("https://[2001:db8::1]/x", "2001:db8::1", "2"),
        ("192.0.2.9", "192.0.2.9", "2"),
        ("2.999.1.1", None, None),
        ("CN=gateway-a,C=XA", None, None),
        ("http://www.w3.org/2005/08/addressing/anonymous", None, None),
    ],
)
def test_only_hosts_become_network_access_points(
    endpoint: str, host: str | None, kind: str | None
) -> None:
    """A name or an address is told as such; an OID, a subject or "anonymous" is no host."""
    participant = read(make_audit_event(destination_endpoint=endpoint)).findall(
        "ActiveParticipant"
    )[-1]

    assert participant.get("UserID") == endpoint
    assert participant.get("NetworkAccessPointID") == host
    assert participant.get("NetworkAccessPointTypeCode") == kind


def test_an_unauthenticated_call_names_no_person_and_no_purpose() -> None:
    """Where nobody could be made out, the gateways remain and nothing is invented."""
    event = make_audit_event(
        context=None, source_endpoint="", outcome=AuditOutcome.SERIOUS_FAILURE, outcome_text=""
    )

    root = read(event)

    assert len(root.findall("ActiveParticipant")) == 2
    assert root.findall("ActiveParticipant")[0].get("UserID") == "unknown"
    assert root.find(".//PurposeOfUse") is None
    assert root.findtext(".//EventOutcomeDescription") == "serious failure"


def test_emergency_access_is_marked() -> None:
    """Emergency access shows as purpose of use, and in words when it failed."""
    root = read(make_audit_event(emergency=True, context=None))
    failed = make_audit_event(
        emergency=True,
        outcome=AuditOutcome.SERIOUS_FAILURE,
        refusal=Refusal.NO_CONSENT,
        outcome_text="denied",
    )

    assert codes(root, "EventIdentification/PurposeOfUse") == ["EMERGENCY"]
    assert outcome_description(failed) == "no-consent: denied: asked as emergency access"


def test_patient_discovery_names_patients_only_where_they_are_known() -> None:
    """The responder writes each patient it returned; the initiator writes the query alone."""
    second = PatientId("A-0002", Oid("2.999.1.2"))
    found = {"transaction": Transaction.IDENTIFY, "patients": (PATIENT, second, PATIENT)}

    responder = read(make_audit_event(**found))
    initiator = read(make_audit_event(**found, side=Side.INITIATOR, peer=COUNTRY_A))

    ids = [o.get("ParticipantObjectID") for o in objects(responder, "1", "1")]
    assert ids == ["A-0001^^^&2.999.1.2&ISO", "A-0002^^^&2.999.1.2&ISO"]
    assert objects(initiator, "1", "1") == []
    (query,) = objects(initiator, "2", "24")
    assert codes(query, "ParticipantObjectIDTypeCode") == ["ITI-55"]
    assert [details(query, name) for name in HOME_DETAILS] == [["2.999.1.1"], ["2.999.1.1"]]


def test_a_query_is_kept_whole() -> None:
    """The query object holds the payload, its encoding, the answering community, the message."""
    (query,) = objects(read(make_audit_event()), "2", "24")

    assert query.get("ParticipantObjectID") == "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
    assert b64decode(str(query.findtext("ParticipantObjectQuery"))) == b"<query/>"
    assert details(query, "QueryEncoding") == ["UTF-8"]
    assert details(query, HOME_DETAILS[1]) == ["urn:oid:2.999.1.1"]
    assert details(query, "MessageID") == ["urn:uuid:11111111-2222-4333-8444-555555555555"]


def test_each_document_is_an_object() -> None:
    """A retrieval names the patient and every document with repository and community."""
    event = event_of(Transaction.RETRIEVE, Side.INITIATOR, AuditOutcome.SUCCESS, "treatment")

    root = read(event)

    assert len(objects(root, "1", "1")) == 1
    found = objects(root, "2", "3")
    assert [o.get("ParticipantObjectID") for o in found] == ["2.999.5.1", "2.999.5.2"]
    assert codes(found[0], "ParticipantObjectIDTypeCode") == ["9"]
    assert details(found[0], "Repository Unique Id") == ["2.999.1.9"]
    assert details(found[0], HOME_DETAILS[0]) == ["urn:oid:2.999.1.1"]


def test_images_are_told_study_by_study() -> None:
    """Each study is one object with its series, its instances and where they lay."""
    where = AuditedDocument(
        document=DocumentId(str(IMAGES[0].instance)),
        repository=Oid("2.999.1.8"),
        community=COUNTRY_A,
    )
    event = make_audit_event(transaction=Transaction.IMAGES, images=IMAGES, documents=(where,))

    first, second = objects(read(event), "2", "3")

    assert codes(first, "ParticipantObjectIDTypeCode") == ["110180"]
    assert first.get("ParticipantObjectID") == "2.999.9.1"
    assert details(first, "Series Instance Unique Id") == ["2.999.9.1.1"]
    assert details(first, "ihe:DocumentUniqueId") == ["2.999.9.1.1.1", "2.999.9.1.1.2"]
    assert details(first, "Repository Unique Id") == ["2.999.1.8"]
    assert second.get("ParticipantObjectID") == "2.999.9.2"
    assert details(second, "Repository Unique Id") == []
    assert details(second, HOME_DETAILS[0]) == ["urn:oid:2.999.1.1"]


@pytest.mark.parametrize(
    ("sample", "transaction"),
    [
        ("ipf-xcpd.xml", Transaction.IDENTIFY),
        ("openncp-patientservicelistauditmessage.xml", Transaction.FIND),
        ("openncp-patientserviceretrievetauditmessage.xml", Transaction.RETRIEVE),
    ],
)
def test_shape_agrees_with_messages_of_others(sample: str, transaction: Transaction) -> None:
    """Event, type, action, gateway roles and the patient object read as in peers' messages."""
    theirs = etree.parse(shared(f"samples/soap/audit/{sample}")).getroot()
    ours = read(event_of(transaction, Side.RESPONDER, AuditOutcome.SUCCESS, "treatment"))

    def shape(root: etree._Element) -> dict[str, object]:
        event = root.find("EventIdentification")
        assert event is not None
        return {
            "order": list(dict.fromkeys(str(child.tag) for child in root)),
            "event": codes(root, ".//EventID"),
            "type": codes(root, ".//EventTypeCode"),
            "action": event.get("EventActionCode"),
            "roles": {"110152", "110153"} & set(codes(root, ".//RoleIDCode")),
            "patients": bool(objects(root, "1", "1")),
        }

    assert shape(ours) == shape(theirs)


def test_a_time_without_a_zone_is_refused() -> None:
    """The standard wants the zone; a naive time is our own mistake and says so."""
    event = make_audit_event(at=datetime(2026, 11, 22, 12, 0))

    with pytest.raises(EncodeError, match="zone"):
        encode_audit(event, source_id="s")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_request_that_is_no_transaction_is_a_security_alert(schema: str) -> None:
    """Valid for both schemas, and without objects: nobody knows what was wanted."""
    event = make_audit_event(
        transaction=None, context=None, patients=(), outcome=AuditOutcome.SERIOUS_FAILURE
    )
    message = read(event)

    etree.XMLSchema(file=str(shared(f"schemas/dicom-audit/{schema}"))).assertValid(message)
    assert message.find("EventIdentification/EventID").get("csd-code") == "110113"
    assert message.findall("ParticipantObjectIdentification") == []
