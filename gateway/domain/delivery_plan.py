"""The answer to a stated need before a byte moves: what will come, in which form, and when.

A plan says for every instance what is done with it, why, how many bytes that is and when they
will be there, and for every series what each other way of writing it would have cost. Seconds are
counted from the request on, at the requester's end of the link. It says nothing of fitness for
diagnosis: a cap on a ratio is a policy, and fidelity is measured (`fidelity.py`).

Guideline: Article 13 (support text), Article 15.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.delivery import DeliveryWish, LinkProfile
from gateway.domain.ids import Uid
from gateway.domain.manifests import InstanceRef


class DeliveryAction(StrEnum):
    """What is done with an instance."""

    AS_STORED = "as-stored"  # the file goes as it lies there
    LOSSLESS = "lossless"  # another transfer syntax, the same pixels, the same instance
    LOSSY = "lossy"  # a derived instance with UIDs of its own
    DEFERRED = "deferred"  # it does not fit what was wished for, and comes when asked for again
    REFUSED = "refused"  # it can be had in none of the syntaxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How the pixels of an instance are written: a transfer syntax and what steers its encoder.

    `effort` is that of JPEG XL (1-9, 0 elsewhere). `near` is the greatest error of a JPEG-LS
    sample, `step` the quantisation step of HTJ2K or JPEG 2000 in stored values; both are 0 for
    what loses nothing.
    """

    syntax: Uid
    effort: int = 0
    near: int = 0
    step: float = 0.0

    @property
    def is_lossy(self) -> bool:
        """Whether pixels may change."""
        return self.near > 0 or self.step > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioCap:
    """The greatest ratio at which a lossy form may be sent, raw bytes to compressed ones.

    `source` names who published it, or says that it is a policy of this test system.
    """

    ratio: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingForecast:
    """What a series would cost in one coding: the "why not" of those that were not taken.

    `seconds` is the whole series by itself over the link, encoding and decoding included;
    `cpu_seconds` what that costs the sender. `reason` is why it was taken or not, in words.
    """

    coding: Coding
    size_bytes: int
    seconds: float
    cpu_seconds: float
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSeries:
    """What is true of a whole series: what was sampled of it, and how its codings compare.

    `raw_bytes` are its instances uncompressed, `sampled` how many were encoded to estimate the
    rest. `noise` is the standard deviation of its noise in stored values, None unknown; `cap`
    is there where a lossy form was considered.
    """

    series: Uid
    modality: str
    instances: int
    raw_bytes: int
    stored_bytes: int
    sampled: int
    noise: float | None = None
    cap: RatioCap | None = None
    forecasts: tuple[CodingForecast, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInstance:
    """One instance: what is done with it and why.

    `size_bytes` and `seconds` (when it is readable) are predicted, 0 for what does not come.
    `coding` is None for what does not come. `derived` is the SOP Instance UID under which a
    lossy form comes.
    """

    ref: InstanceRef
    action: DeliveryAction
    reason: str
    coding: Coding | None = None
    size_bytes: int = 0
    seconds: float = 0.0
    key_image: bool = False
    derived: Uid | None = None

    @property
    def comes(self) -> bool:
        """Whether it is sent."""
        return self.coding is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """The answer to a wish. `instances` stand in the order of sending; those that do not come last.

    `link` is what was planned with. `stored_seconds` is how long the same instances would take as
    they are stored. `notes` are for people: what the plan could not do, and what it assumed.
    """

    id: str
    wish: DeliveryWish
    link: LinkProfile
    instances: tuple[PlannedInstance, ...]
    series: tuple[PlannedSeries, ...]
    stored_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def coming(self) -> tuple[PlannedInstance, ...]:
        """What is sent, in order."""
        return tuple(one for one in self.instances if one.comes)

    @property
    def size_bytes(self) -> int:
        """Everything that is sent."""
        return sum(one.size_bytes for one in self.instances)

    @property
    def seconds(self) -> float:
        """When everything that comes is readable."""
        return max((one.seconds for one in self.coming), default=0.0)

    @property
    def first_image_seconds(self) -> float | None:
        """When the first instance is readable; None where nothing comes."""
        return min((one.seconds for one in self.coming), default=None)

    @property
    def key_images_seconds(self) -> float | None:
        """When the last key image is readable; None where there is none."""
        return max((one.seconds for one in self.coming if one.key_image), default=None)
