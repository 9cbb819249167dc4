"""What happened to each patient of the cast: studies made, reports written and corrected.

Read as a play: one method a role. Dates are fixed, so that the same seed gives the same bytes
whenever it is planted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from country_a.entries import StudyFacts, manifest_facts, request_references
from country_a.manifests import modality_code
from country_a.national.ports import NationalSystems
from country_a.oids import NationalOids
from country_a.seed.full_report import full_report
from country_a.seed.notes import OF_INTEREST, REJECTED, Pointing, write_note
from country_a.seed.people import Person, Role
from country_a.seed.records import PatientRecord, ReportRecord, StudyRecord
from country_a.seed.registrar import BOTH_FORMS, ManifestForms, PublishedManifest, Registrar
from country_a.seed.reports import hospital, make_report, study_references, subject_of
from country_a.seed.studies import KINDS, Kind, Scale, StudyOrder, make_study
from gateway.domain import (
    Code,
    DocumentEntry,
    ImagingRequest,
    KeyImageNote,
    ManifestEncoding,
    PatientIdentity,
    ReferenceId,
    ReportStatus,
    Timestamp,
    Uid,
)
from gateway.domain.codes import region_of_body_part

WINTER = timezone(timedelta(hours=1))
_MANIFEST_ARC = 1000
_REPORT_ARC = 2000
_CDA_ARC = 3000
_FHIR_ARC = 4000
_INTERESTING = Pointing(
    title=OF_INTEREST, description="Obrazy istotne dla rozpoznania", places=(0, 1, 2)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A study that was made and published."""

    number: int
    kind: Kind
    published: PublishedManifest
    record: StudyRecord
    notes: tuple[KeyImageNote, ...]

    @property
    def references(self) -> tuple[ReferenceId, ...]:
        """What links a report to it."""
        manifest = self.published.manifest
        return study_references(manifest.study, request_references(manifest.requests))


class Stories:
    """Plays the cast on national systems. `image_folder` gets a folder a study."""

    def __init__(
        self,
        systems: NationalSystems,
        *,
        oids: NationalOids,
        seed_number: int,
        scale: Scale,
        image_folder: Path,
        forms: ManifestForms = BOTH_FORMS,
    ) -> None:
        self._systems = systems
        self._oids = oids
        self._seed_number = seed_number
        self._scale = scale
        self._folder = image_folder
        self._registrar = Registrar(systems, oids, forms)
        self._number = 0
        self._plays: dict[Role, Callable[[PatientRecord], Awaitable[None]]] = {
            Role.MAIN: self._main,
            Role.GREEK: self._greek,
            Role.CYRILLIC: self._cyrillic,
            Role.MANY_STUDIES: self._many_studies,
            Role.NAMESAKE_ONE: self._one_reported,
            Role.NAMESAKE_TWO: self._one_reported,
            Role.DENIED: self._one_reported,
            Role.EMERGENCY_ONLY: self._one_reported,
            Role.CORRECTED_REPORT: self._corrected_report,
            Role.PRELIMINARY_ONLY: self._preliminary_only,
            Role.GROWN_STUDY: self._grown_study,
            Role.NO_DOCUMENTS: self._no_documents,
        }

    async def play(self, person: Person) -> PatientRecord:
        """Record a patient and let happen what the role says."""
        await self._systems.patients.add([person.identity])
        await self._systems.consent.set_rule(person.identity.id, person.consent)
        record = PatientRecord(person=person)
        if person.role is not None:
            await self._plays[person.role](record)
        return record

    # What can happen

    def _request(self, number: int, *, pair: int = 1, accession: int = 1) -> ImagingRequest:
        return ImagingRequest(
            accession=f"A{self._seed_number % 10_000:04}{number:05}{accession}",
            accession_authority=str(self._oids.accessions),
            placer_order=f"Z{self._seed_number % 10_000:04}{number:05}{pair}",
            placer_authority=str(self._oids.orders),
            procedure_id=f"P{number}",
        )

    async def _study(
        self,
        record: PatientRecord,
        kind: Kind,
        started: datetime,
        *,
        pairs: Sequence[tuple[int, int]] = ((1, 1),),
        notes: Sequence[Pointing] = (),
        compressed: bool = False,
        published_early: int = 0,
    ) -> Held:
        """Make, store and publish a study.

        `pairs` numbers its (accession, order) pairs. `published_early` is how many of its files
        were there when its manifest was first published.
        """
        self._number += 1
        number, patient = self._number, record.person.identity
        order = StudyOrder(
            number=number,
            patient=patient,
            kind=kind,
            started=started,
            institution=hospital(self._oids),
            requests=tuple(self._request(number, accession=a, pair=p) for a, p in pairs),
            compressed=compressed,
        )
        folder = self._folder / f"study-{number:05}"

        def make() -> tuple[list[Path], tuple[KeyImageNote, ...]]:
            made = make_study(
                order,
                folder,
                oids=self._oids,
                seed_number=self._seed_number,
                scale=self._scale,
            )
            written = tuple(
                write_note(
                    made,
                    pointing,
                    folder,
                    index=index,
                    oids=self._oids,
                    seed_number=self._seed_number,
                )
                for index, pointing in enumerate(notes)
            )
            return made.files, written

        files, written = await asyncio.to_thread(make)
        study = self._oids.uid(self._seed_number, number)
        before: PublishedManifest | None = None
        if published_early:
            await self._systems.pacs.add(files[:published_early])
            before = await self._publish(study, patient, number, 1, started)
            files = files[published_early:]
        await self._systems.pacs.add(files)
        version = 2 if before else 1
        published = await self._publish(study, patient, number, version, started, before)
        held = Held(
            number=number,
            kind=kind,
            published=published,
            record=_study_record(published, before, kind, written),
            notes=written,
        )
        record.studies.append(held.record)
        return held

    async def _publish(
        self,
        study: Uid,
        patient: PatientIdentity,
        number: int,
        version: int,
        started: datetime,
        before: PublishedManifest | None = None,
    ) -> PublishedManifest:
        return await self._registrar.manifest(
            study,
            patient,
            uid=self._oids.uid(self._seed_number, number, _MANIFEST_ARC, version),
            created=started + timedelta(hours=version),
            replaces=before.entries if before else (),
        )

    async def _report(
        self,
        record: PatientRecord,
        studies: Sequence[Held],
        *,
        cda: bool = False,
        delay: timedelta = timedelta(hours=3),
        version: int = 1,
        replaces: Sequence[DocumentEntry] = (),
        status: ReportStatus = ReportStatus.FINAL,
    ) -> tuple[DocumentEntry, ...]:
        """Write and publish a report on studies held here."""
        number, patient = studies[0].number, record.person.identity
        arc = len(studies)
        published = (study.published.manifest.created for study in studies)
        latest = max(moment for moment in published if moment)
        pdf = next((old for old in replaces if old.mime_type == "application/pdf"), None)
        report = make_report(
            document=self._oids.uid(self._seed_number, number, _REPORT_ARC, arc, version),
            subjects=[subject_of(study.kind) for study in studies],
            patient=patient,
            references=[ref for study in studies for ref in study.references],
            created=latest.astimezone(WINTER) + delay,
            oids=self._oids,
            status=status,
            version=version,
            replaces=pdf.ref.document if pdf else None,
            addition="Skorygowano opis strony badanej." if version > 1 else "",
        )
        entries = await self._registrar.report(
            report,
            patient,
            manifest_facts([study.published.manifest for study in studies]),
            cda=self._oids.uid(self._seed_number, number, _CDA_ARC, arc, version) if cda else None,
            replaces=replaces,
        )
        record.reports.append(
            ReportRecord(
                title=report.title,
                status=status.value,
                version=version,
                studies=[str(study.published.manifest.study) for study in studies],
                pdf=str(entries[0].ref.document),
                cda=str(entries[1].ref.document) if cda else "",
                replaced=[str(old.ref.document) for old in replaces],
            )
        )
        return entries

    # The cast

    async def _main(self, record: PatientRecord) -> None:
        record.story = (
            "A CT with key images and its report as PDF and CDA; MR, radiograph and ultrasound "
            "under one report; a radiograph without report; a report on a study not held."
        )
        ct = await self._study(
            record, Kind.CT, datetime(2026, 5, 11, 8, 40, tzinfo=WINTER), notes=[_INTERESTING]
        )
        await self._report(record, [ct], cda=True)
        trio = [
            # Two orders, one accession number.
            await self._study(
                record,
                Kind.MR,
                datetime(2024, 2, 20, 10, 5, tzinfo=WINTER),
                pairs=((1, 1), (1, 2)),
                notes=[_INTERESTING],
            ),
            await self._study(
                record,
                Kind.DX,
                datetime(2024, 2, 20, 11, 15, tzinfo=WINTER),
                notes=[_INTERESTING],
            ),
            await self._study(
                record,
                Kind.US,
                datetime(2024, 2, 21, 9, 30, tzinfo=WINTER),
                notes=[_INTERESTING],
                compressed=True,
            ),
        ]
        await self._report(record, trio)
        # A group of accession numbers: none of them is the study's own.
        await self._study(
            record,
            Kind.SMALL_DX,
            datetime(2021, 6, 1, 13, 0, tzinfo=WINTER),
            pairs=((1, 1), (2, 2)),
        )
        await self._unheld_report(record)

    async def _unheld_report(self, record: PatientRecord) -> None:
        """A report on a study that was made and kept elsewhere."""
        self._number += 1
        number, patient = self._number, record.person.identity
        study = self._oids.uid(self._seed_number, number)
        started = datetime(2019, 9, 3, 12, 0, tzinfo=WINTER)
        report = make_report(
            document=self._oids.uid(self._seed_number, number, _REPORT_ARC, 1, 1),
            subjects=[subject_of(Kind.CT)],
            patient=patient,
            references=study_references(study, request_references([self._request(number)])),
            created=started + timedelta(hours=4),
            oids=self._oids,
        )
        facts = StudyFacts(event_codes=_codes_of(Kind.CT), started=Timestamp(started))
        entries = await self._registrar.report(report, patient, facts)
        record.reports.append(
            ReportRecord(
                title=report.title,
                status=report.status.value,
                version=1,
                studies=[str(study)],
                pdf=str(entries[0].ref.document),
            )
        )

    async def _greek(self, record: PatientRecord) -> None:
        record.story = (
            "A mammography with a note of interest beside one that rejects an image; beside its "
            "report as PDF and CDA one that has every element of the guideline, in FHIR and CDA."
        )
        mg = await self._study(
            record,
            Kind.MG,
            datetime(2026, 1, 19, 9, 10, tzinfo=WINTER),
            notes=[
                Pointing(title=OF_INTEREST, description="Sutek lewy", places=(0,)),
                Pointing(title=REJECTED, description="Poruszenie w czasie ekspozycji", places=(1,)),
            ],
        )
        await self._report(record, [mg], cda=True)
        await self._full_report(record, mg)

    async def _full_report(self, record: PatientRecord, study: Held) -> None:
        """Write and publish a report that says something for every element."""
        manifest, patient = study.published.manifest, record.person.identity
        published = manifest.created
        if published is None:
            raise ValueError(f"found no creation time in the manifest {manifest.uid}")
        report = full_report(
            document=self._oids.uid(self._seed_number, study.number, _FHIR_ARC, 1),
            manifest=manifest,
            patient=patient,
            oids=self._oids,
            created=published.astimezone(WINTER) + timedelta(hours=4),
        )
        as_fhir, as_cda = await self._registrar.structured_report(
            report,
            patient,
            manifest_facts([manifest]),
            cda=self._oids.uid(self._seed_number, study.number, _CDA_ARC, _FHIR_ARC, 1),
        )
        record.reports.append(
            ReportRecord(
                title=report.title,
                status=report.status.value,
                version=report.version,
                studies=[str(manifest.study)],
                cda=str(as_cda.ref.document),
                fhir=str(as_fhir.ref.document),
            )
        )

    async def _cyrillic(self, record: PatientRecord) -> None:
        record.story = "An MR stored as JPEG 2000 lossless, with a report."
        mr = await self._study(
            record,
            Kind.MR,
            datetime(2025, 10, 6, 15, 45, tzinfo=WINTER),
            notes=[_INTERESTING],
            compressed=True,
        )
        await self._report(record, [mr])

    async def _many_studies(self, record: PatientRecord) -> None:
        record.story = "Many small studies over fifteen years; every tenth has a report."
        first = datetime(2011, 3, 1, 8, 0, tzinfo=WINTER)
        for index in range(self._scale.many):
            kind = Kind.SMALL_US if index % 3 == 2 else Kind.SMALL_DX
            started = first + timedelta(days=27 * index, minutes=7 * index)
            study = await self._study(record, kind, started)
            if index % 10 == 0:
                await self._report(record, [study])

    async def _one_reported(self, record: PatientRecord) -> None:
        record.story = "One small radiograph with its report."
        study = await self._study(
            record, Kind.SMALL_DX, datetime(2025, 3, 14, 12, 20, tzinfo=WINTER)
        )
        await self._report(record, [study])

    async def _corrected_report(self, record: PatientRecord) -> None:
        record.story = "The report was corrected: the first version is deprecated."
        study = await self._study(record, Kind.DX, datetime(2026, 4, 2, 7, 50, tzinfo=WINTER))
        old = await self._report(record, [study], cda=True)
        record.reports.clear()
        await self._report(
            record,
            [study],
            cda=True,
            delay=timedelta(hours=26),
            version=2,
            replaces=old,
            status=ReportStatus.CORRECTED,
        )

    async def _preliminary_only(self, record: PatientRecord) -> None:
        record.story = (
            "A study whose report is still preliminary: it is not registered, the images are."
        )
        await self._study(record, Kind.SMALL_US, datetime(2026, 9, 12, 22, 15, tzinfo=WINTER))

    async def _grown_study(self, record: PatientRecord) -> None:
        record.story = "Images came after the manifest was published: a second one replaces it."
        study = await self._study(
            record,
            Kind.MR,
            datetime(2026, 8, 3, 16, 30, tzinfo=WINTER),
            published_early=self._scale.mr_slices,
        )
        await self._report(record, [study])

    async def _no_documents(self, record: PatientRecord) -> None:
        record.story = "Known here, and nothing is registered."


def _codes_of(kind: Kind) -> tuple[Code, ...]:
    facts = KINDS[kind]
    region = region_of_body_part(facts.body_part)
    codes = (modality_code(facts.modality), region, facts.procedure)
    return tuple(code for code in codes if code)


def _study_record(
    published: PublishedManifest,
    before: PublishedManifest | None,
    kind: Kind,
    notes: Sequence[KeyImageNote],
) -> StudyRecord:
    manifest = published.manifest
    rejected = [str(image.instance) for note in notes if note.rejects for image in note.images]
    return StudyRecord(
        uid=str(manifest.study),
        title=manifest.study_description,
        modality=KINDS[kind].modality,
        accessions=list(dict.fromkeys(r.accession for r in manifest.requests)),
        orders=list(dict.fromkeys(r.placer_order for r in manifest.requests)),
        series=len(manifest.series),
        instances=manifest.instance_count,
        manifest=published.document(ManifestEncoding.KOS),
        fhir_manifest=published.document(ManifestEncoding.FHIR),
        replaced_manifests=[str(old.ref.document) for old in before.entries] if before else [],
        key_images=[
            str(image.instance) for note in notes if not note.rejects for image in note.images
        ],
        rejected_images=rejected,
        notes=[str(note.instance) for note in notes],
    )
