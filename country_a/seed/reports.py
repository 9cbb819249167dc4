"""Made-up imaging reports: what a radiologist might have dictated, as noun and as PDF.

The findings are stock sentences per kind of study and mean nothing. A report is tied to what it
is about by Study Instance UIDs, accession numbers and orders, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from country_a.entries import LANGUAGE
from country_a.oids import NationalOids
from country_a.seed.pdf import PrintedReport, render
from country_a.seed.studies import KINDS, Kind
from gateway.domain import (
    Attestation,
    Code,
    DocumentId,
    HumanName,
    ImagingReport,
    Organisation,
    Participant,
    PatientIdentity,
    ReferenceId,
    ReferenceKind,
    ReportSection,
    ReportStatus,
    Timestamp,
    Uid,
)
from gateway.domain.codes import LOINC

FINDINGS = Code("59776-5", LOINC, "Procedure findings")
IMPRESSION = Code("19005-8", LOINC, "Radiology Imaging study [Impression]")
MADE_UP = "Dane fikcyjne. Dokument wyłącznie do testów, bez wartości klinicznej."
_STATUS_WORDS = {
    ReportStatus.PRELIMINARY: "WYNIK WSTĘPNY",
    ReportStatus.FINAL: "",
    ReportStatus.AMENDED: "WYNIK UZUPEŁNIONY",
    ReportStatus.CORRECTED: "WYNIK SKORYGOWANY",
}
_TEXTS: dict[Kind, tuple[str, str]] = {
    Kind.CT: (
        "Płuca bez zmian ogniskowych. Jamy opłucnowe wolne. Śródpiersie nieposzerzone, węzły "
        "chłonne niepowiększone. Aorta zstępująca szerokości 24 mm. Widoczne segmenty wątroby "
        "i nerek prawidłowe.",
        "Badanie bez istotnych odchyleń.",
    ),
    Kind.MR: (
        "Układ komorowy nieposzerzony, symetryczny. W istocie białej pojedyncze hiperintensywne "
        "ogniska w obrazach FLAIR o średnicy do 4 mm. Struktury środkowe nieprzemieszczone.",
        "Drobne niecharakterystyczne zmiany w istocie białej.",
    ),
    Kind.DX: (
        "Pola płucne bez zagęszczeń miąższowych. Sylwetka serca w normie. Kąty przeponowo-żebrowe "
        "wolne.",
        "Obraz klatki piersiowej w normie.",
    ),
    Kind.MG: (
        "Sutki o budowie gruczołowo-tłuszczowej, typ B według ACR. Bez zmian ogniskowych i bez "
        "podejrzanych mikrozwapnień.",
        "BI-RADS 1 obustronnie.",
    ),
    Kind.US: (
        "Jamy serca niepowiększone. Kurczliwość prawidłowa, frakcja wyrzutowa 62%. Zastawki bez "
        "istotnych niedomykalności.",
        "Badanie prawidłowe.",
    ),
    Kind.SMALL_DX: ("Bez zmian pourazowych.", "Obraz prawidłowy."),
    Kind.SMALL_US: ("Wątroba jednorodna, niepowiększona.", "Obraz prawidłowy."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiologist:
    """Who signs: a made-up physician of a made-up hospital."""

    name: HumanName
    id: str
    authority: str
    organisation: Organisation


def radiologist(oids: NationalOids) -> Radiologist:
    """The radiologist who signs every report of the seed."""
    return Radiologist(
        name=HumanName(family="Wiśniewski", given=("Stanisław",), prefix="dr n. med."),
        id="5501234",
        authority=str(oids.professionals),
        organisation=hospital(oids),
    )


def hospital(oids: NationalOids) -> Organisation:
    """The hospital where every study of the seed was made."""
    return Organisation(
        name="Szpital Miejski w Dolinie", id="H-12", authority=str(oids.organisations)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a report says of one study."""

    title: str
    findings: str
    impression: str
    procedure: Code | None = None


def subject_of(kind: Kind) -> Subject:
    """What reports say of a generated study of a kind."""
    findings, impression = _TEXTS[kind]
    facts = KINDS[kind]
    return Subject(
        title=facts.title, findings=findings, impression=impression, procedure=facts.procedure
    )


def subject_of_folder(title: str, procedure: Code | None = None) -> Subject:
    """What reports say of a study that came from a folder of files: that nobody has read it."""
    return Subject(
        title=title,
        findings="Opis fikcyjny do badania wczytanego z plików; obrazów nikt nie oceniał.",
        impression="Bez wniosków.",
        procedure=procedure,
    )


def study_references(study: Uid, references: Sequence[ReferenceId]) -> tuple[ReferenceId, ...]:
    """What links a report to a study: its UID, then its accession numbers and orders."""
    return (ReferenceId.of_study(study), *references)


def make_report(
    *,
    document: Uid,
    subjects: Sequence[Subject],
    patient: PatientIdentity,
    references: Sequence[ReferenceId],
    created: datetime,
    oids: NationalOids,
    status: ReportStatus = ReportStatus.FINAL,
    replaces: DocumentId | None = None,
    version: int = 1,
    addition: str = "",
) -> ImagingReport:
    """A report with its PDF, on one study or several. `addition` ends the findings."""
    titles = ", ".join(dict.fromkeys(subject.title for subject in subjects))
    findings = "\n".join(f"{subject.title}: {subject.findings}" for subject in subjects)
    impression = " ".join(dict.fromkeys(subject.impression for subject in subjects))
    signed = radiologist(oids)
    report = ImagingReport(
        id=DocumentId(document),
        status=status,
        title=f"Opis badania: {titles}",
        language=LANGUAGE,
        created=created,
        patient_ids=(patient.id, *patient.other_ids),
        patient_name=patient.names[0],
        birth_date=patient.birth_date,
        gender=patient.gender,
        author=signed.name,
        author_id=signed.id,
        author_authority=signed.authority,
        organisation=signed.organisation,
        legal_authenticators=(
            Attestation(
                by=Participant(
                    name=signed.name,
                    id=signed.id,
                    authority=signed.authority,
                    organisation=signed.organisation,
                ),
                at=Timestamp(created),
            ),
        ),
        custodian=signed.organisation,
        procedure=subjects[0].procedure,
        references=tuple(dict.fromkeys(references)),
        replaces=replaces,
        version=version,
        sections=(
            ReportSection(code=FINDINGS, title="Opis", text=f"{findings}\n{addition}".strip()),
            ReportSection(code=IMPRESSION, title="Wnioski", text=impression),
        ),
    )
    return replace(report, presented=printed(report))


def printed(report: ImagingReport) -> bytes:
    """The PDF of a report."""

    def named(kind: ReferenceKind) -> str:
        return ", ".join(r.value for r in report.references if r.kind == kind)

    born = f"{report.birth_date:%d.%m.%Y}" if report.birth_date else ""
    where = report.organisation.name if report.organisation else ""
    return render(
        PrintedReport(
            title=report.title,
            watermark=_STATUS_WORDS[report.status],
            facts=(
                ("Pacjent", report.patient_name.full),
                ("Data urodzenia", born),
                ("Identyfikator pacjenta", report.patient_ids[0].value),
                ("Numer badania", named(ReferenceKind.ACCESSION)),
                ("Zlecenie", named(ReferenceKind.ORDER)),
                ("Data opisu", f"{report.created:%d.%m.%Y %H:%M}"),
                ("Opisał", f"{report.author.full}, {where}" if report.author else where),
                ("Wersja", str(report.version)),
            ),
            sections=tuple((section.title, section.text) for section in report.sections),
            footer=MADE_UP,
        )
    )
