"""Country A wired up: read it top to bottom.

National systems, the responder over them, and the responder on the network: the responding
gateway and the imaging source as SOAP endpoints, the gateway as FHIR and DICOMweb too, and the
viewer's pages and the control port beside them.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from country_a.certificates import Certificates
from country_a.delivery_book import DeliveryBook
from country_a.delivery_desk import DeliveryDesk
from country_a.national.ports import Pacs
from country_a.national.sql import OpenSystems, open_systems
from country_a.oids import NationalOids
from country_a.plan_book import PlanBook
from country_a.planning import Planning
from country_a.rendering import Renderer
from country_a.renditions import RenditionShelf
from country_a.responder import Responder
from country_a.seed.registrar import ManifestForms
from country_a.viewer import StudyViewer
from country_a.viewer_links import KEY_FILE, LOG_FILE, ViewerLinks
from gateway.compression.worker import Workers
from gateway.config import Settings
from gateway.domain import CommunityId, ImageSource, ManifestEncoding, NotNow, Oid, Refusal
from gateway.middleware.authorised import Rights
from gateway.peers import Peer, load_profile
from gateway.transport.app import Listener, names_of, new_application, serving
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import (
    Clockwork,
    audit_sent,
    client_of,
    keeper_of,
    seal_of,
    session_of,
    tls_server,
)
from gateway.transport.compose_servers import (
    apology,
    serve_dicomweb,
    serve_exchange,
    serve_fhir,
    serve_viewers,
)
from gateway.transport.control import Control, control_app
from gateway.transport.goodput import Goodput
from gateway.transport.page_port import tls_pages, viewer_url
from gateway.transport.record import Keeper
from gateway.transport.state_keys import state_key
from gateway.wire.soap.contract import Endpoint

CLOCKWORK = Clockwork(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


async def national_systems(settings: Settings) -> OpenSystems:
    """The national systems a settings file describes."""
    return await open_systems(
        settings.gateway.state,
        database_url=settings.national.database,
        documents_url=settings.national.documents,
        image_folder=settings.national.images,
    )


def oids_of(settings: Settings) -> NationalOids:
    """The identifiers under which this country's institutions assign theirs."""
    return NationalOids.under(
        CommunityId(settings.gateway.community),
        repository=Oid(settings.national.repository),
        imaging_source=Oid(settings.national.imaging_source),
        patients=Oid(settings.national.patient_authority),
    )


def forms_of(settings: Settings) -> ManifestForms:
    """How this country publishes its manifests."""
    return ManifestForms(
        encodings=tuple(map(ManifestEncoding, settings.national.manifest_forms)),
        trial_codes=settings.national.trial_codes,
    )


@asynccontextmanager
async def running(
    settings: Settings, clockwork: Clockwork = CLOCKWORK
) -> AsyncIterator[Mapping[str, int]]:
    """Country A on the network until left; gives the ports `service`, `viewer` and `control`."""
    async with AsyncExitStack() as stack:
        national = await national_systems(settings)
        stack.push_async_callback(national.close)
        keeper = keeper_of(settings, clockwork)
        await stack.enter_async_context(audit_sent(settings, keeper))
        assertions = AssertionLog(settings.gateway.state / "assertions.log")

        ports: dict[str, int] = {}
        links = ViewerLinks(
            key=state_key(settings.gateway.state / KEY_FILE),
            used=AssertionLog(settings.gateway.state / LOG_FILE),
            base=partial(_viewer_base, settings, ports),
            now=clockwork.now,
            new_id=clockwork.new_id,
        )

        goodput = Goodput()
        desk = await stack.enter_async_context(
            delivering(settings.gateway.state, national.systems.pacs, goodput, clockwork)
        )
        store = responder_of(settings, national, desk)
        elsewhere = await _imaging_source(settings, keeper, clockwork, stack)
        gateway = responder_of(
            settings,
            national,
            desk,
            images_from=elsewhere,
            viewer=links,
            certificates=_certificates(settings, desk, clockwork),
        )

        app = new_application(
            new_id=clockwork.new_id,
            max_body_bytes=settings.limits.request_bytes,
            apology=apology,
        )
        for endpoint, exchange in (
            (Endpoint.RESPONDING_GATEWAY, gateway),
            (Endpoint.IMAGING_SOURCE, store),
        ):
            serve_exchange(
                app,
                exchange,
                endpoint=endpoint,
                settings=settings,
                keeper=keeper,
                assertions=assertions,
                clockwork=clockwork,
                rights=Rights(),
                goodput=goodput,
            )
        serve_fhir(
            app,
            gateway,
            settings=settings,
            keeper=keeper,
            assertions=assertions,
            clockwork=clockwork,
            rights=Rights(),
        )
        serve_viewers(
            app,
            gateway,
            settings=settings,
            keeper=keeper,
            assertions=assertions,
            clockwork=clockwork,
            rights=Rights(),
        )
        serve_dicomweb(
            app,
            gateway,
            imaging_source=Oid(settings.national.imaging_source),
            settings=settings,
            keeper=keeper,
            assertions=assertions,
            clockwork=clockwork,
            rights=Rights(),
            goodput=goodput,
        )
        pages = new_application(new_id=clockwork.new_id, max_body_bytes=0)
        StudyViewer(national.systems, links, keeper, country=settings.gateway.country).add_to(pages)
        control = control_app(
            Control(
                tap=keeper.tap,
                audit=keeper.audit,
                pings={
                    "patient-index": national.systems.patients.ping,
                    "registry": national.systems.registry.ping,
                    "repository": national.systems.repository.ping,
                    "pacs": national.systems.pacs.ping,
                    "consent": national.systems.consent.ping,
                },
            ),
            allowed_hosts=names_of(settings.listen.control_host),
        )
        listen = settings.listen
        listening = await stack.enter_async_context(
            serving(
                Listener(
                    name="service",
                    app=app,
                    host=listen.host,
                    port=listen.port,
                    tls=tls_server(settings.tls),
                ),
                Listener(
                    name="viewer",
                    app=pages,
                    host=listen.viewer_host,
                    port=listen.viewer_port,
                    tls=tls_pages(settings.tls),
                ),
                Listener(
                    name="control",
                    app=control,
                    host=listen.control_host,
                    port=listen.control_port,
                ),
            )
        )
        ports.update(listening)
        yield ports


def _viewer_base(settings: Settings, ports: Mapping[str, int]) -> str:
    if "viewer" not in ports:
        raise NotNow(Refusal.BUSY, "the viewer's port does not listen yet")
    return viewer_url(settings.listen, ports["viewer"])


@asynccontextmanager
async def delivering(
    state: Path, pacs: Pacs, goodput: Goodput, clockwork: Clockwork
) -> AsyncIterator[DeliveryDesk]:
    """What plans deliveries from an image store and makes the forms that are sent."""
    async with Workers() as workers:
        shelf = RenditionShelf(state / "renditions", workers)
        await shelf.open()
        renderer = Renderer(shelf, cores=workers.cores)
        yield DeliveryDesk(
            planning=Planning(pacs, renderer, workers, new_id=clockwork.new_id),
            renderer=renderer,
            book=PlanBook(state / "plans"),
            deliveries=DeliveryBook(state / "deliveries"),
            goodput=goodput,
            now=clockwork.now,
            new_id=clockwork.new_id,
        )


def _certificates(
    settings: Settings, desk: DeliveryDesk, clockwork: Clockwork
) -> Certificates | None:
    """What certifies deliveries; None for a country without a seal, which certifies nothing."""
    if settings.seal.certificate is None and settings.seal.key is None:
        return None
    return desk.certificates(CommunityId(settings.gateway.community), seal_of(settings, clockwork))


def responder_of(
    settings: Settings,
    national: OpenSystems,
    desk: DeliveryDesk,
    *,
    images_from: ImageSource | None = None,
    viewer: ViewerLinks | None = None,
    certificates: Certificates | None = None,
) -> Responder:
    """The country's answers over its systems."""
    return Responder(
        national.systems,
        community=CommunityId(settings.gateway.community),
        repository=Oid(settings.national.repository),
        imaging_source=Oid(settings.national.imaging_source),
        desk=desk,
        images_from=images_from,
        viewer=viewer,
        certificates=certificates,
    )


async def _imaging_source(
    settings: Settings, keeper: Keeper, clockwork: Clockwork, stack: AsyncExitStack
) -> ImageSource | None:
    """The RAD-69 source images are fetched from, where one is configured."""
    url = settings.national.imaging_source_url
    if not url:
        return None
    profile = load_profile(settings.gateway.default_profile)
    source = Peer(
        name="imaging source",
        community=CommunityId(settings.gateway.community),
        country=settings.gateway.country,
        profile=profile,
        url=url,
        treatment_relation=profile.treatment_relation,
    )
    session = await stack.enter_async_context(session_of(settings))
    return client_of(
        source, settings, session, keeper, clockwork, endpoint=Endpoint.IMAGING_SOURCE, url=url
    )
