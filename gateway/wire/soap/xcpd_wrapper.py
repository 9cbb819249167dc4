"""The HL7 v3 message wrapper of ITI-55, and the noun of a request as an answer needs it.

Not a transaction of its own: `xcpd` reads and writes requests with it, `xcpd_answers` answers.
Clauses: ITI TF-2 3.55.4.1.2.4, 3.55.4.2.2; MCCI_MT000100UV01 and MCCI_MT000300UV01.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain import CommunityId, Oid, PatientTraits
from gateway.wire.soap.hl7v3 import node, write_ii, write_time
from gateway.wire.xml import HL7, XSI

INTERACTIONS: Final = "2.16.840.1.113883.1.6"  # HL7 interaction ids, and trigger events
REQUEST: Final = "PRPA_IN201305UV02"
RESPONSE: Final = "PRPA_IN201306UV02"
ACKNOWLEDGEMENT: Final = "MCCI_IN000002UV01"
PROCESSING: Final = "P"  # production: what peers process as they would a real message

# The traits a responder may ask for, by the field of `PatientTraits` (table 3.55.4.2.2.6-1).
WANTED_TRAITS: Final[dict[str, str]] = {
    "gender": "LivingSubjectAdministrativeGenderRequested",
    "address": "PatientAddressRequested",
    "telecom": "PatientTelecomRequested",
    "birth_place": "LivingSubjectBirthPlaceNameRequested",
    "mothers_maiden_name": "MothersMaidenNameRequested",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryRequest:
    """A request as read: what is asked, and what an answer must repeat.

    `sender` and `receiver` are the home communities that the wrapper claims, None where it names
    none that is an OID; `sender_device` is the id of the sending system. `parameters` is the
    element queryByParameter, XML that stands alone, to be repeated in the answer. `deferred` asks
    for an answer by a later message.
    """

    traits: PatientTraits
    id_root: str
    id_extension: str
    sender: CommunityId | None
    receiver: CommunityId | None = None
    sender_device: Oid | None = None
    deferred: bool = False
    query_id: tuple[str, str] = ("", "")
    parameters: bytes = b""


def bare_id(message_id: str) -> str:
    """A message id as the extension of an II: without `urn:uuid:`."""
    return message_id.removeprefix("urn:uuid:")


def device(identifier: str | None, community: str | None) -> str:
    """A system that sends or receives, acting for a home community (ITI TF-2 3.55.4.1.2.4)."""
    agent = ""
    if community:
        organisation = node(
            "representedOrganization",
            write_ii("id", community),
            classCode="ORG",
            determinerCode="INSTANCE",
        )
        agent = node("asAgent", organisation, classCode="AGNT")
    return node(
        "device",
        write_ii("id", identifier or community or ""),
        agent,
        classCode="DEV",
        determinerCode="INSTANCE",
    )


def wrapper(
    interaction: str,
    *,
    message_id: str,
    created: datetime,
    accept_ack: str,
    receiver: str,
    sender: str,
    sender_root: str,
    content: tuple[str, ...],
) -> bytes:
    """The whole message: identification, receiver and sender, then the content, in UTF-8."""
    message = node(
        interaction,
        write_ii("id", sender_root, bare_id(message_id)),
        node("creationTime", value=write_time(created)),
        write_ii("interactionId", INTERACTIONS, interaction),
        node("processingCode", code=PROCESSING),
        node("processingModeCode", code="T"),
        node("acceptAckCode", code=accept_ack),
        node("receiver", receiver, typeCode="RCV"),
        node("sender", sender, typeCode="SND"),
        *content,
        **{"xmlns": HL7, "xmlns:xsi": XSI, "ITSVersion": "XML_1.0"},
    )
    return message.encode()
