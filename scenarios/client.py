"""Clients of the public interfaces: the portal API of Country B, the control port of either.

A refusal is an exception that carries what the portal said; anything that is no answer at all is
left to aiohttp's own errors.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

# Images of a whole study come through the portal as files; no request of ours needs longer.
CALL_SECONDS = 900.0
POLL_SECONDS = 0.2
PAGE = 1000  # transcripts a page, the most the control port gives

Json = dict[str, Any]
Watch = Callable[[Json], None]


class Refused(Exception):
    """The portal refused: HTTP status and its JSON."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.answer = answer
        self.refusal = str(answer.get("refusal", ""))
        code = f" [{answer['code']}]" if answer.get("code") else ""
        super().__init__(f"{status} {self.refusal}{code}: {answer.get('text', '')}")


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes that came: how many, and their SHA-256."""

    size_bytes: int
    sha256: str
    content_type: str
    head: bytes


class Portal:
    """The portal API, one method a route that scenarios use."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """A JSON call; `Refused` for every status of 400 and above."""
        async with self._session.request(method, self._url + path, json=body) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise Refused(response.status, answer)
            return answer

    async def communities(self) -> list[Json]:
        """The countries that can be asked."""
        answer = await self.call("GET", "/api/communities")
        communities: list[Json] = answer["communities"]
        return communities

    async def open(self) -> Visit:
        """A new visit (step 1)."""
        opened = await self.call("POST", "/api/sessions")
        return Visit(self, opened["id"])

    async def text(self, path: str) -> str:
        """A page; `Refused` for every status of 400 and above."""
        async with self._session.get(self._url + path) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.json())
            return await response.text()

    async def download(self, path: str) -> Download:
        """Bytes, read piece by piece and never kept."""
        async with self._session.get(self._url + path) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.json())
            digest, size, head = hashlib.sha256(), 0, b""
            async for piece in response.content.iter_chunked(1024 * 1024):
                head = head or piece[:200]
                digest.update(piece)
                size += len(piece)
            return Download(size, digest.hexdigest(), response.content_type, head)


class Visit:
    """One visit at the portal."""

    def __init__(self, portal: Portal, session: str) -> None:
        self._portal = portal
        self.path = f"/api/sessions/{session}"

    async def post(self, action: str, body: Mapping[str, Any] | None = None) -> Json:
        """Do a step."""
        return await self._portal.call("POST", f"{self.path}/{action}", body or {})

    async def get(self, what: str = "") -> Json:
        """Look at something of the visit."""
        return await self._portal.call("GET", f"{self.path}{what}")

    async def document(self, document: str) -> Download:
        """The bytes of a document."""
        return await self._portal.download(f"{self.path}/documents/{quote(document, safe='')}")

    async def page(self, document: str, language: str) -> str:
        """A report as people read it, in a language."""
        name = quote(document, safe="")
        return await self._portal.text(f"{self.path}/documents/{name}/page?language={language}")

    async def form(self, document: str, number: int) -> Download:
        """A form of a report to be read as it is."""
        name = quote(document, safe="")
        return await self._portal.download(f"{self.path}/documents/{name}/forms/{number}")

    async def instance(self, instance: str) -> Download:
        """The bytes of an image."""
        return await self._portal.download(f"{self.path}/instances/{quote(instance, safe='')}")

    async def images(self, study: str, watch: Watch, **wanted: Any) -> Json:
        """Fetch images of a study and wait for the end; `watch` sees every look at the job."""
        started = await self.post("images", {"study": study, **wanted})
        while True:
            view = await self.get(f"/images/{started['job']}")
            watch(view)
            if view["state"] != "running":
                return view
            await asyncio.sleep(POLL_SECONDS)


class Control:
    """A control port: what the country captured."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def _json(self, path: str) -> Json:
        async with self._session.get(self._url + path) as response:
            response.raise_for_status()
            answer: Json = await response.json()
            return answer

    async def mark(self) -> str:
        """Where the captured exchanges end now: what comes later is after this."""
        mark = ""
        while True:
            page = await self._json(f"/transcripts?limit={PAGE}&since={quote(mark)}")
            if not page["transcripts"]:
                return mark
            mark = page["next"]

    async def since(self, mark: str) -> list[Json]:
        """The transcripts after a mark, in full."""
        found: list[Json] = []
        while True:
            page = await self._json(f"/transcripts?limit={PAGE}&since={quote(mark)}")
            if not page["transcripts"]:
                return found
            mark = page["next"]
            for summary in page["transcripts"]:
                found.append(await self._json(f"/transcripts/{quote(str(summary['id']))}"))

    async def raw(self, transcript: str, role: str) -> bytes:
        """A captured message, start line and headers included."""
        path = f"{self._url}/transcripts/{quote(transcript)}/{role}?head=1"
        async with self._session.get(path) as response:
            return await response.read() if response.status == 200 else b""


@asynccontextmanager
async def http_session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session for all clients of a run."""
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=10)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1024 * 1024) as session:
        yield session
