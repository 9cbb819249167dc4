"""Publishes what the seed has made: manifests and reports, in the repository and the registry.

The latest version is in force; an older one stays as a deprecated entry that the new one
replaces, form by form. Two forms of one manifest or report are joined: the second transforms the
first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from country_a.entries import StudyFacts, entry_id, manifest_entry, report_entry, twin_id
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
    ManifestEncoding,
    PatientIdentity,
    Uid,
)
from gateway.domain.codes import FORMAT_CDA_STRUCTURED, FORMAT_PDF, FORMAT_PDF_IN_CDA
from gateway.domain.selection import manifest_encoding
from gateway.wire.cda.report import encode_report
from gateway.wire.dicom import kos_write
from gateway.wire.fhir import manifest_write
from gateway.wire.fhir.mhd_retrieve import reference_id
from gateway.wire.fhir.report_write import encode_report as encode_fhir
from gateway.wire.fhir.resources import Format, write_resource

PDF = "application/pdf"
CDA = "text/xml"
FHIR = "application/fhir+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestForms:
    """In which encodings a manifest is published, and with which generation of codes.

    `trial_codes` are those of the trial implementation text, which only a key object selection has.
    """

    encodings: tuple[ManifestEncoding, ...] = (ManifestEncoding.KOS, ManifestEncoding.FHIR)
    trial_codes: bool = False

    def __post_init__(self) -> None:
        if not self.encodings or len(set(self.encodings)) != len(self.encodings):
            raise ValueError("expected one encoding of a manifest, or two that differ")


BOTH_FORMS = ManifestForms()


@dataclass(frozen=True, slots=True)
class PublishedManifest:
    """A manifest and its entries in the registry, one of each encoding, in the order given."""

    manifest: ImagingManifest
    entries: tuple[DocumentEntry, ...]

    def document(self, encoding: ManifestEncoding) -> str:
        """The unique id of the document in an encoding; "" where it was not published in it."""
        found = (one for one in self.entries if manifest_encoding(one) is encoding)
        return next((str(one.ref.document) for one in found), "")


class Registrar:
    """Writes into repository and registry."""

    def __init__(
        self, systems: NationalSystems, oids: NationalOids, forms: ManifestForms = BOTH_FORMS
    ) -> None:
        self._systems = systems
        self._oids = oids
        self._forms = forms

    async def manifest(
        self,
        study: Uid,
        patient: PatientIdentity,
        *,
        uid: Uid,
        created: datetime,
        replaces: Sequence[DocumentEntry] = (),
    ) -> PublishedManifest:
        """Publish the manifest of a study as the image store holds it now, in each encoding.

        `replaces` holds the entries of the version before; each form replaces its own kind.
        """
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
        before = {
            encoding: old for old in replaces if (encoding := manifest_encoding(old)) is not None
        }
        # A selection goes by the manifest's own UID, and before it can be transformed.
        encodings = sorted(self._forms.encodings, key=list(ManifestEncoding).index)
        entries: list[DocumentEntry] = []
        links: list[Association] = []
        for encoding in encodings:
            document = twin_id(uid) if entries else None
            entry = await self._put_manifest(
                manifest, patient, encoding, document, before.get(encoding)
            )
            entries.append(entry)
            if encoding in before:
                links.append(self._link(AssociationKind.REPLACES, entry, before[encoding]))
        if len(entries) == 2:
            links.append(self._link(AssociationKind.TRANSFORMS, entries[1], entries[0]))
        await self._systems.registry.add(entries, links)
        return PublishedManifest(manifest, tuple(entries))

    async def _put_manifest(
        self,
        manifest: ImagingManifest,
        patient: PatientIdentity,
        encoding: ManifestEncoding,
        document: Uid | None,
        before: DocumentEntry | None,
    ) -> DocumentEntry:
        data = await asyncio.to_thread(self._encoded, manifest, encoding, document or manifest.uid)
        entry = manifest_entry(
            manifest,
            data,
            patient,
            oids=self._oids,
            encoding=encoding,
            document=document,
            logical_id=None if before is None else first_version(before),
            version=1 if before is None else int(before.version) + 1,
        )
        await self._systems.repository.put(entry.ref.document, data, sha1=entry.sha1)
        return entry

    def _encoded(
        self, manifest: ImagingManifest, encoding: ManifestEncoding, document: Uid
    ) -> bytes:
        if encoding is ManifestEncoding.KOS:
            return kos_write.encode_manifest(manifest, trial_codes=self._forms.trial_codes)
        # Its id as a resource is that by which the entry's address asks for it.
        bundle = manifest_write.encode_manifest(
            manifest, bundle_id=reference_id(entry_id(document))
        )
        return write_resource(bundle, Format.JSON)

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

    async def structured_report(
        self, report: ImagingReport, patient: PatientIdentity, facts: StudyFacts, *, cda: Uid
    ) -> tuple[DocumentEntry, DocumentEntry]:
        """Publish a report as a FHIR document, of R4, and as a structured CDA under an id each."""
        as_cda = replace(report, id=DocumentId(cda))
        forms = (
            # No code has been published for it; what it is, its MIME type says (IHE MHD).
            (Uid(report.id), FHIR, FORMAT_PDF, await asyncio.to_thread(encode_fhir, report)),
            (cda, CDA, FORMAT_CDA_STRUCTURED, encode_report(as_cda, structured=True)),
        )
        entries = []
        for document, mime_type, format_code, data in forms:
            entry = report_entry(
                report,
                data,
                patient,
                document=document,
                mime_type=mime_type,
                format_code=format_code,
                facts=facts,
                oids=self._oids,
            )
            await self._systems.repository.put(entry.ref.document, data, sha1=entry.sha1)
            entries.append(entry)
        as_fhir, other = entries
        link = self._link(AssociationKind.TRANSFORMS, other, as_fhir)
        await self._systems.registry.add(entries, [link])
        return as_fhir, other

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
