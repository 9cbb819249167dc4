"""Reasons carry figures, and every coding that is not taken has one."""

from __future__ import annotations

from gateway.compression.choices import OFFERED
from gateway.domain.delivery import DeliveryWish, SyntaxChoice
from gateway.domain.delivery_plan import DeliveryAction
from tests.compression.plan_studies import SYNTAXES, study
from tests.compression.planning import plan_of

WISH = DeliveryWish(
    syntaxes=tuple(SYNTAXES[name] for name in ("202", "80", "ele")), choice=SyntaxChoice.SENDER
)


def test_a_reason_compares() -> None:
    plan = plan_of([study("ct", count=400)], WISH)
    reason = plan.instances[0].reason
    assert reason == ("JPEG-LS: 48 s over 10 Mbit/s, as stored would be 168 s, HTJ2K would be 52 s")


def test_every_coding_has_a_reason_and_one_is_chosen() -> None:
    forecasts = plan_of([study("ct")], WISH).series[0].forecasts
    assert {each.coding for each in forecasts} == set(OFFERED)
    assert [each.chosen for each in forecasts].count(True) == 1
    assert all(each.reason for each in forecasts)


def test_a_refusal_says_what_could_be_sent() -> None:
    plan = plan_of([study("ct", count=2)], DeliveryWish(syntaxes=(SYNTAXES["50"],)))
    assert {one.action for one in plan.instances} == {DeliveryAction.REFUSED}
    assert "could be sent as uncompressed as it is stored, HTJ2K" in plan.instances[0].reason
