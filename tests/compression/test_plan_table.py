"""The planner against a table that was written from the specification before it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.compression.plan import make_plan
from gateway.compression.speeds import Sender
from gateway.domain.delivery import Decoding, DeliveryWish, LinkProfile, ReadingPurpose
from gateway.domain.delivery_plan import DeliveryAction, PlannedInstance
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from tests.compression.plan_studies import SYNTAXES, derived_uid, study

TABLE = Path(__file__).with_name("plan_table.csv").read_text("utf-8")
ROWS = list(csv.DictReader(TABLE.splitlines(), delimiter=";"))
SENDER = Sender()


def _label(one: PlannedInstance) -> str:
    if one.action is DeliveryAction.AS_STORED:
        return "stored"
    if one.coding is None:
        return one.action.value
    if one.coding.syntax == EXPLICIT_LITTLE_ENDIAN:
        return "ele"
    ending = one.coding.syntax.rpartition(".")[2]
    return f"{ending}e{one.coding.effort}" if one.coding.effort else ending


def test_the_table_is_as_long_as_was_promised() -> None:
    assert len(ROWS) >= 200
    assert all(row["clause"] for row in ROWS)
    keys = [
        tuple(value for name, value in row.items() if name not in ("expect", "clause"))
        for row in ROWS
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row(number: int) -> None:
    row = ROWS[number]
    options = dict(each.partition("=")[::2] for each in row["options"].split())
    facts, sample = study(row["study"], row["stored"], keys=int(options.get("keys", 0)))
    wish = DeliveryWish(
        purpose=ReadingPurpose(row["purpose"]),
        syntaxes=tuple(SYNTAXES[name] for name in row["accept"].split()),
        may_choose="order" not in options,
        deadline_seconds=float(options["deadline"]) if "deadline" in options else None,
        lossy_consent="consent" in options,
        max_bytes=int(float(options["max"]) * 1e6) if "max" in options else None,
        decoding=Decoding(row["decoding"]),
    )
    plan = make_plan(
        [facts],
        {facts.series: sample} if sample else {},
        wish,
        LinkProfile(bits_per_second=float(row["mbit"]) * 1e6),
        sender=SENDER,
        derived_uid=derived_uid,
        id="plan",
    )
    found = {_label(one) for one in plan.instances}
    table = [(f.coding, f.size_bytes, f.seconds) for f in plan.series[0].forecasts]
    assert found == set(row["expect"].split()), (row, plan.seconds, table)
