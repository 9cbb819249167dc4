"""Country A as a program: what it prints and how it ends."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from country_a.__main__ import main

pytestmark = pytest.mark.usefixtures("own_log")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(
        '[gateway]\ncommunity = "2.999.1.1"\ncountry = "XA"\n[national]\nseed_size = "tiny"\n'
    )
    return path


def test_seeding_fills_the_national_systems_and_says_with_what(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the settings, where nothing else is said."""
    assert main(["seed", "--config", str(config)]) == 0

    assert "patients" in capsys.readouterr().out
    story = json.loads((config.parent / "state" / "seed.json").read_text("utf-8"))
    assert "main" in story["roles"]


@pytest.mark.parametrize("command", ["serve", "seed"])
def test_settings_that_cannot_be_used_are_code_two(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named."""
    assert main([command, "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_a_service_without_certificates_says_which_and_how_to_make_them(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code two; nothing was served."""
    assert main(["serve", "--config", str(config), "--ready-file", str(config) + ".ready"]) == 2
    assert "tls.server_certificate" in capsys.readouterr().err
    assert not Path(f"{config}.ready").exists()


@pytest.mark.parametrize("command", [["seed"], ["explain-query", "--row", "2.999.1"]])
def test_a_database_of_an_older_version_is_code_two(
    command: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words: the file, the table, the column, and what to do; no traceback."""
    state = config.parent / "state"
    state.mkdir()
    with closing(sqlite3.connect(state / "national.db")) as older:
        older.execute("CREATE TABLE consent (patient TEXT PRIMARY KEY)")

    assert main([*command, "--config", str(config)]) == 2

    told = capsys.readouterr().err
    assert str(state / "national.db") in told
    assert "table consent has no column rule" in told
    assert "remove the state folder" in told
    assert told.count("\n") == 1


def test_a_row_is_explained_and_one_that_is_not_there_is_code_one(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the database that the settings name, whether or not Country A runs."""
    assert main(["seed", "--config", str(config)]) == 0
    story = json.loads((config.parent / "state" / "seed.json").read_text("utf-8"))
    manifest = story["roles"]["main"]["studies"][0]["manifest"]
    asked = ["explain-query", "--config", str(config), "--row"]
    capsys.readouterr()

    assert main([*asked, manifest, "--document-class", "report"]) == 0
    assert "OUT: document class keeps it out" in capsys.readouterr().out
    assert main([*asked, "2.999.404"]) == 1
    assert "no row 2.999.404" in capsys.readouterr().err


@pytest.mark.parametrize("many", ["-1", "20001"])
def test_a_list_longer_than_anybody_reads_is_code_two(
    many: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is emptied; what is possible is named."""
    assert main(["seed", "--config", str(config), "--many", many]) == 2
    assert "expected 0 to 20000" in capsys.readouterr().err
    assert not (config.parent / "state").exists()


def test_a_folder_that_is_not_there_is_code_two_before_anything_is_emptied(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seed that was there stays."""
    assert main(["seed", "--config", str(config), "--dicom", str(config.parent / "none")]) == 2
    assert "none" in capsys.readouterr().err
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("arguments", [[], ["serve"], ["seed", "--config", "x", "--size", "huge"]])
def test_arguments_that_make_no_sense_are_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usage."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
