"""Country B, wired: read top to bottom, this is what the portal is made of.

`build_app` takes the exchanges as they are, whoever fulfils them; `running` makes them from the
settings and puts the portal API and the control port on the network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from country_b.answers import make_refusals
from country_b.blobs import DEFAULT_QUOTA_BYTES, BlobStore
from country_b.database import create_tables, database_url, make_engine
from country_b.image_api import ImageApi
from country_b.image_jobs import ImageJobs
from country_b.image_resuming import Patience
from country_b.initiator import IMAGES_PER_REQUEST, Community, Initiator
from country_b.kept import KeptStore
from country_b.kept_certificates import KeptCertificates
from country_b.portal_api import MAX_REQUEST_BYTES, PortalApi
from country_b.portal_routes import Portal
from country_b.reading import DicomReading, Reading
from country_b.report_api import ReportApi
from country_b.session import SessionStore
from country_b.viewer_api import ViewerApi
from gateway.config import Settings
from gateway.domain import EXPLICIT_LITTLE_ENDIAN, CommunityId, Exchange, ManifestEncoding, Uid
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.peers import Peer, PeerBook
from gateway.transport.app import LOOPBACK_HOSTS, Listener, names_of, no_web_pages, serving
from gateway.transport.compose import (
    Clockwork,
    audit_sent,
    exchanges_of,
    keeper_of,
    session_of,
    tls_server,
    trust_of,
    ways_of,
)
from gateway.transport.compose_servers import imaging_app_of, token_app_of
from gateway.transport.control import Control, control_app
from gateway.wire.trust import TrustStore

DEFAULT_OWN = CommunityId("2.999.1.2")


CLOCKWORK = Clockwork(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid4()))
KEPT: web.AppKey[KeptStore] = web.AppKey("kept", KeptStore)


def build_app(
    *,
    exchanges: Mapping[CommunityId, Exchange],
    state: Path,
    now: Callable[[], datetime] = CLOCKWORK.now,
    new_id: Callable[[], str] = CLOCKWORK.new_id,
    own: CommunityId = DEFAULT_OWN,
    communities: Mapping[CommunityId, Community] | None = None,
    ways: Mapping[tuple[CommunityId, str], Exchange] | None = None,
    reading: Reading | None = None,
    information_version: str = "2026-1",
    kept_quota_bytes: int = DEFAULT_QUOTA_BYTES,
    syntaxes: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,),
    manifest_form: ManifestEncoding = ManifestEncoding.KOS,
    allowed_hosts: frozenset[str] | None = LOOPBACK_HOSTS,
    trust: TrustStore | None = None,
    patience: Patience | None = None,
) -> web.Application:
    """The portal API over the given exchanges; everything it keeps lies in `state`.

    `ways` are further ways to ask a community, by the names that its `Community` says.
    `manifest_form` is the encoding in which manifests are shown first and fetched by study.
    `allowed_hosts` are the names it may be called by, None for any. `trust` is whose seals are
    believed on fidelity certificates, nobody's unless given. `patience` is how long a transfer
    that brings nothing is tried again.
    """
    known = communities or {item: Community(id=item) for item in exchanges}
    reads = reading or DicomReading()

    state.mkdir(parents=True, exist_ok=True)
    engine = make_engine(database_url(state))
    sessions = SessionStore(engine, now)
    kept = KeptStore(engine, BlobStore(state, quota_bytes=kept_quota_bytes))
    jobs = ImageJobs(engine)
    initiator = Initiator(
        own=own,
        exchanges=exchanges,
        communities=known,
        kept=kept,
        reading=reads,
        now=now,
        ways=ways,
    )
    portal = Portal(
        communities=known,
        sessions=sessions,
        initiator=initiator,
        kept=kept,
        certificates=KeptCertificates(engine),
        trust=trust or TrustStore(),
        jobs=jobs,
        reading=reads,
        information_version=information_version,
        syntaxes=syntaxes,
        manifest_form=manifest_form,
        now=now,
        new_id=new_id,
        patience=patience or Patience(),
    )

    async def stores(_app: web.Application) -> AsyncIterator[None]:
        try:
            await create_tables(engine)
            await kept.open()
            await jobs.open()
            yield
            await jobs.close()
        finally:
            await engine.dispose()

    app = web.Application(
        middlewares=[make_refusals(new_id), no_web_pages(allowed_hosts)],
        client_max_size=MAX_REQUEST_BYTES,
    )
    app.add_routes(
        [
            *ReportApi(portal).routes(),
            *PortalApi(portal).routes(),
            *ImageApi(portal).routes(),
            *ViewerApi(portal).routes(),
        ]
    )
    app.cleanup_ctx.append(stores)
    app[KEPT] = kept
    return app


# Over DICOMweb a request is an address, whatever lies there; only the list of what is wanted grows.
IMAGES_PER_STUDY = 50_000


def _per_request(images_by: str) -> int:
    return IMAGES_PER_REQUEST if images_by == "soap" else IMAGES_PER_STUDY


def community_of(peer: Peer, own_syntaxes: tuple[Uid, ...]) -> Community:
    """A peer of the settings as the portal knows it."""
    if peer.community is None:
        raise ValueError("a peer of the settings has a community")
    images_by = {"": peer.images_by} | {way.name: way.images_by for way in peer.ways}
    return Community(
        id=peer.community,
        name=peer.name,
        country=peer.country,
        class_codes=peer.profile.class_codes,
        relation=peer.treatment_relation,
        syntaxes=peer.syntaxes or own_syntaxes,
        is_planned=peer.is_planned,
        link=peer.link,
        viewer=bool(peer.dicomweb_url),
        ways=tuple(way.name for way in peer.ways),
        images_per_request={way: _per_request(wire) for way, wire in images_by.items()},
        names_first=frozenset(way for way, wire in images_by.items() if wire == "soap"),
        fhir_base=peer.fhir_url,
        image_hosts={way: peer.image_hosts for way, wire in images_by.items() if wire == "wado-rs"},
    )


@asynccontextmanager
async def running(
    settings: Settings, clockwork: Clockwork = CLOCKWORK
) -> AsyncIterator[Mapping[str, int]]:
    """Country B on the network until left; gives the ports `portal` and `control`.

    And `tokens` and `imaging`, where the settings have a token endpoint, or a port on which
    consumers of this country fetch images of others (XC-WADO).
    """
    async with AsyncExitStack() as stack:
        keeper = keeper_of(settings, clockwork)
        await stack.enter_async_context(audit_sent(settings, keeper))
        session = await stack.enter_async_context(session_of(settings))
        exchanges = exchanges_of(settings, session, keeper, clockwork)

        book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
        syntaxes = tuple(Uid(uid) for uid in settings.portal.syntaxes) or STORED_SYNTAXES
        app = build_app(
            exchanges=exchanges,
            state=settings.gateway.state,
            now=clockwork.now,
            new_id=clockwork.new_id,
            own=CommunityId(settings.gateway.community),
            communities={
                peer.community: community_of(peer, syntaxes)
                for peer in book.peers
                if peer.community is not None and peer.community in exchanges
            },
            ways=ways_of(settings, session, keeper, clockwork),
            information_version=settings.portal.information_version,
            kept_quota_bytes=settings.portal.kept_quota_bytes,
            syntaxes=syntaxes,
            manifest_form=ManifestEncoding(settings.portal.manifest_form),
            allowed_hosts=names_of(settings.listen.host),
            trust=trust_of(settings.seal),
        )
        control = control_app(
            Control(tap=keeper.tap, audit=keeper.audit, pings={"store": app[KEPT].ping}),
            allowed_hosts=names_of(settings.listen.control_host),
        )
        listen = settings.listen
        tokens = settings.token
        further: list[Listener] = []
        if tokens.port is not None:
            further.append(
                Listener(
                    name="tokens",
                    app=token_app_of(settings, keeper, clockwork),
                    host=tokens.host,
                    port=tokens.port,
                    tls=tls_server(settings.tls),
                )
            )
        if listen.imaging_port is not None:
            further.append(
                Listener(
                    name="imaging",
                    app=imaging_app_of(exchanges, settings, keeper, clockwork),
                    host=listen.imaging_host,
                    port=listen.imaging_port,
                    tls=tls_server(settings.tls),
                )
            )
        ports = await stack.enter_async_context(
            serving(
                Listener(name="portal", app=app, host=listen.host, port=listen.port),
                Listener(
                    name="control",
                    app=control,
                    host=listen.control_host,
                    port=listen.control_port,
                ),
                *further,
            )
        )
        yield ports
