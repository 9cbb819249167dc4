"""Ways of an instance: what is made already is free, what is stored has its own size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.compression.timeline import Run
from gateway.compression.ways import SeriesMenu, runs_of
from gateway.domain.delivery import DeliveryWish, SyntaxChoice
from gateway.domain.delivery_plan import DeliveryAction
from tests.compression.plan_studies import SYNTAXES, coding, study
from tests.compression.planning import SENDER

WISH = DeliveryWish(syntaxes=(SYNTAXES["202"], SYNTAXES["ele"]), choice=SyntaxChoice.SENDER)


def test_what_is_made_has_its_size_and_costs_no_coding() -> None:
    facts, sample = study("ct", count=2)
    made = replace(facts.instances[0], made={coding("202"): 12345})
    menu = SeriesMenu(replace(facts, instances=(made, facts.instances[1])), sample, WISH, SENDER)
    first, second = menu.options[1].ways
    assert first is not None
    assert second is not None
    assert (first.size_bytes, first.cpu_seconds) == (12345, 0.0)
    assert second.action is DeliveryAction.LOSSLESS
    assert second.cpu_seconds > 0


def test_alike_ways_are_one_run() -> None:
    menu = SeriesMenu(*study("ct", count=5), WISH, SENDER)
    way = menu.options[0].ways[0]
    assert way is not None
    assert runs_of([way, None, way], request=True) == (
        Run(2, way.size_bytes, 0.0, way.decode_seconds, True),
    )


def test_an_instance_costs_beside_its_coder_what_was_measured_of_these_images() -> None:
    facts, sample = study("ct", count=1)
    assert sample is not None
    slow = replace(sample, open_seconds=0.25, rewrite_seconds=2.0)
    quick = replace(sample, open_seconds=0.0, rewrite_seconds=1.0)
    (one, two) = (SeriesMenu(facts, each, WISH, SENDER).options for each in (slow, quick))
    (stored, coded), (other_stored, other_coded) = one, two
    assert stored.cpu_seconds == other_stored.cpu_seconds == 0
    assert coded.cpu_seconds == pytest.approx(other_coded.cpu_seconds + 1.0)
    for a, b in ((stored, other_stored), (coded, other_coded)):
        assert a.decode_seconds == pytest.approx(b.decode_seconds + 0.25)
