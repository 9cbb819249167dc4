"""Country B wired up."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

import country_b
from country_b.app import CLOCKWORK, running
from gateway.config import load_settings
from gateway.pki import TrustDomain
from tests.country_b.portal import portal
from tests.fakes import make_house
from tests.gateways import settings_for, write_trust


async def test_it_runs_from_settings(tmp_path: Path, trust_domain: TrustDomain) -> None:
    """Portal and control port listen on free ports, and both are well."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for("2.999.1.2", "XB", certs, tmp_path / "state")

    async with running(settings, CLOCKWORK) as ports, aiohttp.ClientSession() as session:
        answers = [
            await session.get(f"http://127.0.0.1:{ports[name]}/health")
            for name in ("portal", "control")
        ]

        assert [answer.status for answer in answers] == [200, 200]


def test_settings_of_the_folder_are_valid() -> None:
    """The settings file that people start from names only keys that exist."""
    settings = load_settings(Path(country_b.__file__).parent / "settings.toml")

    assert settings.peers[0].url


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Origin": "https://elsewhere.example"}]
)
async def test_web_pages_elsewhere_may_not_use_the_portal(
    headers: dict[str, str], tmp_path: Path
) -> None:
    """Neither by a name of their own that points here, nor by a form or script of theirs."""
    async with portal(make_house(), tmp_path) as client:
        opened = await client.post("/api/sessions", headers=headers)
        shown = await client.get("/health", headers=headers)

        assert (opened.status, shown.status) == (403, 403)
        assert (await opened.json())["refusal"] == "forbidden"
