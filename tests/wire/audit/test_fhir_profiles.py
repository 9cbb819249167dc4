"""AuditEvents held to the snapshots of BALP, and to the examples of BALP, MHD and PDQm.

The snapshots are read by `snapshots`, which is tried on IHE's own examples first: it must find
nothing in them as they are, and the fault in each that is damaged.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
import pytest

from gateway.domain import AuditEvent, AuditOutcome, Oid, PatientId, Side, Transaction
from gateway.wire.audit.fhir import render_audit
from tests.builders import PATIENT, SOAP_TRANSACTIONS, make_context
from tests.shared import shared
from tests.wire.audit.events import DOCUMENTS, IMAGES, RETRIEVALS, event_of
from tests.wire.snapshots import problems

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"
FETCHED = b"GET https://gateway.a.example:8443/fhir/Binary/1"
REST = tuple(
    each for each in Transaction if each not in (*SOAP_TRANSACTIONS, Transaction.GET_TOKEN)
)
# What the asker does not know yet: whom it is about.
IDENTIFIES = (Transaction.IDENTIFY, Transaction.SEARCH_PATIENTS, Transaction.MATCH_PATIENTS)


@cache
def snapshot(pattern: str) -> Any:
    """A profile of BALP: `PatientQuery` or `PatientRead`."""
    name = f"StructureDefinition-IHE.BasicAudit.{pattern}.json"
    return json.loads(shared(f"samples/fhir/profiles/{name}").read_text())


def one_object(transaction: Transaction, side: Side, outcome: AuditOutcome) -> AuditEvent:
    """An event about one patient, and one query, document or study, as over FHIR they all are."""
    event = event_of(transaction, side, outcome, "treatment")
    return replace(
        event,
        documents=DOCUMENTS[:1] if event.documents else (),
        images=IMAGES[:2] if event.images else (),
        query=FETCHED if transaction is Transaction.FETCH_DOCUMENT else event.query,
        context=make_context(assertion_ids=("_id-1",)),
    )


def rendered(event: AuditEvent) -> Any:
    """The resource as a reader of its bytes has it."""
    return orjson.loads(orjson.dumps(render_audit(event, source_id="ncpeh-a")))


def pattern_of(transaction: Transaction) -> str:
    """The pattern of BALP with a patient that a transaction follows."""
    return "PatientRead" if transaction in RETRIEVALS else "PatientQuery"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("balp/AuditEvent-ex-auditBasicQueryGetClient.json", "PatientQuery"),
        ("balp/AuditEvent-ex-auditBasicQueryPost.json", "PatientQuery"),
        ("mhd/AuditEvent-ex-auditFindDocumentReferences-consumer.json", "PatientQuery"),
        ("pdqm/AuditEvent-ex-auditPdqmQuery-supplier.json", "PatientQuery"),
        ("balp/AuditEvent-ex-auditBasicReadServer.json", "PatientRead"),
        ("mhd/AuditEvent-ex-auditRetrieveDocument-responder.json", "PatientRead"),
    ],
)
def test_the_check_finds_nothing_in_the_examples_of_ihe(name: str, pattern: str) -> None:
    """And every required element that is taken away."""
    example = json.loads(shared(f"samples/fhir/{name}").read_text())

    assert problems(example, snapshot(pattern)) == set()
    for key in ("type", "subtype", "recorded", "outcome", "agent", "source", "entity"):
        damaged = {each: value for each, value in example.items() if each != key}
        assert f"AuditEvent.{key}" in problems(damaged, snapshot(pattern)), key


def test_the_check_finds_what_is_wrong_inside() -> None:
    """Roles that are not reversed, a second query, a network of a person, another outcome."""
    example = json.loads(
        shared("samples/fhir/balp/AuditEvent-ex-auditBasicQueryPost.json").read_text()
    )
    broken = deepcopy(example)
    broken["outcome"] = "8"
    broken["entity"].append(broken["entity"][0])
    person = next(each for each in broken["agent"] if each["requestor"])
    person["network"] = {"address": "somewhere"}

    assert {"AuditEvent.agent:client", "AuditEvent.agent:server"} & problems(
        example, snapshot("PatientRead")
    ) == set()
    assert "AuditEvent.action" in problems(example, snapshot("PatientRead"))
    assert problems(broken, snapshot("PatientQuery")) == {
        "AuditEvent.outcome",
        "AuditEvent.entity:query",
        "AuditEvent.agent:user.network",
    }


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("transaction", REST)
def test_what_succeeds_over_fhir_meets_the_pattern_and_claims_it(
    transaction: Transaction, side: Side
) -> None:
    """But for an asker who does not know the patient: there the pattern without one is claimed."""
    resource = rendered(one_object(transaction, side, AuditOutcome.SUCCESS))
    pattern = pattern_of(transaction)
    anonymous = transaction in IDENTIFIES and side is Side.INITIATOR

    claimed = resource["meta"]["profile"]
    assert (f"{BALP}.{pattern}" in claimed) is not anonymous
    assert (f"{BALP}.{pattern.removeprefix('Patient')}" in claimed) is anonymous
    lacking = {"AuditEvent.entity:patient"} if anonymous else set()
    assert problems(resource, snapshot(pattern)) == lacking


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("transaction", REST)
def test_what_is_refused_over_fhir_breaks_nothing_but_the_outcome(
    transaction: Transaction, side: Side
) -> None:
    """A failure follows the pattern and claims none; who decided raises an alert."""
    resource = rendered(one_object(transaction, side, AuditOutcome.SERIOUS_FAILURE))

    wrong = {"AuditEvent.outcome"}
    wrong |= {"AuditEvent.type"} if side is Side.RESPONDER else set()
    if transaction in IDENTIFIES and side is Side.INITIATOR:
        wrong |= {"AuditEvent.entity:patient"}
    assert problems(resource, snapshot(pattern_of(transaction))) == wrong
    assert resource["meta"]["profile"] == [f"{BALP}.OAUTHaccessTokenUse.Minimal"]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("transaction", SOAP_TRANSACTIONS)
def test_soap_differs_in_being_no_restful_operation(transaction: Transaction, side: Side) -> None:
    """Type, interaction and an asker's action; agents and entities are those of the pattern."""
    resource = rendered(one_object(transaction, side, AuditOutcome.SUCCESS))

    interaction = "anyRead" if transaction in RETRIEVALS else "anySearch"
    wrong = {"AuditEvent.type", f"AuditEvent.subtype:{interaction}"}
    if transaction in RETRIEVALS and side is Side.INITIATOR:
        wrong |= {"AuditEvent.action"}
    if transaction in IDENTIFIES and side is Side.INITIATOR:
        wrong |= {"AuditEvent.entity:patient"}
    assert problems(resource, snapshot(pattern_of(transaction))) == wrong
    assert resource["meta"]["profile"] == [f"{BALP}.SAMLaccessTokenUse.Minimal"]


TWO_PATIENTS = (PATIENT, PatientId("A-0002", Oid("2.999.1.2")))


@pytest.mark.parametrize(
    ("transaction", "changes", "claimed"),
    [
        (Transaction.SEARCH_DOCUMENTS, {"patients": ()}, ["Query"]),
        (Transaction.SEARCH_DOCUMENTS, {"query": b""}, []),
        (Transaction.SEARCH_PATIENTS, {"patients": TWO_PATIENTS}, ["Supplier", "Query"]),
        (Transaction.FETCH_DOCUMENT, {"documents": DOCUMENTS}, []),
        (Transaction.FETCH_DOCUMENT, {"query": b""}, []),
        (Transaction.FETCH_IMAGES, {"images": IMAGES}, []),
        (Transaction.FETCH_IMAGES, {"patients": ()}, ["Read"]),
    ],
)
def test_a_pattern_is_not_claimed_where_it_is_not_met(
    transaction: Transaction, changes: dict[str, Any], claimed: list[str]
) -> None:
    """Several patients, documents or studies, no query, no address: what is so is told as it is."""
    event = one_object(transaction, Side.RESPONDER, AuditOutcome.SUCCESS)

    resource = rendered(replace(event, context=make_context(), **changes))

    profiles = resource.get("meta", {}).get("profile", [])
    assert [each.rpartition(".")[2] for each in profiles] == claimed


# The examples IHE publishes for our transactions.
EXAMPLES = {
    (Transaction.SEARCH_DOCUMENTS, Side.INITIATOR): "mhd/{}FindDocumentReferences-consumer.json",
    (Transaction.SEARCH_DOCUMENTS, Side.RESPONDER): "mhd/{}FindDocumentReferences-responder.json",
    (Transaction.FETCH_DOCUMENT, Side.INITIATOR): "mhd/{}RetrieveDocument-consumer.json",
    (Transaction.FETCH_DOCUMENT, Side.RESPONDER): "mhd/{}RetrieveDocument-responder.json",
    (Transaction.SEARCH_PATIENTS, Side.INITIATOR): "pdqm/{}PdqmQuery-consumer.json",
    (Transaction.SEARCH_PATIENTS, Side.RESPONDER): "pdqm/{}PdqmQuery-supplier.json",
    (Transaction.MATCH_PATIENTS, Side.INITIATOR): "pdqm/{}PdqmMatch-consumer.json",
    (Transaction.MATCH_PATIENTS, Side.RESPONDER): "pdqm/{}PdqmMatch-supplier.json",
}


@pytest.mark.parametrize(("transaction", "side"), EXAMPLES)
def test_ours_say_what_the_examples_of_ihe_say(transaction: Transaction, side: Side) -> None:
    """Profile, type, subtypes, action, the roles of both ends, and the objects; ours say more."""
    name = EXAMPLES[transaction, side].format("AuditEvent-ex-audit")
    theirs = json.loads(shared(f"samples/fhir/{name}").read_text())
    ours = rendered(one_object(transaction, side, AuditOutcome.SUCCESS))

    def shape(resource: Any) -> dict[str, Any]:
        roles = [each["type"]["coding"][0]["code"] for each in resource["agent"]]
        objects = [
            (each["type"]["code"], each.get("role", {}).get("code")) for each in resource["entity"]
        ]
        whats = [sorted(each.get("what", {}).keys() & {"reference"}) for each in resource["entity"]]
        return {
            "profile": resource["meta"]["profile"][0],
            "type": (resource["type"]["system"], resource["type"]["code"]),
            "subtypes": sorted((each["system"], each["code"]) for each in resource["subtype"]),
            "action": resource.get("action"),
            "outcome": resource["outcome"],
            "roles": [role for role in roles if role in ("110152", "110153")],
            "objects": sorted(each for each in objects if each[0] in ("1", "2")),
            "addressed": [
                what for what, each in zip(whats, objects, strict=True) if each[0] == "2"
            ],
        }

    # The consumer's example of ITI-119 leaves its action out, which its pattern allows.
    stated = {key: value for key, value in shape(theirs).items() if value is not None}
    assert shape(ours) | stated == shape(ours)
