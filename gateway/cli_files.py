"""The commands of `ncpeh` that look at one file and start nothing: coverage, conversion.

Thin: what they say is worked out in `coverage` and `conversion`.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FAILED = 1


def fail(text: str, code: int = FAILED) -> typer.Exit:
    """Say what went wrong; raise what this returns."""
    typer.secho(text, err=True, fg=typer.colors.RED)
    return typer.Exit(code)


def writable(option: str, path: Path | None) -> None:
    """Refuse a report nobody could write before a house is built for it."""
    if path is None:
        return
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"its folder cannot be made ({error.strerror})"
    else:
        if path.is_dir():
            problem = "that is a folder, expected the name of a file"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "you have no right to write there"
    if problem:
        raise typer.BadParameter(f"{path}: {problem}", param_hint=option)


class Encoding(StrEnum):
    """In which form a manifest is written."""

    KOS = "kos"
    FHIR = "fhir"


def convert_manifest(
    file: Annotated[
        Path,
        typer.Argument(help="A manifest, in either encoding.", exists=True, dir_okay=False),
    ],
    to: Annotated[
        Encoding, typer.Option(help="kos: key object selection; fhir: FHIR document, JSON.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the manifest here.")] = None,
    trial_codes: Annotated[
        bool, typer.Option("--trial-codes", help="Write the trial implementation's codes.")
    ] = False,
) -> None:
    """Convert a manifest, and say what of it is lost and why; without --out say that alone."""
    from datetime import UTC, datetime

    from gateway.conversion import convert
    from gateway.domain import ManifestEncoding
    from gateway.wire.problems import DecodeError, EncodeError

    writable("--out", out)
    try:
        done = convert(
            file.read_bytes(),
            ManifestEncoding(to.value),
            at=datetime.now(UTC),
            trial_codes=trial_codes,
        )
        if out is not None:
            out.write_bytes(done.data)
    except (DecodeError, EncodeError, OSError) as error:
        raise fail(f"{file}: {error}") from None
    typer.echo(done.describe(), nl=False)


def show_coverage(
    file: Annotated[
        Path, typer.Argument(help="A report or a manifest.", exists=True, dir_okay=False)
    ],
) -> None:
    """Show, element by element, what of the guideline's data set a report or a manifest carries."""
    from gateway.coverage import MAX_FILE_BYTES, coverage_of
    from gateway.wire.problems import DecodeError

    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise fail(f"{file} is larger than {MAX_FILE_BYTES} bytes; no report or manifest is")
        coverage = coverage_of(file.read_bytes())
    except (DecodeError, OSError) as error:
        raise fail(f"{file} cannot be read: {error}") from None
    for line in coverage.lines():
        typer.echo(line)
