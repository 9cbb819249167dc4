"""What is published agrees with itself: headers, manifest, report and registry entries."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from country_a.national.ports import NationalSystems
from country_a.seed.people import Role
from gateway.domain import DocumentId, ReferenceKind, Timestamp, Uid, read_content
from gateway.domain.codes import FORMAT_KOS, FORMAT_PDF, FORMAT_PDF_IN_CDA
from gateway.wire.cda.report import decode_report
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.fhir.report_read import decode_report as decode_fhir

MANY = 1 << 24


async def fetch(systems: NationalSystems, document: str) -> bytes:
    content = await systems.repository.get(DocumentId(document))
    assert content is not None
    return await read_content(content, MANY)


@pytest.mark.parametrize("role", [Role.MAIN, Role.GREEK, Role.CYRILLIC])
async def test_headers_manifest_and_entry_agree(
    role: Role, planted: Any, systems: NationalSystems
) -> None:
    """Patient, study date, accession, orders, modality and instances are the same in all three."""
    record = planted.patient(role)
    identity = record.person.identity
    for study in record.studies:
        data = await fetch(systems, study.manifest)
        entry = (await systems.registry.documents([DocumentId(study.manifest)]))[study.manifest]
        outcome = decode_manifest(data)
        (manifest,) = outcome.items
        headers = {}
        for one in await systems.pacs.instances(manifest.study):
            with one.path.open("rb") as file:
                headers[one.ref.instance] = describe(read_header(file))

        assert not outcome.issues
        assert [ref.instance for ref in manifest.instances()] == list(headers)
        assert manifest.patient.ids[0] == entry.patient == identity.id
        assert manifest.patient.name == identity.names[0]
        assert {h.patient.ids[0] for h in headers.values()} == {identity.id}
        assert {h.patient.name for h in headers.values()} == {identity.names[0]}
        assert {h.patient.birth_date for h in headers.values()} == {identity.birth_date}
        assert {h.study_date for h in headers.values()} == {manifest.study_date}
        accessions = {r.value for r in entry.referenced(ReferenceKind.ACCESSION)}
        assert accessions == {r.accession for r in manifest.requests} == set(study.accessions)
        orders = {r.value for r in entry.referenced(ReferenceKind.ORDER)}
        assert orders == {r.placer_order for r in manifest.requests} == set(study.orders)
        assert {h.accession for h in headers.values()} <= {manifest.accession, *accessions}
        modalities = {h.modality for h in headers.values()} - {"KO"}
        assert {code.value for code in entry.modalities} == modalities
        assert set(manifest.modalities) == set(entry.modalities)
        assert set(manifest.regions) == set(entry.regions)
        assert entry.regions
        assert set(manifest.procedures) == set(entry.procedures)
        assert all(one.location == planted.oids.imaging_source for one in manifest.series)
        assert entry.format_code == FORMAT_KOS
        assert entry.size_bytes == len(data)
        assert entry.sha1 == hashlib.sha1(data).hexdigest()
        assert isinstance(entry.service_start, Timestamp)


async def test_a_report_is_the_same_in_both_forms(planted: Any, systems: NationalSystems) -> None:
    """The CDA holds the PDF's bytes, and names patient, accession and author of the entry."""
    record = planted.patient(Role.MAIN).reports[0]
    pdf, cda = await fetch(systems, record.pdf), await fetch(systems, record.cda)
    entries = await systems.registry.documents([DocumentId(record.pdf), DocumentId(record.cda)])
    pdf_entry, cda_entry = entries[record.pdf], entries[record.cda]

    report = decode_report(cda)

    assert report.presented == pdf
    assert report.id == record.cda
    assert report.patient_ids[0] == cda_entry.patient
    assert set(report.references) == set(cda_entry.references)
    assert report.author is not None
    assert pdf_entry.authors[0].name is not None
    assert report.author.family == pdf_entry.authors[0].name.family
    assert (pdf_entry.format_code, cda_entry.format_code) == (FORMAT_PDF, FORMAT_PDF_IN_CDA)
    assert pdf.startswith(b"%PDF-")
    assert pdf_entry.service_start == cda_entry.service_start


async def test_a_note_that_rejects_is_told_from_one_of_interest(
    planted: Any, systems: NationalSystems
) -> None:
    """The mammography's manifest carries title and description of both notes."""
    (study,) = planted.patient(Role.GREEK).studies
    (manifest,) = decode_manifest(await fetch(systems, study.manifest)).items

    notes = {
        instance.note_title.value: instance.note_description
        for series in manifest.series
        for instance in series.instances
        if instance.note_title
    }

    assert set(notes) == {"113000", "113001"}
    assert all(notes.values())
    assert len(study.key_images) == len(study.rejected_images) == 1


async def test_the_report_of_everything_is_published_as_a_fhir_document(
    planted: Any, systems: NationalSystems
) -> None:
    """Of the mammography: its entry and its content name the same patient and the same study."""
    record = planted.patient(Role.GREEK)
    (published,) = (one for one in record.reports if one.fhir)
    data = await fetch(systems, published.fhir)
    entry = (await systems.registry.documents([DocumentId(published.fhir)]))[published.fhir]

    report = decode_fhir(data)

    assert entry.mime_type == "application/fhir+json"
    assert report.id == published.fhir
    assert report.patient_ids[0] == entry.patient
    assert set(report.references) == set(entry.references)
    assert report.references[0].value == record.studies[0].uid
    assert {one.instance for one in report.key_images} <= set(await _instances(systems, record))


async def _instances(systems: NationalSystems, record: Any) -> list[str]:
    (study,) = record.studies
    return [str(one.ref.instance) for one in await systems.pacs.instances(Uid(study.uid))]
