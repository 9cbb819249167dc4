"""A bridge: one peer's Exchange, whichever wire it speaks, served over every wire there is.

What speaks FHIR alone so reads what speaks SOAP alone, and the reverse. The bridge answers for
the home community of the peer: ids of communities, documents and images stay as they are, and
addresses are its own. It is no pipe: a caller is made out and judged here, and the peer is asked
with assertions or tokens of the bridge's own, over its own TLS client certificate. The peer
therefore has to trust both, and believes what the bridge says of who asks.

python -m gateway.transport.bridge serve --config FILE [--ready-file FILE]
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from gateway.config import Settings, SettingsError
from gateway.domain import CommunityId, Exchange, Oid
from gateway.middleware.announced import HeldImages
from gateway.middleware.authorised import Rights
from gateway.middleware.chosen import ChosenPerVerb
from gateway.middleware.dialect import Dialect
from gateway.middleware.relayed import Relayed
from gateway.peers import Peer, PeerBook
from gateway.transport.app import Listener, names_of, new_application, serving
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import (
    Clockwork,
    audit_sent,
    exchange_of,
    keeper_of,
    session_of,
    tls_server,
)
from gateway.transport.compose_servers import apology, serve_dicomweb, serve_exchange, serve_fhir
from gateway.transport.control import Control, control_app
from gateway.transport.daemon import run, serve
from gateway.transport.record import Keeper
from gateway.wire.soap.contract import Endpoint

CLOCKWORK = Clockwork(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


def fronted(settings: Settings) -> Peer:
    """The one peer that a bridge asks; `SettingsError` where it is not one, or another's."""
    book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
    asked = [peer for peer in book.peers if peer.is_asked]
    if len(asked) != 1:
        names = ", ".join(peer.name for peer in asked) or "none"
        raise SettingsError(f"peers: a bridge asks one peer, found {names}; name one with a url")
    [peer] = asked
    if peer.community != CommunityId(settings.gateway.community):
        raise SettingsError(
            f"gateway.community: found {settings.gateway.community}; a bridge answers for the "
            f"community of the peer it asks, {peer.community}"
        )
    return peer


@asynccontextmanager
async def running(
    settings: Settings, clockwork: Clockwork = CLOCKWORK
) -> AsyncIterator[Mapping[str, int]]:
    """A bridge on the network until left; gives the ports `service` and `control`."""
    async with AsyncExitStack() as stack:
        peer = fronted(settings)
        keeper = keeper_of(settings, clockwork)
        await stack.enter_async_context(audit_sent(settings, keeper))
        session = await stack.enter_async_context(session_of(settings))
        exchange = Relayed(
            exchange_of(peer, settings, session, keeper, clockwork),
            peer.treatment_relation,
            Dialect(class_codes=peer.profile.class_codes),
        )
        app = bridge_app(exchange, settings, keeper, clockwork, untold=peer.images_by != "soap")
        control = control_app(
            Control(tap=keeper.tap, audit=keeper.audit, pings={}),
            allowed_hosts=names_of(settings.listen.control_host),
        )
        listen = settings.listen
        ports = await stack.enter_async_context(
            serving(
                Listener(
                    name="service",
                    app=app,
                    host=listen.host,
                    port=listen.port,
                    tls=tls_server(settings.tls),
                ),
                Listener(
                    name="control",
                    app=control,
                    host=listen.control_host,
                    port=listen.control_port,
                ),
            )
        )
        yield ports


def bridge_app(
    exchange: Exchange,
    settings: Settings,
    keeper: Keeper,
    clockwork: Clockwork,
    *,
    untold: bool,
) -> web.Application:
    """Every wire of an Exchange on one port: responding gateway, FHIR and DICOMweb.

    `untold` is whether it does not tell beforehand which images come, which SOAP has to.

    What a series without a Retrieve Location is said to be at, is the community itself: the
    peer's imaging source is not known here.
    """
    app = new_application(
        new_id=clockwork.new_id, max_body_bytes=settings.limits.request_bytes, apology=apology
    )
    assertions = AssertionLog(settings.gateway.state / "assertions.log")
    serve_exchange(
        app,
        _announcing(exchange) if untold else exchange,
        endpoint=Endpoint.RESPONDING_GATEWAY,
        settings=settings,
        keeper=keeper,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    serve_fhir(
        app,
        exchange,
        settings=settings,
        keeper=keeper,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    serve_dicomweb(
        app,
        exchange,
        imaging_source=Oid(settings.gateway.community),
        settings=settings,
        keeper=keeper,
        assertions=assertions,
        clockwork=clockwork,
        rights=Rights(),
    )
    return app


def _announcing(exchange: Exchange) -> Exchange:
    return ChosenPerVerb(
        patients=exchange,
        documents=exchange,
        studies=exchange,
        images=HeldImages(exchange, exchange),
        plans=exchange,
        certificates=exchange,
        viewer=exchange,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when told to stop, 1 when it cannot listen, 2 when settings cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.transport.bridge", description="A bridge: asks one, answers many."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serving_it = commands.add_parser("serve", help="serve every wire until SIGTERM")
    serving_it.add_argument("--config", type=Path, required=True, help="settings, TOML")
    serving_it.add_argument("--ready-file", type=Path, help="written when listening: JSON, ports")
    options = parser.parse_args(arguments)
    return run(serve(running, options.config, options.ready_file))


if __name__ == "__main__":
    sys.exit(main())
