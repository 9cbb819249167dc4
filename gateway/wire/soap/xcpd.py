"""ITI-55 Cross Gateway Patient Discovery: the request, and the door to the answers.

The nouns are `PatientTraits` and `PatientIdentity`; the HL7 v3 wrapper around them is told back
only as far as an answer needs it (`DiscoveryRequest`). Who asks is not read here: the sender in
the wrapper is a claim, and only signed assertions are believed. Answers are written in
`xcpd_answers` and read in `xcpd_results`, and offered from here too. Clauses: ITI TF-2 3.55.4.1
(request), 3.55.4.2 (answer); elements stand in the order of the schema PRPA_IN201305UV02.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from lxml import etree

from gateway.domain import (
    CommunityId,
    ExchangeError,
    HumanName,
    Oid,
    PatientId,
    PatientTraits,
    Refusal,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap.hl7v3 import (
    attribute,
    child,
    children,
    is_null,
    limited,
    need,
    node,
    read_address,
    read_date,
    read_gender,
    read_name,
    read_oid,
    read_patient_id,
    read_percent,
    read_telecom,
    tag,
    text_node,
    write_address,
    write_date,
    write_gender,
    write_ii,
    write_name,
)
from gateway.wire.soap.xcpd_answers import (
    encode_deferred_refusal,
    encode_refusal,
    encode_response,
)
from gateway.wire.soap.xcpd_results import decode_response
from gateway.wire.soap.xcpd_wrapper import (
    INTERACTIONS,
    REQUEST,
    DiscoveryRequest,
    bare_id,
    device,
    wrapper,
)
from gateway.wire.xml import Element, name_of, path_of, quoted, text_of

__all__ = [
    "DEFERRED_ACK_ACTION",
    "DEFERRED_REQUEST_ACTION",
    "REQUEST_ACTION",
    "RESPONSE_ACTION",
    "DiscoveryRequest",
    "decode_reference",
    "decode_request",
    "decode_response",
    "encode_deferred_refusal",
    "encode_refusal",
    "encode_request",
    "encode_response",
]

REQUEST_ACTION: Final = "urn:hl7-org:v3:PRPA_IN201305UV02:CrossGatewayPatientDiscovery"
RESPONSE_ACTION: Final = "urn:hl7-org:v3:PRPA_IN201306UV02:CrossGatewayPatientDiscovery"
DEFERRED_REQUEST_ACTION: Final = (
    "urn:hl7-org:v3:PRPA_IN201305UV02:Deferred:CrossGatewayPatientDiscovery"
)
DEFERRED_ACK_ACTION: Final = "urn:hl7-org:v3:MCCI_IN000002UV01"

# One person has a handful; each costs the answering country a look-up.
MAX_IDENTIFIERS: Final = 50


def encode_request(
    traits: PatientTraits,
    *,
    message_id: str,
    created: datetime,
    sender: CommunityId,
    receiver: CommunityId,
    device_id: Oid | None = None,
) -> bytes:
    """The request for patients who fit the traits (ITI TF-2 3.55.4.1.2).

    `device_id` names the sending system where it is not the community itself. Raises
    `EncodeError` when there is neither an identifier nor both name and date of birth, which no
    receiver need answer (3.55.4.1.2.1).
    """
    if not traits.ids and (traits.name is None or traits.birth_date is None):
        raise EncodeError("a patient discovery needs an identifier, or a name and a date of birth")
    if traits.minimum_match is not None and not 0 <= traits.minimum_match <= 100:
        raise EncodeError(f"a least degree of match of {traits.minimum_match}, not 0 to 100")
    query = node(
        "queryByParameter",
        write_ii("queryId", sender, bare_id(message_id)),
        node("statusCode", code="new"),
        node("responseModalityCode", code="R"),
        node("responsePriorityCode", code="I"),
        _match_criteria(traits.minimum_match),
        node("parameterList", *_parameters(traits)),
    )
    return wrapper(
        REQUEST,
        message_id=message_id,
        created=created,
        accept_ack="AL",
        receiver=device(receiver, receiver),
        sender=device(device_id or sender, sender),
        sender_root=device_id or sender,
        content=(
            node(
                "controlActProcess",
                node("code", code="PRPA_TE201305UV02", codeSystem=INTERACTIONS),
                query,
                classCode="CACT",
                moodCode="EVN",
            ),
        ),
    )


def _match_criteria(minimum: int | None) -> str:
    if minimum is None:
        return ""
    value = node("value", xsi_type="INT", value=str(minimum))
    return node(
        "matchCriterionList",
        node("minimumDegreeMatch", value, text_node("semanticsText", "MinimumDegreeMatch")),
    )


def _parameters(traits: PatientTraits) -> tuple[str, ...]:
    """The parameters in the order of the schema (ITI TF-2 table 3.55.4.1.2-1)."""
    maiden = traits.mothers_maiden_name
    return (
        _parameter(
            "livingSubjectAdministrativeGender",
            "LivingSubject.administrativeGender",
            *((write_gender("value", traits.gender),) if traits.gender else ()),
        ),
        _parameter(
            "livingSubjectBirthPlaceName",
            "LivingSubject.BirthPlace.Place.Name",
            text_node("value", traits.birth_place),
        ),
        _parameter(
            "livingSubjectBirthTime",
            "LivingSubject.birthTime",
            *((node("value", value=write_date(traits.birth_date)),) if traits.birth_date else ()),
        ),
        *(
            _parameter(
                "livingSubjectId", "LivingSubject.id", write_ii("value", i.authority, i.value)
            )
            for i in traits.ids
        ),
        _parameter(
            "livingSubjectName",
            "LivingSubject.name",
            *((write_name("value", traits.name, xsi_type="PN"),) if traits.name else ()),
        ),
        _parameter(
            "mothersMaidenName",
            "Person.MothersMaidenName",
            *((write_name("value", HumanName(family=maiden)),) if maiden else ()),
        ),
        _parameter(
            "patientAddress",
            "Patient.addr",
            *((write_address("value", traits.address),) if traits.address else ()),
        ),
        _parameter(
            "patientTelecom",
            "Patient.telecom",
            *(node("value", value=telecom) for telecom in traits.telecom),
        ),
    )


def _parameter(name: str, semantics: str, *values: str) -> str:
    """A parameter with its values and the text that says what it means; "" without values."""
    if not any(values):
        return ""
    return node(name, *values, text_node("semanticsText", semantics))


def decode_request(body: Element) -> DiscoveryRequest:
    """Read a request, tolerantly (ITI TF-2 3.55.4.1.2).

    Parameters nobody knows are ignored. What is asked for but cannot be read raises
    `DecodeError`: a criterion left out would find other patients than were meant. A date of
    birth of which only the year or month is given is left out, for it has no noun. Raises
    `ExchangeError` when nothing is asked for.
    """
    if body.tag != tag(REQUEST):
        raise DecodeError("body", quoted(name_of(body)), f"hl7:{REQUEST}", "ITI TF-2 3.55.4.1")
    interaction = child(body, "interactionId")
    if attribute(interaction, "extension") not in ("", REQUEST):
        raise DecodeError(
            path_of(body) + "/hl7:interactionId",
            quoted(attribute(interaction, "extension")),
            REQUEST,
        )
    need(body, "id")
    query = need(body, "controlActProcess", "queryByParameter")
    return replace(
        _read_frame(body),
        traits=_read_traits(query),
        # Not canonical: a prefix may be used by nothing but the value of an xsi:type, which the
        # exclusive form drops, and lxml spoils the inclusive form of a part (xmlns="" inside).
        parameters=etree.tostring(query, encoding="utf-8", with_tail=False),
    )


def decode_reference(body: Element) -> DiscoveryRequest:
    """As much of a request as a refusal of it can repeat; never raises.

    Where the query itself cannot be read there are no traits and nothing to repeat of it, but
    the ids of message and query and the claims of the wrapper, as far as they can be made out.
    """
    try:
        return decode_request(body)
    except (DecodeError, ExchangeError):
        return _read_frame(body)


def _read_frame(body: Element) -> DiscoveryRequest:
    """The wrapper of a request: what is missing or no OID is left empty."""
    query = child(body, "controlActProcess", "queryByParameter")
    identifier, query_id = child(body, "id"), child(query, "queryId")
    sender, receiver = child(body, "sender", "device"), child(body, "receiver", "device")
    agent = ("asAgent", "representedOrganization", "id")
    return DiscoveryRequest(
        traits=PatientTraits(),
        id_root=attribute(identifier, "root"),
        id_extension=attribute(identifier, "extension"),
        sender=read_oid(child(sender, *agent), CommunityId),
        sender_device=read_oid(child(sender, "id"), Oid),
        receiver=read_oid(child(receiver, *agent), CommunityId),
        deferred=attribute(child(query, "responsePriorityCode"), "code") == "D",
        query_id=(attribute(query_id, "root"), attribute(query_id, "extension")),
    )


def _read_traits(query: Element) -> PatientTraits:
    parameters = need(query, "parameterList")

    def values(name: str) -> list[Element]:
        found = (
            v for parameter in children(parameters, name) for v in children(parameter, "value")
        )
        return [value for value in limited(found, parameters) if not is_null(value)]

    def first(name: str) -> Element | None:
        return next(iter(values(name)), None)

    maiden = read_name(first("mothersMaidenName"))
    traits = PatientTraits(
        ids=_read_ids(parameters),
        name=next((n for n in map(read_name, values("livingSubjectName")) if n is not None), None),
        birth_date=read_date(first("livingSubjectBirthTime"), demand=True),
        gender=read_gender(first("livingSubjectAdministrativeGender"), demand=True),
        address=read_address(first("patientAddress")),
        telecom=read_telecom(iter(values("patientTelecom")), parameters),
        birth_place=_read_birth_place(
            first("livingSubjectBirthPlaceName"), first("livingSubjectBirthPlaceAddress")
        ),
        mothers_maiden_name=(maiden.family or maiden.full) if maiden else "",
    )
    if traits == PatientTraits():
        raise refuse(
            Refusal.MISSING_PARAMETER,
            "The query names neither an identifier nor a name and a date of birth.",
            subject="parameterList",
        )
    minimum = child(query, "matchCriterionList", "minimumDegreeMatch", "value")
    return replace(traits, minimum_match=read_percent(minimum, demand=True))


def _read_ids(parameters: Element) -> tuple[PatientId, ...]:
    """The identifiers, several elements or several values alike, each once, in order."""
    found = (
        value
        for parameter in children(parameters, "livingSubjectId")
        for value in children(parameter, "value")
    )
    values = limited(found, parameters, MAX_IDENTIFIERS)
    return tuple(dict.fromkeys(read_patient_id(value) for value in values if not is_null(value)))


def _read_birth_place(name: Element | None, address: Element | None) -> str:
    if text_of(name):
        return " ".join(text_of(name).split())
    place = read_address(address)
    return (place.city or place.country) if place else ""
