"""The imaging report, in the forms that exist today: a PDF, or a CDA that carries one.

The full data set A.1 to A.8 comes with the European report; this noun holds what links a report
to patient, order and study, who answers for it, and what a person reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.codes import Code
from gateway.domain.ids import DocumentId, PatientId, ReferenceId
from gateway.domain.people import Gender, HumanName, Organisation


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
    author: HumanName | None = None
    author_id: str = ""
    author_authority: str = ""
    organisation: Organisation | None = None
    procedure: Code | None = None
    references: tuple[ReferenceId, ...] = ()
    replaces: DocumentId | None = None
    version: int = 1
    sections: tuple[ReportSection, ...] = ()
    presented: bytes = b""
