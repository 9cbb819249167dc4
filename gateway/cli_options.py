"""Options that several commands of `ncpeh` share, each with its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli_link import LINK_HELP


class Size(StrEnum):
    """How much Country A's seed makes."""

    TINY = "tiny"
    DEMO = "demo"
    FULL = "full"


class Profile(StrEnum):
    """The dialect the two countries speak."""

    IHE = "ihe"
    EHDSI = "ehdsi"


Out = Annotated[Path, typer.Option(help="Folder for reports, logs and everything the run makes.")]
Seed = Annotated[int | None, typer.Option(help="Seed number of the made-up patients.", min=0)]
SizeOption = Annotated[Size, typer.Option(help="How much to make up.")]
ProfileOption = Annotated[Profile, typer.Option(help="Dialect between the countries.")]
Dicom = Annotated[
    list[Path] | None,
    typer.Option(
        help="A folder of DICOM files to take in as well; may be given several times.",
        exists=True,
        file_okay=False,
        resolve_path=True,
    ),
]
Many = Annotated[
    int,
    typer.Option(
        help="Entries of one more patient, without documents: a list as long as lists get.",
        min=0,
        max=20_000,
    ),
]
Link = Annotated[
    str, typer.Option("--link", help=f"Link to Country A: {LINK_HELP}.", metavar="PROFILE")
]
ImageLink = Annotated[
    str,
    typer.Option(
        "--image-link",
        help="Link for images alone, likewise; without it they go by the other.",
        metavar="PROFILE",
    ),
]
