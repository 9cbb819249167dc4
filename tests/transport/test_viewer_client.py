"""Viewers of a peer that answers as told: what is asked, what is handed on, what is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.domain import (
    BadRequest,
    CallContext,
    ExchangeError,
    NotAllowed,
    NotFound,
    NotNow,
    PeerMisbehaved,
    Refusal,
    Uid,
    ViewerLink,
)
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork
from gateway.transport.tap import Role
from gateway.transport.viewer_client import ViewerClient
from tests.builders import PATIENT, make_context
from tests.exchanges import ScriptedExchange
from tests.told_peers import Told, told_peer

STUDY = Uid("2.999.1")
PATH = "/rs/viewer-sessions"
SECRET = "https://127.0.0.1:9443/view/c2VjcmV0"
EXPIRES = datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
NAMED = ViewerLink("https://a.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID=2.999.1")
NO_VIEWER = BadRequest(Refusal.UNSUPPORTED, "no viewer")


def made(location: str = SECRET, body: bytes = b"") -> tuple[int, Mapping[str, str], bytes]:
    """The answer of a peer that opens a viewer."""
    told = {"url": location, "expires": EXPIRES.isoformat()}
    return 201, {"Location": location}, body or json.dumps(told).encode()


@dataclass
class Asking:
    """A client of a told peer, and who is asked where the peer knows no sessions."""

    told: Told
    client: ViewerClient
    named: ScriptedExchange

    async def open(self, context: CallContext | None = None, **options: Any) -> ViewerLink:
        """Open the viewer of a study."""
        asker = context or make_context(patient=PATIENT)
        return await self.client.open_viewer(STUDY, asker, **options)


Reply = tuple[int, Mapping[str, str], bytes]
Ask = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def asking(trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork) -> Ask:
    """A client of a peer that gives one answer."""

    @asynccontextmanager
    async def make(reply: Reply, **settings: Any) -> AsyncIterator[Asking]:
        async def answer(request: web.Request) -> web.Response:
            status, headers, body = reply if request.path == PATH else (404, {}, b"")
            return web.Response(status=status, headers=headers, body=body)

        named = ScriptedExchange(viewer=NO_VIEWER)
        async with told_peer(answer, trust_domain, tmp_path, clockwork, **settings) as told:
            yield Asking(told, ViewerClient(told.calls, named), named)

    return make


async def test_a_session_is_asked_for_with_a_token_in_its_header(asking: Ask) -> None:
    """By POST, as JSON, under RAD-106; the link and its end come back."""
    async with asking(made()) as a:
        link = await a.open(key_images_only=True)
        [(path, headers, body)] = a.told.peer.asked

    assert link == ViewerLink(SECRET, EXPIRES)
    assert path == PATH
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"].startswith("Bearer ")
    assert json.loads(body) == {
        "requestType": "STUDY",
        "studyUID": STUDY,
        "keyImagesOnly": "true",
    }


async def test_a_link_without_an_end_is_one(asking: Ask) -> None:
    """And one that is relative is made whole."""
    async with asking((201, {"Location": SECRET}, b"")) as a:
        assert await a.open() == ViewerLink(SECRET)
    hosts = {"image_hosts": ("BASE",)}
    async with asking((201, {"Location": "/view/x"}, b""), **hosts) as a:
        assert await a.open() == ViewerLink(f"{a.told.base}/view/x")


async def test_one_event_and_no_secret_are_kept(asking: Ask) -> None:
    """The study is named in the audit, the link nowhere."""
    async with asking(made()) as a:
        await a.open()
        [summary] = a.told.keeper.tap.summaries()
        raws = [a.told.keeper.tap.raw(summary["id"], role) for role in Role]
        kept = b"".join(raw.head + raw.body.read_bytes() for raw in raws if raw is not None)
        [event] = [record.xml for record in a.told.keeper.audit.events()]

    assert summary["transaction"] == "RAD-106"
    assert b"c2VjcmV0" not in kept + event
    assert b"https://127.0.0.1:9443/(redacted)" in kept
    assert b"RAD-106" in event
    assert STUDY.encode() in event
    assert b'EventOutcomeIndicator="0"' in event


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/view/x",
        "http://127.0.0.1:9443/view/x",
        "javascript:alert(1)",
        "https://[half",
        "",
    ],
)
async def test_a_link_that_leads_elsewhere_is_not_handed_on(asking: Ask, location: str) -> None:
    """Nor what is none; that it came is audited."""
    async with asking((201, {"Location": location} if location else {}, b"")) as a:
        with pytest.raises(PeerMisbehaved):
            await a.open()
        [event] = [record.xml for record in a.told.keeper.audit.events()]

    assert b'EventOutcomeIndicator="8"' in event


async def test_a_listed_host_is_handed_on(asking: Ask) -> None:
    """A country may have its viewer elsewhere."""
    async with asking(made("https://viewer.example/x"), image_hosts=("viewer.example",)) as a:
        assert (await a.open()).url == "https://viewer.example/x"


@pytest.mark.parametrize("body", [b"x" * 100_000, b'{"expires": "soon"}'])
async def test_an_answer_that_cannot_be_read_is_the_peer_s_fault(asking: Ask, body: bytes) -> None:
    """A time that is none; a body beyond reading says nothing of one, and is not needed."""
    async with asking(made(body=body)) as a:
        if body.startswith(b"x"):
            assert await a.open() == ViewerLink(SECRET)
        else:
            with pytest.raises(PeerMisbehaved, match="expires"):
                await a.open()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_peer_without_sessions_may_name_a_viewer(asking: Ask, status: int) -> None:
    """In the manifest of the study; where it does not, its first answer is what went wrong."""
    async with asking((status, {}, b"no such address")) as a:
        with pytest.raises(ExchangeError) as caught:
            await a.open()
        a.named.viewer = NAMED
        link = await a.open()

    assert caught.value.code == str(status)
    assert "no such address" in caught.value.text
    assert link == NAMED


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequest), (401, NotAllowed), (403, NotAllowed), (503, NotNow)]
)
async def test_another_refusal_is_the_answer(
    asking: Ask, status: int, kind: type[ExchangeError]
) -> None:
    """Nobody else is asked."""
    async with asking((status, {}, b"no")) as a:
        with pytest.raises(kind):
            await a.open()

    assert a.named.asked == []


async def test_a_study_that_is_not_there_is_said_to_be_missing(asking: Ask) -> None:
    """By who was asked first."""
    async with asking((404, {}, b'{"status": 404, "text": "no study 2.999.1 here"}')) as a:
        with pytest.raises(NotFound, match="no study"):
            await a.open()
