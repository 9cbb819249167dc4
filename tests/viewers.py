"""Country A with its viewer, and a browser's client of it, for tests."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
from yarl import URL

from country_a.national.ports import NationalSystems, StoredStudy
from country_a.national.sql import open_systems
from country_a.viewer import StudyViewer
from country_a.viewer_links import KEY_FILE, LOG_FILE, ViewerLinks
from gateway.domain import PatientId, Uid
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, new_application, serving
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.page_port import tls_pages
from gateway.transport.record import Keeper
from gateway.transport.state_keys import state_key
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.gateways import settings_for, write_trust

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that tests set."""

    now: datetime = START

    def pass_by(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


def links_in(state: Path, clock: Clock, base: Callable[[], str]) -> ViewerLinks:
    """The links of a gateway whose key and log lie in a folder."""
    return ViewerLinks(
        key=state_key(state / KEY_FILE),
        used=AssertionLog(state / LOG_FILE),
        base=base,
        now=lambda: clock.now,
        new_id=lambda: str(uuid4()),
    )


@dataclass(frozen=True)
class Shown:
    """An answer to a browser."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The page."""
        return self.body.decode()


@dataclass
class Viewer:
    """A viewer on the network, what it shows, and what it keeps."""

    national: NationalSystems
    seeded: Seeded
    links: ViewerLinks
    clock: Clock
    keeper: Keeper
    base: str
    browser: aiohttp.ClientSession
    certs: Path

    async def study(self, role: str, modality: str = "") -> StoredStudy:
        """A study of a patient, the first with a series of a modality."""
        for study in await self.national.pacs.studies(self.seeded.patient(role)):
            series = await self.national.pacs.series(study.uid)
            if not modality or any(one.modality == modality for one in series):
                return study
        raise AssertionError(f"{role} has no {modality}")

    def link(
        self, study: Uid, patient: PatientId | None, *, key: bool = False, emergency: bool = False
    ) -> str:
        """A fresh link for a study of a patient."""
        assert patient is not None
        made = self.links.to_open(study, patient, key_images_only=key, emergency=emergency)
        return made.url

    async def get(self, url: str, *, method: str = "GET", **headers: str) -> Shown:
        """What a browser gets; redirects are not followed."""
        whole = url if url.startswith("https:") else f"{self.base}{url}"
        async with self.browser.request(
            method, URL(whole, encoded=True), headers=headers, allow_redirects=False
        ) as response:
            return Shown(response.status, dict(response.headers), await response.read())

    async def open(self, role: str, modality: str = "", **options: bool) -> tuple[str, Shown]:
        """Open a study of a patient: the address of its page, and the page."""
        study = await self.study(role, modality)
        moved = await self.get(self.link(study.uid, study.patient, **options))
        assert moved.status == 303, moved.text
        return moved.headers["Location"], await self.get(moved.headers["Location"])


def pictures(page: str) -> list[str]:
    """The addresses of the thumbnails of a page, relative to it."""
    return re.findall(r'<img src="([^"]+)/thumbnail"', page)


@asynccontextmanager
async def viewer_of(
    seeded: Seeded, domain: TrustDomain, folder: Path, clock: Clock | None = None
) -> AsyncIterator[Viewer]:
    """The pages of Country A over TLS, and a client without a certificate."""
    clock = clock or Clock()
    certs = write_trust(domain, folder / "certs")
    settings = settings_for(COUNTRY_A, "XA", certs, folder / "a")
    clockwork = Clockwork(now=lambda: clock.now, new_id=lambda: str(uuid4()))
    keeper = keeper_of(settings, clockwork)
    national = await open_systems(seeded.folder)
    ports: dict[str, int] = {}
    links = links_in(folder / "a", clock, lambda: f"https://localhost:{ports['viewer']}")
    app = new_application(new_id=clockwork.new_id, max_body_bytes=0)
    StudyViewer(national.systems, links, keeper, country="XA").add_to(app)
    listener = Listener(
        name="viewer", app=app, host="127.0.0.1", port=0, tls=tls_pages(settings.tls)
    )
    try:
        async with (
            serving(listener) as listening,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(certs))) as browser,
        ):
            ports.update(listening)
            base = f"https://localhost:{ports['viewer']}"
            yield Viewer(national.systems, seeded, links, clock, keeper, base, browser, certs)
    finally:
        await national.close()


def trusting(certs: Path) -> ssl.SSLContext:
    """What a browser has that trusts the domain and shows nothing of its own."""
    context = ssl.create_default_context(cafile=str(certs / "ca" / "chain.pem"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
