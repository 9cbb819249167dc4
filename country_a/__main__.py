"""Country A as a process.

python -m country_a serve --config FILE [--ready-file FILE]
python -m country_a seed  --config FILE [--dicom DIR ...] [--size tiny|demo|full]
                           [--many N]
python -m country_a explain-query --config FILE --row ID [--modality CODE ...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from country_a.app import forms_of, national_systems, oids_of, running
from country_a.explain_query import Question, add_arguments, explained, read_question
from country_a.seed.load import SCALES, seed_all
from gateway.config import load_settings
from gateway.transport.daemon import DONE, FAILED, USAGE, run, serve

MAX_MANY = 20_000  # entries; a client gives up on longer lists


async def seed(config: Path, folders: list[Path], size: str, many: int) -> None:
    """Empty the national systems and fill them with made-up patients and studies."""
    settings = load_settings(config)
    national = await national_systems(settings)
    try:
        report = await seed_all(
            national,
            oids=oids_of(settings),
            seed_number=settings.national.seed_number,
            size=size or settings.national.seed_size,
            dicom_folders=folders,
            many=many,
            forms=forms_of(settings),
        )
    finally:
        await national.close()
    sys.stdout.write(report.describe())


async def explain(config: Path, question: Question) -> int:
    """Say why a row is in the answer to a query or out of it; 1 where there is no such row."""
    settings = load_settings(config)
    national = await national_systems(settings)
    try:
        text = await explained(national.systems, oids_of(settings).community, question)
    finally:
        await national.close()
    if not text:
        sys.stderr.write(f"there is no row {question.row[:80]}; is Country A seeded?\n")
        return FAILED
    sys.stdout.write(text)
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when done, 1 when it failed, 2 when settings or arguments cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m country_a", description="Country A: answers.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve the gateway until SIGTERM")
    serving.add_argument("--config", type=Path, required=True, help="settings, TOML")
    serving.add_argument("--ready-file", type=Path, help="written when listening: JSON, ports")
    seeding = commands.add_parser("seed", help="fill the national systems anew")
    seeding.add_argument("--config", type=Path, required=True, help="settings, TOML")
    seeding.add_argument(
        "--dicom", type=Path, action="append", default=[], help="a folder of files to take in"
    )
    seeding.add_argument("--size", choices=sorted(SCALES), default="", help="how much to make")
    seeding.add_argument(
        "--many", type=int, default=0, help="entries of one more patient, for long lists"
    )
    explaining = commands.add_parser("explain-query", help="say why a row is in or out")
    explaining.add_argument("--config", type=Path, required=True, help="settings, TOML")
    add_arguments(explaining)
    options = parser.parse_args(arguments)

    if options.command == "serve":
        return run(serve(running, options.config, options.ready_file))
    if options.command == "explain-query":
        return run(explain(options.config, read_question(options)))
    for folder in options.dicom:
        if not folder.is_dir():
            sys.stderr.write(f"--dicom: there is no folder {folder}\n")
            return USAGE
    if not 0 <= options.many <= MAX_MANY:
        sys.stderr.write(f"--many: found {options.many}, expected 0 to {MAX_MANY}\n")
        return USAGE
    return run(seed(options.config, options.dicom, options.size, options.many))


if __name__ == "__main__":
    sys.exit(main())
