"""Made-up series for the planner's tests: facts and samples with ratios that were measured."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

from gateway.compression.facts import InstanceFacts, SeriesFacts, SeriesSample
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.manifests import InstanceRef
from gateway.domain.pixels import PixelFacts

JPEG = "1.2.840.10008.1.2.4."
SYNTAXES = {
    "ele": Uid("1.2.840.10008.1.2.1"),
    "ile": Uid("1.2.840.10008.1.2"),
    "rle": Uid("1.2.840.10008.1.2.5"),
    "5": Uid("1.2.840.10008.1.2.5"),
    **{n: Uid(JPEG + n) for n in ("50", "70", "80", "81", "90", "102", "110", "111")},
    **{n: Uid(JPEG + n) for n in ("201", "202", "203")},
}
STORED_RATIOS = {"ele": 1.0, "ile": 1.0, "rle": 2.0, "70": 2.8, "50": 10.0, "102": 30.0}
HEADER = 1500
SR_CLASS = Uid("1.2.840.10008.5.1.4.1.1.88.33")
NOTE_CLASS = Uid("1.2.840.10008.5.1.4.1.1.88.59")


def coding(name: str) -> Coding:
    """`202`, `110e7`, `81n2` or `203s4`."""
    for mark, field_name, kind in (("e", "effort", int), ("n", "near", int), ("s", "step", float)):
        base, found, value = name.partition(mark)
        if found and base in SYNTAXES:
            return replace(Coding(syntax=SYNTAXES[base]), **{field_name: kind(value)})
    return Coding(syntax=SYNTAXES[name])


@dataclass(frozen=True)
class Kind:
    """A sort of study: ratio by coding, as sampled."""

    modality: str
    count: int
    pixels: PixelFacts | None
    ratios: dict[str, float] = field(default_factory=dict)
    noise: float | None = None
    body_part: str = ""
    sop_class: Uid = Uid("1.2.840.10008.5.1.4.1.1.2")
    size_bytes: int = 20_000


def _pixels(rows: int, columns: int, bits: int = 12, **more: object) -> PixelFacts:
    return PixelFacts(rows=rows, columns=columns, bits_stored=bits, **more)  # type: ignore[arg-type]


def _rgb(rows: int, columns: int, frames: int = 1) -> PixelFacts:
    return PixelFacts(
        rows=rows,
        columns=columns,
        frames=frames,
        samples=3,
        bits_allocated=8,
        bits_stored=8,
        photometric="RGB",
    )


KINDS = {
    "ct": Kind(
        "CT",
        40,
        _pixels(512, 512),
        {
            "202": 3.24,
            "203s1": 3.5,
            "203s2": 4.3,
            "203s4": 5.7,
            "203s8": 8.8,
            "203s16": 14.7,
            "81n1": 4.9,
            "81n2": 5.9,
            "81n5": 8.2,
        },
        9.6,
        "ABDOMEN",
    ),
    "head": Kind(
        "CT",
        28,
        _pixels(512, 512),
        {"202": 4.46, "203s1": 5.5, "203s2": 7.0, "203s4": 10.0, "81n1": 7.1, "81n2": 8.6},
        2.0,
        "HEAD",
    ),
    "mr": Kind(
        "MR",
        60,
        _pixels(256, 256),
        {
            "202": 3.5,
            "203s2": 4.5,
            "203s4": 5.5,
            "203s8": 8.0,
            "203s16": 12.5,
            "81n1": 5.0,
            "81n2": 6.0,
            "81n5": 8.0,
        },
        10.0,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.4"),
    ),
    "cr": Kind(
        "CR",
        2,
        _pixels(2500, 2048),
        {
            "202": 2.75,
            "203s4": 4.5,
            "203s8": 6.5,
            "203s16": 12.0,
            "203s32": 20.0,
            "81n1": 3.4,
            "81n2": 4.2,
            "81n5": 5.5,
        },
        20.0,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.1"),
    ),
    "us": Kind(
        "US",
        7,
        _rgb(768, 1024),
        {
            "202": 10.7,
            "201": 10.7,
            "90": 12.1,
            "80": 7.77,
            "110e3": 16.9,
            "110e7": 23.0,
            "203s0.5": 12.5,
            "203s1": 14.0,
            "203s2": 18.0,
            "203s4": 24.0,
        },
        1.2,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.6.1"),
    ),
    "xa": Kind(
        "XA",
        1,
        _pixels(512, 512, frames=100),
        {"202": 4.87},
        4.0,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.12.1"),
    ),
    "mg": Kind(
        "MG",
        2,
        _pixels(3328, 2560),
        {"202": 6.99, "203s4": 14.0, "203s8": 20.0, "81n1": 9.0, "81n2": 11.0},
        5.0,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.1.2"),
    ),
    "pt": Kind(
        "PT",
        80,
        _pixels(128, 128, 16),
        {"202": 5.28, "203s4": 8.0, "203s8": 12.0, "81n1": 7.0},
        20.0,
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.128"),
    ),
    "seg": Kind(
        "SEG",
        1,
        _pixels(512, 512, 1, bits_allocated=1, frames=40),
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.66.4"),
    ),
    "sr": Kind("SR", 3, None, sop_class=SR_CLASS),
    "video": Kind("ES", 1, _rgb(1080, 1920, 300)),
}


def uid(*names: object) -> Uid:
    """A UID that is always the same for the same names."""
    return Uid(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, names))).int}")


def study(
    name: str, stored: str = "ele", *, keys: int = 0, count: int | None = None, number: int = 0
) -> tuple[SeriesFacts, SeriesSample | None]:
    """A series of a kind as it is stored, and its sample; the last `keys` images are key images."""
    kind = KINDS[name]
    many = kind.count if count is None else count
    pixels = kind.pixels
    if pixels is not None and stored in ("50", "102"):
        pixels = replace(pixels, lossy=True)
    if pixels is None:
        size = kind.size_bytes
    else:
        ratio = STORED_RATIOS.get(stored) or kind.ratios.get(stored)
        if ratio is None:
            ratio = kind.ratios["202"] / {"80": 0.92, "90": 0.93}[stored]
        size = int(pixels.raw_bytes / ratio) + HEADER
    series = uid(name, number)
    facts = SeriesFacts(
        series=series,
        modality=kind.modality,
        body_part=kind.body_part,
        instances=tuple(
            InstanceFacts(
                ref=InstanceRef(study=Uid("2.999.1"), series=series, instance=uid(name, number, n)),
                sop_class=kind.sop_class,
                transfer_syntax=SYNTAXES[stored],
                size_bytes=size,
                pixels=pixels,
                key_image=n >= many - keys,
            )
            for n in range(many)
        ),
    )
    if not kind.ratios or pixels is None:
        return facts, None
    raw = 5 * pixels.frame_bytes
    sizes = {coding(each): round(raw / ratio) for each, ratio in kind.ratios.items()}
    return facts, SeriesSample(frames=5, raw_bytes=raw, sizes=sizes, noise=kind.noise)


def derived_uid(original: Uid, made: Coding) -> Uid:
    """A stand-in for the derivation of UIDs."""
    return uid(original, made)
