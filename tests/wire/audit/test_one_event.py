"""One event tells the same in both renderings: each fact is read off the XML and off the JSON."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import orjson
import pytest
from lxml import etree

from gateway.domain import (
    AuditedDocument,
    AuditEvent,
    AuditOutcome,
    DocumentId,
    Oid,
    PatientId,
    Side,
    Transaction,
)
from gateway.wire.audit.dicom_xml import encode_audit
from gateway.wire.audit.fhir import render_audit
from gateway.wire.audit.kinds import NCPEH_API
from tests.builders import COUNTRY_A, make_audit_event
from tests.wire.audit.events import IMAGES, PEOPLE, event_of

OID = "urn:oid:"
# The same reason in the words of eHDSI and of HL7 v3.
REASONS = {"TREATMENT": "TREAT", "EMERGENCY": "ETREAT"}


@dataclass(frozen=True)
class Facts:
    """What an audit repository learns of an event, whichever form it keeps."""

    transaction: tuple[str, ...]
    at: datetime
    outcome: str
    why: str
    reason: str | None
    ends: tuple[tuple[str, str, str | None], ...]
    user: tuple[str, str, str, str] | None
    site: str
    patients: tuple[str, ...]
    queries: tuple[bytes, ...]
    documents: tuple[tuple[str, str], ...]
    studies: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


def of_dicom(event: AuditEvent) -> Facts:
    """The facts of the XML message."""
    root = etree.fromstring(encode_audit(event, source_id="ncpeh-a", process_id="4711"))
    about = root.find("EventIdentification")
    assert about is not None
    reason = about.find("PurposeOfUse")
    people = root.findall("ActiveParticipant")
    [asker, *persons, answerer] = people

    def details(element: Any, name: str) -> tuple[str, ...]:
        return tuple(
            b64decode(each.get("value")).decode()
            for each in element.findall("ParticipantObjectDetail")
            if each.get("type") == name
        )

    def objects(kind: str) -> list[Any]:
        return [
            each
            for each in root.findall("ParticipantObjectIdentification")
            if each.find("ParticipantObjectIDTypeCode").get("csd-code") == kind
        ]

    def end(element: Any) -> tuple[str, str, str | None]:
        role = element.find("RoleIDCode").get("csd-code")
        return role, element.get("UserID"), element.get("AlternativeUserID")

    def user(element: Any) -> tuple[str, str, str, str]:
        _, _, issuer = element.get("UserName")[1:-1].partition("@")
        role = element.find("RoleIDCode").get("csd-code")
        return element.get("UserID"), issuer, element.get("AlternativeUserID"), role

    queries = [each.find("ParticipantObjectQuery") for each in root.iterfind("*")]
    return Facts(
        # A code that IHE did not give is told in XML alone; FHIR has no system for it.
        transaction=tuple(
            each.get("csd-code", "")
            for each in about.findall("EventTypeCode")
            if each.get("codeSystemName") != NCPEH_API
        ),
        at=datetime.fromisoformat(about.get("EventDateTime", "")).astimezone(UTC),
        outcome=about.get("EventOutcomeIndicator", ""),
        why=about.findtext("EventOutcomeDescription", ""),
        reason=None if reason is None else REASONS[reason.get("csd-code", "")],
        ends=(end(asker), end(answerer)),
        user=user(persons[0]) if persons else None,
        site=root.find("AuditSourceIdentification").get("AuditEnterpriseSiteID"),  # type: ignore[union-attr]
        patients=tuple(each.get("ParticipantObjectID") for each in objects("2")),
        queries=tuple(b64decode(each.text or "") for each in queries if each is not None),
        documents=tuple(
            (each.get("ParticipantObjectID"), *details(each, "Repository Unique Id"))
            for each in objects("9")
        ),
        studies=tuple(
            (
                each.get("ParticipantObjectID"),
                details(each, "Series Instance Unique Id"),
                details(each, "ihe:DocumentUniqueId"),
            )
            for each in objects("110180")
        ),
    )


def of_fhir(event: AuditEvent) -> Facts:
    """The facts of the resource."""
    rendered = render_audit(event, source_id="ncpeh-a", process_id="4711")
    resource = orjson.loads(orjson.dumps(rendered))
    reason = resource.get("purposeOfEvent")
    agents = {each["type"]["coding"][0]["code"]: each for each in resource["agent"]}
    # The same order in every rendering: who asked first.
    ends = [each for code, each in agents.items() if code in ("110152", "110153")]
    person = agents.get("IRCP")

    def identified(entity: Any) -> str:
        return str(entity["what"]["identifier"]["value"]).removeprefix(OID)

    def details(entity: Any, name: str) -> tuple[str, ...]:
        return tuple(
            each["valueString"] for each in entity.get("detail", ()) if each["type"] == name
        )

    def objects(type_code: str) -> list[Any]:
        return [each for each in resource.get("entity", ()) if each["type"]["code"] == type_code]

    reports = [each for each in objects("2") if "what" in each]
    studies = [
        each for each in reports if each["what"]["identifier"].get("system") == "urn:dicom:uid"
    ]
    return Facts(
        transaction=tuple(
            each["code"]
            for each in resource["subtype"]
            if each["system"] == "urn:ihe:event-type-code" or each["code"] == "110132"
        ),
        at=datetime.fromisoformat(resource["recorded"]).astimezone(UTC),
        outcome=resource["outcome"],
        why=resource.get("outcomeDesc", ""),
        reason=reason[0]["coding"][0]["code"] if reason else None,
        ends=tuple(
            (
                each["type"]["coding"][0]["code"],
                each["who"]["identifier"]["value"],
                each.get("altId"),
            )
            for each in ends
        ),
        user=(
            person["who"]["identifier"]["value"],
            person["who"]["identifier"]["system"],
            person["name"],
            person["role"][0]["coding"][0]["code"],
        )
        if person
        else None,
        site=resource["source"]["site"],
        patients=tuple(
            PatientId(
                each["what"]["identifier"]["value"],
                Oid.parse(each["what"]["identifier"]["system"]),
            ).cx
            for each in objects("1")
        ),
        queries=tuple(
            b64decode(each.get("query", "")) for each in objects("2") if "what" not in each
        ),
        documents=tuple(
            (identified(each), *details(each, "Repository Unique Id"))
            for each in reports
            if each not in studies
        ),
        studies=tuple(
            (
                identified(each),
                details(each, "Series Instance Unique Id"),
                details(each, "ihe:DocumentUniqueId"),
            )
            for each in studies
        ),
    )


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("side", Side)
def test_both_renderings_tell_the_same(side: Side, who: str) -> None:
    """Whatever was asked for, and however it ended."""
    for case in product(Transaction, AuditOutcome):
        event = event_of(case[0], side, case[1], who)

        assert of_dicom(event) == of_fhir(event), case


def test_the_facts_are_there_to_compare() -> None:
    """Each is read off an event that has it: equality of nothing would prove nothing."""
    where = AuditedDocument(
        document=DocumentId("2.999.5.1"), repository=Oid("2.999.1.8"), community=COUNTRY_A
    )
    found = of_fhir(make_audit_event())
    fetched = of_fhir(make_audit_event(transaction=Transaction.RETRIEVE, documents=(where,)))
    images = of_fhir(make_audit_event(transaction=Transaction.IMAGES, images=IMAGES))

    assert found.transaction == ("ITI-38",)
    assert found.patients == ("A-0001^^^&2.999.1.2&ISO",)
    assert found.queries == (b"<query/>",)
    assert found.user == ("hcp-77", "urn:idp:XB:countryB", "Maja Lindqvist", "221")
    assert fetched.documents == (("2.999.5.1", "2.999.1.8"),)
    assert [study for study, _, _ in images.studies] == ["2.999.9.1", "2.999.9.2"]


@pytest.mark.parametrize("side", Side)
def test_a_request_that_is_no_transaction_is_told_alike(side: Side) -> None:
    """With the code of what was tried instead."""
    for outcome, who in product(AuditOutcome, PEOPLE):
        event = event_of(Transaction.FIND, side, outcome, who)
        alert = make_audit_event(
            transaction=None, side=side, outcome=outcome, context=event.context
        )

        assert of_dicom(alert) == of_fhir(alert)
        assert of_fhir(alert).transaction == ("110132",)
