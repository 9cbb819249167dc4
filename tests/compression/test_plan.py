"""What is true of every plan, whatever is asked for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.compression.lossless import Delivery, segments_of
from gateway.compression.plan import codings_to_sample, wants_lossy
from gateway.compression.policy import DEFAULT_POLICY
from gateway.compression.ways import SeriesMenu
from gateway.domain.delivery import (
    Decoding,
    DeliveryWish,
    LinkProfile,
    ReadingPurpose,
    SyntaxChoice,
)
from gateway.domain.delivery_plan import DeliveryAction
from tests.compression.plan_studies import KINDS, SYNTAXES, coding, study
from tests.compression.planning import SENDER, Study, plan_of

BARRED = {"mg", "pt", "seg", "sr", "video"}
NAMES = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4)
ACCEPTED = st.lists(
    st.sampled_from(["80", "81", "90", "110", "201", "202", "203", "ele"]),
    min_size=1,
    unique=True,
).map(lambda names: tuple(SYNTAXES[name] for name in names))


@st.composite
def studies(draw: st.DrawFn) -> list[Study]:
    return [
        study(
            name,
            "102" if name == "video" else draw(st.sampled_from(["ele", "ile"])),
            keys=draw(st.integers(0, 1)),
            count=draw(st.integers(1, 6)),
            number=number,
        )
        for number, name in enumerate(draw(NAMES))
    ]


@st.composite
def wishes(draw: st.DrawFn, *, limits: bool = True) -> DeliveryWish:
    purposes = list(ReadingPurpose) if limits else ["diagnostic", "reference"]
    return DeliveryWish(
        purpose=ReadingPurpose(draw(st.sampled_from(purposes))),
        syntaxes=draw(ACCEPTED),
        choice=draw(st.sampled_from(SyntaxChoice)),
        lossy_consent=limits and draw(st.booleans()),
        deadline_seconds=draw(st.none() | st.floats(0.1, 100)) if limits else None,
        max_bytes=draw(st.none() | st.integers(1, 10**8)) if limits else None,
        decoding=draw(st.sampled_from(Decoding)),
    )


@settings(max_examples=60, deadline=None)
@given(asked=studies(), wish=wishes(), mbit=st.floats(0.05, 2000))
def test_what_every_plan_keeps(asked: list[Study], wish: DeliveryWish, mbit: float) -> None:
    plan = plan_of(asked, wish, mbit)
    assert plan == plan_of(asked, wish, mbit)
    wanted = [one.ref for facts, _ in asked for one in facts.instances]
    assert sorted(map(repr, wanted)) == sorted(repr(one.ref) for one in plan.instances)
    assert plan.size_bytes == sum(one.size_bytes for one in plan.coming)
    keys = [one.key_image for one in plan.coming]
    assert keys == sorted(keys, reverse=True)
    if wish.deadline_seconds is not None:
        assert plan.seconds <= wish.deadline_seconds
    if wish.max_bytes is not None:
        assert plan.size_bytes <= wish.max_bytes
    modalities = {facts.series: facts for facts, _ in asked}
    raw = {one.ref: one for facts, _ in asked for one in facts.instances}
    for one in plan.instances:
        assert one.reason
        if one.action is not DeliveryAction.LOSSY:
            assert one.coding is None or not one.coding.is_lossy
            continue
        facts, stored = modalities[one.ref.series], raw[one.ref]
        assert wish.lossy_consent
        assert wish.purpose is not ReadingPurpose.DIAGNOSTIC
        assert facts.modality not in {"MG", "PT", "SEG", "SR", "ES"}
        assert stored.pixels is not None
        cap = DEFAULT_POLICY.cap(
            wish.purpose,
            modality=facts.modality,
            body_part=facts.body_part,
            pixels=stored.pixels,
        )
        assert cap is not None
        assert stored.raw_bytes / one.size_bytes <= cap.ratio
        assert one.derived is not None
        assert not one.key_image


@settings(max_examples=60, deadline=None)
@given(asked=studies(), wish=wishes(limits=False), mbit=st.floats(0.05, 500), more=st.floats(1, 30))
def test_more_bandwidth_is_never_later(
    asked: list[Study], wish: DeliveryWish, mbit: float, more: float
) -> None:
    slow, fast = plan_of(asked, wish, mbit), plan_of(asked, wish, mbit * more)
    assert fast.seconds <= slow.seconds * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(asked=studies(), wish=wishes(limits=False), mbit=st.floats(0.05, 5000))
def test_no_study_is_slower_than_as_stored(
    asked: list[Study], wish: DeliveryWish, mbit: float
) -> None:
    stored = {one.transfer_syntax for facts, _ in asked for one in facts.instances}
    if wish.may_choose and stored <= set(wish.syntaxes):
        plan = plan_of(asked, wish, mbit)
        assert plan.seconds <= plan.stored_seconds * 1.02


@pytest.mark.parametrize("mbit", [0.5, 2, 5, 10, 20, 50])
def test_the_plan_is_within_five_per_cent_of_every_combination(mbit: float) -> None:
    asked = [study("ct"), study("mr"), study("us"), study("cr")]
    wish = DeliveryWish(
        syntaxes=tuple(SYNTAXES[name] for name in ("110", "80", "202", "90", "ele")),
        choice=SyntaxChoice.SENDER,
        decoding=Decoding.GATEWAY,
    )
    menus = [SeriesMenu(facts, sample, wish, SENDER) for facts, sample in asked]
    link = LinkProfile(bits_per_second=mbit * 1e6)
    delivery = Delivery(menus, segments_of([facts for facts, _ in asked], wish.purpose), link)
    oracle = min(
        delivery.totals(options)[0]
        for options in itertools.product(*(menu.options for menu in menus))
    )
    assert plan_of(asked, wish, mbit).seconds <= 1.05 * oracle


def test_samples_are_asked_for_where_sizes_decide() -> None:
    wish = DeliveryWish(syntaxes=(SYNTAXES["80"], SYNTAXES["90"]), choice=SyntaxChoice.SENDER)
    assert codings_to_sample(study("ct")[0], wish, lossy=False) == (coding("202"),)
    assert codings_to_sample(study("us")[0], wish, lossy=False) == (coding("90"),)
    assert codings_to_sample(study("sr")[0], wish, lossy=False) == ()
    assert codings_to_sample(study("ct")[0], DeliveryWish(), lossy=True) == ()


def test_a_loss_is_wanted_where_a_deadline_is_missed_and_consent_is_there() -> None:
    syntaxes = (SYNTAXES["80"], SYNTAXES["203"])
    for consent in (True, False):
        wish = DeliveryWish(
            purpose=ReadingPurpose.REVIEW,
            syntaxes=syntaxes,
            choice=SyntaxChoice.SENDER,
            deadline_seconds=3.0,
            lossy_consent=consent,
        )
        facts, sample = study("ct")
        assert sample is not None
        plain = {each: size for each, size in sample.sizes.items() if not each.is_lossy}
        bare = type(sample)(frames=5, raw_bytes=sample.raw_bytes, sizes=plain, noise=9.6)
        assert wants_lossy(plan_of([(facts, bare)], wish)) is consent
        assert not wants_lossy(plan_of([(facts, sample)], wish)) or not consent
