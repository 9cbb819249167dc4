"""What happened, told once and rendered for any audit repository (ITI-20, guideline Art. 15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from gateway.domain.context import CallContext, Caller
from gateway.domain.ids import CommunityId, DocumentId, Oid, PatientId, Uid
from gateway.domain.manifests import InstanceRef
from gateway.domain.refusals import Refusal


class Transaction(StrEnum):
    """The exchanges we audit, by the number their profile gives them.

    A search for ImagingStudy has none: the NCPeH API names it, and no profile of IHE has it.
    """

    IDENTIFY = "ITI-55"
    FIND = "ITI-38"
    RETRIEVE = "ITI-39"
    IMAGES = "RAD-75"
    IMAGES_FROM_SOURCE = "RAD-69"
    SEARCH_PATIENTS = "ITI-78"
    MATCH_PATIENTS = "ITI-119"
    SEARCH_DOCUMENTS = "ITI-67"
    FETCH_DOCUMENT = "ITI-68"
    FETCH_IMAGES = "RAD-107"
    SEARCH_STUDIES = "RAD-129"
    SEARCH_IMAGING_STUDIES = "get-fhir-study"
    VIEW_IMAGES = "RAD-106"
    GET_TOKEN = "ITI-71"


class Side(StrEnum):
    """Which end of the transaction tells."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class AuditOutcome(Enum):
    """DICOM PS3.15 A.5.3.1 event outcome; the value is the indicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedDocument:
    """A document that was asked for or handed over."""

    document: DocumentId
    repository: Oid
    community: CommunityId


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One transaction as one side saw it.

    `transaction` is None where a request was refused before it could be told which one it is:
    then the event is a security alert.
    `context` is None when nobody could be made out (an assertion that did not verify);
    `query` is the payload that asked, as bytes; `query_id` the stored query or message id;
    `source_endpoint` and `destination_endpoint` are URLs or host names. `emergency` marks
    access under PurposeOfUse EMERGENCY, which is kept apart. `studies` are those that are shown
    without their images being named.
    """

    id: str
    at: datetime
    transaction: Transaction | None
    side: Side
    outcome: AuditOutcome
    community: CommunityId
    message_id: str
    source_endpoint: str
    destination_endpoint: str
    caller: Caller = Caller()
    context: CallContext | None = None
    peer: CommunityId | None = None
    refusal: Refusal | None = None
    outcome_text: str = ""
    emergency: bool = False
    patients: tuple[PatientId, ...] = ()
    query: bytes = b""
    query_id: str = ""
    documents: tuple[AuditedDocument, ...] = ()
    images: tuple[InstanceRef, ...] = ()
    studies: tuple[Uid, ...] = ()
