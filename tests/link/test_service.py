"""The control port of a link: shown, switched, broken, and refusals in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.link.proxy import LOOPBACK, LinkProxy
from gateway.link.service import ROUTES, LinkControl, LinkSettings, running
from tests.link.ends import connected, echo, profile, served


class Client:
    """Calls a control port."""

    def __init__(self, session: aiohttp.ClientSession, base: str, link: int) -> None:
        self.session, self.base, self.link = session, base, link

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Status and JSON."""
        async with self.session.request(method, self.base + path, **more) as response:
            return response.status, await response.json()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a link to a server that echoes."""
    async with served(echo) as port, aiohttp.ClientSession() as session:
        settings = LinkSettings(
            listen=0, host=LOOPBACK, port=port, profile=profile("8mbit/2ms"), seed=3
        )
        async with running(settings) as ports:
            base = f"http://127.0.0.1:{ports['control']}"
            yield Client(session, base, ports["service"])


async def test_a_link_shows_what_it_is_and_did(client: Client) -> None:
    """Profile, every value of the shape, every counter."""
    status, shown = await client.call("GET", "/link")

    assert (status, shown["profile"]) == (200, "8mbit/2ms")
    assert shown["shape"]["down"]["bits_per_second"] == 8e6
    assert shown["counters"]["bytes_down"] == 0
    assert (await client.call("GET", "/health"))[1]["ok"] is True


async def test_what_is_shown_can_be_put_back(client: Client) -> None:
    """A switch answers with what the link then is."""
    _, before = await client.call("GET", "/link")

    status, shown = await client.call("PUT", "/link", json={"profile": "satellite"})
    _, back = await client.call("PUT", "/link", json=before["shape"])

    assert (status, shown["profile"]) == (200, "satellite")
    assert shown["shape"]["up"]["latency_seconds"] == 0.3
    assert (back["profile"], back["shape"]) == ("8mbit/2ms", before["shape"])


async def test_connections_are_cut_and_reset(client: Client) -> None:
    """At once; how many is answered, and counted."""
    link = LinkProxy(LOOPBACK, 1, profile("unshaped"))
    link.port = client.link
    for what in ("cut", "reset"):
        async with connected(link) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            assert await client.call("POST", f"/link/{what}") == (200, {what: 1})

    counters = (await client.call("GET", "/link"))[1]["counters"]
    assert (counters["cuts"], counters["resets"], counters["connections_open"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "expected an object"),
        (b'{"profile": "fast"}', "satellite"),
        (b'{"up": {"bits_per_second": -1}}', "up.bits_per_second: found -1"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_in_words(
    client: Client, body: bytes, words: str
) -> None:
    """And the link stays what it was."""
    status, answer = await client.call("PUT", "/link", data=body)

    assert status == 400
    assert words in answer["error"]
    assert (await client.call("GET", "/link"))[1]["profile"] == "8mbit/2ms"


async def test_web_pages_and_unknown_paths_are_refused_in_json(client: Client) -> None:
    """As at the control port of a gateway."""
    page = await client.call("POST", "/link/cut", headers={"Origin": "https://evil.example"})
    named = await client.call("GET", "/link", headers={"Host": "evil.example"})

    assert [page[0], named[0]] == [403, 403]
    assert "error" in page[1]
    assert (await client.call("GET", "/nothing"))[0] == 404


def test_every_route_has_a_handler() -> None:
    """And no handler is without its route."""
    handlers = LinkControl(LinkProxy(LOOPBACK, 1, profile("unshaped"))).handlers()

    assert set(handlers) == {(route.method, route.path) for route in ROUTES}
