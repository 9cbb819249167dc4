"""`AuditEvent` to the DICOM audit message (DICOM PS3.15 A.5, sent by ITI-20).

The table `_KINDS` says per transaction and side what IHE wants written (ITI TF-2 3.38.5, 3.39.5,
3.55.5; RAD TF-2 4.75.5, 4.69.5, 4.107.5; the MHD and PDQm guides). This module writes messages and
reads none; keeping them is the audit store's, sending them a sender's business.

An audit message must come out whatever a peer sent: characters that XML cannot carry become
U+FFFD rather than an error. The message is a single line, so that stores may keep it as one.
The elements are those that both known schemas of the message take: role code 26 and the DICOM
object description are left out, series and instances go into details.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import etree

from gateway.domain.audit import AuditedDocument, AuditEvent, AuditOutcome, Side, Transaction
from gateway.domain.context import CallContext, PurposeOfUse
from gateway.domain.ids import CommunityId, Uid
from gateway.domain.manifests import InstanceRef
from gateway.wire.problems import EncodeError

DCM = "DCM"
IHE_TRANSACTIONS = "IHE Transactions"
RFC_3881 = "RFC-3881"
PURPOSE_SCHEME = "3bc18518-d305-46c2-a8d6-94bd59856e9e"  # eHDSI XSPA PurposeOfUse
ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
UNKNOWN = "unknown"
# IHE wavers between these two names of the same detail: both are written, a reader takes either.
HOME_DETAILS = ("ihe:homeCommunityID", "urn:ihe:iti:xca:2010:homeCommunityId")
MESSAGE_DETAIL = "MessageID"

_UNCARRIED = re.compile("[^\\x09\\x0a\\x0d\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_SPACE = re.compile(r"\s+")
_HOST_NAME = re.compile(r"(?=.*[a-z])[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)

_Coded = tuple[str, str, str]  # csd-code, codeSystemName, originalText


@dataclass(frozen=True, slots=True)
class _Told:
    """What one side of a transaction writes: event, action, and whether patients are objects."""

    event: _Coded
    action: str
    patients: bool = True


@dataclass(frozen=True, slots=True)
class _Kind:
    """A transaction: its name, whether data flow towards the asker, and each side's words."""

    name: str
    retrieves: bool
    initiator: _Told
    responder: _Told

    def told(self, side: Side) -> _Told:
        return self.initiator if side is Side.INITIATOR else self.responder


_QUERY = ("110112", DCM, "Query")
_IMPORT = ("110107", DCM, "Import")
_EXPORT = ("110106", DCM, "Export")
_LOGIN = ("110114", DCM, "User Authentication")
_ACCESSED = ("110103", DCM, "DICOM Instances Accessed")
_TRANSFERRED = ("110104", DCM, "DICOM Instances Transferred")
_SOURCE = ("110153", DCM, "Source Role ID")
_DESTINATION = ("110152", DCM, "Destination Role ID")
_PATIENT = ("2", RFC_3881, "Patient Number")
_REPORT = ("9", RFC_3881, "Report Number")
_STUDY = ("110180", DCM, "Study Instance UID")

_KINDS: dict[Transaction, _Kind] = {
    # In ITI-55 the asker does not know the patient yet; the answerer names each one it returns.
    Transaction.IDENTIFY: _Kind(
        "Cross Gateway Patient Discovery",
        False,
        _Told(_QUERY, "E", patients=False),
        _Told(_QUERY, "E"),
    ),
    Transaction.FIND: _Kind("Cross Gateway Query", False, _Told(_QUERY, "E"), _Told(_QUERY, "E")),
    Transaction.RETRIEVE: _Kind(
        "Cross Gateway Retrieve", True, _Told(_IMPORT, "C"), _Told(_EXPORT, "R")
    ),
    Transaction.IMAGES: _Kind(
        "Cross Gateway Retrieve Imaging Document Set",
        True,
        _Told(_ACCESSED, "C"),
        _Told(_TRANSFERRED, "R"),
    ),
    Transaction.IMAGES_FROM_SOURCE: _Kind(
        "Retrieve Imaging Document Set",
        True,
        _Told(_ACCESSED, "C"),
        _Told(_TRANSFERRED, "R"),
    ),
    Transaction.SEARCH_PATIENTS: _Kind(
        "Mobile Patient Demographics Query",
        False,
        _Told(_QUERY, "E", patients=False),
        _Told(_QUERY, "E"),
    ),
    Transaction.MATCH_PATIENTS: _Kind(
        "Patient Demographics Match",
        False,
        _Told(_QUERY, "E", patients=False),
        _Told(_QUERY, "E"),
    ),
    Transaction.SEARCH_DOCUMENTS: _Kind(
        "Find Document References", False, _Told(_QUERY, "E"), _Told(_QUERY, "E")
    ),
    Transaction.FETCH_DOCUMENT: _Kind(
        "Retrieve Document", True, _Told(_IMPORT, "C"), _Told(_EXPORT, "R")
    ),
    Transaction.FETCH_IMAGES: _Kind(
        "WADO-RS Retrieve", True, _Told(_ACCESSED, "C"), _Told(_TRANSFERRED, "R")
    ),
    Transaction.GET_TOKEN: _Kind("Get Access Token", False, _Told(_LOGIN, "E"), _Told(_LOGIN, "E")),
}

# A request that is none of the transactions: somebody tried what is not offered.
_ALERT = _Kind(
    "Use of Restricted Function",
    False,
    _Told(("110113", DCM, "Security Alert"), "E"),
    _Told(("110113", DCM, "Security Alert"), "E"),
)
_RESTRICTED = ("110132", DCM, "Use of Restricted Function")

_PURPOSES = {
    PurposeOfUse.TREATMENT: "Treatment",
    PurposeOfUse.EMERGENCY: "Emergency Treatment",
}
_OUTCOMES = {
    AuditOutcome.SUCCESS: "success",
    AuditOutcome.MINOR_FAILURE: "minor failure",
    AuditOutcome.SERIOUS_FAILURE: "serious failure",
    AuditOutcome.MAJOR_FAILURE: "major failure",
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
    kind = _KINDS[event.transaction] if event.transaction else _ALERT
    root = etree.Element("AuditMessage")
    _write_event(root, event, kind)
    _write_participants(root, event, kind, process_id)
    source = _add(
        root, "AuditSourceIdentification", AuditEnterpriseSiteID=event.community,
        AuditSourceID=source_id or UNKNOWN,
    )  # fmt: skip
    _add(source, "AuditSourceTypeCode", csd_code="4")  # an application server process
    _write_objects(root, event, kind)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)


def purpose_of(event: AuditEvent) -> PurposeOfUse | None:
    """Why the data were wanted: EMERGENCY where the event says so, else what the caller said."""
    if event.emergency:
        return PurposeOfUse.EMERGENCY
    return event.context.purpose if event.context else None


def outcome_description(event: AuditEvent) -> str:
    """What went wrong in words: the refusal, then the text; "" for a plain success."""
    told = [str(event.refusal)] if event.refusal else []
    if event.outcome_text:
        told.append(event.outcome_text)
    if event.outcome is not AuditOutcome.SUCCESS:
        told = told or [_OUTCOMES[event.outcome]]
        if purpose_of(event) is PurposeOfUse.EMERGENCY:
            told.append("asked as emergency access")
    return ": ".join(told)


def _write_event(root: etree._Element, event: AuditEvent, kind: _Kind) -> None:
    told = kind.told(event.side)
    element = _add(
        root, "EventIdentification", EventActionCode=told.action,
        EventDateTime=event.at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(event.outcome.value),
    )  # fmt: skip
    _add_coded(element, "EventID", told.event)
    _add_coded(element, "EventTypeCode", _type_of(event.transaction, kind))
    if description := outcome_description(event):
        _add(element, "EventOutcomeDescription").text = _clean(description)
    if purpose := purpose_of(event):
        _add_coded(element, "PurposeOfUse", (purpose.value, PURPOSE_SCHEME, _PURPOSES[purpose]))


def _type_of(transaction: Transaction | None, kind: _Kind) -> _Coded:
    return (transaction.value, IHE_TRANSACTIONS, kind.name) if transaction else _RESTRICTED


def _write_participants(
    root: etree._Element, event: AuditEvent, kind: _Kind, process_id: str
) -> None:
    # Roles follow the data: an answer to a retrieval flows from the responder to the asker.
    asker_role, answerer_role = (
        (_DESTINATION, _SOURCE) if kind.retrieves else (_SOURCE, _DESTINATION)
    )
    tells_asker = event.side is Side.INITIATOR
    asker_address = "" if tells_asker else event.caller.address
    answerer_address = event.caller.address if tells_asker else ""
    subject = event.caller.subject
    _write_gateway(
        root, event.source_endpoint, asker_role, requestor=True, address=asker_address,
        alternative=process_id if tells_asker else subject,
    )  # fmt: skip
    if event.context is not None:
        _write_person(root, event.context)
    _write_gateway(
        root, event.destination_endpoint, answerer_role, requestor=False,
        address=answerer_address, alternative=subject if tells_asker else process_id,
    )  # fmt: skip


def _write_gateway(
    root: etree._Element,
    endpoint: str,
    role: _Coded,
    *,
    requestor: bool,
    address: str,
    alternative: str,
) -> None:
    element = _add(
        root, "ActiveParticipant", UserID=endpoint or UNKNOWN, AlternativeUserID=alternative,
        UserIsRequestor="true" if requestor else "false",
    )  # fmt: skip
    if host := address or _host_of(endpoint):
        element.set("NetworkAccessPointID", _clean(host))
        element.set("NetworkAccessPointTypeCode", "2" if _is_address(host) else "1")
    _add_coded(element, "RoleIDCode", role)


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


def _write_objects(root: etree._Element, event: AuditEvent, kind: _Kind) -> None:
    if event.transaction is None:
        return
    if kind.told(event.side).patients:
        for patient in dict.fromkeys(event.patients):
            _add_object(root, patient.cx, "1", "1", _PATIENT)
    if not kind.retrieves:
        _write_query(root, event, kind)
        return
    images = {str(image.instance) for image in event.images}
    for document in event.documents:
        # For images the "document" tells the repository of an instance, and goes with its study.
        if str(document.document) not in images:
            _write_document(root, event, document)
    for study in dict.fromkeys(image.study for image in event.images):
        _write_study(root, event, study)


def _write_query(root: etree._Element, event: AuditEvent, kind: _Kind) -> None:
    transaction = event.transaction
    coded = _type_of(transaction, kind)
    element = _add_object(root, event.query_id or event.message_id, "2", "24", coded)
    _add(element, "ParticipantObjectQuery").text = b64encode(event.query).decode()
    _add_detail(element, "QueryEncoding", "UTF-8")
    home = _answering(event)
    # HL7 v3 names a community by the bare OID, ebXML by its URN.
    _add_home(element, home, urn=transaction is not Transaction.IDENTIFY)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _write_document(root: etree._Element, event: AuditEvent, document: AuditedDocument) -> None:
    element = _add_object(root, document.document, "2", "3", _REPORT)
    _add_detail(element, "Repository Unique Id", document.repository)
    _add_home(element, document.community)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _write_study(root: etree._Element, event: AuditEvent, study: Uid) -> None:
    images: list[InstanceRef] = [image for image in event.images if image.study == study]
    wanted = {str(image.instance) for image in images}
    kept = [document for document in event.documents if str(document.document) in wanted]
    element = _add_object(root, study, "2", "3", _STUDY)
    for series in dict.fromkeys(image.series for image in images):
        _add_detail(element, "Series Instance Unique Id", series)
    for image in images:
        _add_detail(element, "ihe:DocumentUniqueId", image.instance)
    for repository in dict.fromkeys(document.repository for document in kept):
        _add_detail(element, "Repository Unique Id", repository)
    for home in dict.fromkeys(document.community for document in kept) or [_answering(event)]:
        _add_home(element, home)
    _add_detail(element, MESSAGE_DETAIL, event.message_id)


def _answering(event: AuditEvent) -> CommunityId | None:
    """The community that answers; None where the asker never learnt which it was."""
    if event.side is Side.RESPONDER:
        return event.community
    return event.peer or (event.context.answering if event.context else None)


def _add_object(
    parent: etree._Element, identifier: str, type_code: str, role: str, id_type: _Coded
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


def _add_coded(parent: etree._Element, name: str, coded: _Coded) -> None:
    code, scheme, text = coded
    _add(parent, name, csd_code=code, codeSystemName=scheme or UNKNOWN, originalText=text)


def _add(parent: etree._Element, name: str, /, **attributes: str) -> etree._Element:
    """A child element; attributes without a value are left out, `csd_code` is `csd-code`."""
    element = etree.SubElement(parent, name)
    for key, value in attributes.items():
        if value:
            element.set(key.replace("_", "-"), _clean(value))
    return element


def _clean(text: str) -> str:
    """The text on one line, without characters that XML 1.0 cannot carry."""
    return _SPACE.sub(" ", _UNCARRIED.sub("\ufffd", text))


def _host_of(endpoint: str) -> str:
    """The host of a URL, a bare host name or an address; "" for anything else, such as an OID."""
    if not endpoint or endpoint == ANONYMOUS:
        return ""
    try:
        host = urlsplit(endpoint).hostname if "//" in endpoint else endpoint
    except ValueError:  # a peer's ReplyTo may be anything
        return ""
    return host if host and (_is_address(host) or _HOST_NAME.fullmatch(host)) else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
