"""`python -m scenarios run NAME… --portal URL …`, `… plan` and `… list`.

Stories are told against two countries that run already. Exit code 0: every step passed or was
skipped; 1: a step failed or stayed incomplete, or a country could not be reached; 2: usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from scenarios.catalogue import SCENARIOS, Scenario
from scenarios.client import Control, Json, Portal, Refused, http_session
from scenarios.links import Link, as_wanted, named_url
from scenarios.planning import plan_for
from scenarios.report import Evidence, write_report
from scenarios.result import Run, Verdict
from scenarios.seeds import SeedError, Seeds, read_seeds
from scenarios.story import CheckFailed, Story, StoryEnds

DONE, FAILED, USAGE = 0, 1, 2
_GOOD = (Verdict.PASS, Verdict.SKIPPED)


def say(line: str) -> None:
    """Print a line now: a log that is followed must not lag behind."""
    print(line, flush=True)


async def play(
    scenario: Scenario,
    portal: Portal,
    seeds: Seeds,
    controls: Sequence[Control | None],
    *,
    transport: str,
    way: str = "",
    links: Mapping[str, Link] | None = None,
) -> Evidence:
    """Tell one story; what both control ports captured meanwhile goes with it."""
    marks = [await control.mark() if control else "" for control in controls]
    say(f"{scenario.name} over {transport}: {scenario.about}")
    story = Story(portal, seeds, say=say, way=way, links=links)
    async with as_wanted(story.links, scenario.link, scenario.image_link) as line:
        if line:
            say(f"  the line between the countries: {line}")
        try:
            await scenario.tell(story)
        except StoryEnds as end:
            say(f"  stopped: {str(end)!r} failed")
    run = Run(
        scenario=scenario.name,
        transport=transport,
        verdict=story.verdict,
        steps=tuple(story.steps),
        link=line,
        pictures=tuple(story.pictures),
    )
    say(f"{scenario.name}: {run.verdict.value}")
    captured: list[tuple[Json, ...]] = [
        tuple(await control.since(mark)) if control else ()
        for control, mark in zip(controls, marks, strict=True)
    ]
    return Evidence(run=run, country_b=captured[0], country_a=captured[1])


async def play_all(names: Sequence[str], options: argparse.Namespace, seeds: Seeds) -> int:
    """Tell stories one after the other, write the reports, give the exit code."""
    async with http_session() as session:
        portal = Portal(session, options.portal)
        controls = [
            Control(session, url) if url else None for url in (options.control_b, options.control_a)
        ]
        links = {name: Link(session, url) for name, url in options.link}
        evidence = []
        for name in names:
            scenario = SCENARIOS[name]
            for way in ways_of(scenario, options.way):
                transport = way or options.transport
                evidence.append(
                    await play(
                        scenario,
                        portal,
                        seeds,
                        controls,
                        transport=transport,
                        way=way,
                        links=links,
                    )
                )
    write_files(evidence, options.json, options.html)
    return DONE if all(each.run.verdict in _GOOD for each in evidence) else FAILED


def ways_of(scenario: Scenario, wanted: Sequence[str]) -> Sequence[str]:
    """The ways in which a story is told: every one wanted, or the first; "" is the usual one."""
    ways = wanted or ("",)
    return ways if scenario.in_every_way else ways[:1]


def write_files(
    evidence: Sequence[Evidence], json_file: Path | None, html_file: Path | None
) -> None:
    """The reports under the names that were asked for, messages in a folder beside them."""
    place = html_file or json_file
    if place is None:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    # Aside first: a report of another run may lie there under a name that was not asked for.
    with TemporaryDirectory(prefix=".report-", dir=place.parent) as aside:
        files = write_report(Path(aside), evidence, generated=datetime.now(UTC))
        messages = place.parent / "messages"
        messages.mkdir(exist_ok=True)
        for message in (Path(aside) / "messages").iterdir():
            message.replace(messages / message.name)
        for made, wanted in ((files.json, json_file), (files.html, html_file)):
            if wanted is not None:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(made, wanted)
                say(f"report: {wanted}")


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    top = argparse.ArgumentParser(prog="python -m scenarios", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="name the stories there are")
    listing.add_argument("--json", action="store_true", help="for programs, with their lines")
    plan = commands.add_parser("plan", help="ask how a study would come")
    plan.add_argument("--portal", required=True, help="URL of Country B's portal API")
    plan.add_argument("--seed-info", type=Path, required=True, help="seed.json of Country A")
    plan.add_argument("--study", default="", help="study instance UID")
    plan.add_argument("--role", default="main", help="whose first study, without --study")
    plan.add_argument("--needs", type=json.loads, default={}, help="what is needed, JSON")
    plan.add_argument("--json", type=Path, required=True, help="write the plan here")
    run = commands.add_parser("run", help="tell stories against running countries")
    run.add_argument("names", nargs="+", metavar="NAME", help="a name of `list`, or: all")
    run.add_argument("--portal", required=True, help="URL of Country B's portal API")
    run.add_argument("--control-a", default="", help="URL of Country A's control port")
    run.add_argument("--control-b", default="", help="URL of Country B's control port")
    run.add_argument("--seed-info", type=Path, required=True, help="seed.json of Country A")
    run.add_argument("--transport", default="soap", help="name of the transport, for the report")
    run.add_argument(
        "--way",
        action="append",
        default=[],
        help="how Country A is asked, by the name of the way in Country B's settings; again for "
        "another, which stories told side by side are told in as well",
    )
    run.add_argument(
        "--link",
        action="append",
        default=[],
        type=named_url,
        metavar="NAME=URL",
        help="control port of a link between the countries; again for another",
    )
    run.add_argument("--json", type=Path, help="write the machine-readable report here")
    run.add_argument("--html", type=Path, help="write the report for people here")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code."""
    options = parser().parse_args(arguments)
    if options.command == "list":
        show_list(as_json=options.json)
        return DONE
    if options.command == "plan":
        return _ended(lambda: asyncio.run(write_plan(options)))
    names = list(SCENARIOS) if "all" in options.names else options.names
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        sys.stderr.write(f"no scenario is called {unknown[0]!r}; `list` names them\n")
        return USAGE
    return _ended(lambda: asyncio.run(play_all(names, options, read_seeds(options.seed_info))))


def show_list(*, as_json: bool) -> None:
    """The stories there are, for people or for programs."""
    if as_json:
        lines = [
            {"name": each.name, "link": each.link, "image_link": each.image_link}
            for each in SCENARIOS.values()
        ]
        say(json.dumps(lines))
        return
    for scenario in SCENARIOS.values():
        say(f"{scenario.name:<24} {scenario.about}")


async def write_plan(options: argparse.Namespace) -> int:
    """Ask how a study would come, and write the plan as the portal gives it."""
    seeds = read_seeds(options.seed_info)
    async with http_session() as session:
        portal = Portal(session, options.portal)
        plan = await plan_for(
            portal, seeds, study=options.study, role=options.role, needs=options.needs
        )
    options.json.write_text(json.dumps(plan, ensure_ascii=False) + "\n", encoding="utf-8")
    return DONE


def _ended(work: Callable[[], int]) -> int:
    """The exit code of some work, and why it could not be done."""
    try:
        return work()
    except SeedError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except (CheckFailed, Refused) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except aiohttp.ClientError as error:
        sys.stderr.write(f"a country cannot be reached: {error}; does it run?\n")
        return FAILED
    except OSError as error:
        sys.stderr.write(f"the report cannot be written: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
