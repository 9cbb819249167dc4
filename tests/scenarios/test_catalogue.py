"""The catalogue and the command line of the scenarios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scenarios
from scenarios.__main__ import main, parser, play_all
from scenarios.catalogue import SCENARIOS
from tests.country_b.portal import portal
from tests.scenarios.told import population, seeds_of


def test_every_story_of_the_folder_is_listed() -> None:
    """Each `uc1_*.py` is in the catalogue, with a sentence on what it is about."""
    files = {path.stem for path in Path(scenarios.__file__).parent.glob("uc1_*.py")}

    assert set(SCENARIOS) == files
    assert all(scenario.about.endswith(".") for scenario in SCENARIOS.values())


def test_list_names_every_story(capsys: pytest.CaptureFixture[str]) -> None:
    """`list` prints a line a story and ends well."""
    assert main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SCENARIOS)


def test_programs_are_told_the_lines_of_every_story(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever starts the countries for stories asks which links they need."""
    assert main(["list", "--json"]) == 0

    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert set(told) == set(SCENARIOS)
    assert told["uc1_refusals"] == {"name": "uc1_refusals", "link": "", "image_link": ""}
    assert told["uc1_two_routes"]["link"]
    assert told["uc1_two_routes"]["image_link"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["run", "uc1_filters"], ["dance"]],
)
def test_wrong_usage_is_code_two(arguments: list[str]) -> None:
    """What the command line does not take ends with code 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2


def test_unknown_story_and_missing_seed_are_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name nobody knows, a seed file that is not there: usage, in words."""
    rest = ["--portal", "http://127.0.0.1:1", "--seed-info", str(tmp_path / "none.json")]

    assert main(["run", "uc9_nothing", *rest]) == 2
    assert "uc9_nothing" in capsys.readouterr().err
    assert main(["run", "uc1_filters", *rest]) == 2
    assert "none.json" in capsys.readouterr().err


async def test_runs_are_written_and_judged(tmp_path: Path) -> None:
    """Two stories: reports under the names asked for, and code 0 when all passed."""
    country, info = population()
    async with portal(country, tmp_path / "state") as client:
        url, out = str(client.make_url("")), tmp_path / "out"
        arguments = ["run", "all", "--portal", url, "--seed-info", "x"]
        arguments += ["--json", str(out / "a.json"), "--html", str(out / "b.html")]
        options = parser().parse_args(arguments)
        code = await play_all(["uc1_versions", "uc1_given_dicom"], options, seeds_of(info))

    report = json.loads((tmp_path / "out" / "a.json").read_text())
    assert code == 0
    assert [run["verdict"] for run in report["runs"]] == ["pass", "skipped"]
    assert (tmp_path / "out" / "b.html").read_text().startswith("<!")


async def test_a_failed_run_is_code_one(tmp_path: Path) -> None:
    """One failed story is enough."""
    country, info = population(report_of_preliminary=True)
    async with portal(country, tmp_path / "state") as client:
        options = parser().parse_args(
            ["run", "all", "--portal", str(client.make_url("")), "--seed-info", "x"]
        )
        assert await play_all(["uc1_versions"], options, seeds_of(info)) == 1
