"""Country B as a process.

python -m country_b serve --config FILE [--ready-file FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from country_b.app import running
from gateway.transport.daemon import run, serve


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when told to stop, 1 when it cannot listen, 2 when settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m country_b", description="Country B: asks.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve the portal API until SIGTERM")
    serving.add_argument("--config", type=Path, required=True, help="settings, TOML")
    serving.add_argument("--ready-file", type=Path, help="written when listening: JSON, ports")
    options = parser.parse_args(arguments)
    return run(serve(running, options.config, options.ready_file))


if __name__ == "__main__":
    sys.exit(main())
