"""ITI-55 answers as the responding gateway writes them.

Patients found, none found, more traits wanted, refused; and the acknowledgement that refuses a
deferred request. The codes of each case come from the tables of `refusals`, in the peer's style.
How an answer is read is told in `xcpd_results`. Clauses: ITI TF-2 3.55.4.2.2 (content), 3.55.4.2.3
(the five cases), 3.55.6.2 (a deferred request that is not supported).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from gateway.domain import (
    CommunityId,
    ExchangeError,
    Issue,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
    Severity,
)
from gateway.wire.problems import EncodeError
from gateway.wire.soap.hl7v3 import (
    node,
    text_node,
    write_address,
    write_date,
    write_gender,
    write_ii,
    write_name,
)
from gateway.wire.soap.refusals import (
    DETAIL_HL7,
    ErrorStyle,
    ReasonPlace,
    XcpdCodes,
    xcpd_codes,
)
from gateway.wire.soap.xcpd_wrapper import (
    ACKNOWLEDGEMENT,
    INTERACTIONS,
    RESPONSE,
    WANTED_TRAITS,
    DiscoveryRequest,
    device,
    wrapper,
)
from gateway.wire.xml import legal_text

MATCH_CODES: Final = "2.16.840.1.113883.1.11.19914"
LOCATOR_CODES: Final = "1.3.6.1.4.1.19376.1.2.27.2"
ISSUE_CODES: Final = "2.16.840.1.113883.5.4"

MAX_TEXT: Final = 1000  # of what we say for people; the codes say it for programs


def encode_response(
    outcome: Outcome[PatientIdentity],
    request: DiscoveryRequest,
    *,
    message_id: str,
    created: datetime,
    responder: CommunityId,
    style: ErrorStyle,
) -> bytes:
    """The answer with the patients found, one subject each, or with none (3.55.4.2.3, 1 to 4)."""
    found = XcpdCodes(ack="AA", response="OK", status="deliveredResponse")
    codes = found if outcome.items else xcpd_codes(Refusal.UNKNOWN_PATIENT, style)
    details = [_issue_detail(issue, style) for issue in outcome.issues]
    if codes.detail:
        details.insert(
            0, _detail("E", codes.detail, codes.detail_system, "No patient matches.", "")
        )
    return _answer(
        request,
        codes,
        details=tuple(details),
        subjects=tuple(_subject(identity) for identity in outcome.items),
        wanted=(),
        message_id=message_id,
        created=created,
        responder=responder,
    )


def encode_refusal(
    error: ExchangeError,
    request: DiscoveryRequest | None,
    *,
    message_id: str,
    created: datetime,
    responder: CommunityId,
    style: ErrorStyle,
) -> bytes:
    """The answer that refuses, or asks for more traits (3.55.4.2.3, 3 and 5).

    `request` is what `xcpd.decode_reference` made out, or None: then nothing is repeated. For
    more traits, `error.subject` may name those wanted by the fields of `PatientTraits`, separated
    by commas; without it all are wanted that the request did not give.
    """
    codes = xcpd_codes(error.refusal, style)
    severity = "W" if codes.ack == "AA" else "E"
    return _answer(
        request,
        codes,
        details=(_detail(severity, codes.detail, codes.detail_system, error.text, error.subject),),
        subjects=(),
        wanted=_wanted(error.subject, request),
        message_id=message_id,
        created=created,
        responder=responder,
    )


def encode_deferred_refusal(
    request: DiscoveryRequest,
    *,
    message_id: str,
    created: datetime,
    responder: CommunityId,
) -> bytes:
    """The acknowledgement that says we answer at once or not at all: AE, NS250 (3.55.6.2)."""
    text = "Deferred answers are not supported."
    return wrapper(
        ACKNOWLEDGEMENT,
        message_id=message_id,
        created=created,
        accept_ack="NE",
        receiver=device(request.sender_device or request.sender, request.sender),
        sender=device(responder, responder),
        sender_root=responder,
        content=(_acknowledgement("AE", request, _detail("E", "NS250", DETAIL_HL7, text, "")),),
    )


def _answer(
    request: DiscoveryRequest | None,
    codes: XcpdCodes,
    *,
    details: tuple[str, ...],
    subjects: tuple[str, ...],
    wanted: tuple[str, ...],
    message_id: str,
    created: datetime,
    responder: CommunityId,
) -> bytes:
    root, extension = request.query_id if request else ("", "")
    act = node(
        "controlActProcess",
        node("code", code="PRPA_TE201306UV02", codeSystem=INTERACTIONS),
        *subjects,
        _reason(codes, wanted),
        node(
            "queryAck",
            write_ii("queryId", root, extension),
            node("statusCode", code=codes.status),
            node("queryResponseCode", code=codes.response),
        ),
        request.parameters.decode() if request else "",
        classCode="CACT",
        moodCode="EVN",
    )
    receiver = device(request.sender_device, request.sender) if request else device(None, None)
    return wrapper(
        RESPONSE,
        message_id=message_id,
        created=created,
        accept_ack="NE",
        receiver=receiver,
        sender=device(responder, responder),
        sender_root=responder,
        content=(_acknowledgement(codes.ack, request, *details), act),
    )


def _acknowledgement(ack: str, request: DiscoveryRequest | None, *details: str) -> str:
    root, extension = (request.id_root, request.id_extension) if request else ("", "")
    return node(
        "acknowledgement",
        node("typeCode", code=ack),
        node("targetMessage", write_ii("id", root, extension)),
        *details,
    )


def _detail(severity: str, code: str, system: str, text: str, location: str) -> str:
    return node(
        "acknowledgementDetail",
        node("code", code=code, codeSystem=system) if code else "",
        text_node("text", legal_text(text)[:MAX_TEXT]),
        text_node("location", legal_text(location)[:MAX_TEXT]),
        typeCode=severity,
    )


def _issue_detail(issue: Issue, style: ErrorStyle) -> str:
    codes = xcpd_codes(issue.refusal, style)
    severity = "W" if issue.severity is Severity.WARNING else "E"
    return _detail(severity, codes.detail, codes.detail_system, issue.text, issue.subject)


def _reason(codes: XcpdCodes, wanted: tuple[str, ...]) -> str:
    """`reasonOf`: why there is no patient (3.55.4.2.2.6 and 3.55.4.2.2.7)."""
    if codes.place is ReasonPlace.NONE:
        return ""
    reasons = (codes.reason,) if codes.reason else wanted
    if codes.place is ReasonPlace.TRIGGER_FOR:
        inner, act, mood, link = "actOrderRequired", "ACT", "RQO", "TRIG"
    else:
        inner, act, mood, link = "detectedIssueManagement", "ACT", "EVN", "MITGT"
    issue = node(
        "detectedIssueEvent",
        node(
            "code",
            code="_ActAdministrativeDetectedIssueManagementCode",
            codeSystem=ISSUE_CODES,
        ),
        *(
            node(
                codes.place.value,
                node(
                    inner,
                    node("code", code=reason, codeSystem=codes.reason_system),
                    classCode=act,
                    moodCode=mood,
                ),
                typeCode=link,
            )
            for reason in reasons
        ),
        classCode="ALRT",
        moodCode="EVN",
    )
    return node("reasonOf", issue, typeCode="RSON")


def _wanted(subject: str, request: DiscoveryRequest | None) -> tuple[str, ...]:
    """The codes of the traits wanted: those named, else those not given, else all."""
    named = [trait.strip() for trait in subject.split(",")]
    given = request.traits if request else PatientTraits()
    for traits in (
        [trait for trait in named if trait in WANTED_TRAITS],
        [trait for trait in WANTED_TRAITS if not getattr(given, trait)],
    ):
        if traits:
            return tuple(WANTED_TRAITS[trait] for trait in traits)
    return tuple(WANTED_TRAITS.values())


def _subject(identity: PatientIdentity) -> str:
    """One patient (ITI TF-2 table 3.55.4.2.2.2-1)."""
    if not 0 <= identity.match_degree <= 100:
        raise EncodeError(f"a degree of match of {identity.match_degree}, not 0 to 100")
    person = node(
        "patientPerson",
        # A name of no information is for queries by identifier alone (3.55.4.2.2.4).
        *(write_name("name", name) for name in identity.names),
        "" if identity.names else node("name", nullFlavor="NA"),
        *(node("telecom", value=telecom) for telecom in identity.telecom),
        write_gender("administrativeGenderCode", identity.gender) if identity.gender else "",
        node("birthTime", value=write_date(identity.birth_date)) if identity.birth_date else "",
        write_address("addr", identity.address) if identity.address else "",
        *(_other_id(other) for other in identity.other_ids),
        classCode="PSN",
        determinerCode="INSTANCE",
    )
    observation = node(
        "queryMatchObservation",
        node("code", code="IHE_PDQ", codeSystem=MATCH_CODES),
        node("value", xsi_type="INT", value=str(identity.match_degree)),
        classCode="OBS",
        moodCode="EVN",
    )
    patient = node(
        "patient",
        write_ii("id", identity.id.authority, identity.id.value),
        node("statusCode", code="active"),
        person,
        node("subjectOf1", observation),
        classCode="PAT",
    )
    custodian = node(
        "assignedEntity",
        write_ii("id", identity.community),
        node("code", code="NotHealthDataLocator", codeSystem=LOCATOR_CODES),
        classCode="ASSIGNED",
    )
    event = node(
        "registrationEvent",
        node("id", nullFlavor="NA"),
        node("statusCode", code="active"),
        node("subject1", patient, typeCode="SBJ"),
        node("custodian", custodian, typeCode="CST"),
        classCode="REG",
        moodCode="EVN",
    )
    return node("subject", event, typeCode="SUBJ", contextConductionInd="false")


def _other_id(other: PatientId) -> str:
    return node(
        "asOtherIDs",
        write_ii("id", other.authority, other.value),
        node(
            "scopingOrganization",
            write_ii("id", other.authority),
            classCode="ORG",
            determinerCode="INSTANCE",
        ),
        classCode="PAT",
    )
