"""What has to stand beside a picture of a frame: which side it is of, and how much it lost.

Read from the header of the instance; nothing is worked out. Clauses: DICOM PS3.3 C.7.3.1
(Laterality), C.7.6.1.1.1 (Image Laterality), C.7.6.16.2.8 (Frame Anatomy), C.7.6.1.1.5 (Lossy
Image Compression).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from gateway.domain import Uid
from gateway.wire.dicom.dataset import transfer_syntax
from gateway.wire.dicom.elements import items, reading, text, texts

# Left, right, both, unpaired (PS3.3 C.7.6.16.2.8); the older attributes know the first two.
LATERALITIES: Final = ("L", "R", "B", "U")

# Coded so, pixels have lost something whatever the header says of it (PS3.5 A.4).
# JPEG 2000 and its kin have syntaxes that may hold either: there the header alone says.
_LOSSY: Final = frozenset(Uid(f"1.2.840.10008.1.2.4.{n}") for n in (50, 51, 81))
MAX_RATIO: Final = 1e6  # what is said to have lost more was miswritten


@dataclass(frozen=True, slots=True)
class Viewing:
    """Of a frame: its laterality, "" where the header does not say, and whether it lost anything.

    `ratios` are the compression ratios, one of each lossy step; () where a header names none.
    """

    laterality: str = ""
    is_lossy: bool = False
    ratios: tuple[float, ...] = ()


def viewing_of(header: Dataset, frame: int = 1) -> Viewing:
    """What has to stand beside a frame, numbered from 1; raises `DecodeError` when damaged."""
    with reading("header"):
        written = (_ratio(each) for each in texts(header, Tag(0x0028, 0x2112)))
        ratios = tuple(each for each in written if each is not None)
        stated = text(header, Tag(0x0028, 0x2110))
        coded = transfer_syntax(header) in _LOSSY
        is_lossy = stated == "01" or coded or bool(ratios and stated != "00")
        return Viewing(_laterality(header, frame), is_lossy, ratios if is_lossy else ())


def _ratio(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 < found < MAX_RATIO else None


def _laterality(header: Dataset, frame: int) -> str:
    for place, tag in _places(header, frame):
        found = text(place, tag).upper()
        if found in LATERALITIES:
            return found
    return ""


def _places(header: Dataset, frame: int) -> Iterator[tuple[Dataset, BaseTag]]:
    """Where a laterality may stand, the most particular place first."""
    per_frame = items(header, Tag(0x5200, 0x9230))
    groups = [*per_frame[frame - 1 : frame], *items(header, Tag(0x5200, 0x9229))[:1]]
    for group in groups:
        for anatomy in items(group, Tag(0x0020, 0x9071))[:1]:
            yield anatomy, Tag(0x0020, 0x9072)
    yield header, Tag(0x0020, 0x0062)
    yield header, Tag(0x0020, 0x0060)
