"""The parts of an imaging report (guideline data set A.1.3 to A.8): who, why, done and seen what.

Each part holds what the guideline asks for, and nothing that only one wire form has. What is not
known is None or empty. A concept may be said in words, in codes or in both; the vocabularies the
guideline closes (kinds of propensity, severities) are enumerations with their SNOMED CT codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.domain.codes import SCT, Code
from gateway.domain.ids import DocumentId, ReferenceId, Uid
from gateway.domain.people import Address, HumanName, Organisation
from gateway.domain.times import Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Something said in words, in codes of one meaning, or in both; the preferred code first."""

    text: str = ""
    codes: tuple[Code, ...] = ()

    @property
    def words(self) -> str:
        """What a person reads: the text, else what a code is called, else a code itself."""
        named = (code.display for code in self.codes)
        return self.text or next(filter(None, named), "") or next((c.value for c in self.codes), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From when to when; a moment has the same `start` and `end`."""

    start: Timestamp | None = None
    end: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalId:
    """An identifier and the OID or name of who assigned it, "" where not given."""

    value: str
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A measured value: `unit` is what is printed, `code` its UCUM code.

    `uncertainty` is one standard deviation, in the same unit.
    """

    value: Decimal
    unit: str = ""
    code: Code | None = None
    uncertainty: Decimal | None = None


# --- people ---------------------------------------------------------------------------------------


class ParticipantKind(StrEnum):
    """What took part: somebody of the profession, a device, or another person."""

    PROFESSIONAL = "professional"
    DEVICE = "device"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody or something with a part in the report; an organisation alone where nobody is named.

    `authority` is the OID that assigned `id`. A device has its name as a family name. A `PERSON`,
    the patient or a relative, has neither speciality nor organisation.
    """

    kind: ParticipantKind = ParticipantKind.PROFESSIONAL
    name: HumanName | None = None
    id: str = ""
    authority: str = ""
    organisation: Organisation | None = None
    speciality: Concept | None = None
    address: Address | None = None
    telecom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Who answers for a report or has checked its results, and when (A.1.6, A.1.7)."""

    by: Participant
    at: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Insurance:
    """A health insurance (A.1.3): who provides it, and the number the patient has there."""

    provider: Organisation | None = None
    policy: str = ""


# --- order and history ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingOrder:
    """An order the report answers (A.2), why it was placed (A.3.1) and what it asks (A.3.3).

    `references` are its own numbers: order and accession; they stand among those of the report too.
    """

    references: tuple[ReferenceId, ...] = ()
    placed: Timestamp | None = None
    placer: Participant | None = None
    reasons: tuple[Concept, ...] = ()
    questions: tuple[Concept, ...] = ()


# --- what was examined ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySite:
    """A place of the body, and its side where there are two."""

    location: Concept
    laterality: Concept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagedSpecimen:
    """A specimen that was imaged (A.4). `source` is the object it was taken from, if no patient."""

    ids: tuple[LocalId, ...] = ()
    material: Concept | None = None
    collected: Period | None = None
    site: BodySite | None = None
    morphology: Concept | None = None
    source: Concept | None = None
    method: Concept | None = None
    received: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDevice:
    """The equipment images were made with (A.5.1.7, A.6.5); `udi` is its device identifier."""

    kind: Concept | None = None
    name: str = ""
    udi: str = ""
    ids: tuple[LocalId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStudy:
    """A study the report is about: modalities (A.5.1.1) and coarse regions. Never where it lies."""

    uid: Uid | None = None
    modalities: tuple[Code, ...] = ()
    regions: tuple[Code, ...] = ()
    started: Timestamp | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingProcedure:
    """A procedure performed (A.5.1): `what` is its code and full name, `details` its phases."""

    what: Concept
    performed: Period | None = None
    text: str = ""
    sites: tuple[BodySite, ...] = ()
    devices: tuple[ReportDevice, ...] = ()
    performers: tuple[Participant, ...] = ()
    details: tuple[Concept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """An active substance and how much of it there is, in `per` where that is said (A.5.2.3-4)."""

    substance: Concept
    strength: Quantity | None = None
    per: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationGiven:
    """A medicine given during the examination (A.5.2): contrast, sedation, stress agents."""

    brand: str = ""
    codes: tuple[Code, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    form: Concept | None = None
    route: Concept | None = None
    given: Period | None = None


class Propensity(StrEnum):
    """The type of a propensity to react (A.5.3.2)."""

    ALLERGY = "allergy"
    INTOLERANCE = "intolerance"


class ReactionSeverity(StrEnum):
    """How bad a reaction was (A.5.3.4)."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Criticality(StrEnum):
    """How dangerous another exposure would be (A.5.3.5)."""

    LOW = "low"
    HIGH = "high"
    UNKNOWN = "unable-to-assess"


class Certainty(StrEnum):
    """How sure it is that the agent caused the reaction (A.5.3.7)."""

    SUSPECTED = "unconfirmed"
    LIKELY = "presumed"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


# The guideline prefers SNOMED CT; the values above are what FHIR has for the same.
SNOMED_OF: dict[Propensity | ReactionSeverity | Criticality | Certainty, Code] = {
    Propensity.ALLERGY: Code("609328004", SCT, "Allergic disposition"),
    Propensity.INTOLERANCE: Code("782197009", SCT, "Intolerance to substance"),
    ReactionSeverity.MILD: Code("255604002", SCT, "Mild"),
    ReactionSeverity.MODERATE: Code("6736007", SCT, "Moderate"),
    ReactionSeverity.SEVERE: Code("24484000", SCT, "Severe"),
    Criticality.LOW: Code("62482003", SCT, "Low"),
    Criticality.HIGH: Code("75540009", SCT, "High"),
    Criticality.UNKNOWN: Code("82334004", SCT, "Indeterminate"),
    Certainty.SUSPECTED: Code("415684004", SCT, "Suspected"),
    Certainty.LIKELY: Code("410592001", SCT, "Probably present"),
    Certainty.CONFIRMED: Code("410605003", SCT, "Confirmed present"),
    Certainty.REFUTED: Code("410594000", SCT, "Definitely not present"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseReaction:
    """A reaction during the examination (A.5.3), and the propensity it shows."""

    description: str = ""
    agent: Concept | None = None
    propensity: Propensity | None = None
    manifestations: tuple[Concept, ...] = ()
    severity: ReactionSeverity | None = None
    criticality: Criticality | None = None
    onset: Timestamp | None = None
    certainty: Certainty | None = None


# --- what was seen --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedObservation:
    """An observation (A.5.4.3): `what` is its code and full name, `value` what was found.

    A value that is but words is a `Concept` without codes.
    """

    what: Concept
    observed: Period | None = None
    method: Concept | None = None
    value: Quantity | Concept | None = None
    interpretation: Concept | None = None
    site: Concept | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A stage or grade (A.5.5.2.2): which system, such as TNM or BI-RADS, and the category."""

    system: Concept | None = None
    category: Concept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A condition or finding concluded on (A.5.5.2), staged or graded where that was done."""

    finding: Concept
    stagings: tuple[Staging, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One action that is recommended, and when."""

    what: Concept
    when: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlan:
    """A plan that is recommended (A.5.6.2): in words, and as actions."""

    text: str = ""
    actions: tuple[PlannedAction, ...] = ()


class MediaKind(StrEnum):
    """What kind of medium a key image is (A.6.3)."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyImage:
    """An image that matters (A.6): which one, what it shows, and its content or where that is.

    `study`, `series`, `instance` name it in its study; `content` holds its bytes, b"" where only
    `url` leads to them or nothing does. `duration` is in seconds.
    """

    study: Uid | None = None
    series: Uid | None = None
    instance: Uid | None = None
    view: Concept | None = None
    site: BodySite | None = None
    kind: MediaKind | None = None
    modality: Code | None = None
    device: ReportDevice | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration: Decimal | None = None
    performer: Participant | None = None
    comment: str = ""
    content_type: str = ""
    content: bytes = b""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the images were compared with (A.7.1): a prior study, a prior report, or words."""

    study: Uid | None = None
    report: DocumentId | None = None
    performed: Timestamp | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedForm:
    """The whole report in a form to be read (A.8.1)."""

    media_type: str
    content: bytes
    language: str = ""
    title: str = ""
