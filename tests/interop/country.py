"""Country A over its seeded systems, served, with Country B's client beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import (
    CommunityId,
    DocumentId,
    DocumentRef,
    ImageRequest,
    InstanceRef,
    Oid,
    PatientId,
)
from gateway.pki import TrustDomain
from gateway.wire.dicom.kos_read import decode_manifest
from tests.builders import COUNTRY_A
from tests.desks import desk_of
from tests.gateways import Pair, pair_of

OIDS = NationalOids.under(COUNTRY_A)
NOBODY = PatientId("XA-9999", OIDS.patients)


@asynccontextmanager
async def country(
    folder: Path, domain: TrustDomain, state: Path, **changes: Any
) -> AsyncIterator[Pair]:
    """The country whose systems lie in a folder; `changes` go to `pair_of`."""
    opened = await open_systems(folder)
    try:
        responder = Responder(
            opened.systems,
            community=COUNTRY_A,
            repository=OIDS.repository,
            imaging_source=OIDS.imaging_source,
            desk=desk_of(opened.systems.pacs, state),
        )
        async with pair_of(responder, domain, state, **changes) as pair:
            yield pair
    finally:
        await opened.close()


def document(name: str) -> DocumentRef:
    """A document of the country's repository by its id."""
    return DocumentRef(COUNTRY_A, OIDS.repository, DocumentId(name))


async def images_of(folder: Path, manifest: str) -> tuple[InstanceRef, ...]:
    """Every instance a manifest of the country lists."""
    opened = await open_systems(folder)
    try:
        content = await opened.systems.repository.get(DocumentId(manifest))
        assert content is not None
        data = b"".join([chunk async for chunk in content.chunks()])
    finally:
        await opened.close()
    return decode_manifest(data).items[0].instances()


def request_for(
    *instances: InstanceRef, source: Oid = OIDS.imaging_source, community: CommunityId = COUNTRY_A
) -> ImageRequest:
    """A request for instances where the country keeps its images."""
    return ImageRequest(
        community=community,
        instances=tuple((instance, source) for instance in instances),
    )
