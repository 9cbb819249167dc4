"""Clients against a scripted portal and control port."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from scenarios.client import Control, Portal, Refused


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ClientSession, str]]:
    """A server with a few canned answers."""
    looks = iter(("running", "complete"))

    async def opened(_: web.Request) -> web.Response:
        return web.json_response({"id": "v1"}, status=201)

    async def refuses(_: web.Request) -> web.Response:
        body = {"refusal": "no-consent", "code": "4701", "text": "no consent"}
        return web.json_response(body, status=403)

    async def bytes_(request: web.Request) -> web.Response:
        return web.Response(body=request.match_info["id"].encode(), content_type="application/pdf")

    async def start(_: web.Request) -> web.Response:
        return web.json_response({"job": "j1"}, status=202)

    async def job(_: web.Request) -> web.Response:
        return web.json_response({"state": next(looks)})

    async def page(request: web.Request) -> web.Response:
        number = int(request.query["since"] or 0)
        found = [{"id": str(n)} for n in range(number + 1, min(number + 3, 6))]
        return web.json_response(
            {"transcripts": found, "next": found[-1]["id"] if found else str(number)}
        )

    async def one(request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["id"], "whole": True})

    app = web.Application()
    app.add_routes(
        [
            web.post("/api/sessions", opened),
            web.post("/api/sessions/v1/list", refuses),
            web.get("/api/sessions/v1/documents/{id:.+}", bytes_),
            web.get("/api/sessions/v1/instances/{id}", refuses),
            web.post("/api/sessions/v1/images", start),
            web.get("/api/sessions/v1/images/j1", job),
            web.get("/transcripts", page),
            web.get("/transcripts/{id}", one),
        ]
    )
    async with TestServer(app) as server, ClientSession() as session:
        yield session, str(server.make_url(""))


async def test_refusal_carries_what_the_portal_said(scripted: tuple[ClientSession, str]) -> None:
    """Status, reason and the other country's code are in the exception."""
    visit = await Portal(*scripted).open()

    with pytest.raises(Refused) as caught:
        await visit.post("list")

    assert (caught.value.status, caught.value.refusal) == (403, "no-consent")
    assert "[4701]" in str(caught.value)


async def test_download_is_hashed_and_measured(scripted: tuple[ClientSession, str]) -> None:
    """Bytes are told by size and digest; an id may hold any character."""
    visit = await Portal(*scripted).open()

    got = await visit.document("2.999^a/b")

    assert got.size_bytes == 9
    assert got.sha256 == hashlib.sha256(b"2.999^a/b").hexdigest()
    assert got.content_type == "application/pdf"


async def test_refused_download_is_a_refusal(scripted: tuple[ClientSession, str]) -> None:
    """A refusal in place of bytes is told as one."""
    visit = await Portal(*scripted).open()

    with pytest.raises(Refused):
        await visit.instance("1.2.3")


async def test_job_is_watched_to_its_end(
    scripted: tuple[ClientSession, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the job is shown to the watcher; the last one is the answer."""
    monkeypatch.setattr("scenarios.client.POLL_SECONDS", 0)
    visit = await Portal(*scripted).open()
    seen: list[dict[str, Any]] = []

    view = await visit.images("1.2.3", seen.append)

    assert [look["state"] for look in seen] == ["running", "complete"]
    assert view["state"] == "complete"


async def test_transcripts_are_read_page_by_page(scripted: tuple[ClientSession, str]) -> None:
    """All pages after a mark, each transcript in full."""
    control = Control(*scripted)

    assert await control.mark() == "5"
    assert [item["id"] for item in await control.since("2")] == ["3", "4", "5"]
    assert all(item["whole"] for item in await control.since(""))
