"""Runs every measurement, prints a table, and writes out/bench.json.

    python -m bench [MODULE ...]

Modules named alone are only printed.

Exit code 1 when one does not hold. Bounds are on ratios measured in one run: no number of one
machine is compared with one of another. What could not be measured has None for `holds` and the
reason for `what`: it neither holds nor fails, and the table says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.places import FOLDER

MODULES = (
    "ebxml",
    "fhir_list",
    "manifest",
    "registry",
    "round_trip",
    "transfer",
    "orthanc",
    "delivery",
)
REPORT = FOLDER.parent / "bench.json"


def _shown(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Measured", title_justify="left")
    for heading in ("name", "value", "baseline", "ratio", "bound", "holds"):
        table.add_column(heading, justify="left" if heading in ("name", "holds") else "right")
    for row in rows:
        bound = row["bound"]
        holds = "shown" if bound is None else "yes" if row["holds"] else "NO"
        if row["holds"] is None:
            holds = "not measured"
        numbers = (row["value"], row["baseline"], row.get("ratio"), bound)
        table.add_row(row["name"], *map(_shown, numbers), holds)
    return table


def main() -> int:
    """Measure; 0 when everything that was measured holds."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    wanted = parser.parse_args().modules or list(MODULES)
    unknown = sorted(set(wanted) - set(MODULES))
    if unknown:
        parser.error(f"found {', '.join(unknown)}, expected {', '.join(MODULES)}")
    console = Console()
    rows: list[dict[str, Any]] = []
    for name in wanted:
        started = time.perf_counter()
        console.print(f"Measuring {name} …")
        rows += import_module(f"bench.{name}").rows()
        console.print(f"  {time.perf_counter() - started:.0f} s")
    console.print(_table(rows))
    for row in rows:
        if row["holds"] is None:
            console.print(f"Not measured: {row['name']}: {row['what']}")
    if wanted == list(MODULES):  # a report of some would hide what the others found
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        console.print(f"Written to {REPORT}")
    return 1 if any(row["holds"] is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
