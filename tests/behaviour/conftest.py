"""Every way into Country A: directly, over SOAP in either dialect, patients over FHIR."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import (
    Authentication,
    CallContext,
    Document,
    DocumentClass,
    DocumentEntry,
    Exchange,
    ImagingManifest,
    PatientId,
    TreatmentRelation,
    read_content,
)
from gateway.domain.selection import document_class
from gateway.middleware.authorised import Authorised, Rights
from gateway.pki import TrustDomain
from gateway.wire.dicom.kos_read import decode_manifest
from tests.builders import COUNTRY_A, make_context, make_query
from tests.conftest import Seeded
from tests.gateways import pair_of
from tests.requests import RELATION, SMARTCARD


@dataclass(frozen=True, slots=True)
class Way:
    """An Exchange, and the relation it wants to be shown."""

    exchange: Exchange
    relation: TreatmentRelation
    seeded: Seeded

    def context(self, patient: PatientId | None, **changes: Any) -> CallContext:
        """A physician of Country B about one patient."""
        authentication = Authentication(at=datetime.now(UTC), method=SMARTCARD)
        return make_context(
            patient=patient, relation=self.relation, authentication=authentication, **changes
        )

    async def entries(self, role: str, **filters: Any) -> tuple[DocumentEntry, ...]:
        """What is listed for a patient."""
        patient = self.seeded.patient(role)
        query = make_query(patient=patient, **filters)
        return (await self.exchange.find_documents(query, self.context(patient))).items

    async def document(self, entry: DocumentEntry) -> Document:
        """One document of a patient."""
        outcome = await self.exchange.retrieve_documents((entry.ref,), self.context(entry.patient))
        assert outcome.issues == ()
        return outcome.items[0]

    async def manifest(self, role: str, index: int = 0) -> tuple[ImagingManifest, PatientId]:
        """A manifest of a patient, read."""
        found = [
            entry
            for entry in await self.entries(role)
            if document_class(entry) is DocumentClass.MANIFEST
        ]
        document = await self.document(found[index])
        outcome = decode_manifest(await read_content(document.content, 10**7))
        return outcome.items[0], found[index].patient


@pytest.fixture(params=["direct", "soap-ihe", "soap-ehdsi", "fhir-ihe"])
async def way(
    request: pytest.FixtureRequest, seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> AsyncIterator[Way]:
    """Country A's answers, asked directly and over the network."""
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
    )
    try:
        if request.param == "direct":
            yield Way(Authorised(responder, Rights()), TreatmentRelation.TRC, seeded)
        else:
            wire, profile = request.param.split("-")
            async with pair_of(
                responder, trust_domain, tmp_path, profile=profile, identify_by=wire
            ) as pair:
                exchange = pair.client if wire == "soap" else pair.exchange
                yield Way(exchange, RELATION[profile], seeded)
    finally:
        await national.close()
