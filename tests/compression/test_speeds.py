"""Speeds: what is measured is mixed in, and every coder has a row."""

from __future__ import annotations

import pytest

from gateway.compression.choices import OFFERED
from gateway.compression.speeds import IMAGE_KINDS, Sender, Speeds, size_factor
from gateway.domain.delivery import Decoding
from tests.compression.plan_studies import coding


def test_every_coding_has_speeds_for_every_kind_of_image() -> None:
    for each in (*OFFERED, coding("81n1"), coding("203s4"), coding("50"), coding("rle")):
        for kind in IMAGE_KINDS:
            assert Sender().speed(each, kind).encode > 0
            assert Sender().peer_decodes(each, kind, Decoding.WASM) > 0


def test_a_measurement_is_mixed_into_a_new_value() -> None:
    sender = Sender()
    faster = sender.calibrated(coding("202"), "CT", Speeds(215e6, 173e6))
    assert faster.speed(coding("202"), "CT").encode == pytest.approx(140e6)
    assert sender.speed(coding("202"), "CT").encode == 115e6
    assert faster.speed(coding("80"), "CT") == sender.speed(coding("80"), "CT")


def test_nonsense_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="speeds"):
        Sender().calibrated(coding("202"), "CT", Speeds(0.0, 1.0))
    with pytest.raises(ValueError, match="cores"):
        Sender(cores=0)


def test_colour_and_losses_have_no_factor() -> None:
    assert size_factor(coding("80"), "RGB") is None
    assert size_factor(coding("203s4"), "CT") is None
    assert size_factor(coding("80"), "CT") == 0.92
    assert Sender(cores=64).workers == 4
