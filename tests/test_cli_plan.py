"""`ncpeh plan`: what is typed becomes a need, and what comes back is shown."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli_plan import needs_of
from gateway.compression.plan_text import plan_view
from gateway.domain import (
    Coding,
    DeliveryAction,
    DeliveryPlan,
    DeliveryWish,
    InstanceRef,
    LinkProfile,
    PlannedInstance,
    PlannedSeries,
    Uid,
)

RUN = CliRunner()
NOTHING: dict[str, Any] = {"deadline_seconds": None, "lossy_consent": False, "max_bytes": None}


def a_plan() -> DeliveryPlan:
    """One image, coded."""
    ref = InstanceRef(study=Uid("1.2"), series=Uid("1.3"), instance=Uid("1.4"))
    return DeliveryPlan(
        id="p",
        wish=DeliveryWish(),
        link=LinkProfile(),
        instances=(
            PlannedInstance(
                ref=ref,
                action=DeliveryAction.LOSSLESS,
                reason="soonest",
                coding=Coding(syntax=Uid("1.2.840.10008.1.2.4.80")),
                size_bytes=2_000_000,
                seconds=1.5,
            ),
        ),
        series=(
            PlannedSeries(
                series=ref.series,
                modality="MR",
                instances=1,
                raw_bytes=4_000_000,
                stored_bytes=4_000_000,
                sampled=1,
            ),
        ),
        stored_seconds=4.0,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that are run; each answers with a plan."""
    commands: list[list[str]] = []

    def answer(command: list[str], **_more: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        Path(command[command.index("--json") + 1]).write_text(json.dumps(plan_view(a_plan())))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("gateway.cli_plan.subprocess.run", answer)
    return commands


def test_a_plan_is_shown_and_kept(tmp_path: Path, asked: list[list[str]]) -> None:
    """Against a pair that runs: totals beside as stored, and the JSON where it is wanted."""
    seed, kept = tmp_path / "seed.json", tmp_path / "plan.json"
    seed.touch()
    arguments = ["plan", "--portal", "http://b", "--seed-info", str(seed), "--study", "1.2"]
    arguments += ["--link", "8mbit/80ms", "--deadline", "20", "--lossy", "--json", str(kept)]

    result = RUN.invoke(app, arguments)

    assert result.exit_code == 0, result.output
    assert "total 2.00 MB in 1.50 s; everything as stored 4.00 MB in 4.00 s" in result.output
    assert json.loads(kept.read_text())["id"] == "p"
    [command] = asked
    assert "--study=1.2" in command
    assert json.loads(command[command.index("--needs") + 1]) == {
        "choice": "sender",
        "deadline_seconds": 20.0,
        "lossy_consent": True,
        "link": {"mbit": 8.0, "round_trip_ms": 80.0},
    }


def test_what_is_not_said_is_not_needed() -> None:
    """The sender chooses all the same; a line without a rate says nothing."""
    assert needs_of(purpose="", link="", **NOTHING) == {"choice": "sender"}
    assert needs_of(purpose="", link="unlimited/80ms", **NOTHING) == {"choice": "sender"}
    assert needs_of(purpose="review", link="", **NOTHING)["purpose"] == "review"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--portal", "http://b"],
        ["--purpose", "curiosity"],
        ["--link", "fast"],
        ["--deadline", "0"],
        ["--max-bytes", "none"],
        ["--seed-info", "/nowhere/seed.json", "--portal", "http://b"],
    ],
)
def test_wrong_usage_is_code_two_before_anything_starts(
    tmp_path: Path, asked: list[list[str]], arguments: list[str]
) -> None:
    """In words, and no house is built."""
    result = RUN.invoke(app, ["plan", "--out", str(tmp_path / "out"), *arguments])

    assert result.exit_code == 2
    assert result.output
    assert not (tmp_path / "out").exists()
    assert asked == []


@pytest.mark.parametrize(("child", "code"), [(1, 1), (2, 2), (-9, 1)])
def test_a_plan_that_cannot_be_had_ends_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int, code: int
) -> None:
    """The process that asked said why."""
    monkeypatch.setattr(
        "gateway.cli_plan.subprocess.run",
        lambda command, **_more: subprocess.CompletedProcess(command, child),
    )
    seed = tmp_path / "seed.json"
    seed.touch()

    result = RUN.invoke(app, ["plan", "--portal", "http://b", "--seed-info", str(seed)])

    assert result.exit_code == code
