"""The tiny seed, planted once for all tests that only read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from country_a.national.ports import NationalSystems
from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.seed.load import seed_all
from country_a.seed.people import Role
from country_a.seed.records import PatientRecord, SeedReport
from gateway.domain import CommunityId

OIDS = NationalOids.under(CommunityId("2.999.1.1"))


@dataclass(frozen=True)
class Planted:
    """A seed on disk and the report of it."""

    directory: Path
    report: SeedReport
    oids: NationalOids

    def patient(self, role: Role) -> PatientRecord:
        """What the report says of a role."""
        return next(one for one in self.report.patients if one.person.role is role)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The tiny seed number 7. Not to be written to."""
    directory = tmp_path_factory.mktemp("planted")

    async def plant() -> SeedReport:
        opened = await open_systems(directory)
        report = await seed_all(opened, oids=OIDS, seed_number=7, size="tiny")
        await opened.close()
        return report

    return Planted(directory, asyncio.run(plant()), OIDS)


@pytest.fixture
async def systems(planted: Planted) -> AsyncIterator[NationalSystems]:
    """The national systems of the planted seed."""
    opened = await open_systems(planted.directory)
    yield opened.systems
    await opened.close()
