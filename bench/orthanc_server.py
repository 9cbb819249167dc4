"""Country A's DICOMweb routes without TLS and token, to be measured beside a server without them.

    python -m bench.orthanc_server FOLDER PROFILE READY_FILE

The service cannot be set up so: here, and nowhere else, the part that makes out who calls is
replaced by one that takes every caller for the same physician. All the rest is the real thing: what
is asked is looked up and authorised, kept as a transcript and audited.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.places import call_context, settings_a
from country_a.app import CLOCKWORK, delivering, national_systems, responder_of
from gateway.config import Settings
from gateway.domain import CallContext, Caller, CommunityId, Oid
from gateway.middleware.authorised import Rights
from gateway.transport.app import (
    Listener,
    new_application,
    serving,
    until_stopped,
    write_ready_file,
)
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import keeper_of
from gateway.transport.compose_servers import Speakers, apology
from gateway.transport.control import Control, control_app
from gateway.transport.daemon import run
from gateway.transport.dicomweb_answers import DicomwebAnswerer
from gateway.transport.dicomweb_server import DicomwebServer
from gateway.transport.goodput import Goodput


class _OneCaller:
    """In the place of `TokenGate`."""

    def __init__(self, context: CallContext) -> None:
        self._context = context

    def admit(self, *_: Any, caller: Caller, **__: Any) -> CallContext:
        """The physician, who calls from where the call comes from."""
        return replace(self._context, caller=caller)


class _OpenServer(DicomwebServer):
    """The routes, for one caller whoever calls."""

    def __init__(self, *arguments: Any, context: CallContext, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._gate: Any = _OneCaller(context)


async def _serve(settings: Settings, profile: str, ready: Path) -> None:
    national = await national_systems(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(national.close)
        pacs = national.systems.pacs
        state = settings.gateway.state
        desk = await stack.enter_async_context(delivering(state, pacs, Goodput(), CLOCKWORK))
        speakers = Speakers.of(responder_of(settings, national, desk), settings, Rights())
        answerer = DicomwebAnswerer(
            speakers.exchange,
            community=CommunityId(settings.gateway.community),
            default_location=Oid(settings.national.imaging_source),
        )
        assertions = AssertionLog(settings.gateway.state / "assertions.log")
        app = new_application(
            new_id=CLOCKWORK.new_id,
            max_body_bytes=settings.limits.request_bytes,
            apology=apology,
        )
        keeper = keeper_of(settings, CLOCKWORK)
        _OpenServer(
            lambda _: answerer,
            identity=speakers.identity(settings, assertions, CLOCKWORK),
            keeper=keeper,
            limits=settings.limits,
            context=call_context(profile),
        ).add_to(app)
        control = control_app(Control(tap=keeper.tap, audit=keeper.audit, pings={}))
        listeners = [
            Listener(name=name, app=each, host="127.0.0.1", port=0)
            for name, each in (("dicomweb", app), ("control", control))
        ]
        async with serving(*listeners) as ports:
            write_ready_file(ready, ports)
            await until_stopped()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("profile")
    parser.add_argument("ready", type=Path)
    options = parser.parse_args()
    (options.folder / "pid.json").write_text(json.dumps(os.getpid()), encoding="utf-8")
    settings = settings_a(options.folder, profile=options.profile)
    return run(_serve(settings, options.profile, options.ready))


if __name__ == "__main__":
    sys.exit(main())
