"""Everything for real: two countries as processes, mutual TLS between them, every story told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_demo_tells_every_story(tmp_path: Path) -> None:
    """`ncpeh demo` seeds, starts, tells, reports and stops; no step fails or stays incomplete."""
    command = [sys.executable, "-m", "gateway.cli", "demo", "--size", "tiny"]

    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert {run["scenario"]: run["verdict"] for run in runs} == {
        "uc1_report_and_images": "pass",
        "uc1_refusals": "pass",
        "uc1_filters": "pass",
        "uc1_versions": "pass",
        "uc1_given_dicom": "skipped",
    }
    assert [step["number"] for step in runs[0]["steps"]] == list(range(1, 11))
    assert {line["transaction"] for line in runs[0]["messages"]} >= {
        "ITI-55",
        "ITI-38",
        "ITI-39",
        "RAD-75",
    }
