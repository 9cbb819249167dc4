"""What is wrong with a key object selection although all of it can be read.

Of the document as a whole: `kos_read` notices itself what series and instances lack. Clause:
DICOM PS3.16 8.1 (SNOMED).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.domain.codes import SCT, Code


def of_old_codes(met: Mapping[Code, Code]) -> Iterator[tuple[str, str]]:
    """What is said of old SNOMED codes, and the code; `met` has each as written and as read."""
    for written, read in met.items():
        if read.scheme == SCT:
            said = f"the {written.scheme} code is read as {read.value} of SNOMED CT"
        else:
            said = f"the {written.scheme} code has no known code of SNOMED CT and stays as it is"
        yield said, written.value
