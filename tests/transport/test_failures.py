"""Every exception of the network becomes the refusal that says whose turn it is to act."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from yarl import URL

from gateway.domain import ExchangeError, NotNow, PeerMisbehaved, Refusal
from gateway.transport.failures import network_failures

KEY = Mock(ssl=True, host="peer.example", port=443)


def _unverified() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("self-signed")
    error.verify_message = "self-signed certificate"
    return error


def _not_http() -> aiohttp.ClientResponseError:
    info = aiohttp.RequestInfo(URL("https://peer.example"), "POST", Mock())
    return aiohttp.ClientResponseError(info, (), message="Bad status line")


# What is raised: the refusal it becomes, and words its text must have.
FAILURES: dict[str, tuple[BaseException, Refusal, str]] = {
    "name not known": (
        aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
        Refusal.PEER_UNREACHABLE,
        "Name or service not known",
    ),
    "connection refused": (
        aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "Connection refused")),
        Refusal.PEER_UNREACHABLE,
        "Connection refused",
    ),
    "its certificate is not trusted": (
        aiohttp.ClientConnectorCertificateError(KEY, _unverified()),
        Refusal.PEER_UNREACHABLE,
        "self-signed certificate",
    ),
    "no common TLS version": (
        aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "unsupported protocol")),
        Refusal.PEER_UNREACHABLE,
        "TLS handshake",
    ),
    "TLS breaks later": (ssl.SSLError(1, "bad record"), Refusal.PEER_UNREACHABLE, "cannot be used"),
    "connecting takes too long": (
        aiohttp.ConnectionTimeoutError("slow"),
        Refusal.PEER_TIMEOUT,
        "in time",
    ),
    "silence": (aiohttp.SocketTimeoutError("silent"), Refusal.PEER_TIMEOUT, "in time"),
    "any timeout": (TimeoutError(), Refusal.PEER_TIMEOUT, "in time"),
    "closed before the answer": (
        aiohttp.ServerDisconnectedError(),
        Refusal.PEER_UNREACHABLE,
        "client certificate",
    ),
    "reset": (aiohttp.ClientOSError(104, "reset"), Refusal.PEER_UNREACHABLE, "client certificate"),
    "reset without aiohttp": (
        ConnectionResetError(104, "Connection reset by peer"),
        Refusal.PEER_UNREACHABLE,
        "Connection reset by peer",
    ),
    "cut in the middle": (
        aiohttp.ClientPayloadError("not all"),
        Refusal.PEER_MISBEHAVED,
        "too early",
    ),
    "not HTTP": (_not_http(), Refusal.PEER_MISBEHAVED, "Bad status line"),
    "a URL that is none": (
        aiohttp.InvalidUrlClientError("nowhere"),
        Refusal.PEER_UNREACHABLE,
        "InvalidUrlClientError",
    ),
}


def _told(error: BaseException) -> ExchangeError:
    with pytest.raises(ExchangeError) as caught, network_failures("Country A"):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_becomes_its_refusal(name: str) -> None:
    """With the peer's name and what to look at."""
    error, refusal, words = FAILURES[name]

    told = _told(error)

    assert told.refusal is refusal
    assert "Country A" in told.text
    assert words in told.text


@pytest.mark.parametrize("name", FAILURES)
def test_only_what_may_pass_is_worth_trying_again(name: str) -> None:
    """A peer that sends nonsense will send it again."""
    error, refusal, _ = FAILURES[name]

    told = _told(error)

    assert isinstance(told, PeerMisbehaved if refusal is Refusal.PEER_MISBEHAVED else NotNow)
    assert told.retry is (refusal is not Refusal.PEER_MISBEHAVED)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("ours"), KeyError("ours")])
def test_what_is_not_of_the_network_passes_untouched(error: Any) -> None:
    """A mistake of ours must not be blamed on the peer."""
    with pytest.raises(type(error)) as caught, network_failures("Country A"):
        raise error

    assert caught.value is error


def test_a_refusal_made_already_passes_untouched() -> None:
    """Nesting changes nothing."""
    inner = NotNow(Refusal.BUSY, "busy")

    with pytest.raises(NotNow) as caught, network_failures("a"), network_failures("b"):
        raise inner

    assert caught.value is inner
