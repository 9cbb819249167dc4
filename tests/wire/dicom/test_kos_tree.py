"""The content tree alone: descriptors below their item or before it, references plain or odd."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.wire.dicom import kos_tree
from gateway.wire.dicom.elements import CodingSchemes
from gateway.wire.dicom.kos_tree import read_tree, references
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.problems import DecodeError
from tests.builders import CT_IMAGE, make_manifest


def opened() -> Dataset:
    """The built manifest as a data set."""
    return pydicom.dcmread(io.BytesIO(encode_manifest(make_manifest())))


def test_descriptors_before_their_item_belong_to_the_next_one() -> None:
    """Moved out before the reference, as older writers have them, they mean the same."""
    expected = read_tree(opened(), CodingSchemes())
    ds = opened()
    for group in list(ds.ContentSequence[-1].ContentSequence)[-3:]:
        moved = []
        for item in group.ContentSequence:
            if "ReferencedSOPSequence" in item and "ContentSequence" in item:
                moved.extend(item.ContentSequence)
                del item.ContentSequence
            moved.append(item)
        group.ContentSequence = Sequence(moved)

    found = read_tree(ds, CodingSchemes())

    assert found.instances == expected.instances
    assert found.groups == expected.groups


def test_references_are_read_the_same_plain_and_built() -> None:
    """The quick way and pydicom's way give the same pairs."""
    ds = opened()
    series = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    quick = list(references(series))

    assert len(series.ReferencedSOPSequence) == 3  # now built by pydicom
    assert list(references(series)) == quick
    assert quick[0] == (CT_IMAGE, "2.999.10.1.1.1")


def test_too_many_instances_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree larger than any study ends the reading."""
    monkeypatch.setattr(kos_tree, "MAX_INSTANCES", 3)

    with pytest.raises(DecodeError, match="more than 3 instances"):
        read_tree(opened(), CodingSchemes())


def test_codes_without_a_scheme_are_understood() -> None:
    """A converter is known to leave the designator out."""
    ds = opened()
    for element in ds.iterall():
        if element.keyword == "CodingSchemeDesignator":
            element.value = ""

    found = read_tree(ds, CodingSchemes())

    assert found.declared_series == 3
    assert [group.declared for group in found.groups] == [3, 3, 1]
