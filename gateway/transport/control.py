"""The control port: what a gateway kept and how it is, as JSON, on a port of its own.

It speaks to the people who run the gateway and to test harnesses, never to peers: it serves
messages in full, so it listens on loopback unless told otherwise, answers only requests that
name it by one of `allowed_hosts`, and refuses requests a web page sends on its own (an `Origin`
header). `ROUTES` is the whole of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.domain.refusals import ExchangeError, NotNow
from gateway.transport.app import LOOPBACK_HOSTS, no_web_pages
from gateway.transport.audit_store import AuditRecord, AuditStore
from gateway.transport.plain import to_plain
from gateway.transport.tap import Role, Tap
from gateway.wire.fhir.resources import Format

LOOPBACK: Final = "127.0.0.1"
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
PING_SECONDS: Final = 5.0  # a national system slower than this is as good as down
MAX_SEED_BYTES: Final = 64 * 1024

Ping = Callable[[], Awaitable[object]]
Seed = Callable[[Mapping[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    """A control route: method, path, and what it does."""

    method: str
    path: str
    does: str


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/health", "whether each thing this gateway depends on answers, one by one"),
    Route("GET", "/transcripts", "exchanges, oldest first: ?since=ID &limit=N &correlation=ID"),
    Route("GET", "/transcripts/{id}", "one exchange: both messages, decoded nouns, times"),
    Route(
        "GET",
        "/transcripts/{id}/request",
        "the request as on the wire; ?head=1 adds its headers",
    ),
    Route(
        "GET",
        "/transcripts/{id}/answer",
        "the answer as on the wire; ?head=1 adds its headers",
    ),
    Route("GET", "/audit", "audit records, oldest first: ?since=NUMBER &limit=N"),
    Route("GET", "/audit/{id}", "one audit event as a DICOM audit message, XML"),
    Route("GET", "/audit/{id}/fhir", "the same event as a FHIR AuditEvent, JSON"),
    Route("POST", "/seed", "fill the national systems; only where this gateway offers it"),
)


class Control:
    """Answers the control routes of one gateway.

    `pings` are asked one by one, by name, and may raise to say they are not well. `seed` gets
    the posted JSON object; None where there is nothing to seed.
    """

    def __init__(
        self,
        *,
        tap: Tap,
        audit: AuditStore,
        pings: Mapping[str, Ping],
        seed: Seed | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._tap = tap
        self._audit = audit
        self._pings = dict(pings)
        self._seed = seed
        self._about = dict(about or {})

    def handlers(self) -> dict[tuple[str, str], Callable[[web.Request], Awaitable[web.Response]]]:
        """The handler of each route."""
        return {
            ("GET", "/health"): self.health,
            ("GET", "/transcripts"): self.transcripts,
            ("GET", "/transcripts/{id}"): self.transcript,
            ("GET", "/transcripts/{id}/request"): self.request_body,
            ("GET", "/transcripts/{id}/answer"): self.answer_body,
            ("GET", "/audit"): self.audit_records,
            ("GET", "/audit/{id}"): self.audit_message,
            ("GET", "/audit/{id}/fhir"): self.audit_resource,
            ("POST", "/seed"): self.seed,
        }

    async def health(self, _request: web.Request) -> web.Response:
        """200 when every ping succeeds, else 503; which failed and why in either case."""
        checks = {name: await _ping(ping) for name, ping in self._pings.items()}
        well = all(check["ok"] for check in checks.values())
        answer = {"ok": well, **self._about, "checks": checks}
        return _json(answer, status=200 if well else 503)

    async def transcripts(self, request: web.Request) -> web.Response:
        """Summaries; `next` is what to give as `since` to go on."""
        since = request.query.get("since", "")
        found = await asyncio.to_thread(
            self._tap.summaries,
            since=since,
            limit=_limit(request),
            correlation_id=request.query.get("correlation", ""),
        )
        return _json({"transcripts": found, "next": found[-1]["id"] if found else since})

    async def transcript(self, request: web.Request) -> web.Response:
        """Everything kept of one exchange but the bytes of attachments."""
        found = await asyncio.to_thread(self._tap.transcript, request.match_info["id"])
        return _json(found) if found else _missing("transcript", request)

    async def request_body(self, request: web.Request) -> web.Response:
        """The root part of the request; with `?head=1`, start line and headers before it."""
        return await self._body(request, Role.REQUEST)

    async def answer_body(self, request: web.Request) -> web.Response:
        """The root part of the answer, likewise."""
        return await self._body(request, Role.ANSWER)

    async def _body(self, request: web.Request, role: Role) -> web.Response:
        raw = await asyncio.to_thread(self._tap.raw, request.match_info["id"], role)
        if raw is None:
            return _missing(f"{role} of that transcript", request)
        data = await asyncio.to_thread(raw.body.read_bytes)
        if request.query.get("head") == "1":
            data = raw.head + data
        return web.Response(body=data, headers=_HARMLESS)

    async def audit_records(self, request: web.Request) -> web.Response:
        """Index lines of audit records; they name no patient."""
        since = _number(request, "since", 0)
        limit = _limit(request)
        found = await asyncio.to_thread(lambda: list(self._audit.events(since, limit)))
        records = [record.index for record in found]
        return _json({"audit": records, "next": found[-1].number if found else since})

    async def audit_message(self, request: web.Request) -> web.Response:
        """The DICOM audit message of one event."""
        record = await self._audit_record(request)
        if record is None:
            return _missing("audit record", request)
        return web.Response(body=record.xml, content_type="application/xml", charset="utf-8")

    async def audit_resource(self, request: web.Request) -> web.Response:
        """The FHIR AuditEvent of one event."""
        record = await self._audit_record(request)
        if record is None or not record.fhir:
            return _missing("AuditEvent", request)
        return web.Response(body=record.fhir, content_type=Format.JSON.media_type, charset="utf-8")

    async def _audit_record(self, request: web.Request) -> AuditRecord | None:
        return await asyncio.to_thread(self._audit.find, request.match_info["id"])

    async def seed(self, request: web.Request) -> web.Response:
        """Hand the posted object to the seeding this gateway offers."""
        if self._seed is None:
            return _error(404, "this gateway is not seeded over HTTP; `ncpeh seed` fills Country A")
        try:
            wish = orjson.loads(await request.read() or b"{}")
        except orjson.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        if not isinstance(wish, dict):
            return _error(400, "the body is not a JSON object")
        return _json({"seeded": to_plain(await self._seed(wish))})


# What a peer sent is shown as it is, and must not become a page of this port.
_HARMLESS: Final = {
    "Content-Type": "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}


def control_app(
    control: Control, *, allowed_hosts: frozenset[str] | None = LOOPBACK_HOSTS
) -> web.Application:
    """An aiohttp application with the control routes; `allowed_hosts` None allows any."""
    app = web.Application(
        middlewares=[_answers_errors, no_web_pages(allowed_hosts)], client_max_size=MAX_SEED_BYTES
    )
    handlers = control.handlers()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, handlers[route.method, route.path])
    return app


async def serve_control(
    app: web.Application, *, host: str = LOOPBACK, port: int = 0
) -> tuple[web.AppRunner, int]:
    """Start listening; the runner (clean it up to stop) and the port that was taken."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])


@web.middleware
async def _answers_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ExchangeError as error:
        status = 503 if isinstance(error, NotNow) else 500
        return _json({"error": error.text, "refusal": error.refusal.value}, status=status)
    except web.HTTPException as error:
        return _error(error.status, error.reason)


async def _ping(ping: Ping) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    start = loop.time()
    # Whatever a national system raises is an answer here, so it is gathered and not caught.
    (result,) = await asyncio.gather(asyncio.wait_for(ping(), PING_SECONDS), return_exceptions=True)
    seconds = round(loop.time() - start, 6)
    if isinstance(result, BaseException):
        why = f"no answer within {PING_SECONDS:g} s" if isinstance(result, TimeoutError) else ""
        text = why or f"{type(result).__name__}: {result}"
        return {"ok": False, "seconds": seconds, "error": text}
    return {"ok": True, "seconds": seconds}


def _limit(request: web.Request) -> int:
    return min(_number(request, "limit", DEFAULT_LIMIT), MAX_LIMIT)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    # Python refuses to read integers of thousands of digits; nobody needs more than these.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise web.HTTPBadRequest(reason=f"{name} is not a number")
    return int(text)


def _missing(what: str, request: web.Request) -> web.Response:
    return _error(404, f"there is no {what} {request.match_info['id'][:80]}")


def _error(status: int, text: str) -> web.Response:
    return _json({"error": text}, status=status)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
