"""The control port: complete, read-only but for the seed, and closed to web pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain import NotNow, Refusal
from gateway.transport import control as control_module
from gateway.transport.audit_store import AuditStore
from gateway.transport.control import ROUTES, Control, control_app, serve_control
from gateway.transport.tap import Tap
from gateway.wire.message import Message
from tests.builders import NOON, make_audit_event

Client = TestClient[web.Request, web.Application]


async def well() -> None:
    """A dependency that answers."""


async def ill() -> None:
    """A dependency that does not."""
    raise ConnectionRefusedError("no database")


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    tap = Tap(tmp_path / "transcripts", quota_bytes=2**26, now=lambda: NOON)
    for number in range(3):
        with tap.open(
            direction="in", transaction="ITI-38", correlation_id=f"c-{number}"
        ) as transcript:
            transcript.request(
                Message(
                    start_line="POST /x HTTP/1.1",
                    headers=(("Content-Type", "text/html"),),
                    body=b"<script>1</script>",
                )
            )
    return tap


@pytest.fixture
def audit(tmp_path: Path) -> AuditStore:
    store = AuditStore(tmp_path / "audit", "s")
    for number in range(3):
        store.append(make_audit_event(id=f"e-{number}"))
    return store


@pytest.fixture
async def client(tap: Tap, audit: AuditStore) -> AsyncIterator[Client]:
    control = Control(tap=tap, audit=audit, pings={"registry": well}, about={"name": "A"})
    async with TestClient(TestServer(control_app(control))) as client:
        yield client


async def get(client: Client, path: str, status: int = 200) -> Any:
    response = await client.get(path)
    assert response.status == status
    return await response.json()


def test_every_route_is_answered(tap: Tap, audit: AuditStore) -> None:
    """The documented table and the handlers are the same set."""
    control = Control(tap=tap, audit=audit, pings={})

    assert set(control.handlers()) == {(route.method, route.path) for route in ROUTES}
    assert all(route.does for route in ROUTES)


async def test_health_names_each_dependency(tap: Tap, audit: AuditStore) -> None:
    """One that fails turns the whole to 503 and says why; the others are still told."""
    control = Control(tap=tap, audit=audit, pings={"index": well, "registry": ill})
    async with TestClient(TestServer(control_app(control))) as client:
        answer = await get(client, "/health", 503)

    assert answer["ok"] is False
    assert answer["checks"]["index"]["ok"] is True
    assert answer["checks"]["registry"]["error"] == "ConnectionRefusedError: no database"


async def test_health_does_not_wait_for_ever(
    tap: Tap, audit: AuditStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dependency that hangs is given up after the time allowed."""
    monkeypatch.setattr(control_module, "PING_SECONDS", 0.01)
    control = Control(tap=tap, audit=audit, pings={"pacs": asyncio.Event().wait})
    async with TestClient(TestServer(control_app(control))) as client:
        answer = await get(client, "/health", 503)

    assert "no answer within" in answer["checks"]["pacs"]["error"]


async def test_health_of_a_well_gateway(client: Client) -> None:
    """All is well: 200, with who this is."""
    answer = await get(client, "/health")

    assert (answer["ok"], answer["name"]) == (True, "A")


async def test_transcripts_are_listed_and_shown(client: Client) -> None:
    """Listing goes on from `next`, filters by correlation; one transcript shows its messages."""
    everything = await get(client, "/transcripts")
    page = await get(client, "/transcripts?limit=2")
    rest = await get(client, f"/transcripts?since={page['next']}")
    one = await get(client, "/transcripts?correlation=c-1")
    shown = await get(client, f"/transcripts/{one['transcripts'][0]['id']}")

    assert len(everything["transcripts"]) == 3
    assert page["transcripts"] + rest["transcripts"] == everything["transcripts"]
    assert shown["request"]["text"] == "<script>1</script>"
    assert shown["answer"] is None
    assert shown["correlation_id"] == "c-1"


async def test_raw_messages_are_served_harmlessly(client: Client) -> None:
    """Bytes as they were, never as a page a browser would run."""
    name = (await get(client, "/transcripts"))["transcripts"][0]["id"]

    response = await client.get(f"/transcripts/{name}/request")
    with_head = await client.get(f"/transcripts/{name}/request?head=1")

    assert await response.read() == b"<script>1</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await with_head.read()).startswith(b"POST /x HTTP/1.1\r\nContent-Type: text/html\r\n")
    await get(client, f"/transcripts/{name}/answer", 404)


async def test_audit_is_listed_and_shown(client: Client) -> None:
    """Index lines in JSON, each event in XML and as a resource."""
    page = await get(client, "/audit?limit=2")
    rest = await get(client, f"/audit?since={page['next']}")
    response = await client.get("/audit/e-2")

    ids = [record["id"] for record in page["audit"] + rest["audit"]]
    assert ids == ["e-0", "e-1", "e-2"]
    assert response.content_type == "application/xml"
    assert (await response.read()).startswith(b"<AuditMessage>")
    resource = await client.get("/audit/e-2/fhir")
    assert resource.content_type == "application/fhir+json"
    assert (await resource.json(content_type=None))["id"] == "e-2"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/transcripts/none", 404),
        ("/transcripts/..%2F..%2Fetc/request", 404),
        ("/audit/none", 404),
        ("/audit/none/fhir", 404),
        ("/audit?since=-1", 400),
        ("/transcripts?limit=x", 400),
        ("/transcripts?limit=" + "9" * 5000, 400),
        ("/nothing", 404),
        ("/seed", 405),
    ],
)
async def test_what_is_not_there_is_told_in_json(client: Client, path: str, status: int) -> None:
    """Every error has a reason in words."""
    answer = await get(client, path, status)

    assert answer["error"]


async def test_seeding_is_offered_or_not(client: Client, tap: Tap, audit: AuditStore) -> None:
    """Without seeding the route says so; with it, the wish is handed over and the answer shown."""
    wishes: list[Mapping[str, Any]] = []

    async def seed(wish: Mapping[str, Any]) -> object:
        wishes.append(wish)
        if wish.get("size") == "huge":
            raise NotNow(Refusal.STORE_FULL, "no room")
        return {"patients": 3}

    refused = await client.post("/seed")
    control = Control(tap=tap, audit=audit, pings={}, seed=seed)
    async with TestClient(TestServer(control_app(control))) as seeding:
        done = await seeding.post("/seed", json={"size": "tiny"})
        empty = await seeding.post("/seed")
        full = await seeding.post("/seed", json={"size": "huge"})
        broken = await seeding.post("/seed", data=b"{")
        listed = await seeding.post("/seed", data=b"[]")
        seeded = await done.json()

    assert refused.status == 404
    assert "ncpeh seed" in (await refused.json())["error"]
    assert seeded == {"seeded": {"patients": 3}}
    assert wishes[:2] == [{"size": "tiny"}, {}]
    assert [r.status for r in (empty, full, broken, listed)] == [200, 503, 400, 400]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_web_pages_are_kept_out(client: Client, headers: dict[str, str]) -> None:
    """Neither a rebound name nor a page of another origin gets an answer."""
    response = await client.get("/transcripts", headers=headers)

    assert response.status == 403
    assert (await response.json())["error"]


async def test_it_listens_on_loopback_by_default(tap: Tap, audit: AuditStore) -> None:
    """Nobody outside the machine reaches it unless told otherwise."""
    runner, port = await serve_control(control_app(Control(tap=tap, audit=audit, pings={})))
    try:
        assert runner.addresses[0][:2] == ("127.0.0.1", port)
        assert port > 0
    finally:
        await runner.cleanup()
