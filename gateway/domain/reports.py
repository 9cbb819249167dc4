"""The imaging report: every element of the guideline's data set A.1 to A.8 has its place here.

A legacy report, a PDF or a CDA that carries one, fills what links it to patient, order and study,
who answers for it, and what a person reads; the parts (`report_parts`) come with structured forms.
Which field holds which element is told by `report_elements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.codes import LOINC, Code
from gateway.domain.ids import DocumentId, PatientId, ReferenceId
from gateway.domain.people import Address, Gender, HumanName, Organisation
from gateway.domain.report_parts import (
    AdverseReaction,
    Attestation,
    CarePlan,
    Comparison,
    Concept,
    Conclusion,
    ImagedSpecimen,
    ImagingOrder,
    ImagingProcedure,
    Insurance,
    KeyImage,
    MedicationGiven,
    Participant,
    PresentedForm,
    ReportedObservation,
    ReportedStudy,
)

# The headings of the European report (HL7 Europe imaging report, sections of the Composition).
STUDY_SECTION = Code("18726-0", LOINC, "Radiology studies (set)")
ORDER_SECTION = Code("55115-0", LOINC, "Requested imaging studies information Document")
HISTORY_SECTION = Code("11329-0", LOINC, "History general Narrative - Reported")
PROCEDURE_SECTION = Code("55111-9", LOINC, "Current imaging procedure descriptions Document")
COMPARISON_SECTION = Code("18834-2", LOINC, "Radiology Comparison study (narrative)")
FINDINGS_SECTION = Code("59776-5", LOINC, "Procedure findings Narrative")
IMPRESSION_SECTION = Code("19005-8", LOINC, "Radiology Imaging study [Impression] (narrative)")
RECOMMENDATION_SECTION = Code("18783-1", LOINC, "Radiology Study recommendation (narrative)")
COMMUNICATION_SECTION = Code("73568-8", LOINC, "Communication of critical results (narrative)")


class ReportStatus(StrEnum):
    """Where a report stands. Only final, amended and corrected ones are exchanged (Art. 8)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"

    @property
    def is_exchanged(self) -> bool:
        """Whether a report of this status may leave the country."""
        return self is not ReportStatus.PRELIMINARY


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A headed piece of the text; `code` is the LOINC code of the heading."""

    code: Code
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingReport:
    """A report on one or several imaging studies, or on one that is not held here.

    `references` holds the study UIDs, accession numbers and orders that link it; they are the
    only link to a manifest. `presented` is the PDF a person reads, b"" where there is none.

    `author` and `organisation` are the first author, `other_authors` those beside. `set_id` is
    what all versions share, None where that is `id`; `authored` is when the report was last
    changed, None where that is `created`. `kind` says more of the document's type than that it is
    an imaging report; `confidentiality` None is normal. What was found, concluded and recommended
    in words stands in `sections`, under the headings above.
    """

    id: DocumentId
    status: ReportStatus
    title: str
    language: str
    created: datetime
    patient_ids: tuple[PatientId, ...]
    patient_name: HumanName
    birth_date: date | None = None
    gender: Gender | None = None
    patient_address: Address | None = None
    patient_telecom: tuple[str, ...] = ()
    insurances: tuple[Insurance, ...] = ()
    recipients: tuple[Participant, ...] = ()
    author: HumanName | None = None
    author_id: str = ""
    author_authority: str = ""
    organisation: Organisation | None = None
    other_authors: tuple[Participant, ...] = ()
    authored: datetime | None = None
    legal_authenticators: tuple[Attestation, ...] = ()
    validators: tuple[Attestation, ...] = ()
    kind: Concept | None = None
    procedure: Code | None = None
    custodian: Organisation | None = None
    confidentiality: Code | None = None
    references: tuple[ReferenceId, ...] = ()
    replaces: DocumentId | None = None
    version: int = 1
    set_id: DocumentId | None = None
    orders: tuple[ImagingOrder, ...] = ()
    problems: tuple[Concept, ...] = ()
    specimens: tuple[ImagedSpecimen, ...] = ()
    studies: tuple[ReportedStudy, ...] = ()
    procedures: tuple[ImagingProcedure, ...] = ()
    medications: tuple[MedicationGiven, ...] = ()
    reactions: tuple[AdverseReaction, ...] = ()
    observations: tuple[ReportedObservation, ...] = ()
    conclusions: tuple[Conclusion, ...] = ()
    care_plans: tuple[CarePlan, ...] = ()
    key_images: tuple[KeyImage, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    sections: tuple[ReportSection, ...] = ()
    presented: bytes = b""
    other_forms: tuple[PresentedForm, ...] = ()

    @property
    def authors(self) -> tuple[Participant, ...]:
        """Every author, the first one first; none of a report that names nobody."""
        first = Participant(
            name=self.author,
            id=self.author_id,
            authority=self.author_authority,
            organisation=self.organisation,
        )
        return self.other_authors if first == Participant() else (first, *self.other_authors)

    def text_of(self, heading: Code) -> str:
        """What the sections under a heading say, "" where there is none."""
        found = (section.text for section in self.sections if section.code.means(heading))
        return "\n".join(text for text in found if text)
