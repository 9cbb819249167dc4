"""What may be lost and what may be written, judged from facts."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.compression.permitted import (
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
    LOSSLESS_WRITTEN,
    LOSSY_WRITTEN,
    coding_bar,
    form_bar,
    lossy_bar,
)
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts

STORAGE = "1.2.840.10008.5.1.4.1.1."
CT = STORAGE + "2"
PLAIN = str(EXPLICIT_LITTLE_ENDIAN)


def make_facts(**changes: Any) -> PixelFacts:
    """Grey, 512 by 512, 12 of 16 bits."""
    return PixelFacts(**({"rows": 512, "columns": 512, "bits_stored": 12} | changes))


def bar_of(
    facts: PixelFacts, modality: str = "CT", sop_class: str = CT, syntax: str = PLAIN
) -> str:
    """The judgement on a loss."""
    return lossy_bar(facts, modality=modality, sop_class=sop_class, transfer_syntax=syntax)


def test_plain_grey_and_colour_images_may_lose_something() -> None:
    """Nothing speaks against it."""
    assert bar_of(make_facts()) == ""
    assert bar_of(make_facts(signed=True, bits_stored=16)) == ""
    colour = make_facts(samples=3, photometric="RGB", bits_allocated=8, bits_stored=8, text=True)
    assert bar_of(colour, "US", STORAGE + "6.1") == ""


@pytest.mark.parametrize("ending", ["50", "51", "81", "91", "203", "111", "112", "100", "107"])
def test_what_may_have_lost_something_loses_nothing_more(ending: str) -> None:
    """By its transfer syntax, or by what is on record."""
    assert "may have lost" in bar_of(make_facts(), syntax=f"1.2.840.10008.1.2.4.{ending}")
    assert "a second time" in bar_of(make_facts(lossy=True))


@pytest.mark.parametrize(
    ("modality", "sop_class"),
    [
        ("PT", STORAGE + "128"),
        ("OT", STORAGE + "130"),
        ("NM", STORAGE + "20"),
        ("RTDOSE", STORAGE + "481.2"),
        ("MR", STORAGE + "30"),
        ("SEG", STORAGE + "66.4"),
        ("MG", STORAGE + "1.2"),
        ("OT", STORAGE + "1.2.1"),
        ("MG", STORAGE + "13.1.3"),
    ],
)
def test_measurements_and_breasts_stay_as_they_are(modality: str, sop_class: str) -> None:
    """By modality or by SOP class, whichever says so."""
    assert bar_of(make_facts(), modality, sop_class)


def test_a_policy_opens_breast_images_and_nothing_else() -> None:
    """Pictures of breasts are kept by policy, counts by nature."""
    opened = {"sop_class": STORAGE + "1.2", "transfer_syntax": PLAIN, "mammography": True}
    assert lossy_bar(make_facts(), modality="MG", **opened) == ""  # type: ignore[arg-type]
    assert lossy_bar(make_facts(), modality="PT", **opened)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image_type",
    [
        ("DERIVED", "PRIMARY", "DIFFUSION", "ADC"),
        ("DERIVED", "PRIMARY", "ADC_UNSPECIFIED"),
        ("DERIVED", "PRIMARY", "T2*MAP"),
        ("DERIVED", "PRIMARY", "T1 MAP"),
        ("DERIVED", "PRIMARY", "REL_CBF"),
        ("DERIVED", "PRIMARY", "APPARENT DIFFUSION COEFFICIENT"),
    ],
)
def test_maps_named_by_image_type_stay_as_they_are(image_type: tuple[str, ...]) -> None:
    """Whatever the modality."""
    assert "image type" in bar_of(make_facts(image_type=image_type), "MR")


def test_a_weighting_is_no_map() -> None:
    """T1 alone says how an image is weighted."""
    assert bar_of(make_facts(image_type=("ORIGINAL", "PRIMARY", "M", "T1")), "MR") == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"quantitative": True},
        {"is_float": True, "bits_allocated": 32, "bits_stored": 32},
        {"bits_allocated": 1, "bits_stored": 1},
        {"bits_allocated": 32, "bits_stored": 32},
        {"photometric": "PALETTE COLOR"},
        {"photometric": "YBR_FULL", "samples": 3},
        {"photometric": ""},
    ],
)
def test_samples_that_are_no_brightness_stay_as_they_are(changes: dict[str, Any]) -> None:
    """Numbers, bits, places in a palette."""
    assert bar_of(make_facts(**changes))


def test_captured_screens_with_text_stay_readable() -> None:
    """Only where pixels may show letters."""
    capture = STORAGE + "7"
    assert "text" in bar_of(make_facts(text=True), "CT", capture)
    assert bar_of(make_facts(), "CT", capture) == ""


@pytest.mark.parametrize(
    "coding",
    [
        Coding(syntax=Uid("1.2.840.10008.1.2.4.50")),
        Coding(syntax=JPEG_XL_LOSSLESS),
        Coding(syntax=JPEG_XL_LOSSLESS, effort=1),
        Coding(syntax=JPEG_XL_LOSSLESS, effort=10),
        Coding(syntax=JPEG_2000_LOSSLESS, effort=7),
        Coding(syntax=JPEG_LS_NEAR),
        Coding(syntax=JPEG_LS_LOSSLESS, near=1),
        Coding(syntax=JPEG_LS_NEAR, near=256),
        Coding(syntax=HTJ2K_LOSSY),
        Coding(syntax=HTJ2K_LOSSY, step=float("inf")),
        Coding(syntax=HTJ2K_LOSSY, step=3000.0),
        Coding(syntax=HTJ2K_LOSSLESS_RPCL, step=1.0),
        Coding(syntax=EXPLICIT_LITTLE_ENDIAN, near=2),
    ],
)
def test_a_coding_with_a_parameter_its_coder_has_not_is_none(coding: Coding) -> None:
    """Unknown syntaxes, efforts of the wrong coder, bounds out of range."""
    assert form_bar(make_facts(), coding)


def test_every_syntax_written_takes_a_plain_grey_image() -> None:
    """With the parameters it needs."""
    for syntax in LOSSLESS_WRITTEN:
        effort = 7 if syntax == JPEG_XL_LOSSLESS else 0
        assert form_bar(make_facts(), Coding(syntax=syntax, effort=effort)) == ""
    assert {HTJ2K_LOSSY, JPEG_LS_NEAR} == LOSSY_WRITTEN
    assert form_bar(make_facts(), Coding(syntax=HTJ2K_LOSSY, step=2.5)) == ""
    assert form_bar(make_facts(), Coding(syntax=JPEG_LS_NEAR, near=2)) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 0},
        {"columns": 70000},
        {"bits_allocated": 32, "bits_stored": 32},
        {"bits_allocated": 1, "bits_stored": 1},
        {"is_float": True},
        {"bits_stored": 17},
        {"bits_stored": 0},
        {"samples": 4, "photometric": "CMYK"},
        {"samples": 3},
        {"samples": 3, "photometric": "RGB", "signed": True},
        {"photometric": "RGB"},
        {"photometric": "PALETTE COLOR", "signed": True},
    ],
)
def test_forms_no_code_stream_holds_are_named(changes: dict[str, Any]) -> None:
    """Native pixels hold them, if any do."""
    facts = make_facts(**changes)
    assert form_bar(facts, Coding(syntax=HTJ2K_LOSSLESS_RPCL))
    assert form_bar(facts, Coding(syntax=EXPLICIT_LITTLE_ENDIAN)) == ""


def test_a_lossy_coding_is_judged_by_what_the_pixels_mean_too() -> None:
    """A lossless one is not."""
    meant = {"modality": "PT", "sop_class": STORAGE + "128", "transfer_syntax": PLAIN}
    assert coding_bar(make_facts(), Coding(syntax=HTJ2K_LOSSY, step=2.0), **meant)
    assert coding_bar(make_facts(), Coding(syntax=HTJ2K_LOSSLESS_RPCL), **meant) == ""
    meant["modality"], meant["sop_class"] = "CT", CT
    assert coding_bar(make_facts(), Coding(syntax=HTJ2K_LOSSY, step=2.0), **meant) == ""
