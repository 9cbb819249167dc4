"""A delivery desk for tests that put a country together themselves."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from country_a.certificates import Seal
from country_a.delivery_book import DeliveryBook
from country_a.delivery_desk import DeliveryDesk
from country_a.national.ports import Pacs
from country_a.plan_book import PlanBook
from country_a.planning import Planning
from country_a.rendering import Renderer
from country_a.renditions import RenditionShelf
from gateway.compression.worker import Workers
from gateway.pki import TrustDomain
from gateway.transport.goodput import Goodput
from gateway.wire.fidelity import seal_certificate


def renderer_in(folder: Path) -> Renderer:
    """What makes forms, on a shelf in a folder; its threads begin when they are needed."""
    workers = Workers()
    return Renderer(RenditionShelf(folder / "renditions", workers), cores=workers.cores)


def sealing(domain: TrustDomain, country: str = "xa") -> Seal:
    """The seal of a country of a trust domain, for certificates."""
    signer = domain.signer(country)
    return lambda certificate: seal_certificate(certificate, signer, id=f"_{uuid.uuid4()}")


def desk_of(pacs: Pacs, folder: Path, *, goodput: Goodput | None = None) -> DeliveryDesk:
    """A desk whose renditions and plans lie in a folder; its threads begin when they are needed."""
    workers = Workers()
    renderer = Renderer(RenditionShelf(folder / "renditions", workers), cores=workers.cores)
    return DeliveryDesk(
        planning=Planning(pacs, renderer, workers, new_id=lambda: str(uuid.uuid4())),
        renderer=renderer,
        book=PlanBook(folder / "plans"),
        deliveries=DeliveryBook(folder / "deliveries"),
        goodput=goodput or Goodput(),
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
    )
