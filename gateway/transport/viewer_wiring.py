"""From settings to viewers: the routes that open them, and the TLS that browsers meet.

Beside `compose`, which wires everything that speaks to gateways. A browser of the other country's
professional has no certificate of ours; so pages have a port of their own.
"""

from __future__ import annotations

import ssl

from aiohttp import web

from gateway.config import ListenSection, Settings, SettingsError, TlsSection, no_such_file
from gateway.domain import CommunityId, Exchange
from gateway.middleware.authorised import Rights
from gateway.transport.app import LOOPBACK_HOSTS
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import Clockwork, Speakers
from gateway.transport.record import Keeper
from gateway.transport.tls import page_context
from gateway.transport.viewer_server import ViewerServer


def serve_viewers(
    app: web.Application,
    exchange: Exchange,
    *,
    settings: Settings,
    keeper: Keeper,
    assertions: AssertionLog,
    clockwork: Clockwork,
    rights: Rights,
) -> None:
    """Let peers open the viewers of an Exchange; before its DICOMweb base is added to the app."""
    speakers = Speakers.of(exchange, settings, rights)
    ViewerServer(
        speakers.exchange,
        community=CommunityId(settings.gateway.community),
        identity=speakers.identity(settings, assertions, clockwork),
        keeper=keeper,
        public_url=settings.listen.public_url,
    ).add_to(app)


def tls_pages(tls: TlsSection) -> ssl.SSLContext:
    """The TLS context of pages for browsers: our server certificate, and none asked of them."""
    named = (("server_certificate", tls.server_certificate), ("server_key", tls.server_key))
    found = []
    for key, path in named:
        if path is None:
            raise SettingsError(f"tls.{key} is not set")
        if not path.is_file():
            raise SettingsError(f"tls.{key}: {no_such_file(path)}")
        found.append(path)
    try:
        return page_context(*found)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise SettingsError(f"tls.server_certificate, tls.server_key: {error}") from None


def viewer_url(listen: ListenSection, port: int) -> str:
    """The address browsers call the viewer by, without a slash at its end."""
    if listen.viewer_url:
        return listen.viewer_url.rstrip("/")
    host = "localhost" if listen.viewer_host in LOOPBACK_HOSTS else listen.viewer_host
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
