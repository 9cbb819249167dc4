"""What is said of key object selections that can be read and are not right."""

from __future__ import annotations

import io
from collections.abc import Callable

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.domain.manifests import ImagingManifest
from gateway.domain.outcome import Outcome, Severity
from gateway.domain.refusals import Refusal
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import make_manifest


def read(change: Callable[[Dataset], None]) -> Outcome[ImagingManifest]:
    """What is read of a manifest after pydicom has let `change` at it."""
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(make_manifest())))
    change(ds)
    out = io.BytesIO()
    ds.save_as(out)
    return decode_manifest(out.getvalue())


def told(outcome: Outcome[ImagingManifest]) -> list[tuple[str, str]]:
    """Texts and subjects of the warnings; there is nothing but warnings of the peer's conduct."""
    assert {issue.severity for issue in outcome.issues} <= {Severity.WARNING}
    assert {issue.refusal for issue in outcome.issues} <= {Refusal.PEER_MISBEHAVED}
    return [(issue.text, issue.subject) for issue in outcome.issues]


def coding(value: str, designator: str) -> Sequence:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, designator, "Thorax"
    return Sequence([item])


def region_of_first_group(ds: Dataset) -> Dataset:
    """The target region of the first series in the image library."""
    library = ds.ContentSequence[-1]
    group = next(
        item
        for item in library.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "126200"
    )
    found: Dataset = next(
        item
        for item in group.ContentSequence
        if "ConceptNameCodeSequence" in item
        and item.ConceptNameCodeSequence[0].CodeValue == "123014"
    )
    return found
