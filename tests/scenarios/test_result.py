"""The machine-readable result: its exact shape, and what a run is worth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.pictures import Picture
from scenarios.result import MessageLine, Run, Step, Verdict, to_json, worst, write_json

RUN = Run(
    scenario="uc1",
    transport="SOAP",
    verdict=Verdict.PASS,
    steps=(Step(number=1, name="Patient consults", verdict=Verdict.PASS, seconds=0.25),),
    messages=(
        MessageLine(transaction="ITI-55", direction="answer", status=200, bytes=7, file="m/1.xml"),
    ),
    link="4mbit/80ms",
    pictures=(Picture("t", "<svg/>", "c"),),
)


def test_the_shape_is_exactly_this() -> None:
    """Programs elsewhere read these keys and no others."""
    assert to_json([RUN]) == {
        "runs": [
            {
                "scenario": "uc1",
                "transport": "SOAP",
                "link": "4mbit/80ms",
                "verdict": "pass",
                "steps": [
                    {
                        "number": 1,
                        "name": "Patient consults",
                        "verdict": "pass",
                        "seconds": 0.25,
                        "bytes": 0,
                        "note": "",
                    }
                ],
                "pictures": [{"title": "t", "caption": "c"}],
                "messages": [
                    {
                        "transaction": "ITI-55",
                        "direction": "answer",
                        "status": 200,
                        "bytes": 7,
                        "file": "m/1.xml",
                    }
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((), Verdict.SKIPPED),
        ((Verdict.PASS, Verdict.SKIPPED), Verdict.PASS),
        ((Verdict.PASS, Verdict.INCOMPLETE), Verdict.INCOMPLETE),
        ((Verdict.INCOMPLETE, Verdict.FAIL), Verdict.FAIL),
    ],
)
def test_a_run_is_as_good_as_its_worst_step(verdicts: tuple[Verdict, ...], whole: Verdict) -> None:
    """Failure outweighs incompleteness, which outweighs success."""
    assert worst(verdicts) is whole


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    """A second report stands in place of the first, and nothing else is left behind."""
    path = tmp_path / "report.json"
    write_json(path, [RUN, RUN])
    write_json(path, [RUN])

    assert json.loads(path.read_text("utf-8")) == to_json([RUN])
    assert list(tmp_path.iterdir()) == [path]
