"""Stories as a program: the reports that were asked for, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.__main__ import write_files
from scenarios.report import Evidence
from scenarios.result import Run, Verdict

EVIDENCE = (Evidence(run=Run(scenario="s", transport="soap", verdict=Verdict.PASS, steps=())),)


def test_only_the_reports_asked_for_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies beside them from another run stays as it was."""
    other = tmp_path / "report.json"
    other.write_text("of another run")

    write_files(EVIDENCE, None, tmp_path / "mine.html")

    assert other.read_text() == "of another run"
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "mine.html", "messages"}
    assert "mine.html" in capsys.readouterr().out


def test_reports_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    """Folders are made, and a report of an earlier run is replaced."""
    page, data = tmp_path / "a" / "report.html", tmp_path / "b" / "c" / "r.json"
    page.parent.mkdir()
    page.write_text("old")

    write_files(EVIDENCE, data, page)

    assert page.read_text("utf-8") != "old"
    assert data.is_file()
    assert not (page.parent / "report.json").exists()
