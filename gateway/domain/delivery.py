"""What the requester needs of a delivery, so that the sender can choose (guideline Art. 13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN


class ReadingPurpose(StrEnum):
    """What the images are wanted for, most demanding first."""

    DIAGNOSTIC = "diagnostic"
    REVIEW = "review"
    EMERGENCY = "emergency"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWish:
    """A stated need: what for, and which transfer syntaxes the requester can read.

    `syntaxes` is in order of preference and never empty; an instance that can be sent in none
    of them is refused, never sent in another.
    """

    purpose: ReadingPurpose = ReadingPurpose.DIAGNOSTIC
    syntaxes: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,)
