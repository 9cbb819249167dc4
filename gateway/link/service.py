"""A link as a service: the line itself, and a control port to look at it and to break it.

The control port speaks JSON and behaves as the gateways' own does: loopback only, no web pages,
errors as `{"error": …}`. `ROUTES` is the whole of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.link.model import ShapeError
from gateway.link.profiles import Profile
from gateway.link.proxy import LinkProxy
from gateway.link.shape_json import profile_from_json, shape_to_json
from gateway.transport.app import LOOPBACK_HOSTS, Listener, no_web_pages, serving
from gateway.transport.control import LOOPBACK, Route

MAX_WISH_BYTES: Final = 64 * 1024  # a shape with every event there may be is a sixth of it

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/health", "that the link is there"),
    Route("GET", "/link", "profile, shape and counters"),
    Route("PUT", "/link", "be another line from now on: a profile, or values of a shape"),
    Route("POST", "/link/cut", "close every connection orderly (FIN)"),
    Route("POST", "/link/reset", "break every connection (RST)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What a link is told: where to listen (0: a free port), what it leads to, and how it is."""

    listen: int
    host: str
    port: int
    profile: Profile
    control_port: int = 0
    seed: int = 0


class LinkControl:
    """Answers the control routes of one link."""

    def __init__(self, link: LinkProxy) -> None:
        self._link = link

    def handlers(self) -> dict[tuple[str, str], Callable[[web.Request], Awaitable[web.Response]]]:
        """The handler of each route."""
        return {
            ("GET", "/health"): self.health,
            ("GET", "/link"): self.show,
            ("PUT", "/link"): self.switch,
            ("POST", "/link/cut"): self.cut,
            ("POST", "/link/reset"): self.reset,
        }

    async def health(self, _request: web.Request) -> web.Response:
        """200: what the link leads to may be down, the link itself is not."""
        return _json({"ok": True, "target": "{}:{}".format(*self._link.target)})

    async def show(self, _request: web.Request) -> web.Response:
        """Profile, shape, counters."""
        return _json(self._shown())

    async def switch(self, request: web.Request) -> web.Response:
        """Be what the body says; what was shown before is shown anew."""
        try:
            wish = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        try:
            self._link.switch(profile_from_json(wish))
        except ShapeError as error:
            return _error(400, str(error))
        return _json(self._shown())

    async def cut(self, _request: web.Request) -> web.Response:
        """Cut now; how many connections."""
        return _json({"cut": self._link.cut()})

    async def reset(self, _request: web.Request) -> web.Response:
        """Reset now; how many connections."""
        return _json({"reset": self._link.reset()})

    def _shown(self) -> dict[str, Any]:
        profile = self._link.profile
        return {
            "profile": profile.name,
            "shape": shape_to_json(profile.shape),
            "counters": asdict(self._link.counters()),
        }


def control_app(control: LinkControl) -> web.Application:
    """An aiohttp application with the control routes."""
    app = web.Application(
        middlewares=[_answers_errors, no_web_pages(LOOPBACK_HOSTS)], client_max_size=MAX_WISH_BYTES
    )
    handlers = control.handlers()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, handlers[route.method, route.path])
    return app


@asynccontextmanager
async def running(settings: LinkSettings) -> AsyncIterator[Mapping[str, int]]:
    """A link until left; its ports: `service`, which is the line, and `control`."""
    link = LinkProxy(settings.host, settings.port, settings.profile, seed=settings.seed)
    try:
        await link.start(port=settings.listen)
        control = Listener(
            name="control",
            app=control_app(LinkControl(link)),
            host=LOOPBACK,
            port=settings.control_port,
        )
        async with serving(control) as ports:
            yield {"service": link.port, **ports}
    finally:
        await link.close()


@web.middleware
async def _answers_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.reason)


def _error(status: int, text: str) -> web.Response:
    return _json({"error": text}, status=status)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
