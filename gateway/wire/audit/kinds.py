"""What is told of each transaction, whichever way an audit event is rendered.

The table `KINDS` says per transaction and side what IHE wants written (ITI TF-2 3.38.5, 3.39.5,
3.55.5; RAD TF-2 4.75.5, 4.69.5, 4.106.5, 4.107.5; the MHD and PDQm guides). The functions below it
take off an event what every rendering says of it, so that two renderings cannot say different
things. How it is written down is the business of `dicom_xml` and `fhir`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.audit import AuditedDocument, AuditEvent, AuditOutcome, Side, Transaction
from gateway.domain.context import PurposeOfUse
from gateway.domain.ids import CommunityId, PatientId, Uid
from gateway.domain.manifests import InstanceRef

DCM = "DCM"
IHE_TRANSACTIONS = "IHE Transactions"
NCPEH_API = "NCPeH API"
UNKNOWN = "unknown"
ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
REPOSITORY_DETAIL = "Repository Unique Id"
SERIES_DETAIL = "Series Instance Unique Id"
INSTANCE_DETAIL = "ihe:DocumentUniqueId"

_UNCARRIED = re.compile("[^\\x09\\x0a\\x0d\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_SPACE = re.compile(r"\s+")
_HOST_NAME = re.compile(r"(?=.*[a-z])[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)

Coded = tuple[str, str, str]  # code, scheme, words


@dataclass(frozen=True, slots=True)
class Told:
    """What one side of a transaction writes: event, action, and whether patients are objects."""

    event: Coded
    action: str
    patients: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A transaction: its name, whether data flow towards the asker, and each side's words.

    `coded_by` is who gave the transaction its code.
    """

    name: str
    retrieves: bool
    initiator: Told
    responder: Told
    coded_by: str = IHE_TRANSACTIONS

    def told(self, side: Side) -> Told:
        """The words of one side."""
        return self.initiator if side is Side.INITIATOR else self.responder


SOURCE = ("110153", DCM, "Source Role ID")
DESTINATION = ("110152", DCM, "Destination Role ID")
ALERT = ("110113", DCM, "Security Alert")
RESTRICTED = ("110132", DCM, "Use of Restricted Function")

_QUERY = ("110112", DCM, "Query")
_IMPORT = ("110107", DCM, "Import")
_EXPORT = ("110106", DCM, "Export")
_LOGIN = ("110114", DCM, "User Authentication")
_ACCESSED = ("110103", DCM, "DICOM Instances Accessed")
_TRANSFERRED = ("110104", DCM, "DICOM Instances Transferred")

KINDS: dict[Transaction, Kind] = {
    # In ITI-55 the asker does not know the patient yet; the answerer names each one it returns.
    Transaction.IDENTIFY: Kind(
        "Cross Gateway Patient Discovery",
        False,
        Told(_QUERY, "E", patients=False),
        Told(_QUERY, "E"),
    ),
    Transaction.FIND: Kind("Cross Gateway Query", False, Told(_QUERY, "E"), Told(_QUERY, "E")),
    Transaction.RETRIEVE: Kind(
        "Cross Gateway Retrieve", True, Told(_IMPORT, "C"), Told(_EXPORT, "R")
    ),
    Transaction.IMAGES: Kind(
        "Cross Gateway Retrieve Imaging Document Set",
        True,
        Told(_ACCESSED, "C"),
        Told(_TRANSFERRED, "R"),
    ),
    Transaction.IMAGES_FROM_SOURCE: Kind(
        "Retrieve Imaging Document Set",
        True,
        Told(_ACCESSED, "C"),
        Told(_TRANSFERRED, "R"),
    ),
    Transaction.SEARCH_PATIENTS: Kind(
        "Mobile Patient Demographics Query",
        False,
        Told(_QUERY, "E", patients=False),
        Told(_QUERY, "E"),
    ),
    Transaction.MATCH_PATIENTS: Kind(
        "Patient Demographics Match",
        False,
        Told(_QUERY, "E", patients=False),
        Told(_QUERY, "E"),
    ),
    Transaction.SEARCH_DOCUMENTS: Kind(
        "Find Document References", False, Told(_QUERY, "E"), Told(_QUERY, "E")
    ),
    Transaction.FETCH_DOCUMENT: Kind(
        "Retrieve Document", True, Told(_IMPORT, "C"), Told(_EXPORT, "R")
    ),
    Transaction.FETCH_IMAGES: Kind(
        "WADO-RS Retrieve", True, Told(_ACCESSED, "C"), Told(_TRANSFERRED, "R")
    ),
    Transaction.GET_TOKEN: Kind("Get Access Token", False, Told(_LOGIN, "E"), Told(_LOGIN, "E")),
    Transaction.SEARCH_STUDIES: Kind("QIDO-RS Query", False, Told(_QUERY, "E"), Told(_QUERY, "E")),
    Transaction.SEARCH_IMAGING_STUDIES: Kind(
        "ImagingStudy Search", False, Told(_QUERY, "E"), Told(_QUERY, "E"), coded_by=NCPEH_API
    ),
    Transaction.VIEW_IMAGES: Kind(
        "Invoke Image Display", True, Told(_ACCESSED, "R"), Told(_ACCESSED, "R")
    ),
}

# A request that is none of the transactions: somebody tried what is not offered.
_NO_TRANSACTION = Kind("Use of Restricted Function", False, Told(ALERT, "E"), Told(ALERT, "E"))

_OUTCOMES = {
    AuditOutcome.SUCCESS: "success",
    AuditOutcome.MINOR_FAILURE: "minor failure",
    AuditOutcome.SERIOUS_FAILURE: "serious failure",
    AuditOutcome.MAJOR_FAILURE: "major failure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One end of a transaction as an event tells it.

    `alternative` is the id of the telling process, or the TLS subject of the other side; `host` is
    "" where neither an address nor a host name is known; `tells` marks the side the event is from.
    """

    endpoint: str
    role: Coded
    asks: bool
    tells: bool
    host: str
    alternative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The images of an event that belong to one study, and where they lay."""

    uid: Uid
    images: tuple[InstanceRef, ...]
    kept: tuple[AuditedDocument, ...]

    @property
    def series(self) -> tuple[Uid, ...]:
        """Each series once."""
        return tuple(dict.fromkeys(image.series for image in self.images))


def kind_of(event: AuditEvent) -> Kind:
    """What is told of the event's transaction; of none, that something restricted was tried."""
    return KINDS[event.transaction] if event.transaction else _NO_TRANSACTION


def gateways(event: AuditEvent, process_id: str) -> tuple[Gateway, Gateway]:
    """Who asked and who answered.

    Roles follow the data: an answer to a retrieval flows from the responder to the asker.
    """
    asker_role, answerer_role = (
        (DESTINATION, SOURCE) if kind_of(event).retrieves else (SOURCE, DESTINATION)
    )

    def gateway(endpoint: str, role: Coded, *, asks: bool) -> Gateway:
        tells = asks is (event.side is Side.INITIATOR)
        return Gateway(
            endpoint=endpoint,
            role=role,
            asks=asks,
            tells=tells,
            host=("" if tells else event.caller.address) or host_of(endpoint),
            alternative=process_id if tells else event.caller.subject,
        )

    return (
        gateway(event.source_endpoint, asker_role, asks=True),
        gateway(event.destination_endpoint, answerer_role, asks=False),
    )


def patients_of(event: AuditEvent) -> tuple[PatientId, ...]:
    """The patients this side tells of, each once."""
    if event.transaction is None or not kind_of(event).told(event.side).patients:
        return ()
    return tuple(dict.fromkeys(event.patients))


def documents_of(event: AuditEvent) -> tuple[AuditedDocument, ...]:
    """The documents of a retrieval.

    For images a "document" tells the repository of an instance, and goes with its study.
    """
    if not kind_of(event).retrieves:
        return ()
    images = {str(image.instance) for image in event.images}
    return tuple(each for each in event.documents if str(each.document) not in images)


def studies_of(event: AuditEvent) -> tuple[Study, ...]:
    """The studies of a retrieval, each with those of its images that are named."""
    if not kind_of(event).retrieves:
        return ()
    found = []
    for uid in dict.fromkeys((*event.studies, *(image.study for image in event.images))):
        images = tuple(image for image in event.images if image.study == uid)
        wanted = {str(image.instance) for image in images}
        kept = tuple(each for each in event.documents if str(each.document) in wanted)
        found.append(Study(uid=uid, images=images, kept=kept))
    return tuple(found)


def answering(event: AuditEvent) -> CommunityId | None:
    """The community that answers; None where the asker never learnt which it was."""
    if event.side is Side.RESPONDER:
        return event.community
    return event.peer or (event.context.answering if event.context else None)


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


def carried(text: str) -> str:
    """The text on one line, without characters that XML 1.0 cannot carry (nor FHIR strings)."""
    return _SPACE.sub(" ", _UNCARRIED.sub("\ufffd", text))


def host_of(endpoint: str) -> str:
    """The host of a URL, a bare host name or an address; "" for anything else, such as an OID."""
    if not endpoint or endpoint == ANONYMOUS:
        return ""
    try:
        host = urlsplit(endpoint).hostname if "//" in endpoint else endpoint
    except ValueError:  # a peer's ReplyTo may be anything
        return ""
    return host if host and (is_address(host) or _HOST_NAME.fullmatch(host)) else ""


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
