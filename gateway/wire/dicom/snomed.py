"""SNOMED codes of the old style, such as T-D3000, which DICOM has under SRT, SNM3 and 99SDM.

The three designators mean the same (PS3.16 8.1). What such a code is in SNOMED CT is the table of
PS3.16 annex O, as pydicom ships it; what the table does not know has no identifier of SNOMED CT
and stays what it is. A number under these designators is SNOMED CT already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydicom.sr._snomed_dict import mapping

from gateway.domain.codes import SCT, SRT, Code, same_scheme, true_scheme

_CURRENT: Final[dict[str, str]] = mapping["SRT"]


def is_old(code: Code) -> bool:
    """Whether a code is of the old style, no number of SNOMED CT."""
    return same_scheme(true_scheme(code)) == SRT


def current(code: Code) -> Code:
    """The code as one of SNOMED CT where it is known there; else as it is."""
    if is_old(code):
        value = _CURRENT.get(code.value)
        return code if value is None else replace(code, value=value, scheme=SCT)
    return replace(code, scheme=SCT) if same_scheme(code.scheme) == SRT else code
