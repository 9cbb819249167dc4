"""Everything for real: two countries as processes, mutual TLS between them, every story told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

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
    assert {run["scenario"]: run["verdict"] for run in runs} == {
        "uc1_report_and_images": "pass",
        "uc1_refusals": "pass",
        "uc1_filters": "pass",
        "uc1_equal_answers": "pass",
        "uc1_versions": "pass",
        "uc1_given_dicom": "pass",
    }
    assert [step["number"] for step in runs[0]["steps"]] == list(range(1, 11))
    assert {line["transaction"] for line in runs[0]["messages"]} >= {
        "ITI-55",
        "ITI-38",
        "ITI-39",
        "RAD-75",
    }
    equal = next(run for run in runs if run["scenario"] == "uc1_equal_answers")
    assert {line["transaction"] for line in equal["messages"]} == {
        "ITI-55", "ITI-38", "ITI-78", "ITI-67",
    }  # fmt: skip
