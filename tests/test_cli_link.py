"""`ncpeh link`: profiles, accuracy, a link served; and `--link` of what starts a house."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.link.profiles import PROFILES

RUN = CliRunner()


def test_profiles_are_listed_with_both_directions() -> None:
    """Every name, and what it is in each direction."""
    result = RUN.invoke(app, ["link", "profiles"])

    assert result.exit_code == 0
    assert all(name in result.output for name in PROFILES)
    assert "up   8mbit, 35ms ± 2ms one way" in result.output


def test_accuracy_is_measured_and_shown() -> None:
    """A table, a line for each measurement."""
    result = RUN.invoke(app, ["link", "measure", "80mbit/4ms", "--seconds", "0.1"])

    assert result.exit_code == 0
    assert [line.split()[1] for line in result.output.splitlines()[1:]] == ["round", "up", "down"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--link", "fast"],
        ["scenario", "run", "all", "--image-link", "fast"],
        ["link", "measure", "fast"],
    ],
)
def test_a_profile_nobody_knows_is_code_two(arguments: list[str]) -> None:
    """Before anything is started; the names there are are told."""
    result = RUN.invoke(app, arguments)

    assert result.exit_code == 2
    assert "satellite" in result.output


def test_a_link_is_served_by_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed is handed on."""
    commands: list[list[str]] = []
    monkeypatch.setattr("gateway.house.replace_process", commands.append)

    result = RUN.invoke(
        app, ["link", "serve", "--target", "a:1", "--profile", "4g", "--ready-file", "r.json"]
    )

    assert result.exit_code == 0
    assert commands[0][1:4] == ["-m", "gateway.link", "serve"]
    assert {"--target=a:1", "--profile=4g", "--listen=0", "--ready-file=r.json"} <= set(commands[0])


def test_a_house_gets_the_links_that_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the plan of the house; its links go on to the stories by name and address."""
    commands: list[list[str]] = []
    plans = []

    class House:
        seed_info = logs = "x"

        def __init__(self, plan: object, say: object) -> None:
            plans.append(plan)
            self.ports_a = self.ports_b = {"control": 1, "portal": 2}
            self.links = {"metadata": 3, "images": 4}

        def __enter__(self) -> House:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr("gateway.house.House", House)
    monkeypatch.setattr("gateway.cli.run_module", lambda command: commands.append(command) or 0)

    result = RUN.invoke(app, ["demo", "--link", "8mbit/80ms", "--image-link", "4g"])

    assert result.exit_code == 0
    assert (plans[0].link, plans[0].image_link) == ("8mbit/80ms", "4g")
    links = [word for word in commands[0] if word.endswith((":3", ":4"))]
    assert links == ["metadata=http://127.0.0.1:3", "images=http://127.0.0.1:4"]
