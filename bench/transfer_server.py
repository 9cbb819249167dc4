"""Country A as it is measured: the real thing, and beside it the barest server there can be.

    python -m bench.transfer_server FOLDER PROFILE READY_FILE [--timings FILE]

The bare server has the same TLS settings on a port `plain` and streams as many bytes as it is
asked for, always the same chunk. `--timings` switches on `bench.timings`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bench.places import settings_a
from country_a.app import running
from gateway.config import Settings
from gateway.transport.app import Listener, serving, until_stopped, write_ready_file
from gateway.transport.compose import tls_server
from gateway.transport.daemon import run, settled

CHUNK = os.urandom(512 * 1024)


async def plain(request: web.Request) -> web.StreamResponse:
    """Bytes, as many as asked for, in chunks of 512 KiB."""
    left = int(request.query["bytes"])
    response = web.StreamResponse()
    response.content_length = left
    await response.prepare(request)
    while left:
        piece = CHUNK if left >= len(CHUNK) else CHUNK[:left]
        await response.write(piece)
        left -= len(piece)
    await response.write_eof()
    return response


@asynccontextmanager
async def _both(settings: Settings) -> AsyncIterator[Mapping[str, int]]:
    app = web.Application()
    app.router.add_get("/", plain)
    bare = Listener(name="plain", app=app, host="127.0.0.1", port=0, tls=tls_server(settings.tls))
    async with running(settings) as ports, serving(bare) as more:
        yield {**ports, **more}


async def _serve(folder: Path, profile: str, ready: Path) -> None:
    (folder / "pid.json").write_text(json.dumps(os.getpid()), encoding="utf-8")
    async with _both(settings_a(folder, profile=profile)) as ports:
        with settled():
            write_ready_file(ready, ports)
            await until_stopped()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("profile")
    parser.add_argument("ready", type=Path)
    parser.add_argument("--timings", type=Path)
    options = parser.parse_args()
    job = _serve(options.folder, options.profile, options.ready)
    if options.timings is None:
        return run(job)
    from bench.timings import Timings

    with Timings(options.timings):
        return run(job)


if __name__ == "__main__":
    sys.exit(main())
