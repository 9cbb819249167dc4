"""A plan is written and read again; what is none is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.compression.plan_text import plan_lines, plan_view, read_plan
from gateway.domain.delivery import DeliveryWish, LinkProfile, ReadingPurpose, SyntaxChoice
from gateway.wire.problems import DecodeError
from tests.compression.plan_studies import SYNTAXES, study
from tests.compression.planning import plan_of

WISH = DeliveryWish(
    purpose=ReadingPurpose.REVIEW,
    syntaxes=(SYNTAXES["80"], SYNTAXES["203"], SYNTAXES["ele"]),
    choice=SyntaxChoice.SENDER,
    deadline_seconds=2.0,
    lossy_consent=True,
    link=LinkProfile(),
)
PLAN = plan_of([study("ct", keys=1), study("mg"), study("sr")], WISH)


def test_a_plan_survives_json() -> None:
    assert read_plan(json.loads(json.dumps(plan_view(PLAN)))) == PLAN


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["id"], 7, "plan.id"),
        (["wish", "purpose"], "fun", "plan.wish.purpose"),
        (["wish", "syntaxes"], [], "plan.wish"),
        (["wish", "syntaxes"], ["x"], "plan.wish.syntaxes[0]"),
        (["link", "bits_per_second"], float("nan"), "plan.link.bits_per_second"),
        (["link", "bits_per_second"], 0, "plan.link"),
        (["instances"], {}, "plan.instances"),
        (["instances", 0], [], "plan.instances[0]"),
        (["instances", 0, "size_bytes"], -1, "plan.instances[0].size_bytes"),
        (["instances", 0, "size_bytes"], True, "plan.instances[0].size_bytes"),
        (["instances", 0, "action"], None, "plan.instances[0].action"),
        (["instances", 0, "ref", "study"], "1..2", "plan.instances[0].ref.study"),
        (["series", 0, "modality"], "C" * 3000, "plan.series[0].modality"),
        (["stored_seconds"], 1e300, "plan.stored_seconds"),
        (["notes"], ["x"] * 300, "plan.notes"),
        (["notes"], [1], "plan.notes[0]"),
    ],
)
def test_what_is_no_plan_has_a_place(path: list[Any], value: Any, where: str) -> None:
    view = plan_view(PLAN)
    inner: Any = view
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(DecodeError) as caught:
        read_plan(view)
    assert caught.value.where.startswith(where)


@pytest.mark.parametrize("value", [None, [], "plan", {}, {"id": "x"}])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        read_plan(value)


def test_a_terminal_shows_what_comes_and_why_not() -> None:
    text = "\n".join(plan_lines(PLAN))
    assert "why not:" in text
    assert "as stored" in text
    assert "total" in text
    assert "deferred" in text
