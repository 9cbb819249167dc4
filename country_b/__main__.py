"""`python -m country_b serve --config FILE [--ready-file FILE]`: Country B as a process."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import structlog

from country_b.app import running
from gateway.config import SettingsError, load_settings
from gateway.transport.app import until_stopped, write_ready_file


async def serve(config: Path, ready_file: Path | None) -> None:
    """Run Country B until it is told to stop."""
    async with running(load_settings(config)) as ports:
        if ready_file is not None:
            write_ready_file(ready_file, ports)
        await until_stopped()


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when told to stop, 2 when the settings or the arguments cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m country_b", description="Country B: asks.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve the portal API until SIGTERM")
    serving.add_argument("--config", type=Path, required=True, help="settings, TOML")
    serving.add_argument(
        "--ready-file", type=Path, help="written when listening: JSON with the ports"
    )
    options = parser.parse_args(arguments)

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    try:
        asyncio.run(serve(options.config, options.ready_file))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error}; is the port of 'listen' taken?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
