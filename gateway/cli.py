"""`ncpeh`: the command line of the simulator.

It starts the countries and the scenarios as processes and imports none of them; heavy modules
are imported by the command that needs them. Exit code 0: done; 1: a step or check failed; 2: the
command was used wrongly. Errors say what to do.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from gateway.cli_files import FAILED, convert_manifest, fail, show_coverage, writable
from gateway.cli_link import known_profile, link
from gateway.cli_options import (
    Dicom,
    ImageLink,
    Link,
    Many,
    Out,
    Profile,
    ProfileOption,
    Seed,
    Size,
    SizeOption,
)
from gateway.cli_plan import plan_study

DONE, USAGE = 0, 2
TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(
    help="Simulator of the cross-border exchange of medical images between two national contact "
    "points for eHealth. Test and demonstration only: made-up patients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
scenario = typer.Typer(help="Stories of use case 1, told step by step.", no_args_is_help=True)
certs = typer.Typer(help="Made-up certificates.", no_args_is_help=True)
app.add_typer(scenario, name="scenario")
app.add_typer(certs, name="certs")
app.add_typer(link, name="link")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("ncpeh-imaging-simulator"))
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


class Country(StrEnum):
    """Which country to serve."""

    A = "country-a"
    B = "country-b"


Config = typer.Option(help="Settings, TOML.", exists=True, dir_okay=False, resolve_path=True)


def say(line: str) -> None:
    """Tell how far we are, on standard error: standard output is for results."""
    typer.echo(line, err=True)


def run_module(command: list[str]) -> int:
    """Run one of our programs to its end, its output shown as it comes."""
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own modules


# What the demo tells: the comparison of the wires filter by filter is for those who look for it,
# and so are lines that break.
SHOWN = (
    "uc1_report_and_images",
    "uc1_full_report",
    "uc1_refusals",
    "uc1_filters",
    "uc1_versions",
    "uc1_given_dicom",
    "uc1_narrow_link",
    "uc1_key_images_first",
)
# A link that shapes nothing becomes, for each story, the line that it is told over.
UNSHAPED = "unshaped"


@app.command()
def demo(
    out: Out = Path("out"),
    seed: Seed = None,
    size: SizeOption = Size.DEMO,
    profile: ProfileOption = Profile.IHE,
    dicom: Dicom = None,
    link: Link = "",
    image_link: ImageLink = "",
) -> None:
    """Start both countries, tell the stories, write the report.

    Without --dicom, the real DICOM files that pydicom brings along are taken in.
    """
    from gateway.house import bundled_files

    bundled = bundled_files()
    _play(
        list(SHOWN),
        out=out,
        seed=seed,
        size=size,
        profile=profile,
        dicom=dicom or ([bundled] if bundled else []),
        many=0,
        ways=["soap", "fhir-mhd", "mixed", "bridge"],
        links=_links(link or UNSHAPED, image_link),
        json_file=out / "report.json",
        html_file=out / "report.html",
    )


@scenario.command("list")
def list_scenarios() -> None:
    """Name the stories there are."""
    from gateway.house import module

    raise typer.Exit(run_module([*module("scenarios"), "list"]))


@scenario.command("run")
def run_scenario(
    name: Annotated[list[str], typer.Argument(help="Names of `ncpeh scenario list`, or: all.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the machine-readable report here.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Write the report for people here.")
    ] = None,
    out: Out = Path("out"),
    seed: Seed = None,
    size: SizeOption = Size.DEMO,
    profile: ProfileOption = Profile.IHE,
    dicom: Dicom = None,
    many: Many = 0,
    way: Annotated[
        list[str] | None,
        typer.Option(
            help="How Country A is asked: soap, fhir-mhd, fhir-ncp, mixed or bridge; may be "
            "repeated."
        ),
    ] = None,
    link: Link = "",
    image_link: ImageLink = "",
) -> None:
    """Start both countries and tell stories."""
    lines = _lines_of(name)
    _play(
        name,
        out=out,
        seed=seed,
        size=size,
        profile=profile,
        dicom=dicom or [],
        many=many,
        ways=_ways(way or []),
        links=_links(link or lines[0], image_link or lines[1]),
        json_file=json_file,
        html_file=html_file,
    )


def _ways(wanted: list[str]) -> list[str]:
    """The ways that are wanted; one the house does not have is refused before it is built."""
    from gateway.house import WAYS

    known = [way["name"] for way in WAYS]
    for way in wanted:
        if way not in known:
            raise typer.BadParameter(
                f"found {way!r}, expected one of: {', '.join(known)}", param_hint="--way"
            )
    return wanted


def _links(link: str, image_link: str) -> tuple[str, str]:
    """The profile for everything, and that for images; one nobody can read is refused."""
    return known_profile("--link", link), known_profile("--image-link", image_link)


def _lines_of(names: list[str]) -> tuple[str, str]:
    """What links stories need, "" where none does; a name nobody knows is refused.

    They are told over lines of their own, one after the other, so the link begins without shape.
    """
    from gateway.house import module

    listed = subprocess.run(  # noqa: S603  our own interpreter and modules
        [*module("scenarios"), "list", "--json"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        raise fail(listed.stderr.strip())
    known = {each["name"]: each for each in json.loads(listed.stdout)}
    for name in names:
        if name not in {*known, "all"}:
            raise typer.BadParameter(
                f"no scenario is called {name!r}; there are: {', '.join(sorted({*known, 'all'}))}",
                param_hint="NAME",
            )
    told = known.values() if "all" in names else [known[name] for name in names]
    by_kind = [any(each[kind] for each in told) for kind in ("link", "image_link")]
    return (UNSHAPED if any(by_kind) else "", UNSHAPED if by_kind[1] else "")


def _play(
    names: list[str],
    *,
    out: Path,
    seed: int | None,
    size: Size,
    profile: Profile,
    dicom: list[Path],
    many: int,
    ways: list[str],
    links: tuple[str, str],
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    from gateway.house import BRIDGE, House, HouseError, HousePlan, module

    for option, path in (("--json", json_file), ("--html", html_file)):
        writable(option, path)
    signal.signal(signal.SIGTERM, _terminated)
    plan = HousePlan(
        folder=(out / "demo").resolve(),
        seed=seed,
        size=size.value,
        profile=profile.value,
        dicom=tuple(dicom),
        many=many,
        bridge=BRIDGE in ways,
        link=links[0],
        image_link=links[1],
    )
    try:
        with House(plan, say) as house:
            command = [*module("scenarios"), "run", *names]
            command += ["--portal", f"http://127.0.0.1:{house.ports_b['portal']}"]
            command += ["--control-a", f"http://127.0.0.1:{house.ports_a['control']}"]
            command += ["--control-b", f"http://127.0.0.1:{house.ports_b['control']}"]
            command += ["--seed-info", str(house.seed_info)]
            command += ["--transport", f"soap-{profile.value}"]
            command += [word for way in ways for word in ("--way", way)]
            for name, port in house.links.items():
                command += ["--link", f"{name}=http://127.0.0.1:{port}"]
            for option, path in (("--json", json_file), ("--html", html_file)):
                if path is not None:
                    command += [option, str(path)]
            code = run_module(command)
    except HouseError as error:
        raise fail(str(error), USAGE if error.code == USAGE else FAILED) from None
    except OSError as error:
        raise fail(f"{error}; is there room and a right to write in {out}?") from None
    except KeyboardInterrupt:
        say("Interrupted; both countries are stopped.")
        raise
    if code:
        say(f"Not everything passed. Logs of both countries: {house.logs}")
        raise typer.Exit(code if code in (FAILED, USAGE) else FAILED)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    # A CI server ends a job with SIGTERM, to us alone: unwinding stops both countries.
    raise SystemExit(TERMINATED)


@app.command()
def serve(country: Country, config: Annotated[Path, Config]) -> None:
    """Serve one country in the foreground until Ctrl-C or SIGTERM."""
    from gateway.house import module, replace_process

    package = country.value.replace("-", "_")
    sys.stdout.flush()
    sys.stderr.flush()
    replace_process([*module(package), "serve", "--config", str(config)])


@app.command()
def bridge(config: Annotated[Path, Config]) -> None:
    """Serve one peer over every wire, whichever it speaks itself, until Ctrl-C or SIGTERM."""
    from gateway.house import module, replace_process

    sys.stdout.flush()
    sys.stderr.flush()
    replace_process([*module("gateway.transport.bridge"), "serve", "--config", str(config)])


@certs.command("init")
def init_certs(
    directory: Annotated[Path, typer.Argument(help="Folder, such as certs.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; peers must import it again.")
    ] = False,
) -> None:
    """Make a trust domain: authorities, leaves of both countries, and deliberately bad ones."""
    from datetime import UTC, datetime

    from gateway.pki import init_trust
    from gateway.pki_profile import PkiError

    try:
        domain = init_trust(directory, now=datetime.now(UTC), force=force)
    except (PkiError, OSError) as error:
        raise fail(str(error)) from None
    typer.echo(f"{len(domain.files())} files in {directory}")
    for (country, role), leaf in domain.leaves.items():
        if role == "tls-client":
            subject = leaf.certificate.subject.rfc4514_string()
            typer.echo(f"{country.upper()} calls as: {subject}")


@app.command("seed")
def seed_country(
    dicom: Dicom = None,
    config: Annotated[Path, Config] = Path("country_a/settings.toml"),
    size: Annotated[Size | None, typer.Option(help="How much to make up.")] = None,
    many: Many = 0,
) -> None:
    """Fill Country A's national systems anew: made-up patients, and studies of given files.

    What was in them is gone. It prints who is who, and what was left out and why.
    """
    from gateway.house import module

    command = [*module("country_a"), "seed", "--config", str(config)]
    for folder in dicom or []:
        command += ["--dicom", str(folder)]
    if size is not None:
        command += ["--size", size.value]
    if many:
        command += ["--many", str(many)]
    say("Seeding Country A; the usual size takes up to a minute …")
    raise typer.Exit(run_module(command))


@app.command("explain-query")
def explain_query(
    row: Annotated[str, typer.Option(help="Entry id or unique id of the row.")],
    config: Annotated[Path, Config] = Path("country_a/settings.toml"),
    patient: Annotated[
        str, typer.Option(help="VALUE^^^&OID&ISO who is asked for; the row's own if not given.")
    ] = "",
    status: Annotated[str, typer.Option(help="approved, deprecated or any.")] = "approved",
    document_class: Annotated[str, typer.Option(help="report or manifest.")] = "",
    modality: Annotated[str, typer.Option(help="VALUE or VALUE^^SCHEME, such as CT.")] = "",
    region: Annotated[str, typer.Option(help="VALUE or VALUE^^SCHEME, such as 774007.")] = "",
    procedure: Annotated[str, typer.Option(help="VALUE, of any scheme, or VALUE^^SCHEME.")] = "",
    performed_from: Annotated[str, typer.Option(help="A date, or a time (ISO 8601).")] = "",
    performed_to: Annotated[
        str, typer.Option(help="A date, which counts whole, or a time, which does not.")
    ] = "",
    study: Annotated[str, typer.Option(help="Study instance UID.")] = "",
    accession: Annotated[
        str, typer.Option(help="VALUE, of any authority, or VALUE^^^AUTHORITY.")
    ] = "",
    order: Annotated[str, typer.Option(help="VALUE, of any authority, or VALUE^^^AUTHORITY.")] = "",
) -> None:
    """Say why a row of Country A is in the answer to a query, or what keeps it out of it.

    Country A may run or not: its registry is read as the settings file describes it.
    """
    from gateway.house import module

    given = {
        "row": row,
        "patient": patient,
        "status": status,
        "document-class": document_class,
        "modality": modality,
        "region": region,
        "procedure": procedure,
        "performed-from": performed_from,
        "performed-to": performed_to,
        "study": study,
        "accession": accession,
        "order": order,
    }
    command = [*module("country_a"), "explain-query", "--config", str(config)]
    # One word each: a value that begins with a dash stays a value.
    command += [f"--{name}={value}" for name, value in given.items() if value]
    raise typer.Exit(run_module(command))


@app.command("check")
def check_settings(config: Annotated[Path, Config]) -> None:
    """Read a settings file and show what a service would use; name files that are not there."""
    from gateway.config import SettingsError, load_settings, missing_files
    from gateway.peers import PeerBook

    try:
        settings = load_settings(config)
        PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
    except SettingsError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(USAGE) from None
    typer.echo(json.dumps(settings.model_dump(mode="json"), indent=2, ensure_ascii=False))
    missing = list(missing_files(settings))
    if missing:
        raise fail("\n".join(missing))


app.command("plan")(plan_study)
app.command("convert")(convert_manifest)
app.command("coverage")(show_coverage)


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
