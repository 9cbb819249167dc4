"""Studies from any folder of files, given to made-up patients and published.

Sources are read and never written: every instance becomes a copy that belongs to somebody made
up, with an order of its own. What is not DICOM is left out and said; what lacks a UID gets one
that is the same at every reading; the same instance found twice is taken once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path

from country_a.entries import manifest_facts, request_references
from country_a.manifests import patient_of
from country_a.national.ports import NationalSystems
from country_a.oids import NationalOids
from country_a.seed.folder_files import (
    Found,
    Moment,
    copy_as,
    file_names,
    group_by_study,
    look_through,
    moment_of,
    patient_of_source,
    said_of,
)
from country_a.seed.people import Person, crowd
from country_a.seed.records import (
    FolderRecord,
    PatientRecord,
    ReportRecord,
    StudyRecord,
    counted,
)
from country_a.seed.registrar import BOTH_FORMS, ManifestForms, PublishedManifest, Registrar
from country_a.seed.reports import (
    hospital,
    make_report,
    study_references,
    subject_of_folder,
)
from gateway.domain import ImagingManifest, ManifestEncoding, PatientIdentity, Uid
from gateway.wire.dicom.deidentify import Reassignment
from gateway.wire.problems import DecodeError

_MANIFEST_ARC, _REPORT_ARC = 1000, 2000
_NUMBERS = 500_000  # beyond the numbers of generated studies
# A study without any date is published as if it were of this day.
_UNDATED = datetime(2020, 1, 1, 12, tzinfo=UTC)
_UNTITLED = "badanie bez opisu"


@dataclass(slots=True)
class _Copied:
    """What came of copying the files of one study: copies, and what they were copied from."""

    files: dict[Path, str]
    left_out: list[tuple[str, str]]
    warnings: list[tuple[str, str]]


async def seed_folder(
    systems: NationalSystems,
    folder: Path,
    *,
    into: Path,
    oids: NationalOids,
    seed_number: int,
    first_patient: int,
    taken: dict[Uid, Found] | None = None,
    forms: ManifestForms = BOTH_FORMS,
) -> FolderRecord:
    """Publish what a folder holds; copies are written below `into`.

    Studies of one source patient go to one made-up patient, XA-`first_patient` onwards. Zip
    files are looked into. `taken` are the instances of folders before this one, to which those
    of this one are added. Raises `NotADirectoryError` when the folder is none.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"found no folder at {folder}")
    registrar = Registrar(systems, oids, forms)
    with tempfile.TemporaryDirectory(prefix="unpacked-") as scratch:
        names = await asyncio.to_thread(file_names, folder, Path(scratch))
        seen = await asyncio.to_thread(look_through, names, place=str(first_patient), taken=taken)
        studies = group_by_study(seen.found)
        owners = list(dict.fromkeys(patient_of_source(files) for files in studies.values()))
        people = crowd(oids, len(owners), seed_number=seed_number, first=first_patient)
        records = {
            owner: PatientRecord(person=person)
            for owner, person in zip(owners, people, strict=True)
        }
        await systems.patients.add([person.identity for person in people])
        left_out, warnings = list(seen.left_out), list(seen.warnings)
        for index, (study, files) in enumerate(studies.items()):
            if await systems.pacs.study(study) is not None:
                # Of another folder, and given to somebody: a study has one patient.
                left_out += [(one.name, f"study {study} is already held") for one in files]
                continue
            record = records[patient_of_source(files)]
            copied = await _publish(
                systems,
                registrar,
                files,
                study,
                record,
                number=_NUMBERS + first_patient + index,
                into=into / f"study-{index + 1:05}",
                oids=oids,
                seed_number=seed_number,
            )
            left_out += copied.left_out
            warnings += copied.warnings
    return FolderRecord(
        folder=str(folder),
        files=len(names),
        patients=tuple(records.values()),
        left_out=tuple(left_out),
        warnings=tuple(warnings),
    )


def _copy(
    files: Sequence[Found],
    study: Uid,
    person: Person,
    *,
    number: int,
    into: Path,
    oids: NationalOids,
) -> _Copied:
    into.mkdir(parents=True, exist_ok=True)
    to = Reassignment(
        patient=patient_of(person.identity),
        accession=f"F{number:09}",
        accession_authority=str(oids.accessions),
        placer_order=f"ZF{number:09}",
        placer_authority=str(oids.orders),
        institution=hospital(oids),
    )
    copied = _Copied({}, [], [])
    moment = moment_of(files)
    copied.warnings += [(f"study {study}", said) for said in _doubts(files, moment)]
    risky: dict[str, int] = {}
    for index, one in enumerate(files, start=1):
        path = into / f"{index:05}.dcm"
        try:
            said = copy_as(one, path, to, moment=moment)
        except (DecodeError, OSError) as error:
            path.unlink(missing_ok=True)
            copied.left_out.append((one.name, said_of(error)))
            continue
        copied.files[path] = one.name
        copied.warnings += [(one.name, said)] if said else []
        if one.header.burned_in:
            risky[one.header.burned_in] = risky.get(one.header.burned_in, 0) + 1
    copied.warnings += [
        (f"study {study} ({counted(count, 'instance')})", f"may still name somebody: {why}")
        for why, count in risky.items()
    ]
    return copied


def _doubts(files: Sequence[Found], moment: Moment) -> Iterator[str]:
    """What is to be said of the date of a study."""
    dated = [one for one in files if one.header.study_date]
    if not dated:
        yield (
            f"no study date; {moment[0]} is taken from the images"
            if moment[0]
            else ("no study date")
        )
        return
    others = sum(one.moment != moment for one in files)
    if others:
        yield (
            f"{counted(others, 'instance')} with another or no study date and time; "
            f"{moment[0]}, which most have, is written"
        )


async def _publish(
    systems: NationalSystems,
    registrar: Registrar,
    files: Sequence[Found],
    study: Uid,
    record: PatientRecord,
    *,
    number: int,
    into: Path,
    oids: NationalOids,
    seed_number: int,
) -> _Copied:
    patient = record.person.identity
    copied = await asyncio.to_thread(
        _copy, files, study, record.person, number=number, into=into, oids=oids
    )
    stored = await systems.pacs.add(copied.files)
    copied.left_out += [(copied.files[one.path], one.reason) for one in stored.left_out]
    if not stored.stored:
        return copied
    held = await systems.pacs.study(study)
    started = _UNDATED
    if held and held.study_date:
        zone = timezone(timedelta(minutes=held.offset_minutes or 0))
        started = datetime.combine(held.study_date, held.study_time or time(12), zone)
    published = await registrar.manifest(
        study,
        patient,
        uid=oids.uid(seed_number, number, _MANIFEST_ARC, 1),
        created=started.replace(microsecond=0) + timedelta(hours=1),
    )
    record.studies.append(_study_record(published))
    report = await _report(registrar, published.manifest, patient, oids, seed_number, number)
    record.reports.append(report)
    return copied


async def _report(
    registrar: Registrar,
    manifest: ImagingManifest,
    patient: PatientIdentity,
    oids: NationalOids,
    seed_number: int,
    number: int,
) -> ReportRecord:
    title = manifest.study_description or _UNTITLED
    procedure = manifest.procedures[0] if manifest.procedures else None
    created = manifest.created or _UNDATED
    report = make_report(
        document=oids.uid(seed_number, number, _REPORT_ARC, 1),
        subjects=[subject_of_folder(title, procedure)],
        patient=patient,
        references=study_references(manifest.study, request_references(manifest.requests)),
        created=created + timedelta(hours=2),
        oids=oids,
    )
    (entry,) = await registrar.report(report, patient, manifest_facts([manifest]))
    return ReportRecord(
        title=report.title,
        status=report.status.value,
        version=1,
        studies=[str(manifest.study)],
        pdf=str(entry.ref.document),
    )


def _study_record(published: PublishedManifest) -> StudyRecord:
    manifest = published.manifest
    return StudyRecord(
        uid=str(manifest.study),
        title=manifest.study_description,
        modality="\\".join(code.value for code in manifest.modalities),
        accessions=[request.accession for request in manifest.requests],
        orders=[request.placer_order for request in manifest.requests],
        series=len(manifest.series),
        instances=manifest.instance_count,
        manifest=published.document(ManifestEncoding.KOS),
        fhir_manifest=published.document(ManifestEncoding.FHIR),
        notes=[str(note.instance) for note in manifest.notes()],
    )
