"""A lossy form of an instance as an instance of its own: its UIDs, and what its header says.

A pixel that changed may be read differently, so the form has a SOP Instance UID of its own, in a
series of its own and in the same study; both UIDs are computed from the originals and the coding,
so that the same request gives the same instance anywhere. Digital signatures are left out, as they
were made over other pixels. Padding stays what it was before encoding; where it comes out as other
values, its range is widened to hold them, and `transcode` sees to it that no image value lies
there. Clauses: DICOM PS3.3 C.7.6.1.1.2 (Image Type), C.7.6.1.1.3 and C.7.6.1.1.4 (derivation,
source image), C.7.6.1.1.5 (lossy image compression), C.7.5.1.1.2 (pixel padding), PS3.5 B.2 (UIDs
from UUIDs), PS3.16 CID 7202 and 7203.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from gateway.compression.guards import SSIM_FLOORS
from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.ids import Uid
from gateway.wire.dicom.elements import integer, items, text, texts, uid
from gateway.wire.problems import EncodeError

# Names UIDs of derived instances; any other value would give every instance another UID.
_NAMESPACE: Final = UUID("6f0d6b06-2a1e-5c8e-9d0c-5e1f5d3f6c11")
MAX_LONG_STRING: Final = 64  # characters of LO (PS3.5 6.2)
_MAX_DECIMAL: Final = 16  # characters of DS (PS3.5 6.2)
_RATIO_CHARACTERS: Final = 10  # always as many, so that it can be written again in its place

# What stands in Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1), and the name for people.
_METHODS: Final = {
    "1.2.840.10008.1.2.4.81": ("ISO_14495_1", "JPEG-LS"),
    "1.2.840.10008.1.2.4.203": ("ISO_15444_15", "HTJ2K"),
}
_RATIO: Final = Tag(0x0028, 0x2112)
_METHOD: Final = Tag(0x0028, 0x2114)
_IMAGE_TYPE: Final = Tag(0x0008, 0x0008)
_FRAME_TYPE: Final = Tag(0x0008, 0x9007)
_DESCRIPTION: Final = Tag(0x0008, 0x2111)
_SERIES_DESCRIPTION: Final = Tag(0x0008, 0x103E)
_DERIVATION_CODES: Final = Tag(0x0008, 0x9215)
_SOURCE_IMAGES: Final = Tag(0x0008, 0x2112)
_PADDING: Final = Tag(0x0028, 0x0120)
_PADDING_LIMIT: Final = Tag(0x0028, 0x0121)
_FUNCTIONAL_GROUPS: Final = (Tag(0x5200, 0x9229), Tag(0x5200, 0x9230))
# Extreme values of the old pixels, and signatures over them.
_NO_LONGER_TRUE: Final = (
    *(Tag(0x0028, element) for element in range(0x0104, 0x010A)),
    *(Tag(0x0028, element) for element in (0x0110, 0x0111)),
    *(Tag(0x4FFE, 0x0001), Tag(0xFFFA, 0xFFFA)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """What a lossy form of an instance is called, and what it must keep to.

    `cap` is the greatest ratio, None for none; `ssim_floor` the least structural similarity where
    that says something. `mammography` is whether a policy opened breast images.
    """

    instance: Uid
    series: Uid
    cap: RatioCap | None = None
    ssim_floor: float | None = None
    mammography: bool = False


def derive(
    instance: Uid,
    series: Uid,
    coding: Coding,
    *,
    purpose: ReadingPurpose,
    cap: RatioCap | None = None,
    mammography: bool = False,
) -> Derivation:
    """The derivation of an original in a coding: the same originals give the same UIDs."""
    return Derivation(
        instance=derived_uid(instance, coding),
        series=derived_uid(series, coding),
        cap=cap,
        ssim_floor=SSIM_FLOORS[purpose],
        mammography=mammography,
    )


def derived_uid(original: Uid, coding: Coding) -> Uid:
    """The UID of what is made from an original instance, or from a series of them, in a coding."""
    name = f"{original}|{coding.syntax}|near={coding.near}|step={coding.step!r}"
    return Uid(f"2.25.{uuid5(_NAMESPACE, name).int}")


def method_of(coding: Coding) -> tuple[str, str]:
    """The defined term for the method of a lossy coding, and its name. Raises `EncodeError`."""
    if not coding.is_lossy or coding.syntax not in _METHODS:
        raise EncodeError(f"derivation: {coding.syntax} loses nothing here, expected a lossy one")
    return _METHODS[coding.syntax]


def ratio_text(ratio: float) -> str:
    """A ratio as DS, always of ten characters."""
    whole = f"{ratio:.{_RATIO_CHARACTERS}f}"[:_RATIO_CHARACTERS]
    if not 0 < ratio < 10 ** (_RATIO_CHARACTERS - 2) or len(whole) > _MAX_DECIMAL:
        raise EncodeError(f"derivation: found a ratio of {ratio:g}, expected a positive number")
    return whole


def write_derivation(
    ds: Dataset,
    derivation: Derivation,
    coding: Coding,
    *,
    ratio: float,
    padding: tuple[int, int] | None = None,
) -> None:
    """Make the header of an original that of its derived instance; the pixels are another's duty.

    `ratio` is allocated bytes to code streams; `padding` what padding pixels decode to, from the
    value nearest the original one to the furthest. The header has the same length whatever ratio
    and padding are. Call it inside `elements.reading`. Raises `EncodeError` without an original.
    """
    method, name = method_of(coding)
    meta = getattr(ds, "file_meta", None) or Dataset()
    source_class = uid(ds, Tag(0x0008, 0x0016)) or uid(meta, Tag(0x0002, 0x0002))
    source = uid(ds, Tag(0x0008, 0x0018)) or uid(meta, Tag(0x0002, 0x0003))
    if source_class is None or source is None:
        raise EncodeError("derivation: found no SOP Class or Instance UID, expected both")
    bound = f"near {coding.near}" if coding.near else f"step {coding.step:g}"
    ds.SOPInstanceUID = str(derivation.instance)
    ds.SeriesInstanceUID = str(derivation.series)
    _mark_derived(ds)
    ds.LossyImageCompression = "01"
    _append(ds, _RATIO, "DS", ratio_text(ratio))
    _append(ds, _METHOD, "CS", method)
    said = text(ds, _DESCRIPTION)
    ours = f"{name} lossy, {bound}; ratio of allocated bytes to code streams"
    # ST holds 1024 characters; what others said is kept as far as ours fits behind it.
    ds.DerivationDescription = f"{said[:800]}; {ours}" if said else ours
    suffix = f" [lossy {name} {bound}]"
    before = text(ds, _SERIES_DESCRIPTION)[: MAX_LONG_STRING - len(suffix)]
    ds.SeriesDescription = (before + suffix).strip()
    _add_item(ds, _DERIVATION_CODES, _code("113040", "Lossy Compression"))
    _add_item(ds, _SOURCE_IMAGES, _source(source_class, source))
    for tag in _NO_LONGER_TRUE:
        if tag in ds:
            del ds[tag]
    if padding is not None:
        _widen_padding(ds, padding)


def padding_range(ds: Dataset) -> tuple[int, int] | None:
    """The stored values that are padding and no image, both included; None where there are none."""
    first = integer(ds, _PADDING)
    if first is None:
        return None
    limit = integer(ds, _PADDING_LIMIT)
    if limit is None:
        limit = first
    signed = integer(ds, Tag(0x0028, 0x0103)) == 1
    bits = integer(ds, Tag(0x0028, 0x0100)) or 16
    values = sorted(_signed(value, bits) if signed else value for value in (first, limit))
    return values[0], values[1]


def _signed(value: int, bits: int) -> int:
    """A value that a writer may have put down without the sign it has."""
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def _widen_padding(ds: Dataset, padding: tuple[int, int]) -> None:
    """Let the range of padding hold what padding decodes to, on the side it was on."""
    vr = "SS" if integer(ds, Tag(0x0028, 0x0103)) == 1 else "US"
    first, limit = integer(ds, _PADDING), integer(ds, _PADDING_LIMIT)
    ends = padding
    if first is not None and limit is not None and first > limit:
        ends = padding[1], padding[0]
    ds.add_new(_PADDING, vr, ends[0])
    ds.add_new(_PADDING_LIMIT, vr, ends[1])


def _mark_derived(ds: Dataset) -> None:
    """Put DERIVED first in Image Type, and in Frame Type wherever it stands."""
    values = texts(ds, _IMAGE_TYPE) or ("DERIVED", "PRIMARY")
    ds.ImageType = ["DERIVED", *values[1:]]
    for group in _groups(ds):
        frame_type = texts(group, _FRAME_TYPE)
        if frame_type:
            group.add_new(_FRAME_TYPE, "CS", ["DERIVED", *frame_type[1:]])


def _groups(ds: Dataset) -> Iterator[Dataset]:
    """The items of the macros in all functional groups."""
    for groups in _FUNCTIONAL_GROUPS:
        for group in items(ds, groups):
            for macro in group:
                if macro.VR == "SQ":
                    yield from macro.value


def _append(ds: Dataset, tag: BaseTag, vr: str, value: str) -> None:
    ds.add_new(tag, vr, [*texts(ds, tag), value])


def _add_item(ds: Dataset, tag: BaseTag, item: Dataset) -> None:
    ds.add_new(tag, "SQ", Sequence([*items(ds, tag), item]))


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _source(sop_class: Uid, instance: Uid) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = str(sop_class), str(instance)
    item.SpatialLocationsPreserved = "YES"
    purpose = _code("121320", "Uncompressed predecessor")
    item.PurposeOfReferenceCodeSequence = Sequence([purpose])
    return item
