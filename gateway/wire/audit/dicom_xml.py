"""`AuditEvent` to the DICOM audit message (DICOM PS3.15 A.5, sent by ITI-20).

What is told stands in `kinds`; this is how it is written in XML. This module writes messages and
reads none; keeping them is the audit store's, sending them a sender's business.

An audit message must come out whatever a peer sent: characters that XML cannot carry become
U+FFFD rather than an error. The message is a single line, so that stores may keep it as one.
The elements are those that both known schemas of the message take: role code 26 and the DICOM
object description are left out, series and instances go into details.
"""

from __future__ import annotations

from base64 import b64encode

from lxml import etree

from gateway.domain.audit import AuditedDocument, AuditEvent, Transaction
from gateway.domain.context import CallContext, PurposeOfUse
from gateway.domain.ids import CommunityId
from gateway.wire.audit.kinds import (
    DCM,
    INSTANCE_DETAIL,
    REPOSITORY_DETAIL,
    RESTRICTED,
    SERIES_DETAIL,
    UNKNOWN,
    Coded,
    Gateway,
    Kind,
    Study,
    answering,
    carried,
    documents_of,
    gateways,
    is_address,
    kind_of,
    outcome_description,
    patients_of,
    purpose_of,
    studies_of,
)
from gateway.wire.problems import EncodeError

RFC_3881 = "RFC-3881"
PURPOSE_SCHEME = "3bc18518-d305-46c2-a8d6-94bd59856e9e"  # eHDSI XSPA PurposeOfUse
# IHE wavers between these two names of the same detail: both are written, a reader takes either.
HOME_DETAILS = ("ihe:homeCommunityID", "urn:ihe:iti:xca:2010:homeCommunityId")
MESSAGE_DETAIL = "MessageID"

_PATIENT = ("2", RFC_3881, "Patient Number")
_REPORT = ("9", RFC_3881, "Report Number")
_STUDY = ("110180", DCM, "Study Instance UID")

_PURPOSES = {
    PurposeOfUse.TREATMENT: "Treatment",
    PurposeOfUse.EMERGENCY: "Emergency Treatment",
}


def encode_audit(event: AuditEvent, *, source_id: str, process_id: str = "") -> bytes:
    """The event as one line of UTF-8 XML without a declaration.

    `source_id` is the AuditSourceID; `process_id` identifies the telling process (DICOM wants it
    as AlternativeUserID of its own side). `event.source_endpoint` is where the request came from
    and `event.destination_endpoint` where it went, whichever way the data then flowed.

    A message is valid whether or not anybody was authenticated. Raises `EncodeError` for a time
    without a zone, which PS3.15 A.5.2.1 does not allow.
    """
    if event.at.tzinfo is None:
        raise EncodeError("an audit event needs a time with its zone (DICOM PS3.15 A.5.2.1)")
    kind = kind_of(event)
    root = etree.Element("AuditMessage")
    _write_event(root, event, kind)
    _write_participants(root, event, process_id)
    source = _add(
        root, "AuditSourceIdentification", AuditEnterpriseSiteID=event.community,
        AuditSourceID=source_id or UNKNOWN,
    )  # fmt: skip
    _add(source, "AuditSourceTypeCode", csd_code="4")  # an application server process
    _write_objects(root, event, kind)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)


def _write_event(root: etree._Element, event: AuditEvent, kind: Kind) -> None:
    told = kind.told(event.side)
    element = _add(
        root, "EventIdentification", EventActionCode=told.action,
        EventDateTime=event.at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(event.outcome.value),
    )  # fmt: skip
    _add_coded(element, "EventID", told.event)
    _add_coded(element, "EventTypeCode", _type_of(event.transaction, kind))
    if description := outcome_description(event):
        _add(element, "EventOutcomeDescription").text = carried(description)
    if purpose := purpose_of(event):
        _add_coded(element, "PurposeOfUse", (purpose.value, PURPOSE_SCHEME, _PURPOSES[purpose]))


def _type_of(transaction: Transaction | None, kind: Kind) -> Coded:
    return (transaction.value, kind.coded_by, kind.name) if transaction else RESTRICTED


def _write_participants(root: etree._Element, event: AuditEvent, process_id: str) -> None:
    asker, answerer = gateways(event, process_id)
    _write_gateway(root, asker)
    if event.context is not None:
        _write_person(root, event.context)
    _write_gateway(root, answerer)


def _write_gateway(root: etree._Element, gateway: Gateway) -> None:
    element = _add(
        root, "ActiveParticipant", UserID=gateway.endpoint or UNKNOWN,
        AlternativeUserID=gateway.alternative,
        UserIsRequestor="true" if gateway.asks else "false",
    )  # fmt: skip
    if host := gateway.host:
        element.set("NetworkAccessPointID", carried(host))
        element.set("NetworkAccessPointTypeCode", "2" if is_address(host) else "1")
    _add_coded(element, "RoleIDCode", gateway.role)


def _write_person(root: etree._Element, context: CallContext) -> None:
    person = context.professional
    issuer = context.issuer or context.asking.urn
    element = _add(
        root, "ActiveParticipant", UserID=person.id or UNKNOWN,
        AlternativeUserID=person.name.full,
        UserName=f"<{person.id}@{issuer}>",  # ITI TF-2 3.40.4.2: alias "<" user "@" issuer ">"
        UserIsRequestor="true",
    )  # fmt: skip
    if person.role.value:
        role = person.role
        _add_coded(element, "RoleIDCode", (role.value, role.scheme, role.display or role.value))


def _write_objects(root: etree._Element, event: AuditEvent, kind: Kind) -> None:
    if event.transaction is None:
        return
    for patient in patients_of(event):
        _add_object(root, patient.cx, "1", "1", _PATIENT)
    if not kind.retrieves:
        _write_query(root, event, kind)
    for document in documents_of(event):
        _write_document(root, event, document)
    for study in studies_of(event):
        _write_study(root, event, study)


def _write_query(root: etree._Element, event: AuditEvent, kind: Kind) -> None:
    transaction = event.transaction
    coded = _type_of(transaction, kind)
    element = _add_object(root, event.query_id or event.message_id, "2", "24", coded)
    _add(element, "ParticipantObjectQuery").text = b64encode(event.query).decode()
    _add_detail(element, "QueryEncoding", "UTF-8")
    home = answering(event)
    # HL7 v3 names a community by the bare OID, ebXML by its URN.
    _add_home(element, home, urn=transaction is not Transaction.IDENTIFY)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _write_document(root: etree._Element, event: AuditEvent, document: AuditedDocument) -> None:
    element = _add_object(root, document.document, "2", "3", _REPORT)
    _add_detail(element, REPOSITORY_DETAIL, document.repository)
    _add_home(element, document.community)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _write_study(root: etree._Element, event: AuditEvent, study: Study) -> None:
    element = _add_object(root, study.uid, "2", "3", _STUDY)
    for series in study.series:
        _add_detail(element, SERIES_DETAIL, series)
    for image in study.images:
        _add_detail(element, INSTANCE_DETAIL, image.instance)
    for repository in dict.fromkeys(document.repository for document in study.kept):
        _add_detail(element, REPOSITORY_DETAIL, repository)
    for home in dict.fromkeys(document.community for document in study.kept) or [answering(event)]:
        _add_home(element, home)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _add_object(
    parent: etree._Element, identifier: str, type_code: str, role: str, id_type: Coded
) -> etree._Element:
    element = _add(
        parent, "ParticipantObjectIdentification", ParticipantObjectID=identifier or UNKNOWN,
        ParticipantObjectTypeCode=type_code, ParticipantObjectTypeCodeRole=role,
    )  # fmt: skip
    _add_coded(element, "ParticipantObjectIDTypeCode", id_type)
    return element


def _add_home(element: etree._Element, home: CommunityId | None, *, urn: bool = True) -> None:
    if home is not None:
        for name in HOME_DETAILS:
            _add_detail(element, name, home.urn if urn else home)


def _add_detail(element: etree._Element, name: str, value: str) -> None:
    if value:
        encoded = b64encode(value.encode("utf-8", "replace")).decode()
        _add(element, "ParticipantObjectDetail", type=name, value=encoded)


def _add_coded(parent: etree._Element, name: str, coded: Coded) -> None:
    code, scheme, text = coded
    _add(parent, name, csd_code=code, codeSystemName=scheme or UNKNOWN, originalText=text)


def _add(parent: etree._Element, name: str, /, **attributes: str) -> etree._Element:
    """A child element; attributes without a value are left out, `csd_code` is `csd-code`."""
    element = etree.SubElement(parent, name)
    for key, value in attributes.items():
        if value:
            element.set(key.replace("_", "-"), carried(value))
    return element
