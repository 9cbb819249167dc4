"""`ncpeh link`: a shaped link by itself, its profiles, and how accurate it is here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

link = typer.Typer(
    help="A line as slow, and as breakable, as somebody wishes: below TLS, in user space.",
    no_args_is_help=True,
)

_USUAL = ("unlimited/80ms", "500kbit/80ms", "8mbit/80ms", "100mbit/80ms", "unshaped")

# How a line is typed, wherever one may be chosen.
LINK_HELP = "a name of `ncpeh link profiles`, or rate/round trip/jitter, such as 8mbit/80ms"


def known_profile(option: str, text: str) -> str:
    """A profile that somebody typed; one that cannot be read is refused before anything starts."""
    from gateway.link.model import ShapeError
    from gateway.link.profiles import parse_profile

    if text:
        try:
            parse_profile(text)
        except ShapeError as error:
            raise typer.BadParameter(str(error), param_hint=option) from None
    return text


@link.command("profiles")
def show_profiles() -> None:
    """List the lines that have a name."""
    from gateway.link.profiles import PROFILES, in_words

    for profile in PROFILES.values():
        typer.echo(f"{profile.name:<16} {profile.about}")
        typer.echo(f"{'':<16}   up   {in_words(profile.shape.up)}")
        typer.echo(f"{'':<16}   down {in_words(profile.shape.down)}")


@link.command("measure")
def measure_link(
    profile: Annotated[
        list[str] | None, typer.Argument(help=f"What to measure: {LINK_HELP}.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long each direction is used.", min=0.1, max=600)
    ] = 2.0,
) -> None:
    """Send known bytes through a link, and show what it predicted and what it took."""
    import asyncio

    from gateway.link.accuracy import measure, table
    from gateway.link.profiles import parse_profile

    names = [known_profile("PROFILE", text) for text in profile or _USUAL]
    measured = [
        one for name in names for one in asyncio.run(measure(parse_profile(name), seconds=seconds))
    ]
    for line in table(measured):
        typer.echo(line)


@link.command("serve")
def serve_link(
    target: Annotated[str, typer.Option(help="HOST:PORT the link leads to.")],
    listen: Annotated[int, typer.Option(help="Port on loopback; 0: a free one.")] = 0,
    profile: Annotated[str, typer.Option(help=f"How it is: {LINK_HELP}.")] = "unshaped",
    control_port: Annotated[
        int, typer.Option(help="Port to look at it and to break it; 0: a free one.")
    ] = 0,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written when it listens: JSON, ports.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the jitter.")] = 0,
) -> None:
    """Let connections through, as slow as a line, until Ctrl-C or SIGTERM."""
    from gateway.house import module, replace_process

    command = [*module("gateway.link"), "serve", f"--target={target}", f"--listen={listen}"]
    command += [f"--profile={profile}", f"--control-port={control_port}", f"--seed={seed}"]
    if ready_file is not None:
        command.append(f"--ready-file={ready_file}")
    sys.stdout.flush()
    sys.stderr.flush()
    replace_process(command)
