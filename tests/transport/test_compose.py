"""From settings to a gateway: what is missing is named, what is there is put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import (
    PeerSection,
    SealSection,
    Settings,
    SettingsError,
    TlsSection,
    WaySection,
)
from gateway.domain import CommunityId
from gateway.middleware.chosen import ChosenPerVerb
from gateway.pki import TrustDomain
from gateway.transport.compose import (
    Clockwork,
    exchanges_of,
    keeper_of,
    session_of,
    signer_of,
    tls_server,
    trust_of,
    ways_of,
)
from gateway.transport.soap_client import SoapClient
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.gateways import settings_for, write_trust


@pytest.fixture
def settings(trust_domain: TrustDomain, tmp_path: Path) -> Settings:
    certs = write_trust(trust_domain, tmp_path / "certs")
    peers = (
        PeerSection(name="A", community=COUNTRY_A, url="https://a.example/x"),
        PeerSection(name="only asks", community="2.999.3.1"),
    )
    return settings_for(COUNTRY_B, "XB", certs, tmp_path / "state", peers=peers)


async def test_everything_needed_is_found(settings: Settings, clockwork: Clockwork) -> None:
    """TLS, seal and trust from the files named; a client for each peer that can be asked."""
    assert tls_server(settings.tls)
    assert signer_of(settings.seal)
    assert trust_of(settings.seal)
    async with session_of(settings) as session:
        keeper = keeper_of(settings, clockwork)
        exchanges = exchanges_of(settings, session, keeper, clockwork)

    assert list(exchanges) == [CommunityId(COUNTRY_A)]


async def test_a_peer_is_an_exchange_for_each_of_its_ways(
    settings: Settings, clockwork: Clockwork
) -> None:
    """By community and name; who only asks has none."""
    asked = settings.peers[0].model_copy(
        update={
            "fhir_url": "https://a.example/fhir",
            "ways": (WaySection(name="soap"), WaySection(name="fhir", documents_by="fhir")),
        }
    )
    settings = settings.model_copy(update={"peers": (asked, *settings.peers[1:])})
    async with session_of(settings) as session:
        ways = ways_of(settings, session, keeper_of(settings, clockwork), clockwork)

    assert {name: type(exchange) for (_, name), exchange in ways.items()} == {
        "soap": SoapClient,
        "fhir": ChosenPerVerb,
    }
    assert {community for community, _ in ways} == {COUNTRY_A}


@pytest.mark.parametrize(
    "key", ["tls.server_certificate", "tls.server_key", "tls.trust", "seal.certificate", "seal.key"]
)
def test_a_key_that_is_not_set_or_has_no_file_is_named(
    key: str, settings: Settings, tmp_path: Path
) -> None:
    """With the command that makes one."""
    section, _, name = key.partition(".")
    whole: TlsSection | SealSection = getattr(settings, section)
    for value, words in ((None, f"{key} is not set"), (tmp_path / "none.pem", "ncpeh certs init")):
        lacking: Any = whole.model_copy(update={name: value})
        with pytest.raises(SettingsError, match=words):
            (tls_server if section == "tls" else signer_of)(lacking)


@pytest.mark.parametrize("key", ["client_certificate", "client_key", "trust"])
async def test_a_session_without_its_certificate_is_refused(key: str, settings: Settings) -> None:
    """Nobody would talk to it."""
    tls = settings.tls.model_copy(update={key: None})
    lacking = settings.model_copy(update={"tls": tls})

    with pytest.raises(SettingsError, match=f"tls.{key} is not set"):
        async with session_of(lacking):
            raise AssertionError("it is open")


def test_trust_that_cannot_be_read_is_a_settings_error(settings: Settings, tmp_path: Path) -> None:
    """Not a traceback."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")

    for wrong in (tmp_path / "none.pem", nonsense):
        with pytest.raises(SettingsError, match=r"seal\.trust"):
            trust_of(settings.seal.model_copy(update={"trust": wrong}))


def test_what_is_kept_lies_in_the_state_folder(settings: Settings, clockwork: Clockwork) -> None:
    """Transcripts and audit, each in its own."""
    keeper = keeper_of(settings, clockwork)

    assert keeper.tap.directory == settings.gateway.state / "transcripts"
    assert (settings.gateway.state / "audit").is_dir()
    assert keeper.community == COUNTRY_B


def test_files_that_do_not_belong_together_are_named(settings: Settings, tmp_path: Path) -> None:
    """The key of another, or something that is no certificate: by the settings that name them."""
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    seal, tls = settings.seal, settings.tls
    with pytest.raises(SettingsError, match=r"seal\.key"):
        signer_of(seal.model_copy(update={"key": tls.client_key}))
    with pytest.raises(SettingsError, match=r"seal\.certificate"):
        signer_of(seal.model_copy(update={"certificate": junk}))
    with pytest.raises(SettingsError, match=r"junk\.pem"):
        tls_server(tls.model_copy(update={"trust": junk}))
    with pytest.raises(SettingsError, match=r"tls\.crl: there is no file"):
        tls_server(tls.model_copy(update={"crl": tmp_path / "none.pem"}))
    with pytest.raises(SettingsError, match=r"seal\.crl: there is no file"):
        trust_of(seal.model_copy(update={"crl": tmp_path / "none.pem"}))
