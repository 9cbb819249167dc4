"""A bridge from its settings: one peer, of the community it answers for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.config import PeerSection, Settings, SettingsError
from gateway.house import health
from gateway.pki import TrustDomain
from gateway.transport import bridge
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.gateways import settings_for, write_trust

SOAP = PeerSection(name="A", community=COUNTRY_A, url="https://a.example/x")
REST = PeerSection(
    name="A",
    community=COUNTRY_A,
    fhir_url="https://a.example/fhir",
    dicomweb_url="https://a.example/dicom-web",
    identify_by="fhir",
    documents_by="fhir",
    images_by="wado-rs",
)
CALLER = PeerSection(name="B", community=COUNTRY_B, fhir_url="https://b.example/fhir")


def settings_of(folder: Path, *peers: PeerSection, community: str = COUNTRY_A) -> Settings:
    """Settings of a bridge with these peers."""
    return settings_for(community, "XC", folder / "certs", folder / "state", peers=peers)


@pytest.mark.parametrize("peer", [SOAP, REST])
def test_the_peer_with_an_address_is_asked(tmp_path: Path, peer: PeerSection) -> None:
    """Others call; one that speaks no SOAP needs no address for it."""
    assert bridge.fronted(settings_of(tmp_path, CALLER, peer)).name == "A"


@pytest.mark.parametrize(
    ("peers", "community", "told"),
    [
        ((CALLER,), COUNTRY_A, "found none"),
        ((SOAP, SOAP.model_copy(update={"community": COUNTRY_B, "name": "B"})), COUNTRY_A, "A, B"),
        ((SOAP,), COUNTRY_B, "the community of the peer it asks, 2.999.1.1"),
    ],
)
def test_settings_of_no_bridge_say_what_is_wrong(
    tmp_path: Path, peers: tuple[PeerSection, ...], community: str, told: str
) -> None:
    """No peer, two of them, or another's community."""
    with pytest.raises(SettingsError, match=told):
        bridge.fronted(settings_of(tmp_path, *peers, community=community))


async def test_it_listens_and_is_well(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """On a port for peers, and a control port beside it."""
    write_trust(trust_domain, tmp_path / "certs")

    async with bridge.running(settings_of(tmp_path, SOAP)) as ports:
        well = await asyncio.to_thread(health, f"http://127.0.0.1:{ports['control']}/health")

    assert set(ports) == {"service", "control"}
    assert well == ""


@pytest.mark.usefixtures("own_log")
def test_a_program_without_settings_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, as the countries have it."""
    code = bridge.main(["serve", "--config", str(tmp_path / "none.toml")])

    assert code == 2
    assert "cannot be read" in capsys.readouterr().err
