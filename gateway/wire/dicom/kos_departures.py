"""What is wrong with a key object selection although all of it can be read.

Of the document as a whole: `kos_read` notices itself what series and instances lack. Clauses:
DICOM PS3.3 A.35.4 (modules), C.7.1.1, C.7.2.1, C.7.5.1, C.17.6.1 and C.17.6.2 (their attributes
of type 2), C.17.2 (the flags of structured reports).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

# Of the SR Document General module, whose place the Key Object Document module takes.
FLAGS: Final[Mapping[BaseTag, str]] = {
    Tag(0x0040, 0xA491): "CompletionFlag",
    Tag(0x0040, 0xA493): "VerificationFlag",
    Tag(0x0040, 0xA496): "PreliminaryFlag",
}
# Every attribute of type 2 of the modules a key object selection must have: there, if empty.
REQUIRED: Final[Mapping[BaseTag, str]] = {
    Tag(0x0008, 0x0020): "StudyDate",
    Tag(0x0008, 0x0030): "StudyTime",
    Tag(0x0008, 0x0050): "AccessionNumber",
    Tag(0x0008, 0x0070): "Manufacturer",
    Tag(0x0008, 0x0090): "ReferringPhysicianName",
    Tag(0x0008, 0x1111): "ReferencedPerformedProcedureStepSequence",
    Tag(0x0010, 0x0010): "PatientName",
    Tag(0x0010, 0x0020): "PatientID",
    Tag(0x0010, 0x0030): "PatientBirthDate",
    Tag(0x0010, 0x0040): "PatientSex",
    Tag(0x0020, 0x0010): "StudyID",
}


def of_attributes(ds: Dataset) -> Iterator[str]:
    """What is said of the document's own attributes: those it must not have, those it lacks."""
    wrong = [name for tag, name in FLAGS.items() if tag in ds]
    if wrong:
        yield f"carries what only structured reports have: {', '.join(wrong)}"
    lacking = [name for tag, name in REQUIRED.items() if tag not in ds]
    if lacking:
        yield f"lacks what must be there, if empty: {', '.join(lacking)}"
