"""What a plan says of itself as a whole."""

from __future__ import annotations

from gateway.domain import (
    Coding,
    DeliveryAction,
    DeliveryPlan,
    DeliveryWish,
    InstanceRef,
    LinkProfile,
    PlannedInstance,
    Uid,
)


def _plan() -> DeliveryPlan:
    def one(
        number: int, seconds: float, *, key: bool = False, comes: bool = True
    ) -> PlannedInstance:
        ref = InstanceRef(study=Uid("1.2"), series=Uid("1.3"), instance=Uid(f"1.4.{number}"))
        return PlannedInstance(
            ref=ref,
            action=DeliveryAction.LOSSLESS if comes else DeliveryAction.DEFERRED,
            reason="because",
            coding=Coding(syntax=Uid("1.2.840.10008.1.2.4.80")) if comes else None,
            size_bytes=100 if comes else 0,
            seconds=seconds if comes else 0.0,
            key_image=key,
        )

    instances = (one(1, 1.0, key=True), one(2, 2.0, key=True), one(3, 3.0), one(4, 0, comes=False))
    return DeliveryPlan(
        id="p",
        wish=DeliveryWish(),
        link=LinkProfile(),
        instances=instances,
        series=(),
        stored_seconds=9.0,
    )


def test_what_does_not_come_counts_for_nothing() -> None:
    """Bytes and seconds of a plan are those of what is sent."""
    plan = _plan()

    assert (plan.size_bytes, plan.seconds, plan.first_image_seconds) == (300, 3.0, 1.0)
    assert len(plan.coming) == 3


def test_key_images_are_there_when_the_last_of_them_is() -> None:
    """The time of the key images is that of the last one."""
    assert _plan().key_images_seconds == 2.0


def test_a_coding_is_lossy_by_what_steers_its_encoder() -> None:
    """An error bound or a step makes a coding lossy, an effort does not."""
    syntax = Uid("1.2.840.10008.1.2.4.110")

    assert not Coding(syntax=syntax, effort=7).is_lossy
    assert Coding(syntax=syntax, near=1).is_lossy
    assert Coding(syntax=syntax, step=0.5).is_lossy
