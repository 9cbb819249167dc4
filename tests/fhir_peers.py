"""FHIR servers for tests that answer as told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.wire.fhir.resources import Format, Json, write_resource

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FhirPeer:
    """A server that answers as told and notes what it was asked."""

    answer: Answer
    asked: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Note, then answer."""
        self.asked.append((request.path, request.headers, await request.text()))
        return await self.answer(request)


def answered(
    body: Json | bytes, *, status: int = 200, format: Format = Format.JSON, **headers: Any
) -> Answer:
    """A peer whose answer is always this."""
    written = body if isinstance(body, bytes) else write_resource(body, format)
    typed = {"Content-Type": f"{format.media_type}; charset=utf-8"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=written, headers=typed | named)

    return answer
