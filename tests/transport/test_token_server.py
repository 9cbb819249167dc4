"""Tokens for clients of Country B, over mutual TLS, and what Country A makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from gateway.config import PeerSection, SettingsError, TokenClientSection, TokenSection
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, serving
from gateway.transport.compose import keeper_of, tls_server
from gateway.transport.compose_servers import token_app_of
from gateway.transport.record import Keeper
from gateway.wire.fhir.jwks import read_jwks
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT
from tests.fhir_requests import BOTH, ask
from tests.gateways import Pair, pair_of, real_clockwork, session_with, settings_for
from tests.transport.test_fhir_documents import ENTRY, SEARCH, scripted
from tests.wire.fhir.minted import payload_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://tokens.b.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A token endpoint of Country B beside a pair of gateways, and a session of its client."""

    pair: Pair
    base: str
    session: aiohttp.ClientSession
    stranger: aiohttp.ClientSession
    keeper: Keeper
    folder: Path

    async def post(
        self, path: str = "/token", session: aiohttp.ClientSession | None = None, **fields: str
    ) -> tuple[int, dict[str, Any], Any]:
        """Post a form; the status, the JSON, the headers."""
        form = {"grant_type": "client_credentials"} | fields if path == "/token" else fields
        async with (session or self.session).post(f"{self.base}{path}", data=form) as response:
            return response.status, orjson.loads(await response.read()), response.headers

    async def get(self, path: str) -> dict[str, Any]:
        """Get a document."""
        async with self.session.get(f"{self.base}{path}") as response:
            assert response.status == 200
            found: dict[str, Any] = orjson.loads(await response.read())
            return found

    @property
    def written(self) -> bytes:
        """All that is kept of the endpoint."""
        state = self.folder / "tokens"
        return b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())


def _client(domain: TrustDomain, leaf: str, **changes: Any) -> TokenClientSection:
    subject = domain.leaves["xb", leaf].certificate.subject.rfc4514_string()
    values: dict[str, Any] = {
        "name": "ward-1",
        "tls_subjects": (subject,),
        "professional_id": "hcp-77",
        "family": "Lindqvist",
        "organisation": "Teaching Hospital",
        "scopes": ("ITI-78", "ITI-67", "system/Binary.rs"),
        "treats": True,
    }
    return TokenClientSection.model_validate(values | changes)


@asynccontextmanager
async def _tokens(domain: TrustDomain, folder: Path, **changes: Any) -> AsyncIterator[Tokens]:
    async with pair_of(scripted(ENTRY, identities=BOTH), domain, folder) as pair:
        certs = folder / "certs"
        peer = PeerSection(name="A", community=COUNTRY_A, fhir_url="https://a.example/fhir/")
        settings = settings_for(
            COUNTRY_B, "XB", certs, folder / "tokens", peers=(peer,)
        ).model_copy(
            update={
                "token": TokenSection(
                    port=0,
                    public_url=f"{URL}/",
                    clients=(_client(domain, "tls-client", **changes),),
                )
            }
        )
        clockwork = real_clockwork()
        keeper = keeper_of(settings, clockwork)
        app = token_app_of(settings, keeper, clockwork)
        listener = Listener(
            name="tokens", app=app, host="127.0.0.1", port=0, tls=tls_server(settings.tls)
        )
        async with (
            serving(listener) as ports,
            session_with(certs, "xb/tls-client") as session,
            session_with(certs, "xa/tls-client") as stranger,
        ):
            yield Tokens(
                pair=pair,
                base=f"https://localhost:{ports['tokens']}",
                session=session,
                stranger=stranger,
                keeper=keeper,
                folder=folder,
            )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Tokens]:
    """One endpoint for every question."""
    async with _tokens(trust_domain, tmp_path_factory.mktemp("tokens")) as opened:
        yield opened


async def test_a_known_client_gets_a_token_that_country_a_accepts(tokens: Tokens) -> None:
    """Bound to its certificate, for the professional of its section; before and with a patient."""
    status, plain, headers = await tokens.post(scope="ITI-78")
    _, treating, _ = await tokens.post(person_id=PATIENT.cx, resource=COUNTRY_A.urn)

    assert (status, plain["token_type"], plain["expires_in"]) == (200, "Bearer", 300)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Pragma"] == "no-cache"
    assert treating["scope"] == "ITI-78 ITI-67 system/Binary.rs"
    found = await ask(tokens.pair, token=f"Bearer {plain['access_token']}")
    listed = await ask(tokens.pair, path=SEARCH, token=f"Bearer {treating['access_token']}")
    assert found.ids == ["A-0001", "A-0002"]
    assert listed.status == 200
    claims = payload_of(treating["access_token"])
    assert (claims["iss"], claims["client_id"], claims["sub"]) == (URL, "ward-1", "hcp-77")
    assert claims["aud"] == COUNTRY_A.urn
    assert claims["extensions"]["ncp"]["trc"]["patient"]["value"] == PATIENT.value


async def test_a_token_without_a_patient_opens_no_documents(tokens: Tokens) -> None:
    """What it is enough for is decided in Country A, as for any token."""
    _, plain, _ = await tokens.post(scope="ITI-67")

    got = await ask(tokens.pair, path=SEARCH, token=f"Bearer {plain['access_token']}")

    assert got.status == 403


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "ITI-67 ITI-41"}, 400, "invalid_scope"),
        ({"scope": "system/Binary.cud"}, 400, "invalid_scope"),
        ({"resource": "urn:oid:2.999.9"}, 400, "invalid_target"),
        ({"resource": "https://elsewhere.example/fhir"}, 400, "invalid_target"),
        ({"client_id": "ward-2"}, 401, "invalid_client"),
        ({"client_secret": "hush-hush"}, 401, "invalid_client"),
        ({"person_id": "A-0001"}, 400, "invalid_request"),
    ],
)
async def test_what_a_client_may_not_have_is_refused(
    fields: dict[str, str], status: int, error: str, tokens: Tokens
) -> None:
    """By the error of RFC 6749 or RFC 8707, as JSON that is not stored; and audited."""
    answered, body, headers = await tokens.post(**fields)

    assert (answered, body["error"]) == (status, error)
    assert body["error_description"]
    assert headers["Cache-Control"] == "no-store"
    event = list(tokens.keeper.audit.events())[-1].xml.decode()
    assert 'csd-code="ITI-71"' in event
    assert 'EventOutcomeIndicator="8"' in event


async def test_a_client_nobody_named_gets_nothing(tokens: Tokens) -> None:
    """Whatever it asks: its certificate is of the trust domain, and that is not enough."""
    status, body, _ = await tokens.post(session=tokens.stranger)
    asked, told, _ = await tokens.post("/introspect", session=tokens.stranger, token="x")

    assert (status, body["error"]) == (401, "invalid_client")
    assert (asked, told["error"]) == (401, "invalid_client")


async def test_a_narrower_scope_of_smart_is_granted(tokens: Tokens) -> None:
    """Reading is part of reading and searching; the base of a peer names it as well."""
    _, body, _ = await tokens.post(scope="system/Binary.r", resource="https://a.example/fhir")

    assert body["scope"] == "system/Binary.r"
    assert payload_of(body["access_token"])["aud"] == "https://a.example/fhir"


async def test_a_patient_is_named_only_by_who_treats(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The settings say which clients do."""
    async with _tokens(trust_domain, tmp_path, treats=False) as opened:
        status, body, _ = await opened.post(person_id=PATIENT.cx)

    assert (status, body["error"]) == (400, "unauthorized_client")


async def test_a_token_is_told_to_be_in_force_to_who_is_known(tokens: Tokens) -> None:
    """With all its claims; of any other text it is said that it is not."""
    _, body, _ = await tokens.post()
    token = body["access_token"]

    status, told, _ = await tokens.post("/introspect", token=token)
    for other in (token[:-8] + "AAAAAAAA", "gibberish", ""):
        answered, refused, _ = await tokens.post("/introspect", token=other)
        assert (answered, refused.get("active", refused.get("error"))) == (
            (200, False) if other else (400, "invalid_request")
        )

    assert (status, told["active"]) == (200, True)
    assert {k: v for k, v in told.items() if k in payload_of(token)} == payload_of(token)


async def test_the_documents_describe_what_is_there(tokens: Tokens) -> None:
    """Every address of the metadata answers, and the keys verify our tokens."""
    metadata = await tokens.get("/.well-known/oauth-authorization-server")
    smart = await tokens.get("/.well-known/smart-configuration")
    keys = read_jwks(orjson.dumps(await tokens.get("/jwks.json")), issuer=URL)

    assert metadata["issuer"] == smart["issuer"] == URL
    assert metadata["scopes_supported"] == ["ITI-78", "ITI-67", "system/Binary.rs"]
    for name in ("token_endpoint", "introspection_endpoint"):
        status, body, _ = await tokens.post(metadata[name].removeprefix(URL), nonsense="1")
        assert (status, "error" in body or "access_token" in body) in ((200, True), (400, True))
    assert len(keys) == 1


async def test_no_token_and_no_secret_is_written_down(tokens: Tokens) -> None:
    """Neither of an answer nor of a question; what was issued to whom is audited."""
    _, body, _ = await tokens.post(person_id=PATIENT.cx)
    await tokens.post("/introspect", token=body["access_token"])
    await tokens.post(client_assertion="abc.very.secret", client_assertion_type="x")

    written = tokens.written
    for part in body["access_token"].split("."):
        assert part[-40:].encode() not in written
    assert b"very.secret" not in written
    issued = [
        event.xml.decode()
        for event in tokens.keeper.audit.events()
        if 'EventOutcomeIndicator="0"' in event.xml.decode()
    ]
    assert all('csd-code="110114"' in event and "hcp-77" in event for event in issued)
    assert any("A-0001^^^" in event for event in issued)


async def test_paths_and_methods_there_are_not(tokens: Tokens) -> None:
    """404 and 405 with what is offered, as JSON too."""
    for method, path, status, allow in (
        ("GET", "/token", 405, "POST"),
        ("POST", "/jwks.json", 405, "GET"),
        ("GET", "/authorize", 404, None),
        ("GET", "/", 404, None),
    ):
        async with tokens.session.request(method, f"{tokens.base}{path}") as response:
            assert (response.status, response.headers.get("Allow")) == (status, allow)
            assert "error" in orjson.loads(await response.read())


async def test_a_form_over_the_limit_is_refused(tokens: Tokens) -> None:
    """Before it is read to its end."""
    status, body, _ = await tokens.post(scope="x" * 70_000)

    assert (status, body["error"]) == (400, "invalid_request")


async def test_an_endpoint_without_a_name_is_refused_at_the_start(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Its address is the issuer of its tokens."""
    settings = settings_for(COUNTRY_B, "XB", tmp_path, tmp_path / "b")
    with pytest.raises(SettingsError, match="public_url"):
        token_app_of(settings, None, real_clockwork())  # type: ignore[arg-type]
