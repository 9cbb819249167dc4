"""What the seed made, told to people as text and to scenarios as JSON: who is who, what to find.

The JSON is an interface: scenarios look patients up by role. Identifiers are plain strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from country_a.national.ports import ConsentRule
from country_a.seed.people import NOBODY, Person
from gateway.domain import Oid, PatientIdentity

MAX_NAMED = 8  # in a line for people; the JSON names all


@dataclass(slots=True, kw_only=True)
class StudyRecord:
    """A study: how it is found, and how many instances a whole retrieval brings.

    `manifest` is its document as a key object selection, `fhir_manifest` as a FHIR document: "" for
    a form in which it is not published.
    """

    uid: str
    title: str
    modality: str
    accessions: list[str]
    orders: list[str]
    series: int
    instances: int
    manifest: str
    fhir_manifest: str = ""
    replaced_manifests: list[str] = field(default_factory=list)
    key_images: list[str] = field(default_factory=list)
    rejected_images: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ReportRecord:
    """A report in force: a document id for each of its forms, "" of a form it does not have."""

    title: str
    status: str
    version: int
    studies: list[str]
    pdf: str = ""
    cda: str = ""
    fhir: str = ""
    replaced: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class PatientRecord:
    """A patient, what is listed for them, and what the part is about."""

    person: Person
    story: str = ""
    studies: list[StudyRecord] = field(default_factory=list)
    reports: list[ReportRecord] = field(default_factory=list)

    @property
    def manifest_documents(self) -> int:
        """How many manifest documents are listed: a manifest in two forms counts twice."""
        return sum(bool(one.manifest) + bool(one.fhir_manifest) for one in self.studies)

    @property
    def report_documents(self) -> int:
        """How many report documents are listed: a report in two forms counts twice."""
        forms = (form for one in self.reports for form in (one.pdf, one.cda, one.fhir))
        return sum(bool(form) for form in forms)

    def plain(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        return {
            **_who(self.person.identity),
            "consent": self.person.consent.value,
            "story": self.story,
            "expect": {
                "studies": len(self.studies),
                "manifests": self.manifest_documents,
                "reports": self.report_documents,
                "documents": self.manifest_documents + self.report_documents,
                "instances": sum(study.instances for study in self.studies),
            },
            "studies": [asdict(study) for study in self.studies],
            "reports": [asdict(report) for report in self.reports],
        }


def _who(identity: PatientIdentity) -> dict[str, Any]:
    """A patient as one is identified."""
    return {
        "id": identity.id.value,
        "authority": str(identity.id.authority),
        "other_ids": [
            {"id": other.value, "authority": str(other.authority)} for other in identity.other_ids
        ],
        "names": [{"family": name.family, "given": list(name.given)} for name in identity.names],
        "birth_date": f"{identity.birth_date}" if identity.birth_date else "",
        "gender": identity.gender.value if identity.gender else "",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRecord:
    """A patient of whom there is a list and nothing else: so many entries, no document."""

    person: Person
    entries: int

    def plain(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        return {**_who(self.person.identity), "entries": self.entries}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRecord:
    """What became of a folder of files: patients made for it, files left out, warnings.

    Those left out and the warnings say first what they are about, then what there is to say.
    """

    folder: str
    files: int
    patients: tuple[PatientRecord, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

    def plain(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        return {
            "folder": self.folder,
            "files": self.files,
            "patients": [patient.plain() for patient in self.patients],
            "left_out": [{"file": file, "reason": why} for file, why in self.left_out],
            "warnings": [f"{about}: {what}" for about, what in self.warnings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """Everything a seeding made."""

    seed_number: int
    size: str
    community: str
    authority: Oid
    patients: tuple[PatientRecord, ...]
    crowd: int
    folders: tuple[FolderRecord, ...] = ()
    many: ListRecord | None = None

    def plain(self) -> dict[str, Any]:
        """The report as JSON-able values: what `seed.json` holds."""
        return {
            "seed": self.seed_number,
            "size": self.size,
            "community": self.community,
            "roles": {
                one.person.role.value: one.plain() for one in self.patients if one.person.role
            },
            "nobody": {"id": NOBODY, "authority": str(self.authority)},
            "folders": [folder.plain() for folder in self.folders],
            "many": self.many.plain() if self.many else None,
        }

    def json(self) -> bytes:
        """The report as JSON."""
        return orjson.dumps(self.plain(), option=orjson.OPT_INDENT_2)

    def describe(self) -> str:
        """Who is who, for people."""
        lines = [f"Seed {self.seed_number} ({self.size}), community {self.community}."]
        for one in self.patients:
            lines += _patient_lines(one)
        lines.append(f"{NOBODY}: an identifier nobody holds.")
        lines.append(f"{self.crowd} more patients without documents.")
        if self.many is not None:
            identity = self.many.person.identity
            lines.append(
                f"{identity.id.value} {identity.names[0].full}, born {identity.birth_date}: "
                f"{self.many.entries} entries for long lists, without their documents."
            )
        for folder in self.folders:
            lines += _folder_lines(folder)
        return "\n".join(lines) + "\n"


_CONSENTS = {
    ConsentRule.ALLOW: "",
    ConsentRule.DENY: " Consent denied.",
    ConsentRule.DENY_EXCEPT_EMERGENCY: " Consent denied but for emergencies.",
}


def _patient_lines(one: PatientRecord) -> list[str]:
    identity = one.person.identity
    role = f" [{one.person.role.value}]" if one.person.role else ""
    instances = sum(study.instances for study in one.studies)
    return [
        f"{identity.id.value}{role} {identity.names[0].full}, born {identity.birth_date}: "
        f"{counted(len(one.studies), 'study', 'studies')} ({counted(instances, 'instance')}), "
        f"{counted(one.report_documents, 'report document')}."
        f"{_CONSENTS[one.person.consent]} {one.story}".rstrip()
    ]


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, in the singular or the plural."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _folder_lines(folder: FolderRecord) -> Sequence[str]:
    studies = [study for one in folder.patients for study in one.studies]
    lines = [
        f"Folder {folder.folder}: {counted(folder.files, 'file')}, "
        f"{sum(study.instances for study in studies)} taken, {len(folder.left_out)} left out; "
        f"{counted(len(studies), 'study', 'studies')} of "
        f"{counted(len(folder.patients), 'made-up patient')}."
    ]
    for one in folder.patients:
        lines += ["  " + line for line in _patient_lines(one)]
    lines += [f"  left out, {line}" for line in _grouped(folder.left_out)]
    lines += [f"  warning, {line}" for line in _grouped(folder.warnings)]
    return lines


def _grouped(said: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A line for everything there is to say, with those it is said of."""
    groups: dict[str, list[str]] = {}
    for about, what in said:
        groups.setdefault(what, []).append(about)
    for what, subjects in groups.items():
        more = len(subjects) - MAX_NAMED
        named = ", ".join(subjects[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield f"{what}: {named}"
