"""Speeds: every coder has a row, and only some a factor."""

from __future__ import annotations

import pytest

from gateway.compression.choices import OFFERED
from gateway.compression.speeds import HANDLING_SECONDS, IMAGE_KINDS, Sender, size_factor
from gateway.compression.timeline import Processors
from gateway.domain.delivery import Decoding
from tests.compression.plan_studies import coding


def test_every_coding_has_speeds_for_every_kind_of_image() -> None:
    for each in (*OFFERED, coding("81n1"), coding("203s4"), coding("50"), coding("rle")):
        for kind in IMAGE_KINDS:
            assert Sender().speed(each, kind).encode > 0
            assert Sender().peer_decodes(each, kind, Decoding.WASM) > 0


def test_a_sender_has_cores() -> None:
    with pytest.raises(ValueError, match="cores"):
        Sender(cores=0)


def test_colour_and_losses_have_no_factor() -> None:
    assert size_factor(coding("80"), "RGB") is None
    assert size_factor(coding("203s4"), "CT") is None
    assert size_factor(coding("80"), "CT") == 0.92


def test_a_gateway_has_other_things_to_do_than_coding() -> None:
    for shared in (False, True):
        expected = Processors(4, 64, shared=shared, handling_seconds=HANDLING_SECONDS)
        assert Sender(cores=64, shared=shared).processors == expected
