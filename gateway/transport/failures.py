"""The one place where exceptions of the network, and of the tap's disk, become refusals.

Nothing above catches what aiohttp, ssl, the clock or the disk raise.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from gateway.domain.refusals import ExchangeError, InternalFault, NotNow, PeerMisbehaved, Refusal


def _refusal_of(error: BaseException, peer: str) -> ExchangeError:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            text = f"{peer}: the TLS handshake failed ({_reason(error)})"
            return NotNow(Refusal.PEER_UNREACHABLE, text)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return NotNow(Refusal.PEER_TIMEOUT, f"{peer} did not answer in time")
        case aiohttp.ClientConnectorError():
            return NotNow(Refusal.PEER_UNREACHABLE, f"{peer} cannot be reached ({_reason(error)})")
        case aiohttp.ClientPayloadError():
            return PeerMisbehaved(Refusal.PEER_MISBEHAVED, f"{peer} ended its answer too early")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            # TLS 1.3 tells of a refused client certificate only after the handshake.
            text = f"{peer} closed the connection; does it accept our TLS client certificate?"
            return NotNow(Refusal.PEER_UNREACHABLE, text)
        case aiohttp.ClientResponseError():
            text = f"{peer} did not answer in HTTP ({error.message})"
            return PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)
        case _:
            return NotNow(Refusal.PEER_UNREACHABLE, f"{peer} cannot be used ({_reason(error)})")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    # Errors made in Python rather than by OpenSSL have neither attribute.
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {getattr(inner, 'verify_message', '') or inner}"
    if isinstance(inner, ssl.SSLError):
        return str(getattr(inner, "reason", "") or inner)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(error).__name__


@contextmanager
def network_failures(peer: str) -> Iterator[None]:
    """Turn what the network raises while talking to `peer` into an `ExchangeError`."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
        raise _refusal_of(error, peer) from error


@contextmanager
def on_disk() -> Iterator[None]:
    """Turns a failing disk into a refusal: worth trying again when it is full, else our fault."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotNow(Refusal.STORE_FULL, "the disk of the transcripts is full") from error
        raise InternalFault(Refusal.INTERNAL, "transcripts cannot be written") from error
