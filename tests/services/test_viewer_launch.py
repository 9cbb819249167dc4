"""A viewer launched from one country to the other, each as its settings make it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from lxml import html
from yarl import URL

from country_a.app import CLOCKWORK, running
from gateway.config import PeerSection
from gateway.domain import Authentication, PatientId, Uid
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport.compose import exchange_of, keeper_of, session_of
from tests.builders import COUNTRY_A, COUNTRY_B, make_context
from tests.conftest import Seeded
from tests.gateways import settings_for, write_trust
from tests.requests import RELATION, SMARTCARD
from tests.viewers import trusting


async def test_a_link_asked_for_by_a_gateway_opens_a_page_in_a_browser(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Which has no certificate; the opening is audited once on either side, with its study."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    shutil.copytree(seeded.folder, tmp_path / "a")
    ours = settings_for(COUNTRY_A, "XA", certs, tmp_path / "a")
    study = Uid(seeded.role("main")["studies"][0]["uid"])
    patient: PatientId = seeded.patient("main")
    context = make_context(
        patient=patient,
        relation=RELATION["ihe"],
        authentication=Authentication(at=datetime.now(UTC), method=SMARTCARD),
    )

    async with running(ours, CLOCKWORK) as ports:
        base = f"https://localhost:{ports['service']}"
        peer = PeerSection(
            name="Country A",
            community=COUNTRY_A,
            url=f"{base}/RespondingGateway",
            dicomweb_url=f"{base}/dicom-web",
        )
        theirs = settings_for(COUNTRY_B, "XB", certs, tmp_path / "b", peers=(peer,))
        asking, book = keeper_of(theirs, CLOCKWORK), PeerBook.of_sections(theirs.peers, "ihe")
        async with session_of(theirs) as session:
            exchange = exchange_of(book.peers[0], theirs, session, asking, CLOCKWORK)
            link = await exchange.open_viewer(study, context)
        connector = aiohttp.TCPConnector(ssl=trusting(certs))
        async with aiohttp.ClientSession(connector=connector) as browser:
            async with browser.get(URL(link.url, encoded=True)) as page:
                text, where = await page.text(), page.url
            shown = json.loads(html.fromstring(text).get_element_by_id("study").text)
            series, instance, *_ = shown[0]["images"][0]
            async with browser.get(where.join(URL(f"{series}/{instance}/1"))) as picture:
                data = await picture.read()
        audit = keeper_of(ours, CLOCKWORK).audit

    assert link.url.startswith(f"https://localhost:{ports['viewer']}/view/")
    assert page.status == picture.status == 200
    assert data.startswith(b"\xff\xd8\xff")
    for kept in (asking.audit, audit):
        [event] = [each.xml.decode() for each in kept.events() if b"RAD-106" in each.xml]
        assert str(study) in event
        assert patient.value in event
        assert 'EventOutcomeIndicator="0"' in event
