"""Every way into Country A: directly, over SOAP and over FHIR, in either dialect, or bridged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import (
    Authentication,
    CallContext,
    Document,
    DocumentEntry,
    Exchange,
    ImagingManifest,
    ManifestEncoding,
    PatientId,
    TreatmentRelation,
    read_content,
)
from gateway.domain.selection import manifest_encoding
from gateway.middleware.authorised import Authorised, Rights
from gateway.pki import TrustDomain
from gateway.wire.dicom.kos_read import decode_manifest
from tests.builders import COUNTRY_A, make_context, make_query
from tests.conftest import Seeded
from tests.desks import desk_of, sealing
from tests.gateways import bridged, pair_of
from tests.requests import RELATION, SMARTCARD
from tests.viewers import Clock, links_in

# Where the viewer of the country is; nobody looks there.
VIEWER = "https://localhost:9443"


@dataclass(frozen=True, slots=True)
class Way:
    """An Exchange, and the relation it wants to be shown.

    `lists_old` is False for a dialect that cannot ask for versions no longer in force. What is
    `bridged` was refused on another wire than the one asked, whose codes may say less. `profile` is
    the one that SOAP is spoken in.
    """

    exchange: Exchange
    relation: TreatmentRelation
    seeded: Seeded
    lists_old: bool = True
    bridged: bool = False
    profile: str = "ihe"
    _manifests: dict[tuple[str, int], tuple[ImagingManifest, PatientId]] = field(
        default_factory=dict
    )

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
        """A manifest of a patient, found and read once: nothing here changes what there is."""
        if (known := self._manifests.get((role, index))) is not None:
            return known
        found = [
            entry
            for entry in await self.entries(role)
            if manifest_encoding(entry) is ManifestEncoding.KOS
        ]
        document = await self.document(found[index])
        outcome = decode_manifest(await read_content(document.content, 10**7))
        self._manifests[role, index] = outcome.items[0], found[index].patient
        return self._manifests[role, index]


# The mixture MADO assumes has documents over XCA and images over XC-WADO.
OVER: dict[str, dict[str, Any]] = {
    "soap": {},
    "fhir": {"identify_by": "fhir", "documents_by": "fhir", "images_by": "wado-rs"},
    "xc": {"images_by": "xc-wado"},
    # Studies searched for as ImagingStudy: documents over FHIR, images over RAD-75.
    "studies": {"identify_by": "fhir", "documents_by": "fhir"},
}

# Through a bridge: the wires towards it, and those by which it asks Country A.
BRIDGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bridge-fhir-soap": (OVER["fhir"], OVER["soap"]),
    "bridge-soap-fhir": (OVER["soap"], OVER["fhir"]),
}

# One way of each wire is quick to go; by which others they are gone is `make interop`.
QUICK = ("direct", "soap-ehdsi", "fhir-mhd")
DIALECTS = ("soap-ihe", "fhir-ncp")


def _ways(*others: str) -> list[Any]:
    return [*QUICK, *(pytest.param(way, marks=pytest.mark.interop) for way in others)]


def over(*others: str) -> list[pytest.MarkDecorator]:
    """For a module whose tests are run over some of the ways only, each opened once."""
    return [
        pytest.mark.asyncio(loop_scope="module"),
        pytest.mark.parametrize("way", _ways(*others), indirect=True, scope="module"),
    ]


# Where images come from, or studies are searched for, makes no difference to documents ...
DOCUMENTS = over(*DIALECTS, *BRIDGED)
# ... nor do dialects and lists of documents to images: one way of each wire.
IMAGES = over("xc-ihe", *BRIDGED)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=_ways(*DIALECTS, "xc-ihe", "studies-mhd", *BRIDGED),
)
async def way(
    request: pytest.FixtureRequest,
    seeded: Seeded,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Way]:
    """Country A's answers, asked directly and over the network; tests only ask."""
    tmp_path = tmp_path_factory.mktemp("way")
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    desk = desk_of(national.systems.pacs, tmp_path)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
        desk=desk,
        certificates=desk.certificates(COUNTRY_A, sealing(trust_domain)),
        viewer=links_in(tmp_path, Clock(datetime.now(UTC)), lambda: VIEWER),
    )
    try:
        if request.param == "direct":
            yield Way(Authorised(responder, Rights()), TreatmentRelation.TRC, seeded)
        elif request.param in BRIDGED:
            front, behind = BRIDGED[request.param]
            async with bridged(
                responder, trust_domain, tmp_path, front=front, behind=behind
            ) as pair:
                yield Way(pair.exchange, RELATION["ihe"], seeded, bridged=True)
        else:
            wire, dialect = request.param.split("-")
            options = OVER[wire] | {"profile" if dialect in RELATION else "fhir_dialect": dialect}
            async with pair_of(responder, trust_domain, tmp_path, **options) as pair:
                profile = options.get("profile", "ihe")
                yield Way(
                    pair.exchange,
                    RELATION[profile],
                    seeded,
                    lists_old=dialect != "ncp",
                    profile=profile,
                )
    finally:
        await national.close()
