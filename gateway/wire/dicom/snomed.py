"""SNOMED codes of the old style, such as T-D3000, which DICOM has under SRT, SNM3 and 99SDM.

The three designators mean the same (PS3.16 8.1). What such a code is in SNOMED CT is the table of
PS3.16 annex O, as pydicom ships it; what the table does not know has no identifier of SNOMED CT
and stays what it is. A number under these designators is SNOMED CT already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from gateway.domain.codes import SCT, SRT, Code, same_scheme, true_scheme

_MAX_SUBJECT: Final = 80  # a long code value is of any length


def is_old(code: Code) -> bool:
    """Whether a code is of the old style, no number of SNOMED CT."""
    return same_scheme(true_scheme(code)) == SRT


def current(code: Code) -> Code:
    """The code as one of SNOMED CT where it is known there; else as it is."""
    if is_old(code):
        value = _table().get(code.value)
        return code if value is None else replace(code, value=value, scheme=SCT)
    return replace(code, scheme=SCT) if same_scheme(code.scheme) == SRT else code


@cache
def _table() -> dict[str, str]:
    # With it come all concepts of PS3.16, 15 MB that few processes ever need.
    from pydicom.sr._snomed_dict import mapping

    return mapping["SRT"]


def departures(met: Mapping[Code, Code]) -> Iterator[tuple[str, str]]:
    """What a reader says of old codes it met, each with the code as written.

    `met` maps what was written to what was read.
    """
    for written, read in met.items():
        if read.scheme == SCT:
            said = f"the {written.scheme} code is read as {read.value} of SNOMED CT"
        else:
            said = f"the {written.scheme} code has no known code of SNOMED CT and stays as it is"
        yield said, written.value[:_MAX_SUBJECT]
