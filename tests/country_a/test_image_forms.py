"""In which form an instance goes out: as asked, as planned, or not at all and with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from country_a.image_forms import form_by_order, form_by_plan, not_planned
from country_a.national.ports import StoredInstance
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    Coding,
    DeliveryAction,
    DeliveryPlan,
    DeliveryWish,
    InstanceRef,
    LinkProfile,
    PixelFacts,
    PlannedInstance,
    PlannedSeries,
    RatioCap,
    ReadingPurpose,
    Refusal,
    SyntaxChoice,
    Uid,
)

JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
JPEG_LS_NEAR = Uid("1.2.840.10008.1.2.4.81")
JPEG_2000 = Uid("1.2.840.10008.1.2.4.90")
JPEG_XL = Uid("1.2.840.10008.1.2.4.110")
JPEG = Uid("1.2.840.10008.1.2.4.50")
RLE = Uid("1.2.840.10008.1.2.5")
VIDEO = Uid("1.2.840.10008.1.2.4.102")
CAP = RatioCap(ratio=8, source="policy of this test system")


def stored(syntax: Uid = EXPLICIT_LITTLE_ENDIAN, **changes: Any) -> StoredInstance:
    """A grey image as the store knows it."""
    facts: dict[str, Any] = {
        "ref": InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid("1.2.3.1")),
        "sop_class": Uid("1.2.840.10008.5.1.4.1.1.2"),
        "transfer_syntax": syntax,
        "file": "nowhere",
        "size_bytes": 10,
        "has_pixels": True,
        "pixels": PixelFacts(rows=64, columns=64),
    }
    return StoredInstance(**{**facts, **changes})


def sent(
    held: StoredInstance, *wished: Uid, choice: SyntaxChoice = SyntaxChoice.ORDER
) -> Uid | None:
    form = form_by_order(held, DeliveryWish(syntaxes=wished, choice=choice))
    return None if form is None else form.syntax


@pytest.mark.parametrize(
    ("held", "wished", "expected"),
    [
        (EXPLICIT_LITTLE_ENDIAN, [EXPLICIT_LITTLE_ENDIAN], EXPLICIT_LITTLE_ENDIAN),
        (JPEG_2000, [JPEG_2000, EXPLICIT_LITTLE_ENDIAN], JPEG_2000),
        (JPEG_2000, [EXPLICIT_LITTLE_ENDIAN, JPEG_2000], EXPLICIT_LITTLE_ENDIAN),
        (JPEG_2000, [RLE, JPEG_2000], JPEG_2000),
        (JPEG_2000, [RLE, IMPLICIT_LITTLE_ENDIAN], None),
        (JPEG_2000, [RLE, JPEG_LS], JPEG_LS),
        (EXPLICIT_LITTLE_ENDIAN, [JPEG_LS, EXPLICIT_LITTLE_ENDIAN], JPEG_LS),
        (IMPLICIT_LITTLE_ENDIAN, [EXPLICIT_LITTLE_ENDIAN], EXPLICIT_LITTLE_ENDIAN),
        (EXPLICIT_LITTLE_ENDIAN, [IMPLICIT_LITTLE_ENDIAN], None),
        (EXPLICIT_LITTLE_ENDIAN, [JPEG_LS_NEAR], None),
        (EXPLICIT_LITTLE_ENDIAN, [JPEG_XL], JPEG_XL),
        (VIDEO, [EXPLICIT_LITTLE_ENDIAN, VIDEO], VIDEO),
        (VIDEO, [EXPLICIT_LITTLE_ENDIAN], None),
    ],
)
def test_the_first_syntax_that_is_possible_is_sent(
    held: Uid, wished: list[Uid], expected: Uid | None
) -> None:
    """As stored, decoded or written anew without loss; never one nobody asked for."""
    assert sent(stored(held), *wished) == expected


def test_who_takes_images_as_they_are_stored_gets_them_so() -> None:
    """Whatever stands first in a list of everything one can read."""
    as_stored = SyntaxChoice.AS_STORED

    assert sent(stored(), JPEG_LS, EXPLICIT_LITTLE_ENDIAN, choice=as_stored) == (
        EXPLICIT_LITTLE_ENDIAN
    )
    assert sent(stored(VIDEO), JPEG_LS, choice=as_stored) is None


def test_what_has_lost_something_is_not_written_anew() -> None:
    """A second codec would make it larger and its past harder to see; decoding is possible."""
    lossy = stored(JPEG, pixels=PixelFacts(rows=64, columns=64, lossy=True))

    assert sent(lossy, JPEG_LS) is None
    assert sent(lossy, JPEG_LS, JPEG) == JPEG
    assert sent(lossy, JPEG_LS, EXPLICIT_LITTLE_ENDIAN) == EXPLICIT_LITTLE_ENDIAN


@pytest.mark.parametrize("held", [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN])
def test_what_has_no_pixels_may_always_go_as_explicit_little_endian(held: Uid) -> None:
    """A compressed syntax means nothing to it."""
    note = stored(held, has_pixels=False, pixels=None)

    assert sent(note, JPEG_2000) == EXPLICIT_LITTLE_ENDIAN
    assert sent(note, JPEG_2000, held) == held


def test_what_is_large_is_decoded_into_a_file_and_not_into_memory() -> None:
    """Frame by frame: a thousand frames take no more memory than one."""
    cine = PixelFacts(rows=512, columns=512, frames=1000)

    small, large = (
        form_by_order(held, DeliveryWish()) for held in (stored(RLE), stored(RLE, pixels=cine))
    )

    assert small is not None
    assert small.coding is None
    assert large is not None
    assert large.coding == Coding(syntax=EXPLICIT_LITTLE_ENDIAN)


def plan_of(planned: PlannedInstance, **wish: Any) -> DeliveryPlan:
    series = PlannedSeries(
        series=planned.ref.series,
        modality="CT",
        instances=1,
        raw_bytes=1,
        stored_bytes=1,
        sampled=1,
        cap=CAP,
    )
    return DeliveryPlan(
        id="p",
        wish=DeliveryWish(**wish),
        link=LinkProfile(),
        instances=(planned,),
        series=(series,),
        stored_seconds=1.0,
    )


def planned(action: DeliveryAction, coding: Coding | None, **more: Any) -> PlannedInstance:
    return PlannedInstance(
        ref=stored().ref, action=action, reason="for a reason", coding=coding, **more
    )


def test_a_plan_is_carried_out_as_it_says() -> None:
    """As stored, without loss, or under another UID and within the cap."""
    plain = planned(DeliveryAction.AS_STORED, Coding(syntax=RLE))
    form = form_by_plan(stored(RLE), plain, plan_of(plain))
    assert form is not None
    assert (form.syntax, form.coding) == (RLE, None)

    coding = Coding(syntax=JPEG_LS)
    lossless = planned(DeliveryAction.LOSSLESS, coding)
    form = form_by_plan(stored(), lossless, plan_of(lossless, syntaxes=(JPEG_LS, RLE)))
    assert form is not None
    assert (form.coding, form.cap, form.otherwise) == (coding, None, (JPEG_LS, RLE))

    coding = Coding(syntax=JPEG_LS_NEAR, near=2)
    lossy = planned(DeliveryAction.LOSSY, coding, derived=Uid("2.25.1"))
    form = form_by_plan(stored(), lossy, plan_of(lossy, purpose=ReadingPurpose.REVIEW))
    assert form is not None
    assert (form.derived, form.cap, form.purpose) == (Uid("2.25.1"), CAP, ReadingPurpose.REVIEW)


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        (DeliveryAction.DEFERRED, Refusal.DEFERRED),
        (DeliveryAction.REFUSED, Refusal.UNSUPPORTED_SYNTAX),
    ],
)
def test_what_a_plan_leaves_out_says_why(action: DeliveryAction, refusal: Refusal) -> None:
    """In the words of the plan."""
    left_out = planned(action, None)

    assert form_by_plan(stored(), left_out, plan_of(left_out)) is None
    issue = not_planned(stored(), left_out)
    assert (issue.refusal, issue.text, issue.subject) == (refusal, "for a reason", "1.2.3.1")
