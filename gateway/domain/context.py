"""Who asks, for whom, why, and on what ground: travels beside every verb."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.ids import CommunityId, PatientId
from gateway.domain.people import HealthProfessional


class PurposeOfUse(StrEnum):
    """Why the data are wanted. EMERGENCY is audited apart and never overrides a plain denial."""

    TREATMENT = "TREATMENT"
    EMERGENCY = "EMERGENCY"


class TreatmentRelation(StrEnum):
    """What vouches that the asker treats this patient; `NONE` where nothing is required."""

    TRC = "trc"
    RESOURCE_ID = "resource-id"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """How and when the professional was authenticated; `method` is a SAML class reference."""

    at: datetime
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The TLS client at the other end: subject DN, SHA-256 of its certificate, address."""

    subject: str = ""
    fingerprint: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who asks for what patient, why, and how we know.

    On the asking side this is what assertions are minted from; on the answering side it is what
    signed content and TLS said, and nothing else. `patient` is the patient the treatment
    relation is about, None before identification. `assertion_ids` are set by the receiver.
    """

    correlation_id: str
    asking: CommunityId
    answering: CommunityId
    professional: HealthProfessional
    purpose: PurposeOfUse
    authentication: Authentication
    patient: PatientId | None = None
    relation: TreatmentRelation = TreatmentRelation.NONE
    caller: Caller = Caller()
    assertion_ids: tuple[str, ...] = ()
    issuer: str = ""
