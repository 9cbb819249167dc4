"""The FHIR AuditEvent: valid, after the patterns of BALP, and unbreakable by peers."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import datetime
from itertools import product
from typing import Any

import orjson
import pytest

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
from gateway.domain.refusals import KIND_OF, NotAllowed
from gateway.wire.audit.fhir import render_audit
from gateway.wire.fhir.resources import Format, validated, write_resource
from gateway.wire.problems import EncodeError
from tests.builders import (
    COUNTRY_A,
    PATIENT,
    SOAP_TRANSACTIONS,
    make_audit_event,
    make_context,
    make_professional,
)
from tests.wire.audit.events import IMAGES, PEOPLE, RETRIEVALS, event_of


def rendered(event: AuditEvent) -> Any:
    """The resource as a reader of its bytes has it."""
    return orjson.loads(orjson.dumps(render_audit(event, source_id="ncpeh-a", process_id="4711")))


def entities(resource: Any, type_code: str) -> list[Any]:
    """The entities of a type."""
    return [each for each in resource.get("entity", []) if each["type"]["code"] == type_code]


def agent(resource: Any, code: str) -> Any:
    """The one agent with a code among those of its type."""
    [found] = [
        each
        for each in resource["agent"]
        if code in [coding["code"] for coding in each["type"]["coding"]]
    ]
    return found


def details(entity: Any, name: str) -> list[str]:
    """The values of an entity's details of a name."""
    return [each["valueString"] for each in entity["detail"] if each["type"] == name]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("outcome", AuditOutcome)
def test_every_kind_of_event_is_valid(outcome: AuditOutcome, who: str) -> None:
    """Every transaction on either side, whoever asked and however it ended, in either format."""
    for transaction, side in product([*Transaction, None], Side):
        event = event_of(transaction or Transaction.FIND, side, outcome, who)
        if transaction is None:
            event = make_audit_event(transaction=None, side=side, outcome=outcome)

        resource = rendered(event)

        validated(resource)
        assert write_resource(resource, Format.XML)


# What BALP, MHD and PDQm want per transaction and side, and what DICOM's message says of SOAP,
# written down apart from the table under test: type, interaction, action, the client's role.
EXPECTED = {
    ("ITI-55", "initiator"): ("110112", None, "E", "110153"),
    ("ITI-55", "responder"): ("110112", None, "E", "110153"),
    ("ITI-38", "initiator"): ("110112", None, "E", "110153"),
    ("ITI-38", "responder"): ("110112", None, "E", "110153"),
    ("ITI-39", "initiator"): ("110107", None, "C", "110152"),
    ("ITI-39", "responder"): ("110106", None, "R", "110152"),
    ("RAD-75", "initiator"): ("110103", None, "C", "110152"),
    ("RAD-75", "responder"): ("110104", None, "R", "110152"),
    ("RAD-69", "initiator"): ("110103", None, "C", "110152"),
    ("RAD-69", "responder"): ("110104", None, "R", "110152"),
    ("ITI-78", "initiator"): ("rest", "search", "E", "110153"),
    ("ITI-78", "responder"): ("rest", "search", "E", "110153"),
    ("ITI-119", "initiator"): ("rest", "search", "E", "110153"),
    ("ITI-119", "responder"): ("rest", "search", "E", "110153"),
    ("ITI-67", "initiator"): ("rest", "search", "E", "110153"),
    ("ITI-67", "responder"): ("rest", "search", "E", "110153"),
    ("ITI-68", "initiator"): ("rest", "read", "R", "110152"),
    ("ITI-68", "responder"): ("rest", "read", "R", "110152"),
    ("RAD-107", "initiator"): ("rest", "read", "R", "110152"),
    ("RAD-107", "responder"): ("rest", "read", "R", "110152"),
    ("RAD-129", "initiator"): ("rest", "search", "E", "110153"),
    ("RAD-129", "responder"): ("rest", "search", "E", "110153"),
    ("get-fhir-study", "initiator"): ("rest", "search", "E", "110153"),
    ("get-fhir-study", "responder"): ("rest", "search", "E", "110153"),
    ("RAD-106", "initiator"): ("rest", "read", "R", "110152"),
    ("RAD-106", "responder"): ("rest", "read", "R", "110152"),
    ("ITI-71", "initiator"): ("110114", None, "E", "110153"),
    ("ITI-71", "responder"): ("110114", None, "E", "110153"),
}
OF_OTHERS = "get-fhir-study"  # of the NCPeH API


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("transaction", Transaction)
def test_each_transaction_is_told_in_its_own_words(transaction: Transaction, side: Side) -> None:
    """Type, subtypes, action; and the client's role, which is the other one in a retrieval.

    A code of IHE's is only said to be one where IHE gave it.
    """
    type_code, interaction, action, client = EXPECTED[transaction.value, side.value]

    resource = rendered(event_of(transaction, side, AuditOutcome.SUCCESS, "treatment"))

    assert resource["type"]["code"] == type_code
    assert [(each["system"], each["code"]) for each in resource["subtype"]] == [
        *([("urn:ihe:event-type-code", code)] if (code := transaction.value) != OF_OTHERS else []),
        *([("http://hl7.org/fhir/restful-interaction", interaction)] if interaction else []),
    ]
    assert resource["action"] == action
    assert (resource["outcome"], resource.get("outcomeDesc")) == ("0", None)
    asker = agent(resource, client)
    answerer = agent(resource, {"110152": "110153", "110153": "110152"}[client])
    assert asker["who"]["identifier"]["value"] == "https://gateway.b.example:8443/reply"
    assert answerer["who"]["identifier"]["value"] == "https://gateway.a.example:8443/services"
    own, other = (asker, answerer) if side is Side.INITIATOR else (answerer, asker)
    assert resource["source"]["observer"] == own["who"]
    assert own["who"]["display"] == "ncpeh-a"
    assert (own["altId"], other["altId"]) == ("4711", "CN=gateway-b,C=XB")
    assert own["network"]["type"] == "5"
    assert other["network"] == {"address": "192.0.2.7", "type": "2"}


def test_every_transaction_is_expected() -> None:
    """A transaction that comes needs its rows."""
    assert EXPECTED.keys() == {(t.value, s.value) for t, s in product(Transaction, Side)}


@pytest.mark.parametrize("transaction", Transaction)
def test_the_person_who_asked_is_the_requestor(transaction: Transaction) -> None:
    """With issuer, id, name, role, purpose, organisation and community; nobody else requests."""
    resource = rendered(event_of(transaction, Side.RESPONDER, AuditOutcome.SUCCESS, "treatment"))

    person = agent(resource, "IRCP")
    assert person["who"]["identifier"] == {"system": "urn:idp:XB:countryB", "value": "hcp-77"}
    assert person["name"] == "Maja Lindqvist"
    assert person["role"][0]["coding"][0] == {
        "system": "urn:oid:2.16.840.1.113883.2.9.6.2.7",
        "code": "221",
        "display": "Medical Doctors",
    }
    assert person["purposeOfUse"] == resource["purposeOfEvent"]
    assert "policy" not in person
    assert [each["requestor"] for each in resource["agent"]].count(True) == 1
    organisation = agent(resource, "PROV")["who"]
    assert organisation == {
        "identifier": {"system": "urn:oid:2.999.2.3", "value": "TH"},
        "display": "Teaching Hospital",
    }
    home = agent(resource, "homeCommunityId")["who"]["identifier"]
    assert home["value"] == "urn:oid:2.999.2.1"


@pytest.mark.parametrize("transaction", Transaction)
def test_a_token_is_named_by_its_id(transaction: Transaction) -> None:
    """The jti as the policy of an OAuth user, the assertion's ID as that of a SAML user."""
    context = make_context(assertion_ids=("_id-1",))
    resource = rendered(make_audit_event(transaction=transaction, context=context))

    person = agent(resource, "IRCP")
    carrier = person["type"]["coding"][1]
    assert carrier["system"] == "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes"
    claimed = resource["meta"]["profile"][-1]
    if transaction in SOAP_TRANSACTIONS:
        assert (carrier["code"], person["policy"]) == ("UserSamlAgent", ["_id-1"])
        assert claimed.endswith("IHE.BasicAudit.SAMLaccessTokenUse.Minimal")
    else:
        policy = ["urn:ietf:params:oauth:jti:_id-1"]
        assert (carrier["code"], person["policy"]) == ("UserOauthAgent", policy)
        assert claimed.endswith("IHE.BasicAudit.OAUTHaccessTokenUse.Minimal")


def test_two_assertions_are_both_named_and_no_pattern_of_one_is_claimed() -> None:
    """Of professional and treatment relation; the patterns know one token a call."""
    resource = rendered(make_audit_event(context=make_context(assertion_ids=("_hcp", "_trc"))))

    assert agent(resource, "IRCP")["policy"] == ["_hcp", "_trc"]
    assert "meta" not in resource


def test_an_unauthenticated_call_names_no_person_and_no_purpose() -> None:
    """The client is the one who asked, and nothing is invented about it."""
    event = make_audit_event(
        context=None, source_endpoint="", outcome=AuditOutcome.SERIOUS_FAILURE, outcome_text=""
    )

    resource = rendered(event)

    assert [each["type"]["coding"][0]["code"] for each in resource["agent"]] == ["110153", "110152"]
    assert [each["requestor"] for each in resource["agent"]] == [True, False]
    assert resource["agent"][0]["who"]["identifier"]["value"] == "unknown"
    assert "purposeOfEvent" not in resource
    assert resource["outcomeDesc"] == "serious failure"


def test_an_end_without_an_address_says_that_it_is_not_known() -> None:
    """The patterns want a network of each end; a community is none."""
    resource = rendered(make_audit_event(side=Side.INITIATOR, source_endpoint="2.999.2.1"))

    network = agent(resource, "110153")["network"]
    assert network["extension"][0]["valueCode"] == "unknown"
    assert network.keys() == {"extension"}


def test_emergency_access_is_marked() -> None:
    """As the reason of the event and of the person."""
    context = make_context()
    resource = rendered(make_audit_event(emergency=True, context=context))

    [reason] = resource["purposeOfEvent"]
    assert reason["coding"][0]["code"] == "ETREAT"
    assert agent(resource, "IRCP")["purposeOfUse"] == [reason]


@pytest.mark.parametrize("transaction", [t for t in Transaction if t not in RETRIEVALS])
def test_a_query_is_kept_whole(transaction: Transaction) -> None:
    """The request as it was sent, its id, the community asked and the request id."""
    asked = b"GET /fhir/DocumentReference?patient.identifier=urn:oid:2.999%7C1\n\xff\x00"
    resource = rendered(make_audit_event(transaction=transaction, query=asked))

    [query] = entities(resource, "2")
    assert b64decode(query["query"]) == asked
    assert query["role"]["code"] == "24"
    assert query["description"] == "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
    assert not query.keys() & {"what", "lifecycle", "detail", "name"}
    [community] = entities(resource, "3")
    assert community["what"]["identifier"]["value"] == "urn:oid:2.999.1.1"
    [request] = entities(resource, "XrequestId")
    assert request["what"]["identifier"]["value"] == "urn:uuid:11111111-2222-4333-8444-555555555555"


def test_patients_are_told_where_they_are_known() -> None:
    """The answering side tells each patient it found, once; the asker of ITI-78 none."""
    second = PatientId("A-0002", Oid("2.999.1.2"))
    found = {"transaction": Transaction.SEARCH_PATIENTS, "patients": (PATIENT, second, PATIENT)}

    responder = rendered(make_audit_event(**found))
    initiator = rendered(make_audit_event(**found, side=Side.INITIATOR))

    told = [each["what"]["identifier"] for each in entities(responder, "1")]
    assert told == [
        {"system": "urn:oid:2.999.1.2", "value": "A-0001"},
        {"system": "urn:oid:2.999.1.2", "value": "A-0002"},
    ]
    assert entities(initiator, "1") == []


@pytest.mark.parametrize(
    ("query", "endpoint", "reference"),
    [
        (b"GET https://a.example/fhir/Binary/1", "https://a.example/fhir", "same"),
        (b"GET /fhir/Binary/1?x=a b", "https://a.example:1/fhir/Binary/1", "joined"),
        (b"GET https://[half/1", "https://a.example/fhir", None),
        (b"<RetrieveDocumentSetRequest/>", "https://a.example/services", None),
    ],
)
def test_a_document_is_told_by_its_id_and_its_address(
    query: bytes, endpoint: str, reference: str | None
) -> None:
    """The address is the one of the request; nothing is made up where there is none."""
    document = AuditedDocument(
        document=DocumentId("2.999.5.1"), repository=Oid("2.999.1.9"), community=COUNTRY_A
    )
    event = make_audit_event(
        transaction=Transaction.FETCH_DOCUMENT,
        documents=(document,),
        query=query,
        destination_endpoint=endpoint,
    )

    [told] = entities(rendered(event), "2")

    addresses = {
        "same": "https://a.example/fhir/Binary/1",
        "joined": "https://a.example:1/fhir/Binary/1?x=a%20b",
    }
    assert told["what"].get("reference") == (addresses[reference] if reference else None)
    assert told["what"]["identifier"]["value"] == "urn:oid:2.999.5.1"
    assert told["role"]["code"] == "3"
    assert details(told, "Repository Unique Id") == ["2.999.1.9"]


def test_a_document_id_that_is_no_oid_is_told_as_it_is() -> None:
    """Peers give documents ids of their own."""
    document = AuditedDocument(
        document=DocumentId("2.999^A 1"), repository=Oid("2.999.1.9"), community=COUNTRY_A
    )

    [told] = entities(
        rendered(make_audit_event(transaction=Transaction.RETRIEVE, documents=(document,))), "2"
    )

    assert told["what"] == {"identifier": {"value": "2.999^A 1"}}


def test_images_are_told_study_by_study() -> None:
    """Each study is one object with its series, its instances and where they lay."""
    where = AuditedDocument(
        document=DocumentId(str(IMAGES[0].instance)),
        repository=Oid("2.999.1.8"),
        community=COUNTRY_A,
    )
    event = make_audit_event(
        transaction=Transaction.FETCH_IMAGES, images=IMAGES, documents=(where,)
    )

    first, second = entities(rendered(event), "2")

    assert first["what"]["identifier"] == {"system": "urn:dicom:uid", "value": "urn:oid:2.999.9.1"}
    assert details(first, "Series Instance Unique Id") == ["2.999.9.1.1"]
    assert details(first, "ihe:DocumentUniqueId") == ["2.999.9.1.1.1", "2.999.9.1.1.2"]
    assert details(first, "Repository Unique Id") == ["2.999.1.8"]
    assert second["what"]["identifier"]["value"] == "urn:oid:2.999.9.2"
    assert details(second, "urn:ihe:iti:xca:2010:homeCommunityId") == ["urn:oid:2.999.1.1"]


ROLE_DECISIONS = {
    Refusal.INSUFFICIENT_RIGHTS,
    Refusal.NO_TREATMENT_RELATION,
    Refusal.TREATMENT_RELATION_MISMATCH,
}


@pytest.mark.parametrize("side", Side)
def test_who_is_refused_raises_a_security_alert(side: Side) -> None:
    """On the side that decides, with the kind of decision; every refusal is named in words."""
    for refusal in Refusal:
        event = make_audit_event(
            transaction=Transaction.SEARCH_DOCUMENTS,
            side=side,
            refusal=refusal,
            outcome=AuditOutcome.SERIOUS_FAILURE,
            outcome_text="why",
        )

        resource = rendered(event)

        codes = [each["code"] for each in resource["subtype"]]
        alert = side is Side.RESPONDER and KIND_OF[refusal] is NotAllowed
        assert resource["type"]["code"] == ("110113" if alert else "rest"), refusal
        assert codes[-2:] == ["ITI-67", "search"], refusal
        if not alert:
            assert len(codes) == 2, refusal
        elif refusal is Refusal.NO_CONSENT:
            assert codes[0] == "AuthZ-Consent"
        else:
            assert ("AuthZ-Role" in codes) == (refusal in ROLE_DECISIONS), refusal
        said = f"{refusal.value}: why"
        assert (resource["outcome"], resource["outcomeDesc"]) == ("8", said)


def test_a_request_that_is_no_transaction_is_a_security_alert() -> None:
    """Nobody knows what was wanted: no patient, no query, only the request's id."""
    event = make_audit_event(transaction=None, context=None, outcome=AuditOutcome.SERIOUS_FAILURE)

    resource = rendered(event)

    assert resource["type"]["code"] == "110113"
    assert [each["code"] for each in resource["subtype"]] == ["110132"]
    assert [each["type"]["code"] for each in resource["entity"]] == ["XrequestId"]


def test_hostile_text_still_gives_a_valid_resource() -> None:
    """Control characters, markup, blanks and surrogates from a peer do not stop the audit."""
    professional = make_professional(id=" ", facility_type="\x00")
    event = make_audit_event(
        id="../no id",
        outcome=AuditOutcome.SERIOUS_FAILURE,
        outcome_text="bad \x00\x1b\ud800 <x>&\nnext line",
        query_id="id\x07",
        message_id=" \n ",
        source_endpoint="http://[half/\x01",
        destination_endpoint=" ",
        patients=(PatientId('"><evil/>', Oid("2.999.1.2")), PatientId(" ", Oid("2.999.1.2"))),
        query=b"\xff\xfe\x00",
        context=make_context(
            issuer="an issuer\nof two lines",
            assertion_ids=("an id\tof two words",),
            professional=professional,
        ),
    )

    resource = rendered(event)

    validated(resource)
    write_resource(resource, Format.XML)
    assert "id" not in resource
    assert agent(resource, "IRCP")["policy"] == ["an%20id%20of%20two%20words"]
    assert [each["what"]["identifier"]["value"] for each in entities(resource, "1")] == [
        '"><evil/>',
        "unknown",
    ]
    assert "\\u0000" not in json.dumps(resource)


def test_a_time_without_a_zone_is_refused() -> None:
    """An instant has one; a naive time is our own mistake and says so."""
    with pytest.raises(EncodeError, match="zone"):
        render_audit(make_audit_event(at=datetime(2026, 11, 22, 12, 0)), source_id="s")
