"""How much may be lost, for what: caps on ratios with who published them, and what is awaited when.

A cap is the greatest ratio of raw to sent pixel bytes of a lossy form. Where a guideline gives a
number it is taken for a review; what an emergency may cost beyond that is a policy of this test
system. Equal ratios are unequal losses, so that a second cap is relative to the noise that is in
the images anyway: the quantisation step is at most kappa times its standard deviation.

Sources: "DRG 2008" is the consensus of the German Röntgen society (RöFo 2009;181:32-37), which
the German SSK took over on 1 December 2011; "RCR 2008" is BFCR(08)3; "CAR 2008" the standard of
the Canadian Association of Radiologists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.delivery import DeliveryWish, ReadingPurpose
from gateway.domain.delivery_plan import RatioCap
from gateway.domain.pixels import PixelFacts

_OURS: Final = "policy of this test system"
_DRG: Final = "DRG 2008, SSK 2011"
_DRG_RCR: Final = "DRG 2008, SSK 2011; RCR 2008"
_THIN: Final = f"{_OURS}: thin or sharp slices as CT of the brain in DRG 2008"

REVIEW, EMERGENCY = ReadingPurpose.REVIEW, ReadingPurpose.EMERGENCY
REFERENCE, DIAGNOSTIC = ReadingPurpose.REFERENCE, ReadingPurpose.DIAGNOSTIC

# Kind of image → cap by purpose. Nothing is lost for a diagnosis, and a picture for reference is
# treated as one for a review. CAR 2008 allows more than DRG 2008 throughout (CT brain 12, CT 15,
# MR 24, CR and DX 30, US 12), so that the caps of emergencies stay below it but for VL.
RATIO_CAPS: Final[Mapping[str, Mapping[ReadingPurpose, RatioCap]]] = {
    "CT brain": {REVIEW: RatioCap(ratio=5, source=_DRG_RCR)},
    "CT thin": {REVIEW: RatioCap(ratio=5, source=_THIN)},
    "CT": {REVIEW: RatioCap(ratio=8, source=_DRG)},
    "MR": {REVIEW: RatioCap(ratio=7, source=_DRG)},
    "CR": {REVIEW: RatioCap(ratio=10, source=_DRG_RCR)},
    "XA": {REVIEW: RatioCap(ratio=6, source=_DRG)},
    "US": {REVIEW: RatioCap(ratio=10, source="RCR 2008")},
    "VL": {REVIEW: RatioCap(ratio=10, source=_OURS)},
    "other": {REVIEW: RatioCap(ratio=5, source=f"{_OURS}: the strictest published cap")},
}
EMERGENCY_RATIOS: Final[Mapping[str, float]] = {
    "CT brain": 8,
    "CT thin": 8,
    "CT": 12,
    "MR": 12,
    "CR": 20,
    "XA": 10,
    "US": 12,
    "VL": 15,
    "other": 5,
}
# Modality (PS3.3 C.7.3.1.1.1) → kind of image in the tables above.
KINDS: Final[Mapping[str, str]] = {
    "CT": "CT",
    "MR": "MR",
    "CR": "CR",
    "DX": "CR",
    "RG": "CR",
    "XA": "XA",
    "RF": "XA",
    "US": "US",
    "IVUS": "US",
    "ES": "VL",
    "GM": "VL",
    "XC": "VL",
    "SM": "VL",
    "OP": "VL",
    "DMS": "VL",
}
_BRAIN: Final = frozenset({"HEAD", "BRAIN", "SKULL", "HEADNECK"})
THIN_MILLIMETRES: Final = 3.0
# Of kernels that makers call sharp: Siemens by number from 60 on, the others by word.
_SHARP_WORDS: Final = ("BONE", "SHARP", "LUNG", "EDGE", "DETAIL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When everything and the first image are awaited, seconds from the request; None is never."""

    everything: float | None = None
    first_image: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a community allows. Tables by purpose; a purpose that is missing allows no loss.

    `kappas` bound the quantisation step in standard deviations of the noise, `nears` the error of
    a JPEG-LS sample in stored values of 12 bits (fewer bits allow proportionally less).
    """

    caps: Mapping[str, Mapping[ReadingPurpose, RatioCap]] = field(
        default_factory=lambda: _all_caps()
    )
    kappas: Mapping[ReadingPurpose, float] = field(
        default_factory=lambda: {REVIEW: 0.75, EMERGENCY: 1.5, REFERENCE: 2.0}
    )
    nears: Mapping[ReadingPurpose, int] = field(
        default_factory=lambda: {REVIEW: 2, EMERGENCY: 5, REFERENCE: 5}
    )
    deadlines: Mapping[ReadingPurpose, Deadlines] = field(
        default_factory=lambda: {
            REVIEW: Deadlines(everything=60.0),
            EMERGENCY: Deadlines(everything=120.0, first_image=20.0),
            DIAGNOSTIC: Deadlines(),
            REFERENCE: Deadlines(),
        }
    )

    def cap(
        self, purpose: ReadingPurpose, *, modality: str, body_part: str, pixels: PixelFacts
    ) -> RatioCap | None:
        """The cap for such images; None where nothing may be lost for the purpose."""
        return self.caps[image_kind(modality, body_part, pixels)].get(purpose)

    def kappa(self, purpose: ReadingPurpose) -> float:
        """The greatest step in standard deviations of the noise; 0 where nothing may be lost."""
        return self.kappas.get(purpose, 0.0)

    def near(self, purpose: ReadingPurpose, bits_stored: int) -> int:
        """The greatest error of a JPEG-LS sample in stored values of so many bits."""
        return int(self.nears.get(purpose, 0) * 2.0 ** min(0, bits_stored - 12))

    def deadlines_of(self, wish: DeliveryWish) -> Deadlines:
        """What the wish says, and where it is silent, what its purpose means."""
        usual = self.deadlines[wish.purpose]
        everything = wish.deadline_seconds
        first = wish.first_image_seconds
        return Deadlines(
            everything=usual.everything if everything is None else everything,
            first_image=usual.first_image if first is None else first,
        )


def image_kind(modality: str, body_part: str, pixels: PixelFacts) -> str:
    """The row of the table of caps for such images."""
    kind = KINDS.get(modality, "other")
    if kind != "CT":
        return kind
    if body_part.upper().replace(" ", "") in _BRAIN:
        return "CT brain"
    thin = pixels.slice_millimetres is not None and pixels.slice_millimetres <= THIN_MILLIMETRES
    return "CT thin" if thin or _is_sharp(pixels.kernel) else "CT"


def _is_sharp(kernel: str) -> bool:
    upper = kernel.upper()
    number = "".join(char for char in upper[1:4] if char.isdigit())
    by_number = upper[:1] in ("B", "H", "U") and number != "" and int(number[:2]) >= 60
    return by_number or any(word in upper for word in _SHARP_WORDS)


def _all_caps() -> Mapping[str, Mapping[ReadingPurpose, RatioCap]]:
    return {
        kind: {
            **by_purpose,
            REFERENCE: by_purpose[REVIEW],
            EMERGENCY: RatioCap(ratio=EMERGENCY_RATIOS[kind], source=_OURS),
        }
        for kind, by_purpose in RATIO_CAPS.items()
    }


DEFAULT_POLICY: Final = Policy()
