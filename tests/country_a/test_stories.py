"""What happened to the patients of the cast is what registry and image store say."""

from __future__ import annotations

from typing import Any

import pytest

from country_a.national.ports import NationalSystems
from country_a.seed.people import Role
from gateway.domain import (
    AssociationKind,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryStatus,
    ReferenceKind,
    Uid,
)
from gateway.domain.codes import DocumentClass
from gateway.domain.selection import document_class


async def listed(
    systems: NationalSystems, planted: Any, role: Role, *, every: bool = False
) -> tuple[DocumentEntry, ...]:
    statuses = () if every else (EntryStatus.APPROVED,)
    patient = planted.patient(role).person.identity.id
    return await systems.registry.find(DocumentQuery(patient=patient, statuses=statuses))


def reports(entries: tuple[DocumentEntry, ...]) -> list[DocumentEntry]:
    return [entry for entry in entries if document_class(entry) is DocumentClass.REPORT]


async def associations(
    systems: NationalSystems, entry: DocumentEntry
) -> set[tuple[AssociationKind, str, str]]:
    lookup = DocumentLookup(community=entry.ref.community, entry_ids=(entry.id,), associations=True)
    found = (await systems.registry.look_up(lookup)).associations
    return {(one.kind, one.source, one.target) for one in found}


async def test_a_corrected_report_replaces_the_first(
    planted: Any, systems: NationalSystems
) -> None:
    """Both forms of version 1 are deprecated, replaced form by form; version 2 is listed."""
    current = reports(await listed(systems, planted, Role.CORRECTED_REPORT))
    every = reports(await listed(systems, planted, Role.CORRECTED_REPORT, every=True))

    old = {e.mime_type: e for e in every if e.status is EntryStatus.DEPRECATED}
    assert {entry.version for entry in current} == {"2"}
    assert len(every) == 4
    for entry in current:
        replaced = old[entry.mime_type]
        links = await associations(systems, entry)
        assert (AssociationKind.REPLACES, entry.id, replaced.id) in links
        assert entry.logical_id == replaced.logical_id == replaced.id
        assert await systems.repository.get(replaced.ref.document) is not None


async def test_two_forms_of_a_report_are_transformations(
    planted: Any, systems: NationalSystems
) -> None:
    """The CDA of the main patient's CT report says that it is the PDF in another form."""
    record = planted.patient(Role.MAIN).reports[0]
    by_document = {e.ref.document: e for e in await listed(systems, planted, Role.MAIN)}
    pdf, cda = by_document[record.pdf], by_document[record.cda]

    assert (AssociationKind.TRANSFORMS, cda.id, pdf.id) in await associations(systems, pdf)
    assert cda.references == pdf.references


async def test_a_preliminary_report_is_nowhere(planted: Any, systems: NationalSystems) -> None:
    """The study is listed, its report is in no status."""
    every = await listed(systems, planted, Role.PRELIMINARY_ONLY, every=True)

    assert {document_class(entry) for entry in every} == {DocumentClass.MANIFEST}
    assert {study for entry in every for study in entry.studies} == {
        study.uid for study in planted.patient(Role.PRELIMINARY_ONLY).studies
    }


async def test_a_study_that_grew_has_a_second_manifest(
    planted: Any, systems: NationalSystems
) -> None:
    """Each form of the first is deprecated, held, and replaced by its own kind, which lists all."""
    (study,) = planted.patient(Role.GROWN_STUDY).studies
    lookup = DocumentLookup(
        community=planted.oids.community,
        document_ids=(*study.replaced_manifests, study.manifest, study.fhir_manifest),
        associations=True,
    )

    answer = await systems.registry.look_up(lookup)

    by_document = {entry.ref.document: entry for entry in answer.entries}
    pairs = [
        (by_document[DocumentId(old)], by_document[DocumentId(new)])
        for old, new in zip(
            study.replaced_manifests, (study.manifest, study.fhir_manifest), strict=True
        )
    ]
    for before, now in pairs:
        assert (before.status, now.status) == (EntryStatus.DEPRECATED, EntryStatus.APPROVED)
        assert (before.version, now.version) == ("1", "2")
        assert now.logical_id == before.logical_id == before.id
        assert now.mime_type == before.mime_type
        assert (before.size_bytes or 0) < (now.size_bytes or 0)
        assert await systems.repository.get(before.ref.document) is not None
    links = {(one.kind, one.source, one.target) for one in answer.associations}
    twins = [(kos.id, fhir.id) for kos, fhir in zip(*pairs, strict=True)]
    assert links == {(AssociationKind.REPLACES, now.id, before.id) for before, now in pairs} | {
        (AssociationKind.TRANSFORMS, fhir, kos) for kos, fhir in twins
    }
    assert len(await systems.pacs.instances(Uid(study.uid))) == study.instances


async def test_reports_and_studies_share_references_only(
    planted: Any, systems: NationalSystems
) -> None:
    """One report leads to three manifests, one to none that is held, one study to no report."""
    entries = await listed(systems, planted, Role.MAIN)
    manifests = {e.studies[0]: e for e in entries if document_class(e) is DocumentClass.MANIFEST}
    by_count = {len(entry.studies): entry for entry in reports(entries)}
    reported = {study for entry in reports(entries) for study in entry.studies}

    assert set(by_count) == {1, 3}
    assert set(by_count[3].studies) <= set(manifests)
    for study in by_count[3].studies:
        shared = set(by_count[3].references) & set(manifests[study].references)
        kinds = {reference.kind for reference in shared}
        assert kinds == {ReferenceKind.STUDY, ReferenceKind.ACCESSION, ReferenceKind.ORDER}
    (unheld,) = reported - set(manifests)
    assert await systems.pacs.study(Uid(unheld)) is None
    assert len(set(manifests) - reported) == 1


async def test_namesakes_are_two_people(planted: Any, systems: NationalSystems) -> None:
    """Same name, same birth date, other documents."""
    one, two = (planted.patient(role) for role in (Role.NAMESAKE_ONE, Role.NAMESAKE_TWO))

    assert one.person.identity.names == two.person.identity.names
    assert one.person.identity.birth_date == two.person.identity.birth_date
    assert one.person.identity.id != two.person.identity.id
    assert one.studies[0].uid != two.studies[0].uid


@pytest.mark.parametrize("role", list(Role))
async def test_every_listed_study_can_be_fetched_whole(
    role: Role, planted: Any, systems: NationalSystems
) -> None:
    """The image store has each study's instances, all of the patient it is listed for."""
    record = planted.patient(role)
    for study in record.studies:
        held = await systems.pacs.instances(Uid(study.uid))
        assert len(held) == study.instances
        assert {one.patient for one in held} == {record.person.identity.id}
        assert set(study.key_images) <= {one.ref.instance for one in held}
