"""Everything for real: two countries as processes, mutual TLS between them, every story told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydicom.data import get_testdata_file


def test_demo_tells_every_story(tmp_path: Path) -> None:
    """`ncpeh demo` seeds, starts, tells, reports and stops; no step fails or stays incomplete."""
    given = tmp_path / "given"
    given.mkdir()
    for name in ("CT_small.dcm", "JPEG2000.dcm", "rtplan.dcm"):
        shutil.copy(get_testdata_file(name), given)
    command = [sys.executable, "-m", "gateway.cli", "demo", "--size", "tiny"]
    command += ["--dicom", str(given), "--out", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads((tmp_path / "report.json").read_text())["runs"]
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


def transactions(run: dict[str, Any]) -> set[str]:
    """What crossed the border."""
    return {line["transaction"] for line in run["messages"]}
