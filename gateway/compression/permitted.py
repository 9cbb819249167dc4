"""What may be done to the pixels of an instance: which losses, and which codings, and why not.

Every judgement is made from facts and answered in words, "" for what is permitted; the planner asks
before it plans and the transcoder before it writes. Nothing here says that a loss is harmless.
Not the cap on a ratio, which is a policy by modality and purpose. Clauses: DICOM PS3.3
C.7.6.1.1.5 (lossy past), C.7.6.3.1 (image pixel); PS3.5 8.2 (what each coding may hold).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts

_JPEG: Final = "1.2.840.10008.1.2.4."
HTJ2K_LOSSLESS: Final = Uid(_JPEG + "201")
HTJ2K_LOSSLESS_RPCL: Final = Uid(_JPEG + "202")
HTJ2K_LOSSY: Final = Uid(_JPEG + "203")
JPEG_LS_LOSSLESS: Final = Uid(_JPEG + "80")
JPEG_LS_NEAR: Final = Uid(_JPEG + "81")
JPEG_2000_LOSSLESS: Final = Uid(_JPEG + "90")
JPEG_XL_LOSSLESS: Final = Uid(_JPEG + "110")

LOSSLESS_WRITTEN: Final = frozenset(
    {
        HTJ2K_LOSSLESS,
        HTJ2K_LOSSLESS_RPCL,
        JPEG_LS_LOSSLESS,
        JPEG_2000_LOSSLESS,
        JPEG_XL_LOSSLESS,
        EXPLICIT_LITTLE_ENDIAN,
    }
)
LOSSY_WRITTEN: Final = frozenset({HTJ2K_LOSSY, JPEG_LS_NEAR})
WRITTEN: Final = LOSSLESS_WRITTEN | LOSSY_WRITTEN
"""Every transfer syntax that is written."""

# JPEG XL at effort 1 of libjxl before 0.12 writes code streams that nobody can decode.
EFFORTS: Final = range(3, 10)
MAX_NEAR: Final = 255  # ISO/IEC 14495-1 C.2.3
# OpenJPEG and CharLS count columns and rows in 16 bits, as DICOM does (US).
_MAX_SIDE: Final = 65535

# Transfer syntaxes of which a loss may be part: a second one is never added to it.
_LOSSY_ENDS: Final = ("50", "51", "81", "91", "93", "111", "112", "203", "205")
_MAYBE_LOSSY: Final = frozenset(_JPEG + end for end in _LOSSY_ENDS)
_VIDEO: Final = _JPEG + "10"  # MPEG-2, MPEG-4 and HEVC, and nothing else begins so

# Values of these are measurements, which people read off single pixels.
_MEASURED_MODALITIES: Final = {
    "PT": "samples of PET are counts that uptake is computed from",
    "NM": "samples of nuclear medicine are counts",
    "RTDOSE": "samples are radiation doses",
    "SEG": "samples of a segmentation are labels",
    "OPM": "samples of ophthalmic maps are measurements",
}
_MEASURED_CLASSES: Final = {
    "1.2.840.10008.5.1.4.1.1.128": "samples of PET are counts that uptake is computed from",
    "1.2.840.10008.5.1.4.1.1.130": "samples of PET are counts that uptake is computed from",
    "1.2.840.10008.5.1.4.1.1.20": "samples of nuclear medicine are counts",
    "1.2.840.10008.5.1.4.1.1.5": "samples of nuclear medicine are counts",
    "1.2.840.10008.5.1.4.1.1.481.2": "samples are radiation doses",
    "1.2.840.10008.5.1.4.1.1.30": "samples of a parametric map are measurements",
    "1.2.840.10008.5.1.4.1.1.66": "samples of a segmentation are labels",
    "1.2.840.10008.5.1.4.1.1.81.1": "samples of a thickness map are measurements",
    "1.2.840.10008.5.1.4.1.1.82.1": "samples of a corneal topography are measurements",
}
_BREAST_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.13.1.3",
    "1.2.840.10008.5.1.4.1.1.13.1.4",
    "1.2.840.10008.5.1.4.1.1.13.1.5",
)
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"

# Words of Image Type that say that samples are computed quantities (PS3.3 C.8.13.3.1.4 and the
# terms vendors use); those of several words as they are written.
_MAPS: Final = frozenset(
    [
        *("ADC", "EADC", "DADC", "FA", "RA", "FRACT"),
        *("CBF", "CBV", "RCBF", "RCBV", "CORRECTEDCBV", "MTT", "TTP", "TMAX", "PBP"),
        *("KTRANS", "KEP", "VE", "VP", "IAUC", "QSM", "SUV", "VELOCITY", "FATFRACTION"),
        *("ELASTOGRAM", "STIFFNESS", "ZEFF", "ELECTRONDENSITY"),
    ]
)
_MAP_PHRASES: Final = ("APPARENT DIFFUSION", "FRACTIONAL ANISOTROPY", "RELAXATION", "BLOOD FLOW")

_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_PALETTE: Final = "PALETTE COLOR"
# Colour that comes out of a decoder as RGB.
_RGB: Final = ("RGB", "YBR_RCT", "YBR_ICT")
# As it is in the file; out of lossy JPEG it comes as RGB.
_YBR: Final = ("YBR_FULL", "YBR_FULL_422")


def lossy_bar(
    facts: PixelFacts,
    *,
    modality: str,
    sop_class: str,
    transfer_syntax: str,
    mammography: bool = False,
) -> str:
    """Why no pixel of this instance may change, in words with the clause; "" if one may.

    `modality` as DICOM writes it, `transfer_syntax` the one it is stored in. `mammography` is
    whether a policy has opened breast images, which are kept lossless without one.
    """
    reason = _past_bar(facts, transfer_syntax) or _measured_bar(facts, modality, sop_class)
    if reason:
        return reason
    if not mammography and (modality == "MG" or _is_of(sop_class, _BREAST_CLASSES)):
        return "breast images are kept lossless (policy)"
    if facts.text and (
        _is_of(sop_class, (_SECONDARY_CAPTURE,)) or modality in ("SC", "DOC", "OT", "SR")
    ):
        return "a captured screen or document may show text, which losses make unreadable (policy)"
    return _lossy_form_bar(facts)


def _past_bar(facts: PixelFacts, transfer_syntax: str) -> str:
    if facts.lossy:
        return "it has been compressed with loss before, and is not a second time (C.7.6.1.1.5)"
    if transfer_syntax in _MAYBE_LOSSY or transfer_syntax.startswith(_VIDEO):
        return f"its transfer syntax {transfer_syntax} may have lost something (PS3.5 A.4)"
    return ""


def _measured_bar(facts: PixelFacts, modality: str, sop_class: str) -> str:
    if modality in _MEASURED_MODALITIES:
        return f"{_MEASURED_MODALITIES[modality]} (policy for {modality})"
    for prefix, reason in _MEASURED_CLASSES.items():
        if _is_of(sop_class, (prefix,)):
            return f"{reason} (SOP class {sop_class})"
    if facts.quantitative:
        return "its samples are measurements (PS3.3 C.7.6.16.2.11, real world value mapping)"
    named = _map_named(facts.image_type)
    if named:
        return f"its image type names computed quantities, {named} (PS3.3 C.7.6.1.1.2)"
    return ""


def _lossy_form_bar(facts: PixelFacts) -> str:
    if facts.is_float:
        return "its samples are floating point numbers (PS3.3 C.7.6.24)"
    if facts.bits_allocated not in (8, 16):
        return (
            f"{facts.bits_allocated} bits a sample leave nothing to lose, or no coder (PS3.5 8.2)"
        )
    if facts.photometric == _PALETTE:
        return "its samples are places in a palette, where the next one is another colour"
    if facts.photometric not in (*_GREY, *_RGB):
        return f"{facts.photometric or 'an unnamed colour space'} has no lossy coder here"
    return ""


def _map_named(image_type: tuple[str, ...]) -> str:
    """The value of Image Type, from the third on, that names a map; "" for none."""
    for value in image_type[2:]:
        upper = value.upper()
        words = re.split(r"[^A-Z0-9*]+", upper.replace("*", "STAR"))
        joined = "".join(words)
        names = {joined, *words}
        if names & _MAPS or any(phrase in upper for phrase in _MAP_PHRASES):
            return value
        if "MAP" in words or joined.endswith("MAP"):
            return value
    return ""


def _is_of(sop_class: str, classes: tuple[str, ...]) -> bool:
    return any(sop_class == one or sop_class.startswith(one + ".") for one in classes)


@lru_cache(maxsize=1024)
def form_bar(facts: PixelFacts, coding: Coding) -> str:
    """Why pixels of this form cannot be written in a coding, in words; "" if they can.

    Judges the coding itself too: a parameter its coder has not is no coding.
    """
    reason = _parameter_bar(coding)
    if reason or coding.syntax == EXPLICIT_LITTLE_ENDIAN:
        return reason
    if not (0 < facts.rows <= _MAX_SIDE and 0 < facts.columns <= _MAX_SIDE):
        return f"{facts.columns} by {facts.rows} pixels are no image (PS3.3 C.7.6.3.1)"
    if facts.is_float:
        return "code streams hold no floating point numbers (PS3.5 8.2)"
    if facts.bits_allocated not in (8, 16):
        return f"code streams hold 8 or 16 bits a sample, not {facts.bits_allocated} (PS3.5 8.2)"
    if not 0 < facts.bits_stored <= facts.bits_allocated:
        return f"{facts.bits_stored} bits stored of {facts.bits_allocated} (PS3.5 8.1.1)"
    return _colour_bar(facts) or _lossy_coding_bar(facts, coding)


def coding_bar(
    facts: PixelFacts,
    coding: Coding,
    *,
    modality: str,
    sop_class: str,
    transfer_syntax: str,
    mammography: bool = False,
) -> str:
    """Why an instance may not be written in a coding, in words; "" if it may.

    What its pixels are decides for every coding, what they mean for lossy ones besides.
    """
    reason = form_bar(facts, coding)
    if reason or not coding.is_lossy:
        return reason
    return lossy_bar(
        facts,
        modality=modality,
        sop_class=sop_class,
        transfer_syntax=transfer_syntax,
        mammography=mammography,
    )


def _parameter_bar(coding: Coding) -> str:
    syntax = coding.syntax
    if syntax not in WRITTEN:
        return f"transfer syntax {syntax} is not written here"
    if not (coding.effort in EFFORTS if syntax == JPEG_XL_LOSSLESS else coding.effort == 0):
        return f"effort {coding.effort}: JPEG XL takes 3 to 9, nothing else takes any"
    if not (1 <= coding.near <= MAX_NEAR if syntax == JPEG_LS_NEAR else coding.near == 0):
        return f"near {coding.near}: near-lossless JPEG-LS takes 1 to {MAX_NEAR}, others 0"
    if not (0 < coding.step < math.inf if syntax == HTJ2K_LOSSY else coding.step == 0):
        return f"step {coding.step}: lossy HTJ2K takes a positive number, others 0"
    return ""


def _colour_bar(facts: PixelFacts) -> str:
    photometric = facts.photometric
    if facts.samples == 1:
        if photometric == _PALETTE and facts.signed:
            return "places in a palette have no sign (PS3.5 8.2)"
        if photometric not in (*_GREY, _PALETTE):
            return f"one sample a pixel cannot be {photometric or 'of no kind'} (C.7.6.3.1.2)"
    elif facts.samples != 3:
        return f"code streams hold 1 or 3 samples a pixel, not {facts.samples} (PS3.5 8.2)"
    elif photometric not in (*_RGB, *_YBR):
        return f"three samples a pixel cannot be {photometric or 'of no kind'} (C.7.6.3.1.2)"
    elif facts.signed:
        return "colour has no sign (PS3.5 8.2)"
    return ""


def _lossy_coding_bar(facts: PixelFacts, coding: Coding) -> str:
    if not coding.is_lossy:
        return ""
    reason = _lossy_form_bar(facts)
    if reason:
        return reason
    if coding.near and facts.samples != 1:
        return "near-lossless JPEG-LS is written for grey samples only"
    greatest = (1 << facts.bits_stored) - 1
    if coding.near > greatest // 2:
        return f"near {coding.near} of values up to {greatest} (ISO/IEC 14495-1 C.2.3)"
    if coding.step > greatest / 2:
        return f"step {coding.step:g} of values up to {greatest} leaves no image"
    return ""
