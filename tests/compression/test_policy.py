"""The table of caps is complete and says who published each."""

from __future__ import annotations

from gateway.compression.policy import DEFAULT_POLICY, EMERGENCY_RATIOS, KINDS, image_kind
from gateway.domain.delivery import DeliveryWish, ReadingPurpose
from gateway.domain.pixels import PixelFacts

SLICE = PixelFacts(rows=512, columns=512)


def test_every_kind_has_a_sourced_cap_for_every_purpose_but_diagnosis() -> None:
    assert set(KINDS.values()) <= set(DEFAULT_POLICY.caps) == set(EMERGENCY_RATIOS)
    for kind, by_purpose in DEFAULT_POLICY.caps.items():
        assert set(by_purpose) == set(ReadingPurpose) - {ReadingPurpose.DIAGNOSTIC}, kind
        for cap in by_purpose.values():
            assert cap.ratio > 1
            assert any(word in cap.source for word in ("DRG", "RCR", "policy of this test system"))
    assert set(DEFAULT_POLICY.deadlines) == set(ReadingPurpose)


def test_nothing_is_lost_for_a_diagnosis() -> None:
    purpose = ReadingPurpose.DIAGNOSTIC
    assert DEFAULT_POLICY.kappa(purpose) == DEFAULT_POLICY.near(purpose, 12) == 0
    assert DEFAULT_POLICY.cap(purpose, modality="CT", body_part="", pixels=SLICE) is None


def test_thin_sharp_and_brain_ct_have_a_stricter_cap() -> None:
    thin = PixelFacts(rows=1, columns=1, slice_millimetres=1.0)
    sharp = PixelFacts(rows=1, columns=1, kernel="B70f")
    soft = PixelFacts(rows=1, columns=1, kernel="B30f", slice_millimetres=5.0)
    assert image_kind("CT", "HEAD", SLICE) == "CT brain"
    assert [image_kind("CT", "CHEST", each) for each in (thin, sharp, soft)] == [
        "CT thin",
        "CT thin",
        "CT",
    ]


def test_errors_of_samples_shrink_with_their_bits() -> None:
    assert DEFAULT_POLICY.near(ReadingPurpose.EMERGENCY, 12) == 5
    assert DEFAULT_POLICY.near(ReadingPurpose.EMERGENCY, 16) == 5
    assert DEFAULT_POLICY.near(ReadingPurpose.EMERGENCY, 8) == 0


def test_a_wish_is_heard_before_its_purpose() -> None:
    wish = DeliveryWish(purpose=ReadingPurpose.EMERGENCY, deadline_seconds=40.0)
    found = DEFAULT_POLICY.deadlines_of(wish)
    assert (found.everything, found.first_image) == (40.0, 20.0)
