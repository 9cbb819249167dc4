"""In which form a stored instance goes out: as it is, or written in another transfer syntax.

What a plan says is done; without one, the wish decides by order. An instance that can be had in no
form that was asked for is refused, and never sent in a syntax nobody asked for (XCA-I, RAD TF-3
4.75); objects without pixels may always go as explicit little endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from country_a.national.ports import StoredInstance
from gateway.compression.codecs import can_encode
from gateway.compression.permitted import EFFORTS, JPEG_XL_LOSSLESS
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Coding,
    DeliveryAction,
    DeliveryPlan,
    DeliveryWish,
    Issue,
    PlannedInstance,
    RatioCap,
    ReadingPurpose,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.wire.dicom.instances import can_decode

# What is decoded by the way takes this much memory for each delivery, and no file.
DECODED_IN_MEMORY = 16 * 1024 * 1024
# Of a syntax that has one and that nobody planned: the least, which any link is too fast for.
EFFORT = {JPEG_XL_LOSSLESS: EFFORTS[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageForm:
    """How one instance is sent.

    `coding` is None for the file as it lies there and for one that is only put into explicit
    little endian. `derived` is the UID of a lossy form, which keeps to `cap` and is judged for
    `purpose`. `otherwise` are the syntaxes to try, without loss, where it cannot be made.
    """

    syntax: Uid
    coding: Coding | None = None
    derived: Uid | None = None
    cap: RatioCap | None = None
    purpose: ReadingPurpose = ReadingPurpose.DIAGNOSTIC
    otherwise: tuple[Uid, ...] = ()


def possible_form(stored: StoredInstance, syntax: Uid) -> ImageForm | None:
    """The instance in a transfer syntax without loss; None where that cannot be had."""
    if syntax == stored.transfer_syntax:
        return ImageForm(syntax=syntax)
    if not can_decode(stored.transfer_syntax):
        return None
    if syntax == EXPLICIT_LITTLE_ENDIAN:
        return _plain_form(stored)
    coding = Coding(syntax=syntax, effort=EFFORT.get(syntax, 0))
    if stored.pixels is None or stored.pixels.lossy or can_encode(coding, stored.pixels):
        return None
    return ImageForm(syntax=syntax, coding=coding)


def _plain_form(stored: StoredInstance) -> ImageForm:
    """An instance decoded: at once where it is small, else as a file, frame by frame."""
    coding = Coding(syntax=EXPLICIT_LITTLE_ENDIAN)
    pixels = stored.pixels
    is_large = pixels is not None and pixels.raw_bytes > DECODED_IN_MEMORY
    return ImageForm(syntax=EXPLICIT_LITTLE_ENDIAN, coding=coding if is_large else None)


def form_by_order(stored: StoredInstance, wish: DeliveryWish) -> ImageForm | None:
    """The form that the wish's order decides; None if none of its syntaxes is possible."""
    if wish.choice is SyntaxChoice.AS_STORED and stored.transfer_syntax in wish.syntaxes:
        return ImageForm(syntax=stored.transfer_syntax)
    for syntax in wish.syntaxes:
        if (form := possible_form(stored, syntax)) is not None:
            return replace(form, otherwise=wish.syntaxes)
    if not stored.has_pixels and can_decode(stored.transfer_syntax):
        return ImageForm(syntax=EXPLICIT_LITTLE_ENDIAN)
    return None


def form_by_plan(
    stored: StoredInstance, planned: PlannedInstance, plan: DeliveryPlan
) -> ImageForm | None:
    """The form a plan has for an instance; None where it sends nothing of it."""
    coding = planned.coding
    if coding is None:
        return None
    caps: Mapping[Uid, RatioCap | None] = {one.series: one.cap for one in plan.series}
    if planned.action is DeliveryAction.AS_STORED:
        return ImageForm(syntax=coding.syntax)
    if coding.syntax == EXPLICIT_LITTLE_ENDIAN:
        return _plain_form(stored)
    return ImageForm(
        syntax=coding.syntax,
        coding=coding,
        derived=planned.derived,
        cap=caps.get(planned.ref.series) if coding.is_lossy else None,
        purpose=plan.wish.purpose,
        otherwise=plan.wish.syntaxes,
    )


def not_possible(stored: StoredInstance) -> Issue:
    """Why an instance is not sent: in what it is, and that nothing else was asked for."""
    text = (
        f"instance {stored.ref.instance} has transfer syntax {stored.transfer_syntax} and can "
        f"be sent as that or as {EXPLICIT_LITTLE_ENDIAN}; neither is in the list asked for"
    )
    subject = str(stored.ref.instance)
    return Issue(refusal=Refusal.UNSUPPORTED_SYNTAX, text=text, subject=subject)


def not_planned(stored: StoredInstance, planned: PlannedInstance) -> Issue:
    """Why an instance that was asked for does not come, as its plan says."""
    refusal = (
        Refusal.UNSUPPORTED_SYNTAX if planned.action is DeliveryAction.REFUSED else Refusal.DEFERRED
    )
    return Issue(refusal=refusal, text=planned.reason, subject=str(stored.ref.instance))
