"""Calls to a peer that answers as told, for tests of clients over REST; without TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.config import LimitSection, PeerSection
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, serving
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.fhir_calls import FhirCalls, FhirClientIdentity
from gateway.transport.record import Keeper
from gateway.wire.fhir.tokens import TokenSigner
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.fhir_peers import Answer, FhirPeer
from tests.gateways import settings_for


@dataclass(frozen=True)
class Told:
    """Calls to a peer, what it was asked, and what was kept of it."""

    calls: FhirCalls
    peer: FhirPeer
    keeper: Keeper
    base: str

    @property
    def paths(self) -> list[str]:
        """What the peer was asked, in order."""
        return [path for path, *_ in self.peer.asked]


@asynccontextmanager
async def calling(
    base: str,
    domain: TrustDomain,
    folder: Path,
    clockwork: Clockwork,
    *,
    limits: LimitSection | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[FhirCalls, Keeper]]:
    """Calls of Country B to a peer, and what is kept of them; BASE in its settings is its base."""
    section = limits or LimitSection()
    keeper = keeper_of(
        settings_for(COUNTRY_B, "XB", folder, folder / "b", limits=section), clockwork
    )
    named = {name: _placed(value, base) for name, value in settings.items()}
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        calls = FhirCalls(
            peer_of_section(PeerSection(name="Country A", community=COUNTRY_A, **named)),
            identity=FhirClientIdentity(
                country="XB",
                signer=TokenSigner(domain.signer("XB")),
                client_fingerprint="ab" * 32,
                now=clockwork.now,
                new_id=clockwork.new_id,
            ),
            session=session,
            keeper=keeper,
            limits=section,
        )
        yield calls, keeper


@asynccontextmanager
async def told_peer(
    answer: Answer,
    domain: TrustDomain,
    folder: Path,
    clockwork: Clockwork,
    *,
    limits: LimitSection | None = None,
    **settings: Any,
) -> AsyncIterator[Told]:
    """A peer that answers as told; BASE in its settings stands for its origin."""
    peer = FhirPeer(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.serve)
    options = {"fhir_url": "BASE/fhir", "dicomweb_url": "BASE/rs"} | settings
    async with serving(Listener(name="peer", app=app, host="127.0.0.1", port=0)) as ports:
        base = f"http://127.0.0.1:{ports['peer']}"
        async with calling(base, domain, folder, clockwork, limits=limits, **options) as (
            calls,
            keeper,
        ):
            yield Told(calls, peer, keeper, base)


def _placed(value: Any, base: str) -> Any:
    match value:
        case str():
            return value.replace("BASE", base)
        case tuple():
            return tuple(_placed(each, base) for each in value)
        case dict():
            return {key: _placed(each, base) for key, each in value.items()}
        case _:
            return value
