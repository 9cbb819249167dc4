"""`python -m gateway.link serve --listen PORT --target HOST:PORT`: a link as a process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from gateway.config import SettingsError
from gateway.link.model import ShapeError
from gateway.link.profiles import parse_profile
from gateway.link.service import LinkSettings, running
from gateway.transport.app import until_stopped, write_ready_file
from gateway.transport.daemon import run

_log = structlog.get_logger("gateway")


def settings_of(options: argparse.Namespace) -> LinkSettings:
    """What the command line says; `SettingsError` for what cannot be."""
    host, colon, port = str(options.target).rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise SettingsError(f"--target: found {options.target!r}, expected HOST:PORT")
    for name in ("listen", "control_port"):
        if not 0 <= getattr(options, name) < 65536:
            raise SettingsError(f"--{name.replace('_', '-')}: expected a port, 0 for a free one")
    try:
        profile = parse_profile(options.profile)
    except ShapeError as error:
        raise SettingsError(f"--profile: {error}") from None
    return LinkSettings(
        listen=options.listen,
        host=host.strip("[]"),
        port=int(port),
        profile=profile,
        control_port=options.control_port,
        seed=options.seed,
    )


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM; the ready file is written when it listens."""
    settings = settings_of(options)
    async with running(settings) as ports:
        _log.info("listening", name="link", profile=settings.profile.name, ports=dict(ports))
        if options.ready_file is not None:
            write_ready_file(options.ready_file, ports)
        await until_stopped()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 when told to stop, 1 when it cannot listen, 2 when it is told what cannot be."""
    top = argparse.ArgumentParser(prog="python -m gateway.link", description="A shaped link.")
    serving = top.add_subparsers(dest="command", required=True).add_parser(
        "serve", help="let connections through, as slow as a line, until SIGTERM"
    )
    serving.add_argument("--listen", type=int, default=0, help="port on loopback; 0: a free one")
    serving.add_argument("--target", required=True, help="HOST:PORT it leads to")
    serving.add_argument("--profile", default="unshaped", help="a name, or such as 8mbit/80ms")
    serving.add_argument("--control-port", type=int, default=0, help="0: a free one")
    serving.add_argument("--ready-file", type=Path, help="written when listening: JSON, ports")
    serving.add_argument("--seed", type=int, default=0, help="decides the jitter")
    return run(serve(top.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
