"""Publishes what the seed has made: manifests and reports, in the repository and the registry.

The latest version is in force; an older one stays as a deprecated entry that the new one
replaces. Two forms of one report are joined as transformations of each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from country_a.entries import StudyFacts, entry_id, manifest_entry, report_entry
from country_a.manifests import build_manifest
from country_a.national.ports import NationalSystems
from country_a.oids import NationalOids
from country_a.seed.reports import hospital
from country_a.seed.studies import MANUFACTURER
from gateway.domain import (
    Association,
    AssociationKind,
    Code,
    DocumentEntry,
    DocumentId,
    EntryId,
    ImagingManifest,
    ImagingReport,
    PatientIdentity,
    Uid,
)
from gateway.domain.codes import FORMAT_PDF, FORMAT_PDF_IN_CDA
from gateway.wire.cda.report import encode_report
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.fhir.report_write import encode_report as encode_fhir

PDF = "application/pdf"
CDA = "text/xml"
FHIR = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class PublishedManifest:
    """A manifest and its entry in the registry."""

    manifest: ImagingManifest
    entry: DocumentEntry


class Registrar:
    """Writes into repository and registry."""

    def __init__(self, systems: NationalSystems, oids: NationalOids) -> None:
        self._systems = systems
        self._oids = oids

    async def manifest(
        self,
        study: Uid,
        patient: PatientIdentity,
        *,
        uid: Uid,
        created: datetime,
        replaces: DocumentEntry | None = None,
    ) -> PublishedManifest:
        """Publish the manifest of a study as the image store holds it now."""
        pacs = self._systems.pacs
        stored = await pacs.study(study)
        if stored is None:
            raise ValueError(f"found no study {study} in the image store")
        manifest = build_manifest(
            stored,
            await pacs.series(study),
            await pacs.instances(study),
            patient,
            uid=uid,
            location=self._oids.imaging_source,
            created=created,
            manufacturer=MANUFACTURER,
            institution=hospital(self._oids),
        )
        data = await asyncio.to_thread(encode_manifest, manifest)
        entry = manifest_entry(
            manifest,
            data,
            patient,
            oids=self._oids,
            logical_id=None if replaces is None else first_version(replaces),
            version=1 if replaces is None else int(replaces.version) + 1,
        )
        await self._systems.repository.put(entry.ref.document, data, sha1=entry.sha1)
        links = [self._link(AssociationKind.REPLACES, entry, replaces)] if replaces else []
        await self._systems.registry.add([entry], links)
        return PublishedManifest(manifest, entry)

    async def report(
        self,
        report: ImagingReport,
        patient: PatientIdentity,
        facts: StudyFacts,
        *,
        cda: Uid | None = None,
        replaces: Sequence[DocumentEntry] = (),
    ) -> tuple[DocumentEntry, ...]:
        """Publish a report as PDF, and as CDA under another document id where one is given.

        `replaces` holds the entries of the version before; each form replaces its own kind.
        """
        forms: list[tuple[Uid, str, Code, bytes]] = [
            (Uid(report.id), PDF, FORMAT_PDF, report.presented)
        ]
        if cda is not None:
            before = next((old for old in replaces if old.mime_type == CDA), None)
            as_cda = replace(
                report,
                id=DocumentId(cda),
                replaces=before.ref.document if before else None,
            )
            forms.append((cda, CDA, FORMAT_PDF_IN_CDA, encode_report(as_cda)))
        entries, links = [], []
        for document, mime_type, format_code, data in forms:
            before = next((old for old in replaces if old.mime_type == mime_type), None)
            entry = report_entry(
                report,
                data,
                patient,
                document=document,
                mime_type=mime_type,
                format_code=format_code,
                facts=facts,
                oids=self._oids,
                logical_id=None if before is None else first_version(before),
            )
            await self._systems.repository.put(entry.ref.document, data, sha1=entry.sha1)
            entries.append(entry)
            if before is not None:
                links.append(self._link(AssociationKind.REPLACES, entry, before))
        if len(entries) == 2:
            links.append(self._link(AssociationKind.TRANSFORMS, entries[1], entries[0]))
        await self._systems.registry.add(entries, links)
        return tuple(entries)

    async def fhir_report(
        self, report: ImagingReport, patient: PatientIdentity, facts: StudyFacts
    ) -> DocumentEntry:
        """Publish a report as a FHIR document, of R4, under its own document id."""
        data = await asyncio.to_thread(encode_fhir, report)
        entry = report_entry(
            report,
            data,
            patient,
            document=Uid(report.id),
            mime_type=FHIR,
            # No code has been published for it; what it is, its MIME type says (IHE MHD).
            format_code=FORMAT_PDF,
            facts=facts,
            oids=self._oids,
        )
        await self._systems.repository.put(entry.ref.document, data, sha1=entry.sha1)
        await self._systems.registry.add([entry], [])
        return entry

    def _link(
        self, kind: AssociationKind, source: DocumentEntry, target: DocumentEntry
    ) -> Association:
        return Association(
            id=entry_id(f"{kind.value}/{source.id}/{target.id}"),
            kind=kind,
            source=source.id,
            target=target.id,
            community=self._oids.community,
        )


def first_version(entry: DocumentEntry) -> EntryId:
    """The logical id an entry shares with its other versions."""
    return EntryId(entry.logical_id or entry.id)
