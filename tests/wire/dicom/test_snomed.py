"""Old SNOMED codes: which become SNOMED CT, and which stay what they are."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from gateway.domain import Code
from gateway.domain.codes import REGIONS, SCT, as_region
from gateway.wire.dicom import elements
from gateway.wire.dicom.elements import CodingSchemes
from gateway.wire.dicom.snomed import current, is_old
from gateway.wire.fhir.concepts import write_coding

DESIGNATORS = ["SRT", "SNM3", "99SDM"]
UNKNOWN = "T-XXXXX"


def coded(value: str, designator: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, designator, "Chest"
    return item


@pytest.mark.parametrize("designator", DESIGNATORS)
def test_a_known_old_code_is_read_as_snomed_ct(designator: str) -> None:
    """T-D3000 is 51185008 (PS3.16 annex O); the meaning stays the sender's, the change is told."""
    schemes = CodingSchemes()

    read = elements.code(coded("T-D3000", designator), schemes)

    assert read == Code("51185008", SCT)
    assert read.display == "Chest"
    assert schemes.old == {Code("T-D3000", designator): read}


@pytest.mark.parametrize("designator", DESIGNATORS)
def test_an_unknown_old_code_is_none_of_snomed_ct(designator: str) -> None:
    """It keeps its designator, also where the data set says that this is SNOMED CT's."""
    schemes = CodingSchemes({designator: SCT})

    read = elements.code(coded(UNKNOWN, designator), schemes)

    assert read == Code(UNKNOWN, designator)
    assert schemes.old == {read: read}
    assert write_coding(read) == {"system": designator, "code": UNKNOWN, "display": "Chest"}


@pytest.mark.parametrize("designator", DESIGNATORS)
def test_a_number_under_an_old_designator_is_snomed_ct(designator: str) -> None:
    """And nothing is to be told of it."""
    schemes = CodingSchemes()

    assert elements.code(coded("774007", designator), schemes) == Code("774007", SCT)
    assert not schemes.old


def test_codes_of_other_schemes_are_left_alone() -> None:
    """The letters mean the old SNOMED under its own names only."""
    local = Code("T-D3000", "99LOCAL")

    assert current(local) is local
    assert not is_old(local)


@pytest.mark.parametrize(
    ("old", "region"),
    [
        ("T-D1000", "774007"),
        ("T-D0010", "38266002"),
        ("T-D8000", "53120007"),
        ("T-D9000", "61685007"),
        ("T-30000", "113257007"),
        ("T-32000", "80891009"),
        ("T-04000", "76752008"),
        ("T-D04FF", "1141981001"),
    ],
)
def test_regions_are_recognised_by_their_old_codes(old: str, region: str) -> None:
    """Every region of the value set that old SNOMED has."""
    found = as_region(current(Code(old, "SRT")))

    assert found is not None
    assert found.value == region
    assert found in REGIONS


def test_no_more_old_codes_are_kept_than_are_told() -> None:
    """A peer may send any number."""
    schemes = CodingSchemes()

    for number in range(elements.MAX_OLD_CODES + 5):
        elements.code(coded(f"T-X{number}", "SRT"), schemes)

    assert len(schemes.old) == elements.MAX_OLD_CODES
