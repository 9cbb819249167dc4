"""The seed fills the national systems, the same way every time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from country_a.national.ports import NationalSystems
from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.seed.load import _add_many, seed_all
from country_a.seed.people import NOBODY, Role
from gateway.domain import CommunityId, DocumentQuery, EntryId, PatientId
from gateway.domain.codes import DocumentClass
from gateway.domain.selection import document_class


async def test_what_the_seed_promises_is_found(planted: Any, systems: NationalSystems) -> None:
    """Every patient's list holds the manifests and reports that seed.json tells scenarios."""
    told = orjson.loads((planted.directory / "seed.json").read_bytes())

    assert set(told["roles"]) == {role.value for role in Role}
    for one in planted.report.patients:
        patient = one.person.identity.id
        found = await systems.registry.find(DocumentQuery(patient=patient))
        classes = [document_class(entry) for entry in found]
        expected = told["roles"][one.person.role.value]["expect"]
        assert classes.count(DocumentClass.MANIFEST) == expected["manifests"]
        assert classes.count(DocumentClass.REPORT) == expected["reports"]
        assert len(found) == expected["documents"]
        assert await systems.consent.rule(patient) is one.person.consent
        assert await systems.patients.get(patient) == one.person.identity
        for entry in found:
            assert await systems.repository.get(entry.ref.document) is not None
    nobody = PatientId(NOBODY, planted.oids.patients)
    assert told["nobody"] == {"id": NOBODY, "authority": planted.oids.patients}
    assert await systems.patients.get(nobody) is None


async def test_planting_again_gives_the_same_seed(planted: Any, tmp_path: Path) -> None:
    """Over what is there already, the same number and size give the same systems."""
    query = DocumentQuery(patient=planted.patient(Role.MAIN).person.identity.id, statuses=())
    shutil.copytree(planted.directory, tmp_path / "state")
    opened = await open_systems(tmp_path / "state")
    before = await opened.systems.registry.find(query)
    stray = replace(before[0], id=EntryId("urn:uuid:stray"))
    await opened.systems.registry.add([stray])

    report = await seed_all(opened, oids=planted.oids, seed_number=7, size="tiny")

    assert report.json() == planted.report.json()
    assert await opened.systems.registry.find(query) == before
    await opened.close()


async def test_a_long_list_has_a_patient_of_its_own_and_a_neighbour(tmp_path: Path) -> None:
    """Both are known to the index; they share studies and no document."""
    opened = await open_systems(tmp_path)
    oids = NationalOids.under(CommunityId("2.999.1.1"))

    record = await _add_many(opened.systems, oids, 7, 60)

    patient = record.person.identity
    neighbour = PatientId("XA-1902", oids.patients)
    assert record.entries == 60
    assert await opened.systems.patients.get(patient.id) == patient
    assert await opened.systems.patients.get(neighbour) is not None
    lists = [
        await opened.systems.registry.find(DocumentQuery(patient=each, statuses=(), kinds=()))
        for each in (patient.id, neighbour)
    ]
    assert [len(entries) for entries in lists] == [60, 3]
    assert {s for e in lists[1] for s in e.studies} <= {s for e in lists[0] for s in e.studies}
    await opened.close()


async def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    """The sizes are named in the error."""
    opened = await open_systems(tmp_path)
    oids = NationalOids.under(CommunityId("2.999.1.1"))

    with pytest.raises(ValueError, match="tiny, demo, full"):
        await seed_all(opened, oids=oids, seed_number=1, size="huge")
    await opened.close()
