"""From settings to a port for browsers: the TLS they meet, and the address they call.

Beside `compose`, which wires what speaks to gateways. A browser of the other country's
professional has no certificate of ours; so pages have a port of their own.
"""

from __future__ import annotations

import ssl

from gateway.config import ListenSection, SettingsError, TlsSection, no_such_file
from gateway.transport.app import LOOPBACK_HOSTS
from gateway.transport.tls import page_context


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
