"""What a header says of its pixels: size, sign, kind, and whether they have lost something.

Not a decoder (`stored_frames`). A value that is missing or cannot be read is taken for the usual
one: who encodes or decodes looks again, at the pixels themselves. Clauses: DICOM PS3.3 C.7.6.3
(image pixel), C.7.6.1.1.5 (lossy past), C.7.6.16.2.11 (real world values), PS3.5 annex A.
"""

from __future__ import annotations

from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.domain import PixelFacts
from gateway.wire.dicom.elements import PYDICOM_ERRORS, integer, items, text, texts

_JPEG: Final = "1.2.840.10008.1.2.4."
# Syntaxes that may hold lossy pixels, where nothing else is known of an instance.
MAYBE_LOSSY: Final = frozenset(
    _JPEG + number for number in ("50", "51", "81", "91", "93", "111", "112", "203")
)
VIDEO: Final = _JPEG + "10"  # MPEG-2, MPEG-4 and HEVC, and nothing else begins so

_SHARED_GROUPS: Final = Tag(0x5200, 0x9229)
_REAL_WORLD_VALUES: Final = Tag(0x0040, 0x9096)


def is_maybe_lossy(transfer_syntax: str) -> bool:
    """Whether pixels in a transfer syntax may have lost something."""
    return transfer_syntax in MAYBE_LOSSY or transfer_syntax.startswith(VIDEO)


def pixel_facts(ds: Dataset, transfer_syntax: str, *, shows_text: bool) -> PixelFacts | None:
    """The facts of a header's pixels, None where it promises none."""
    rows, columns = integer(ds, Tag(0x0028, 0x0010)), integer(ds, Tag(0x0028, 0x0011))
    bits = integer(ds, Tag(0x0028, 0x0100))
    if not rows or not columns or not bits or min(rows, columns, bits) < 0:
        return None
    # Float pixels have no sign and no stored bits (PS3.3 C.7.6.24).
    sign = integer(ds, Tag(0x0028, 0x0103))
    return PixelFacts(
        rows=rows,
        columns=columns,
        frames=max(1, integer(ds, Tag(0x0028, 0x0008)) or 1),
        samples=max(1, integer(ds, Tag(0x0028, 0x0002)) or 1),
        bits_allocated=bits,
        bits_stored=min(bits, max(1, integer(ds, Tag(0x0028, 0x0101)) or bits)),
        signed=sign == 1,
        photometric=text(ds, Tag(0x0028, 0x0004)).upper(),
        lossy=text(ds, Tag(0x0028, 0x2110)) == "01" or is_maybe_lossy(transfer_syntax),
        is_float=bits >= 32 and sign is None,
        quantitative=_has_real_world_values(ds),
        image_type=tuple(value.upper() for value in texts(ds, Tag(0x0008, 0x0008)))[:8],
        kernel=text(ds, Tag(0x0018, 0x1210))[:64],
        slice_millimetres=_decimal(text(ds, Tag(0x0018, 0x0050))),
        text=shows_text,
    )


def _has_real_world_values(ds: Dataset) -> bool:
    """Whether samples are mapped to physical quantities, for the instance or all its frames."""
    if _REAL_WORLD_VALUES in ds:
        return True
    try:
        return any(_REAL_WORLD_VALUES in group for group in items(ds, _SHARED_GROUPS))
    except PYDICOM_ERRORS:
        return False


def _decimal(value: str) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 < found < 1e6 else None
