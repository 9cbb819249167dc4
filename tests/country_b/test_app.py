"""Country B wired up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

import country_b
from country_b.app import CLOCKWORK, IMAGES_PER_STUDY, community_of, running
from country_b.initiator import IMAGES_PER_REQUEST
from gateway.config import Settings, TokenSection, load_settings
from gateway.domain import CommunityId
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.peers import Peer, Way, load_profile
from gateway.pki import TrustDomain
from gateway.transport.daemon import USAGE, run
from tests.country_b.portal import portal
from tests.fakes import make_house
from tests.gateways import session_with, settings_for, write_trust


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


async def test_tokens_are_issued_on_a_port_of_their_own_where_one_is_set(
    tmp_path: Path, trust_domain: TrustDomain
) -> None:
    """Over mutual TLS; without the setting there is no such port."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for("2.999.1.2", "XB", certs, tmp_path / "state")
    async with running(settings, CLOCKWORK) as ports:
        assert "tokens" not in ports

    issuing = TokenSection(port=0, public_url="https://tokens.b.example")
    settings = settings.model_copy(update={"token": issuing})
    async with (
        running(settings, CLOCKWORK) as ports,
        session_with(certs, "xb/tls-client") as session,
    ):
        url = f"https://localhost:{ports['tokens']}"
        described = await session.get(f"{url}/.well-known/oauth-authorization-server")
        refused = await session.post(f"{url}/token", data={"grant_type": "client_credentials"})

        assert (await described.json())["token_endpoint"] == "https://tokens.b.example/token"
        assert (refused.status, (await refused.json())["error"]) == (401, "invalid_client")


async def _serves(settings: Settings) -> None:
    async with running(settings, CLOCKWORK):
        pass


@pytest.mark.usefixtures("own_log")
def test_a_database_of_an_older_version_is_code_two(
    tmp_path: Path, trust_domain: TrustDomain, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words: the file, the table, the column, and what to do; no traceback."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for("2.999.1.2", "XB", certs, tmp_path / "state")
    (tmp_path / "state").mkdir()
    file = tmp_path / "state" / "country_b.sqlite"
    with closing(sqlite3.connect(file)) as older:
        older.execute("CREATE TABLE image_jobs (id, session, study, state, body)")

    code = run(_serves(settings))

    told = capsys.readouterr().err
    assert code == USAGE
    assert f"{file}: found that table image_jobs has no column timeline" in told
    assert "remove the state folder" in told
    assert told.count("\n") == 1


def test_images_are_asked_for_as_each_way_answers() -> None:
    """Over RAD-75 some at a time, all of them named before the first; else a study at once."""
    profile = load_profile("ihe")
    peer = Peer(
        name="A",
        community=CommunityId("2.999.1.1"),
        profile=profile,
        images_by="soap",
        image_hosts=("images.example",),
        treatment_relation=profile.treatment_relation,
        ways=(Way(name="soap"), Way(name="web", images_by="wado-rs")),
    )

    community = community_of(peer, STORED_SYNTAXES)

    assert community.names_first == {"", "soap"}
    assert community.images_per_request == {
        "": IMAGES_PER_REQUEST,
        "soap": IMAGES_PER_REQUEST,
        "web": IMAGES_PER_STUDY,
    }
    assert community.image_hosts == {"web": ("images.example",)}


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
