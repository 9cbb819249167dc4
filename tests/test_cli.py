"""The command line: help, usage errors, and the commands that need no house."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import house
from gateway.cli import _lines_of, app

RUN = CliRunner()


@pytest.mark.parametrize(
    "arguments",
    [[], ["scenario"], ["certs"], ["link"]],
)
def test_without_a_command_there_is_help(arguments: list[str]) -> None:
    """Calling a group alone shows what it has."""
    result = RUN.invoke(app, arguments)

    assert "Usage" in result.output
    assert result.exit_code in (0, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["demo", "--help"],
        ["scenario", "list", "--help"],
        ["scenario", "run", "--help"],
        ["serve", "--help"],
        ["certs", "init", "--help"],
        ["link", "serve", "--help"],
        ["link", "profiles", "--help"],
        ["link", "measure", "--help"],
        ["plan", "--help"],
        ["seed", "--help"],
        ["check", "--help"],
        ["coverage", "--help"],
        ["convert", "--help"],
    ],
)
def test_every_command_has_help(arguments: list[str]) -> None:
    """Help is there for all, without starting anything."""
    result = RUN.invoke(app, arguments)

    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["serve"],
        ["serve", "country-c", "--config", "x.toml"],
        ["serve", "country-a", "--config", "/nowhere/x.toml"],
        ["scenario", "run"],
        ["seed", "--config", "/nowhere/x.toml"],
        ["seed", "--dicom", "/nowhere"],
        ["demo", "--seed", "minus"],
        ["demo", "--size", "huge"],
        ["certs", "init"],
        ["check", "--config", "/nowhere/x.toml"],
        ["coverage"],
        ["coverage", "/nowhere/report.json"],
        ["coverage", "/"],
    ],
)
def test_wrong_usage_is_code_two(arguments: list[str]) -> None:
    """What a command does not take ends with code 2 and words."""
    result = RUN.invoke(app, arguments)

    assert result.exit_code == 2
    assert result.output


def test_unknown_story_is_code_two_and_names_those_there_are() -> None:
    """No house is built for a story nobody knows."""
    result = RUN.invoke(app, ["scenario", "run", "uc9_nothing"])

    assert result.exit_code == 2
    assert "uc1_report_and_images" in result.output


@pytest.mark.parametrize(
    ("names", "links"),
    [
        (["uc1_refusals"], ("", "")),
        (["uc1_refusals", "uc1_narrow_link"], ("unshaped", "")),
        (["all"], ("unshaped", "unshaped")),
    ],
)
def test_stories_that_need_a_link_get_one(names: list[str], links: tuple[str, str]) -> None:
    """Without shape: each story makes it the line that it is told over."""
    assert _lines_of(names) == links


def test_list_names_the_stories(capfd: pytest.CaptureFixture[str]) -> None:
    """`scenario list` relays what the scenarios say of themselves."""
    result = RUN.invoke(app, ["scenario", "list"])

    assert result.exit_code == 0
    assert "uc1_refusals" in capfd.readouterr().out


def test_certificates_are_made_once(tmp_path: Path) -> None:
    """A trust domain is made; a second one needs --force, and the error says so."""
    first = RUN.invoke(app, ["certs", "init", str(tmp_path)])
    second = RUN.invoke(app, ["certs", "init", str(tmp_path)])
    third = RUN.invoke(app, ["certs", "init", str(tmp_path), "--force"])

    assert [first.exit_code, second.exit_code, third.exit_code] == [0, 1, 0]
    assert "--force" in second.output
    assert "CN=XB tls-client," in first.output
    assert (tmp_path / "xa" / "seal.key").stat().st_mode & 0o777 == 0o600


def test_settings_are_shown_or_refused(tmp_path: Path) -> None:
    """`check` shows what a service would use, and names a key that is wrong."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[gateway]\ncommunity = "2.999.1"\n')
    bad.write_text('[gateway]\ncommunity = "2.999.1"\ncolour = "red"\n')

    shown = RUN.invoke(app, ["check", "--config", str(good)])
    refused = RUN.invoke(app, ["check", "--config", str(bad)])

    assert json.loads(shown.output)["gateway"]["community"] == "2.999.1"
    assert refused.exit_code == 2
    assert "gateway.colour" in refused.output


@pytest.mark.parametrize("country", ["a", "b"])
def test_the_settings_of_the_countries_work_as_they_stand(country: str, tmp_path: Path) -> None:
    """After `certs init certs` beside their folder; before it, what is not there is named."""
    config = tmp_path / f"country_{country}" / "settings.toml"
    config.parent.mkdir()
    shipped = Path(__file__).parents[1] / f"country_{country}" / "settings.toml"
    config.write_bytes(shipped.read_bytes())

    before = RUN.invoke(app, ["check", "--config", str(config)])
    made = RUN.invoke(app, ["certs", "init", str(tmp_path / "certs")])
    after = RUN.invoke(app, ["check", "--config", str(config)])

    assert (before.exit_code, after.exit_code) == (1, 0)
    assert "tls.trust: there is no file" in before.output
    callers = [line.partition(": ")[2] for line in made.output.splitlines() if "calls as" in line]
    for peer in json.loads(after.output)["peers"]:
        assert set(peer["tls_subjects"]) <= set(callers)


def test_check_refuses_a_profile_nobody_knows(tmp_path: Path) -> None:
    """As the service would."""
    path = tmp_path / "a.toml"
    path.write_text('[gateway]\ncommunity = "2.999.1"\ndefault_profile = "odd"\n')

    result = RUN.invoke(app, ["check", "--config", str(path)])

    assert result.exit_code == 2
    assert "odd" in result.output


def test_house_that_does_not_stand_is_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A country that cannot be seeded ends the demo with words and code 1."""
    failing = [sys.executable, "-c", "import sys; sys.exit('no room')"]
    monkeypatch.setattr(house, "module", lambda name: failing)

    result = RUN.invoke(app, ["demo", "--out", str(tmp_path)])

    assert result.exit_code == 1
    assert "seeding failed" in result.output
    assert "no room" in result.output


def test_a_folder_of_an_older_version_is_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a country refuses to use ends the demo with its words, and with its code."""
    words = "table consent has no column rule"
    refusing = [sys.executable, "-c", f"import sys; print({words!r}); sys.exit(2)"]
    monkeypatch.setattr(house, "module", lambda name: refusing)

    result = RUN.invoke(app, ["demo", "--out", str(tmp_path)])

    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize(("child", "code"), [(0, 0), (1, 1), (2, 2), (-9, 1), (130, 1)])
def test_exit_code_is_that_of_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int, code: int
) -> None:
    """0, 1 and 2 pass through; a killed child is a failure."""
    monkeypatch.setattr("gateway.house.House._build", lambda self: None)
    monkeypatch.setattr("gateway.house.House.ports_a", {"control": 1}, raising=False)
    monkeypatch.setattr("gateway.house.House.ports_b", {"control": 2, "portal": 3}, raising=False)
    monkeypatch.setattr("gateway.house.House.__init__", _bare)
    monkeypatch.setattr("gateway.cli.run_module", lambda command: child)

    result = RUN.invoke(app, ["demo", "--out", str(tmp_path)])

    assert result.exit_code == code


@pytest.mark.parametrize("option", ["--json", "--html"])
@pytest.mark.parametrize("place", ["", "taken/report"])
def test_report_that_cannot_be_written_is_code_two_before_anything_starts(
    tmp_path: Path, option: str, place: str
) -> None:
    """A folder in its place, or a file where its folder should be."""
    (tmp_path / "taken").touch()
    wish = ["scenario", "run", "uc1_versions", "--out", str(tmp_path / "out")]

    result = RUN.invoke(app, [*wish, option, str(tmp_path / place)])

    assert result.exit_code == 2
    assert option in result.output
    assert not (tmp_path / "out").exists()


def test_termination_stops_the_countries(tmp_path: Path) -> None:
    """SIGTERM, as a CI server sends it, unwinds: the house is left, and the code says why."""
    code = (
        "import os, signal, gateway.cli as cli, gateway.house as house\n"
        "house.House._build = lambda self: os.kill(os.getpid(), signal.SIGTERM)\n"
        "house.House.__init__ = lambda self, plan, say: setattr(self, '_stack', stack)\n"
        "from contextlib import ExitStack\n"
        "stack = ExitStack()\n"
        "stack.callback(print, 'stopped')\n"
        f"cli.app(['demo', '--out', {str(tmp_path)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (143, "stopped")


def test_seed_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up patients alone are what a partner's first message is answered from."""
    commands: list[list[str]] = []
    monkeypatch.setattr("gateway.cli.run_module", lambda command: commands.append(command) or 0)
    config = tmp_path / "a.toml"
    config.touch()

    assert RUN.invoke(app, ["seed", "--config", str(config)]).exit_code == 0
    assert [word for word in commands[0] if word in ("--dicom", "--many")] == []
    assert RUN.invoke(app, ["seed", "--config", str(config), "--many", "7"]).exit_code == 0
    assert commands[1][-2:] == ["--many", "7"]


def test_a_query_is_explained_by_country_a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed is handed on, each option one word; its exit code is ours."""
    commands: list[list[str]] = []
    monkeypatch.setattr("gateway.cli.run_module", lambda command: commands.append(command) or 1)
    config = tmp_path / "a.toml"
    config.touch()

    result = RUN.invoke(
        app, ["explain-query", "--config", str(config), "--row=-1", "--modality", "CT"]
    )

    assert result.exit_code == 1
    assert commands[0][-3:] == ["--row=-1", "--status=approved", "--modality=CT"]
    assert "explain-query" in commands[0]


def test_version_is_shown() -> None:
    """For a report of what went wrong."""
    result = RUN.invoke(app, ["--version"])

    assert (result.exit_code, result.output.count(".")) == (0, 2)


def _bare(self: house.House, plan: house.HousePlan, say: house.Say) -> None:
    from contextlib import ExitStack

    self._plan, self._say, self._stack, self.links = plan, say, ExitStack(), {}


def test_nothing_heavy_is_imported_for_help() -> None:
    """The command line imports neither the countries nor what takes long to import."""
    code = (
        "import sys, gateway.cli\n"
        "heavy = {'country_a', 'country_b', 'scenarios', 'aiohttp', 'pydicom', 'sqlalchemy'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
