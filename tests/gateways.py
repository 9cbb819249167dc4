"""Two gateways for tests: an Exchange put on the network with real TLS, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import aiohttp

from country_a.oids import NationalOids
from gateway.config import (
    FhirSection,
    GatewaySection,
    LimitSection,
    ListenSection,
    PeerSection,
    SealSection,
    Settings,
    TlsSection,
    TranscriptSection,
)
from gateway.domain import Exchange
from gateway.middleware.authorised import Rights
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport import bridge
from gateway.transport.app import Listener, new_application, serving
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import (
    Clockwork,
    client_of,
    exchange_of,
    keeper_of,
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
from gateway.transport.record import Keeper
from gateway.transport.soap_client import SoapClient
from gateway.transport.tls import client_context
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A, COUNTRY_B


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A served Exchange and a client of it, with what each side keeps."""

    client: SoapClient
    exchange: Exchange
    session: aiohttp.ClientSession
    url: str
    serving: Keeper
    asking: Keeper
    asking_settings: Settings
    clockwork: Clockwork


def write_trust(domain: TrustDomain, folder: Path) -> Path:
    """The trust domain's files below a folder."""
    for name, content in domain.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def settings_for(
    community: str,
    country: str,
    certs: Path,
    state: Path,
    *,
    peers: tuple[PeerSection, ...] = (),
    limits: LimitSection | None = None,
    default_profile: str = "ihe",
    transcripts: TranscriptSection | None = None,
    fhir: FhirSection | None = None,
    public_url: str = "",
) -> Settings:
    """Settings of one gateway of the pair."""
    own = certs / country.lower()
    return Settings(
        gateway=GatewaySection(
            community=community,
            country=country,
            name=f"Country {country}",
            state=state,
            default_profile=default_profile,
        ),
        listen=ListenSection(public_url=public_url),
        tls=TlsSection(
            server_certificate=own / "tls-server.pem",
            server_key=own / "tls-server.key",
            client_certificate=own / "tls-client.pem",
            client_key=own / "tls-client.key",
            trust=certs / "ca" / "chain.pem",
            crl=certs / "ca" / "crl.pem",
        ),
        seal=SealSection(
            certificate=own / "seal.pem",
            key=own / "seal.key",
            trust=certs / "ca" / "chain.pem",
            crl=certs / "ca" / "crl.pem",
        ),
        peers=peers,
        fhir=fhir or FhirSection(),
        limits=limits or LimitSection(),
        transcripts=transcripts or TranscriptSection(),
    )


def real_clockwork() -> Clockwork:
    """The time it is, and ids nobody has seen."""
    return Clockwork(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid4()))


@asynccontextmanager
async def pair_of(
    exchange: Exchange,
    domain: TrustDomain,
    folder: Path,
    *,
    profile: str = "ihe",
    endpoint: Endpoint = Endpoint.RESPONDING_GATEWAY,
    limits: LimitSection | None = None,
    transcripts: TranscriptSection | None = None,
    clockwork: Clockwork | None = None,
    callers: tuple[PeerSection, ...] = (),
    identify_by: Literal["soap", "fhir"] = "soap",
    documents_by: Literal["soap", "fhir"] = "soap",
    fhir_dialect: Literal["mhd", "ncp"] = "mhd",
    images_by: Literal["soap", "wado-rs", "xc-wado"] = "soap",
    fhir: FhirSection | None = None,
    public_url: str = "",
) -> AsyncIterator[Pair]:
    """Serve an Exchange as Country A, and ask it as Country B over mutual TLS."""
    clockwork = clockwork or real_clockwork()
    certs = write_trust(domain, folder / "certs")
    serving_settings = settings_for(
        COUNTRY_A,
        "XA",
        certs,
        folder / "a",
        limits=limits,
        default_profile=profile,
        transcripts=transcripts,
        peers=callers,
        fhir=fhir,
        public_url=public_url,
    )
    keeper_a = keeper_of(serving_settings, clockwork)
    app = new_application(new_id=clockwork.new_id, max_body_bytes=1024 * 1024, apology=apology)
    assertions = AssertionLog(folder / "a" / "assertions.log")
    serve_exchange(
        app,
        exchange,
        endpoint=endpoint,
        settings=serving_settings,
        keeper=keeper_a,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    serve_fhir(
        app,
        exchange,
        settings=serving_settings,
        keeper=keeper_a,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    serve_viewers(
        app,
        exchange,
        settings=serving_settings,
        keeper=keeper_a,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    serve_dicomweb(
        app,
        exchange,
        imaging_source=NationalOids.under(COUNTRY_A).imaging_source,
        settings=serving_settings,
        keeper=keeper_a,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    listener = Listener(
        name="service", app=app, host="127.0.0.1", port=0, tls=tls_server(serving_settings.tls)
    )
    async with serving(listener) as ports:
        base = f"https://localhost:{ports['service']}"
        url = f"{base}{endpoint.value}"
        peer = PeerSection(
            name="Country A",
            community=COUNTRY_A,
            profile=profile,
            url=url,
            fhir_url=f"{base}/fhir",
            identify_by=identify_by,
            documents_by=documents_by,
            fhir_dialect=fhir_dialect,
            images_by=images_by,
            dicomweb_url=f"{base}/dicom-web",
        )
        asking_settings = settings_for(
            COUNTRY_B, "XB", certs, folder / "b", peers=(peer,), limits=limits
        )
        keeper_b = keeper_of(asking_settings, clockwork)
        book = PeerBook.of_sections(asking_settings.peers, "ihe")
        async with session_of(asking_settings) as session:
            client = client_of(
                book.peers[0], asking_settings, session, keeper_b, clockwork, endpoint=endpoint
            )
            yield Pair(
                client=client,
                exchange=exchange_of(book.peers[0], asking_settings, session, keeper_b, clockwork),
                session=session,
                url=url,
                serving=keeper_a,
                asking=keeper_b,
                asking_settings=asking_settings,
                clockwork=clockwork,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """Country A behind a bridge: how Country B asks it, and what each of the three keeps."""

    exchange: Exchange
    behind: Pair
    bridge: Path
    asking: Keeper


@asynccontextmanager
async def bridged(
    exchange: Exchange,
    domain: TrustDomain,
    folder: Path,
    *,
    front: dict[str, Any],
    behind: dict[str, Any],
    profile: str = "ihe",
    callers: tuple[PeerSection, ...] = (),
) -> AsyncIterator[Bridged]:
    """Country B asks a bridge by the wires of `front`; it asks Country A by those of `behind`."""
    clockwork = real_clockwork()
    async with pair_of(exchange, domain, folder, profile=profile, callers=callers) as pair:
        certs = folder / "certs"
        told = PeerSection(**_addresses(pair.url) | behind, profile=profile)
        settings = settings_for(COUNTRY_A, "XC", certs, folder / "bridge", peers=(told,))
        async with bridge.running(settings, clockwork) as ports:
            url = f"https://localhost:{ports['service']}{Endpoint.RESPONDING_GATEWAY.value}"
            peer = PeerSection(**_addresses(url) | front)
            own = settings_for(COUNTRY_B, "XB", certs, folder / "front", peers=(peer,))
            keeper = keeper_of(own, clockwork)
            [known] = PeerBook.of_sections(own.peers, "ihe").peers
            async with session_of(own) as session:
                yield Bridged(
                    exchange=exchange_of(known, own, session, keeper, clockwork),
                    behind=pair,
                    bridge=folder / "bridge",
                    asking=keeper,
                )


def _addresses(url: str) -> dict[str, Any]:
    """Country A at an address, which speaks everything there."""
    base = url.removesuffix(Endpoint.RESPONDING_GATEWAY.value)
    return {
        "name": "Country A",
        "community": COUNTRY_A,
        "url": url,
        "fhir_url": f"{base}/fhir",
        "dicomweb_url": f"{base}/dicom-web",
    }


@asynccontextmanager
async def session_with(
    certs: Path, leaf: str, *, check_hostname: bool = True
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that shows another leaf of the trust domain, such as `broken/revoked`."""
    context = client_context(
        certs / f"{leaf}.pem",
        certs / f"{leaf}.key",
        certs / "ca" / "chain.pem",
        certs / "ca" / "crl.pem",
        check_hostname=check_hostname,
    )
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield session
