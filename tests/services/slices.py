"""Six slices of a patient in Country A, and Country B asking for them by one way or another."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from country_a.seed.folder import seed_folder
from country_b.app import build_app
from country_b.initiator import Community
from gateway.domain import (
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    Exchange,
    ImageDelivery,
    ImageRequest,
    TreatmentRelation,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.middleware.authorised import Authorised, Rights
from gateway.pki import TrustDomain
from scenarios.steps import PROFESSIONAL
from tests.builders import COUNTRY_A
from tests.compression.pixels import facts_of
from tests.compression.renditions import file_of
from tests.compression.test_transcode_lossy import body_of
from tests.country_b.portal import Visit
from tests.desks import desk_of, sealing
from tests.gateways import pair_of
from tests.requests import RELATION

# Raw 128 KiB each: what is smaller is not worth an instance of its own.
FACTS = facts_of("u12", rows=256, columns=256)
IMAGES = 6
OIDS = NationalOids.under(COUNTRY_A)


class Unasked:
    """An Exchange whose images lose something although nobody agreed to it."""

    def __init__(self, inner: Exchange) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """As if there had been consent."""
        return await self._inner.plan_images(request, replace(wish, lossy_consent=True), context)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """As if there had been consent."""
        return await self._inner.retrieve_images(
            request, replace(wish, lossy_consent=True), context
        )


@dataclass(frozen=True, slots=True)
class Portal:
    """Country B, and the one patient and study of Country A."""

    client: TestClient[Any, Any]
    exchange: Exchange
    relation: TreatmentRelation
    patient: dict[str, str]
    study: Uid
    folder: Path
    domain: TrustDomain

    async def visit(self) -> Visit:
        """A visit that has the manifest."""
        visit = await Visit(self.client).open()
        await visit.post("sign-in", PROFESSIONAL)
        await visit.post("inform", {"text_version": "2026-1"})
        await visit.post("purpose", {"purpose": "TREATMENT"})
        await visit.post("identify", {"community": str(COUNTRY_A), "ids": [self.patient]})
        await visit.post("confirm")
        await visit.post("list")
        await visit.post("retrieve", {"studies": [str(self.study)]})
        return visit


def _write(folder: Path, images: int) -> None:
    """A CT of the abdomen in so many slices."""
    folder.mkdir()
    for number in range(images):
        data = file_of(
            FACTS,
            [body_of(FACTS, number)],
            SOPInstanceUID=f"1.2.3.1.1.{number + 1}",
            SeriesInstanceUID="1.2.3.1.1",
            StudyInstanceUID="1.2.3.1",
            PatientID="SOMEBODY",
            PatientName="Some^Body",
            StudyDate="20260102",
            StudyTime="0304",
            SliceThickness="5",
            BodyPartExamined="ABDOMEN",
            WindowCenter="1200",
            WindowWidth="1600",
            InstanceNumber=number + 1,
        )
        (folder / f"{number}.dcm").write_bytes(data)


async def running(
    stack: AsyncExitStack, way: str, folder: Path, domain: TrustDomain, *, images: int = IMAGES
) -> Portal:
    """Both countries, asked directly ("direct"), over "soap" or over "dicomweb"."""
    _write(folder / "source", images)
    national = await open_systems(folder / "national")
    stack.push_async_callback(national.close)
    record = await seed_folder(
        national.systems,
        folder / "source",
        into=folder / "copies",
        oids=OIDS,
        seed_number=7,
        first_patient=2001,
    )
    (owner,) = record.patients
    identity = owner.person.identity
    desk = desk_of(national.systems.pacs, folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=OIDS.repository,
        imaging_source=OIDS.imaging_source,
        desk=desk,
        certificates=desk.certificates(COUNTRY_A, sealing(domain)),
    )
    exchange: Exchange = Authorised(responder, Rights())
    relation = TreatmentRelation.TRC
    if way != "direct":
        options: dict[str, Any] = {"images_by": "wado-rs"} if way == "dicomweb" else {}
        pair = await stack.enter_async_context(pair_of(responder, domain, folder, **options))
        exchange, relation = pair.exchange, RELATION["ihe"]
    unasked: Any = Unasked(exchange)
    app = build_app(
        exchanges={COUNTRY_A: exchange},
        ways={(COUNTRY_A, "unasked"): unasked},
        state=folder / "b",
        communities={
            COUNTRY_A: Community(
                id=COUNTRY_A,
                country="XA",
                relation=relation,
                syntaxes=STORED_SYNTAXES,
                ways=("unasked",),
                names_first=frozenset({""} if way == "soap" else ()),
            )
        },
        trust=domain.trust_store,
    )
    client = await stack.enter_async_context(TestClient(TestServer(app)))
    return Portal(
        client=client,
        exchange=exchange,
        relation=relation,
        patient={"value": identity.id.value, "authority": str(identity.id.authority)},
        study=Uid(owner.studies[0].uid),
        folder=folder,
        domain=domain,
    )
