"""Serving: an application with limits, a last resort for errors, and a ready file.

What nobody expected ends here and nowhere else: it is logged under a correlation id, and the
caller is told that id and nothing of the inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.domain import ExchangeError

# aiohttp's 8 kB default refuses legitimate tokens: one with assertions inside takes 32 kB.
MAX_HEADER_BYTES = 128 * 1024
# A start line longer than any query that is read (`wire.fhir.search.MAX_QUERY`), so that one which
# is too long is refused in the tongue of who sent it and not by the HTTP library.
MAX_LINE_BYTES = 128 * 1024
# Longest wait for requests under way when a service is told to stop.
SHUTDOWN_SECONDS = 5.0
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_log = structlog.get_logger("gateway")


class _Unquoted(logging.Filter):
    """Takes what a caller sent out of the HTTP library's log.

    It logs a request that it cannot read with the first bytes of what was wrong, and the longest
    header there is holds a token.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes, one about such a request without its exception."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.msg, record.args = "a request that is no HTTP was refused", ()
            record.exc_info = record.exc_text = None
        return True


_http_log = logging.getLogger("gateway.http")
_http_log.addFilter(_Unquoted())

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def apology_in_json(_: web.Request, correlation_id: str) -> web.Response:
    """The answer to a request that met a fault of ours, for those who speak JSON."""
    return web.json_response(
        {"refusal": "internal", "text": "internal error", "correlation_id": correlation_id},
        status=500,
    )


def new_application(
    *,
    new_id: Callable[[], str],
    max_body_bytes: int,
    apology: Callable[[web.Request, str], web.Response] = apology_in_json,
) -> web.Application:
    """An application whose unexpected errors are logged and told of by a correlation id alone.

    `apology` makes the answer to a request that tells the id, in the tongue of those who call.
    """

    @web.middleware
    async def last_resort(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPException, asyncio.CancelledError):
            raise
        except ExchangeError as error:
            correlation_id = new_id()
            _log.warning(
                "request.cut",
                path=request.path,
                refusal=error.refusal.value,
                correlation_id=correlation_id,
            )
            return apology(request, correlation_id)
        except Exception:  # noqa: BLE001  the one place for what nobody expected
            correlation_id = new_id()
            _log.exception("request.failed", path=request.path, correlation_id=correlation_id)
            return apology(request, correlation_id)

    return web.Application(middlewares=[last_resort], client_max_size=max_body_bytes)


def no_web_pages(allowed_hosts: frozenset[str] | None) -> Any:
    """A middleware that refuses what a web page elsewhere sends through its reader's browser.

    Such a page reaches loopback by a form or a script, which name their `Origin`, or by a name of
    its own that it lets point there: `allowed_hosts` are the names we go by, None allows any.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = (request.url.host or "").lower()
        if allowed_hosts is not None and host not in allowed_hosts:
            raise web.HTTPForbidden(reason=f"this port is not called {printable(host)}")
        if "Origin" in request.headers:
            raise web.HTTPForbidden(reason="web pages may not use this port")
        return await handler(request)

    return guard


def names_of(host: str) -> frozenset[str] | None:
    """The names a port may be called by: on loopback its own, elsewhere any."""
    return LOOPBACK_HOSTS if host in LOOPBACK_HOSTS else None


def printable(text: str) -> str:
    """A caller's word as a line of an answer may repeat it."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One port of a service: where it listens, and with which TLS."""

    name: str
    app: web.Application
    host: str
    port: int
    tls: ssl.SSLContext | None = None


@asynccontextmanager
async def serving(*listeners: Listener) -> AsyncIterator[Mapping[str, int]]:
    """Serve until left; gives the port each listener got, by its name."""
    runners: list[web.AppRunner] = []
    ports: dict[str, int] = {}
    try:
        for listener in listeners:
            runner = web.AppRunner(
                listener.app,
                max_field_size=MAX_HEADER_BYTES,
                max_line_size=MAX_LINE_BYTES,
                logger=_http_log,
                shutdown_timeout=SHUTDOWN_SECONDS,
                access_log=None,
                handler_cancellation=True,
                auto_decompress=False,  # see `packed`
            )
            runners.append(runner)
            await runner.setup()
            site = web.TCPSite(runner, listener.host, listener.port, ssl_context=listener.tls)
            try:
                await site.start()
            except OSError as error:
                number = error.errno or 0  # below 0: of name resolution
                reason = os.strerror(number) if number > 0 else error.strerror
                raise OSError(
                    error.errno,
                    f"the {listener.name} port cannot be {listener.port} of {listener.host}: "
                    f"{reason}; choose another under [listen] in the settings",
                ) from None
            ports[listener.name] = runner.addresses[0][1]
        yield ports
    finally:
        for runner in reversed(runners):
            await runner.cleanup()


def write_ready_file(path: Path, ports: Mapping[str, int]) -> None:
    """Tell whoever started us which ports we got, all at once (the file appears whole)."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_bytes(orjson.dumps({"ports": dict(ports)}))
    fresh.replace(path)


async def until_stopped() -> None:
    """Wait for SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not on Windows: there Ctrl-C raises
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
