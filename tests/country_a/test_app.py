"""Country A wired up."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

import country_a
from country_a.app import CLOCKWORK, oids_of, running
from gateway.config import load_settings
from gateway.pki import TrustDomain
from gateway.transport.compose import session_of
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A
from tests.gateways import settings_for, write_trust


@pytest.mark.parametrize("source", ["", "https://localhost:1/ImagingDocumentSource"])
async def test_it_runs_from_settings(
    source: str, tmp_path: Path, trust_domain: TrustDomain
) -> None:
    """Both endpoints are served over TLS, and every national system is well."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for(COUNTRY_A, "XA", certs, tmp_path / "state")
    national = settings.national.model_copy(update={"imaging_source_url": source})
    settings = settings.model_copy(update={"national": national})

    async with running(settings, CLOCKWORK) as ports, session_of(settings) as session:
        served = [
            await session.get(f"https://localhost:{ports['service']}{endpoint.value}?wsdl")
            for endpoint in Endpoint
        ]
        async with aiohttp.ClientSession() as plain:
            health = await plain.get(f"http://127.0.0.1:{ports['control']}/health")
            told = await health.text()

        assert [answer.status for answer in served] == [200, 200]
        assert health.status == 200
        for name in ("patient-index", "registry", "repository", "pacs", "consent"):
            assert name in told


def test_settings_of_the_folder_are_valid() -> None:
    """The settings file that people start from names only keys that exist, and is this country."""
    settings = load_settings(Path(country_a.__file__).parent / "settings.toml")

    oids = oids_of(settings)
    assert oids.repository == settings.national.repository
    assert oids.imaging_source == settings.national.imaging_source
    assert settings.tls.server_certificate
