"""What was done to the pixels of a delivery, measured: the fidelity certificate.

Made by the sender when a transfer has ended, sealed by it, checked by the receiver. It says how
far what was sent is from what is stored; it says nothing of fitness for diagnosis, which nobody
can measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.ids import CommunityId, Uid
from gateway.domain.manifests import InstanceRef

NOT_FITNESS = "Measured fidelity, not fitness for diagnosis."


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelError:
    """How far decoded pixels are from the original ones, in stored values.

    `max_error` is the greatest difference, `rmse` the root of the mean square. `ssim` is the
    structural similarity after the display window, None where it says nothing (an empty image).
    """

    max_error: int
    rmse: float
    ssim: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFidelity:
    """One instance as it was sent.

    `sha256` is of the file that was sent, `pixels_sha256` of all its frames decoded (little
    endian, by pixel), both lower-case hex; the latter is "" for an instance without pixels or as
    stored. `raw_bytes` and `sent_bytes` are of the pixel data, whose ratio is the one capped.
    `error` is None for what lost nothing. `derived` is the UID of a lossy form.
    """

    ref: InstanceRef
    syntax: Uid
    sha256: str
    raw_bytes: int
    sent_bytes: int
    coding: Coding | None = None
    pixels_sha256: str = ""
    error: PixelError | None = None
    derived: Uid | None = None

    @property
    def ratio(self) -> float:
        """Raw bytes of the pixels to those sent."""
        return self.raw_bytes / self.sent_bytes if self.sent_bytes else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFidelity:
    """The instances of one series, and the cap that held for the lossy ones among them."""

    series: Uid
    instances: tuple[InstanceFidelity, ...]
    cap: RatioCap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityCertificate:
    """What a community says it did in one delivery, named by the id of its plan or transfer."""

    delivery: str
    community: CommunityId
    issued: datetime
    series: tuple[SeriesFidelity, ...]
