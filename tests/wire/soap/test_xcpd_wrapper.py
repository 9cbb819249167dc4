"""The HL7 v3 message wrapper of ITI-55."""

from __future__ import annotations

from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.xcpd_wrapper import bare_id, device
from gateway.wire.xml import parse_xml
from tests.discovery import FOUND, QUERY_ID, A, B, answer, ask, first


def test_communities_are_bare_oids_everywhere() -> None:
    """HL7 v3 writes a home community without urn:oid: (ITI TF-2 3.55.4.1.2.4)."""
    request, response = parse_xml(ask()), parse_xml(answer(FOUND, ErrorStyle.IHE))
    agent = "device/asAgent/representedOrganization/id"

    assert first(request, f"sender/{agent}").get("root") == B
    assert first(request, f"receiver/{agent}").get("root") == A
    assert first(response, f"sender/{agent}").get("root") == A
    assert first(response, f"receiver/{agent}").get("root") == B
    custodian = "controlActProcess/subject/registrationEvent/custodian/assignedEntity/id"
    assert first(response, custodian).attrib == {"root": A}


def test_message_ids_lose_only_their_urn() -> None:
    """The extension of an II is the bare id."""
    assert bare_id(QUERY_ID) == "6d296e90-e5dc-43d0-b455-7c1f3eb35d83"
    assert bare_id("uuid:1") == "uuid:1"


def test_a_system_without_a_community_names_none() -> None:
    """What a request did not say is not invented in the answer."""
    unknown = device(None, None)

    assert "asAgent" not in unknown
    assert '<id nullFlavor="NI"/>' in unknown
    assert '<id root="2.999.9"/>' in device("2.999.9", None)
