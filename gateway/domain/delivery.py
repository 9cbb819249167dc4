"""What the requester needs of a delivery, so that the sender can choose (guideline Art. 13).

The guideline says that Country A must know enough from the requester to choose how to compress.
`DeliveryWish` is that: what for, by when, over what, and what may be lost. What is answered to it
before a byte moves is a `DeliveryPlan` (`delivery_plan.py`).
"""

from __future__ import annotations

import math
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

# Where nobody measured or said anything: a share of a national line, a continent away.
DEFAULT_BITS_PER_SECOND = 10e6
DEFAULT_ROUND_TRIP_SECONDS = 0.08
# Slower than any line to a hospital, faster than any network card; beyond is a slip of the pen.
MIN_BITS_PER_SECOND, MAX_BITS_PER_SECOND = 1e3, 1e12
MAX_SECONDS = 7 * 24 * 3600.0
# As often as code streams of HTJ2K are usually halved: of 512 rows that leaves 16.
MAX_HALVINGS = 5


class InvalidWish(ValueError):
    """A stated need that cannot be one: which, what was found, what was expected."""

    def __init__(self, name: str, found: object, expected: str) -> None:
        super().__init__(f"{name}: found {found!r}, expected {expected}")
        self.name = name
        self.found = str(found)[:80]
        self.expected = expected


class ReadingPurpose(StrEnum):
    """What the images are wanted for, most demanding first."""

    DIAGNOSTIC = "diagnostic"
    REVIEW = "review"
    EMERGENCY = "emergency"
    REFERENCE = "reference"


class SyntaxChoice(StrEnum):
    """Who chooses among the transfer syntaxes a requester can read.

    `AS_STORED`: an instance stored in one of them goes as it is, else the first that can be
    written. `ORDER`: the first that is possible. `SENDER`: whichever brings the images soonest.
    """

    AS_STORED = "as-stored"
    ORDER = "order"
    SENDER = "sender"


class Decoding(StrEnum):
    """How the requester decodes, which sets how fast, and which syntaxes make sense.

    `GATEWAY` is another gateway that keeps files and can put them into any form for its own
    clients; `WASM` is a viewer in a browser; `NATIVE` a workstation.
    """

    NATIVE = "native"
    WASM = "wasm"
    GATEWAY = "gateway"


class LinkSource(StrEnum):
    """Who says what the link is like, most trustworthy first."""

    MEASURED = "measured"
    DECLARED = "declared"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """The link as a sender plans with it: bits a second towards the requester, and a round trip.

    Raises `InvalidWish` for what no link can be.
    """

    bits_per_second: float = DEFAULT_BITS_PER_SECOND
    round_trip_seconds: float = DEFAULT_ROUND_TRIP_SECONDS
    source: LinkSource = LinkSource.DEFAULT

    def __post_init__(self) -> None:
        within("link", self.bits_per_second, MIN_BITS_PER_SECOND, MAX_BITS_PER_SECOND)
        within("round trip", self.round_trip_seconds, 0.0, MAX_SECONDS)

    def seconds_for(self, size_bytes: int, *, round_trips: float = 1.0) -> float:
        """How long so many bytes take, asked for once unless `round_trips` says more."""
        return size_bytes * 8 / self.bits_per_second + round_trips * self.round_trip_seconds


def within(name: str, value: float, least: float, most: float) -> float:
    """The value, which must be a number from `least` to `most`; else `InvalidWish`."""
    if not math.isfinite(value) or not least <= value <= most:
        raise InvalidWish(name, value, f"a number from {least:g} to {most:g}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWish:
    """A stated need.

    `syntaxes` are those the requester can read, most wanted first and never empty; an instance
    that can be sent in none of them is refused, never sent in another. `choice` is who chooses
    among them.

    `deadline_seconds` is when everything wanted is to be there, `first_image_seconds` when the
    first image is, both from the request on; `max_bytes` is how much may come. `lossy_consent`
    is whether pixels may change at all. `link` is what the requester knows of its link; None
    leaves it to what the sender has measured. `plan` is the id of a plan that was accepted: what
    it says of an instance is done, and the rest of the wish is the one it answers. `have` are
    positions among that plan's instances, counted from 0, that are here already or asked for
    apart: they are not sent. `delivery` is a name the requester gives, so that what it asks for in
    several requests is one delivery with one certificate; without it the id of the plan is its
    name, and without either the sender names each answer.

    `first_look` asks not for images but for the beginning of each, as far as it holds the image
    halved so many times: 1 for half the rows and columns, 2 for a quarter; 0 asks for the whole.
    The rest is asked for later, from there on. `packs` is whether bodies may come in gzip, which
    makes headers small.

    Raises `InvalidWish` for needs that no delivery can meet or that contradict each other.
    """

    purpose: ReadingPurpose = ReadingPurpose.DIAGNOSTIC
    syntaxes: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,)
    choice: SyntaxChoice = SyntaxChoice.AS_STORED
    deadline_seconds: float | None = None
    first_image_seconds: float | None = None
    lossy_consent: bool = False
    max_bytes: int | None = None
    decoding: Decoding = Decoding.NATIVE
    link: LinkProfile | None = None
    plan: str = ""
    have: frozenset[int] = frozenset()
    delivery: str = ""
    first_look: int = 0
    packs: bool = False

    @property
    def may_choose(self) -> bool:
        """Whether the sender takes whichever syntax brings the images soonest."""
        return self.choice is SyntaxChoice.SENDER

    def __post_init__(self) -> None:
        if not self.syntaxes:
            raise InvalidWish("transfer syntaxes", "none", "at least one")
        for name, value in (
            ("deadline", self.deadline_seconds),
            ("first image", self.first_image_seconds),
        ):
            if value is not None:
                within(name, value, 0.001, MAX_SECONDS)
        if self.max_bytes is not None and self.max_bytes <= 0:
            raise InvalidWish("maximum bytes", self.max_bytes, "a positive number")
        within("first look", self.first_look, 0, MAX_HALVINGS)
        if self.first_look and self.plan:
            raise InvalidWish("first look", self.first_look, "0 with a plan, which is of the whole")
        if self.have and not self.plan:
            raise InvalidWish("have", "positions", "none without the plan they are in")
        if self.have and min(self.have) < 0:
            raise InvalidWish("have", min(self.have), "positions from 0 on")
        both = self.deadline_seconds, self.first_image_seconds
        if both[0] is not None and both[1] is not None and both[1] > both[0]:
            expected = f"at most the {both[0]:g} s in which everything is wanted"
            raise InvalidWish("first image", both[1], expected)
