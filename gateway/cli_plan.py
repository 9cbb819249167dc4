"""`ncpeh plan`: how a study would come over a line, before a byte of it moves.

The visit is made by the scenarios' process, as anybody would make it; the plan it brings is shown
here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from gateway.cli_files import fail, writable
from gateway.cli_link import LINK_HELP, known_profile
from gateway.cli_options import Dicom, Out, Profile, ProfileOption, Seed, Size, SizeOption

_PURPOSES = ("diagnostic", "review", "emergency", "reference")


def plan_study(
    study: Annotated[str, typer.Option(help="Study instance UID.", metavar="UID")] = "",
    role: Annotated[
        str, typer.Option(help="Without --study: the first study of the patient in this role.")
    ] = "main",
    link: Annotated[
        str,
        typer.Option("--link", help=f"Line that is planned for: {LINK_HELP}.", metavar="PROFILE"),
    ] = "",
    purpose: Annotated[str, typer.Option(help=f"What for: {', '.join(_PURPOSES)}.")] = "",
    deadline: Annotated[
        float | None,
        typer.Option(help="Seconds within which everything is to be there.", min=0.001),
    ] = None,
    first_image: Annotated[
        float | None, typer.Option(help="Seconds within which one image is to be there.", min=0.001)
    ] = None,
    lossy: Annotated[bool, typer.Option("--lossy", help="Agree that pixels may change.")] = False,
    max_bytes: Annotated[int | None, typer.Option(help="How much may come.", min=1)] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the plan here as well.")
    ] = None,
    portal: Annotated[
        str,
        typer.Option(help="Portal API of a Country B that runs, instead of a house of its own."),
    ] = "",
    seed_info: Annotated[
        Path | None,
        typer.Option(
            help="With --portal: seed.json of its Country A.", exists=True, dir_okay=False
        ),
    ] = None,
    out: Out = Path("out"),
    seed: Seed = None,
    size: SizeOption = Size.DEMO,
    profile: ProfileOption = Profile.IHE,
    dicom: Dicom = None,
) -> None:
    """Show how a study would come: each series, each codec and why not, bytes and seconds.

    Both countries are started for it, unless --portal and --seed-info name two that run.
    """
    from gateway.house import House, HouseError, HousePlan

    if bool(portal) != (seed_info is not None):
        raise typer.BadParameter(
            "one names the portal, the other who is in its Country A: give both",
            param_hint="--portal, --seed-info",
        )
    needs = needs_of(
        purpose=purpose,
        link=known_profile("--link", link),
        deadline_seconds=deadline,
        first_image_seconds=first_image,
        lossy_consent=lossy,
        max_bytes=max_bytes,
    )
    writable("--json", json_file)
    which = [f"--study={study}"] if study else [f"--role={role}"]
    if seed_info is not None:
        _ask(portal, seed_info, which, needs, json_file)
        return
    plan = HousePlan(
        folder=(out / "plan").resolve(),
        seed=seed,
        size=size.value,
        profile=profile.value,
        dicom=tuple(dicom or ()),
        link=link,
    )
    try:
        with House(plan, lambda line: typer.echo(line, err=True)) as house:
            url = f"http://127.0.0.1:{house.ports_b['portal']}"
            _ask(url, house.seed_info, which, needs, json_file)
    except HouseError as error:
        raise fail(str(error)) from None
    except OSError as error:
        raise fail(f"{error}; is there room and a right to write in {out}?") from None


def needs_of(*, purpose: str, link: str, **given: Any) -> dict[str, Any]:
    """What is needed, as the portal takes it; what was not said is left out.

    The sender chooses, as for anybody who states a need. A line without a rate states nothing.
    """
    if purpose and purpose not in _PURPOSES:
        raise typer.BadParameter(
            f"found {purpose!r}, expected one of: {', '.join(_PURPOSES)}", param_hint="--purpose"
        )
    needs = {name: value for name, value in given.items() if value}
    if purpose:
        needs["purpose"] = purpose
    if link and (line := _line(link)):
        needs["link"] = line
    return {"choice": "sender", **needs}


def _line(text: str) -> dict[str, float]:
    from gateway.link.profiles import parse_profile

    shape = parse_profile(text).shape
    rate = shape.down.bits_per_second
    if rate is None:
        return {}
    trip = shape.up.latency_seconds + shape.down.latency_seconds
    return {"mbit": rate / 1e6, "round_trip_ms": trip * 1e3}


def _ask(
    portal: str, seed_info: Path, which: list[str], needs: dict[str, Any], json_file: Path | None
) -> None:
    """Ask for the plan, show it, keep it where it is wanted."""
    from gateway.compression.plan_text import plan_lines, read_plan
    from gateway.house import module
    from gateway.wire.problems import DecodeError

    with TemporaryDirectory(prefix="ncpeh-plan-") as aside:
        answer = Path(aside) / "plan.json"
        command = [*module("scenarios"), "plan", "--portal", portal, "--seed-info", str(seed_info)]
        command += [*which, "--needs", json.dumps(needs), "--json", str(answer)]
        code = subprocess.run(command, check=False).returncode  # noqa: S603  our own modules
        if code:
            raise typer.Exit(code if code in (1, 2) else 1)
        text = answer.read_text(encoding="utf-8")
    try:
        plan = read_plan(json.loads(text))
    except DecodeError as error:
        raise fail(f"the plan cannot be read: {error}") from None
    for line in plan_lines(plan):
        typer.echo(line)
    if json_file is not None:
        json_file.write_text(text, encoding="utf-8")
