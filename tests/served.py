"""Country A's real answers on the network, as the small seed made it, for tests that only read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import CallContext, ImagingManifest, PatientId, StudyQuery, TreatmentRelation
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.desks import desk_of
from tests.dicomweb_requests import GotImages, fetch
from tests.fhir_requests import bearer
from tests.gateways import Pair, pair_of
from tests.requests import context_for

OIDS = NationalOids.under(COUNTRY_A)
SCOPES = "RAD-107 RAD-129"


@dataclass(frozen=True, slots=True)
class Served:
    """Country A on the network, one of its patients, and what that patient has."""

    pair: Pair
    patient: PatientId
    studies: tuple[ImagingManifest, ...]

    async def fetch(self, path: str, patient: PatientId | None = None, **headers: Any) -> GotImages:
        """Ask over DICOMweb as a physician who treats the patient."""
        sent = {"Accept_Encoding": "identity"} | headers
        return await fetch(self.pair, path, token=self.token(patient), **sent)

    def token(self, patient: PatientId | None = None) -> str:
        """A token about a patient."""
        return bearer(self.pair, self.context(patient), scope=SCOPES)

    def context(self, patient: PatientId | None = None) -> CallContext:
        """The physician who asks."""
        return treating(patient or self.patient)


def treating(patient: PatientId) -> CallContext:
    """A physician who treats a patient."""
    relation = TreatmentRelation.RESOURCE_ID
    return replace(context_for("ihe"), patient=patient, relation=relation)


@asynccontextmanager
async def serving_patient(
    role: str, seeded: Seeded, domain: TrustDomain, folder: Path
) -> AsyncIterator[Served]:
    """Country A as it is seeded, and the patient who plays a part."""
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=OIDS.repository,
        imaging_source=OIDS.imaging_source,
        desk=desk_of(national.systems.pacs, folder),
    )
    patient = seeded.patient(role)
    query = StudyQuery(community=COUNTRY_A, patient=patient)
    studies = (await responder.find_studies(query, treating(patient))).items
    try:
        async with pair_of(responder, domain, folder) as pair:
            yield Served(pair, patient, studies)
    finally:
        await national.close()
