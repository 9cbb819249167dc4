"""What is published agrees with itself: headers, manifest, report and registry entries."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_a.national.ports import NationalSystems
from country_a.national.sql import open_systems
from country_a.seed.people import Role
from country_a.seed.registrar import ManifestForms, PublishedManifest, Registrar
from gateway.domain import (
    DocumentId,
    ManifestEncoding,
    ManifestForm,
    ReferenceKind,
    Timestamp,
    Uid,
    read_content,
)
from gateway.domain.codes import (
    FORMAT_CDA_STRUCTURED,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    FORMAT_PDF,
    FORMAT_PDF_IN_CDA,
)
from gateway.domain.report_losses import held_by_cda
from gateway.domain.selection import manifest_encoding
from gateway.wire.cda.report import decode_report
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.fhir.manifest_read import decode_bytes
from gateway.wire.fhir.mhd_retrieve import attachment_url
from gateway.wire.fhir.report_read import decode_report as decode_fhir
from gateway.wire.fhir.resources import Format, read_resource, validated

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


async def test_the_report_of_everything_is_published_as_a_clinical_document_too(
    planted: Any, systems: NationalSystems
) -> None:
    """Under an id of its own, with what the form can hold of the other."""
    record = planted.patient(Role.GREEK)
    (published,) = (one for one in record.reports if one.fhir)
    entry = (await systems.registry.documents([DocumentId(published.cda)]))[published.cda]

    report = decode_report(await fetch(systems, published.cda))
    other = decode_fhir(await fetch(systems, published.fhir))

    assert (entry.mime_type, entry.format_code) == ("text/xml", FORMAT_CDA_STRUCTURED)
    assert report.id == published.cda
    assert replace(report, id=other.id) == held_by_cda(other)


async def _instances(systems: NationalSystems, record: Any) -> list[str]:
    (study,) = record.studies
    return [str(one.ref.instance) for one in await systems.pacs.instances(Uid(study.uid))]


@pytest.mark.parametrize("role", [Role.MAIN, Role.GREEK, Role.CYRILLIC])
async def test_both_forms_of_a_manifest_say_the_same(
    role: Role, planted: Any, systems: NationalSystems
) -> None:
    """The FHIR document is stored as its entry says, is valid, and is read as what the KOS is."""
    for study in planted.patient(role).studies:
        names = [DocumentId(study.manifest), DocumentId(study.fhir_manifest)]
        entries = await systems.registry.documents(names)
        kos, data = [await fetch(systems, name) for name in names]

        entry = entries[names[1]]
        bundle = read_resource(data, Format.JSON)
        validated(bundle)
        outcome = decode_bytes(data, mime_type=entry.mime_type)
        assert outcome == decode_manifest(kos)
        assert not outcome.issues
        assert entry.format_code == FORMAT_FHIR_MANIFEST
        assert entry.size_bytes == len(data)
        assert entry.sha1 == hashlib.sha1(data).hexdigest()
        assert bundle["identifier"]["value"] == f"urn:oid:{study.manifest}"
        assert attachment_url("https://a", entry) == f"https://a/Bundle/{bundle['id']}"


async def _published(
    planted: Any, systems: NationalSystems, tmp_path: Path, forms: ManifestForms
) -> tuple[PublishedManifest, list[bytes]]:
    """A manifest published in some forms, in a registry of its own; and its documents."""
    record = planted.patient(Role.GREEK)
    own = await open_systems(tmp_path)
    try:
        mixed = replace(own.systems, pacs=systems.pacs)
        published = await Registrar(mixed, planted.oids, forms).manifest(
            Uid(record.studies[0].uid),
            record.person.identity,
            uid=Uid("2.999.7.5"),
            created=datetime(2026, 2, 1, tzinfo=UTC),
        )
        data = [await fetch(own.systems, one.ref.document) for one in published.entries]
    finally:
        await own.close()
    return published, data


@pytest.mark.parametrize("form", list(ManifestEncoding))
async def test_one_form_alone_has_the_uid_of_the_manifest(
    form: ManifestEncoding, planted: Any, systems: NationalSystems, tmp_path: Path
) -> None:
    """Where a country publishes one encoding, nothing stands in the way of MADO's one id."""
    published, _ = await _published(planted, systems, tmp_path, ManifestForms(encodings=(form,)))

    (entry,) = published.entries
    assert entry.ref.document == "2.999.7.5"
    assert manifest_encoding(entry) is form
    assert not entry.referenced(ReferenceKind.UNIQUE_ID)


@pytest.mark.parametrize("trial", [False, True])
async def test_the_selection_has_final_codes_or_those_of_the_trial(
    trial: bool, planted: Any, systems: NationalSystems, tmp_path: Path
) -> None:
    """The twin in FHIR is the same either way, for the codes are the selection's own."""
    forms = ManifestForms(trial_codes=trial)

    _, (kos, fhir) = await _published(planted, systems, tmp_path, forms)

    read = decode_manifest(kos).items[0]
    assert read.form is (ManifestForm.MADO_TRIAL if trial else ManifestForm.MADO)
    assert (b"MADOTEMP001" in kos, b"131560" in kos) == (trial, not trial)
    assert decode_bytes(fhir).items[0].form is ManifestForm.MADO


@pytest.mark.parametrize("encodings", [(), (ManifestEncoding.KOS, ManifestEncoding.KOS)])
def test_a_manifest_is_published_in_one_encoding_or_in_two(
    encodings: tuple[ManifestEncoding, ...],
) -> None:
    """None at all would lose the study; one twice would be two documents of one id."""
    with pytest.raises(ValueError, match="two that differ"):
        ManifestForms(encodings=encodings)
