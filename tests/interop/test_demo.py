"""Everything for real: two countries as processes, mutual TLS between them, every story told.

What the demo says of its runs is read in its data and seen in a browser.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from tests.interop.browser import chromium

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

RUNS_SEEN = """[...document.querySelectorAll('.card')].map(
    (card) => [card.querySelector('h3').innerText, card.querySelector('.mark').innerText]
)"""
WORDS = {"pass": "Pass", "skipped": "Skipped"}
DRAWN = """[...document.querySelectorAll('.wide')].every(
    (box) => box.getBoundingClientRect().height > 100
)"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ncpeh demo` seeds, starts, tells, reports and stops; where it wrote its report."""
    out = tmp_path_factory.mktemp("demo")
    given = out / "given"
    given.mkdir()
    for name in ("CT_small.dcm", "JPEG2000.dcm", "rtplan.dcm"):
        shutil.copy(get_testdata_file(name), given)
    command = [sys.executable, "-m", "gateway.cli", "demo", "--size", "tiny"]
    command += ["--dicom", str(given), "--out", str(out)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    return out


def runs_of(out: Path) -> list[dict[str, Any]]:
    """The runs of a report, in their order."""
    runs: list[dict[str, Any]] = json.loads((out / "report.json").read_text())["runs"]
    return runs


def transactions(run: dict[str, Any]) -> set[str]:
    """What crossed the border."""
    return {line["transaction"] for line in run["messages"]}


async def test_every_story_is_told(told: Path) -> None:
    """No step fails or stays incomplete, whichever way the countries take."""
    runs = runs_of(told)
    ten_steps = [run for run in runs if run["scenario"] == "uc1_report_and_images"]

    assert [run["transport"] for run in ten_steps] == ["soap", "fhir-mhd", "mixed", "bridge"]
    assert {run["scenario"]: run["verdict"] for run in reversed(runs)} == {
        "uc1_report_and_images": "pass",
        "uc1_full_report": "pass",
        "uc1_refusals": "pass",
        "uc1_filters": "pass",
        "uc1_versions": "pass",
        "uc1_given_dicom": "pass",
        # Nothing so small tells anything about a line.
        "uc1_narrow_link": "skipped",
        "uc1_key_images_first": "skipped",
    }
    for run in ten_steps:
        assert run["verdict"] == "pass"
        assert [step["number"] for step in run["steps"]] == list(range(1, 11))
    assert [transactions(run) for run in ten_steps] == [
        # The certificate of what was sent is told of at an address beside the study.
        {"ITI-55", "ITI-38", "ITI-39", "RAD-75", "RAD-129"},
        {"ITI-78", "ITI-67", "ITI-68", "RAD-107", "RAD-129"},
        {"ITI-55", "ITI-38", "ITI-39", "RAD-107", "RAD-129"},
        # What Country B asks the bridge, and what the bridge asks Country A.
        {
            "ITI-78",
            "ITI-67",
            "ITI-68",
            "RAD-107",
            "ITI-55",
            "ITI-38",
            "ITI-39",
            "RAD-75",
            "RAD-129",
        },
    ]


async def test_the_report_shows_a_browser_what_happened(told: Path) -> None:
    """Every run with its verdict, drawn, from one file: nothing is fetched and nothing is wrong."""
    async with chromium() as page:
        await page.go((told / "report.html").as_uri())
        seen = await page.ask(RUNS_SEEN)

        assert [[name, mark.split()[-1]] for name, mark in seen] == [
            [run["scenario"], WORDS[run["verdict"]]] for run in runs_of(told)
        ]
        assert await page.ask(DRAWN)
        assert page.complaints == []
        assert page.fetched == [(told / "report.html").as_uri()]
