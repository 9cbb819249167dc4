"""What the requester needs of a delivery, so that the sender can choose (guideline Art. 13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN

# Every transfer syntax a gateway that keeps files takes as it is stored, so that nothing is decoded
# on the way: compressed ones first, plain pixels last (DICOM PS3.6 table A-1).
STORED_SYNTAXES: tuple[Uid, ...] = (
    *(Uid(f"1.2.840.10008.1.2.4.{n}") for n in (201, 202, 203, 110, 111, 112)),
    *(Uid(f"1.2.840.10008.1.2.4.{n}") for n in (80, 81, 90, 91, 92, 93, 70, 57, 50, 51)),
    Uid("1.2.840.10008.1.2.5"),
    *(Uid(f"1.2.840.10008.1.2.4.{n}") for n in range(100, 109)),
    *(Uid(f"1.2.840.10008.1.2.4.{n}.1") for n in range(100, 107)),
    Uid("1.2.840.10008.1.2.1.99"),
    Uid("1.2.840.10008.1.2.2"),
    Uid("1.2.840.10008.1.2"),
    EXPLICIT_LITTLE_ENDIAN,
)


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
