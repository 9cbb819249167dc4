"""Codes mean the same however their schemes are spelt."""

from __future__ import annotations

import pytest

from gateway.domain import Code
from gateway.domain.codes import (
    DCM,
    FORMAT_FHIR_MANIFEST,
    IHE_FORMAT,
    SCT,
    SRT,
    as_region,
    is_modality,
    region_of_body_part,
    same_region,
    same_scheme,
    true_scheme,
)


def test_the_display_text_is_no_part_of_a_code() -> None:
    """Two gateways name one concept in two languages."""
    assert Code("CT", DCM, "Computed Tomography") == Code("CT", DCM, "Computertomographie")


@pytest.mark.parametrize("scheme", ["DCM", DCM, f"urn:oid:{DCM}", " dcm "])
def test_a_scheme_is_one_however_it_is_spelt(scheme: str) -> None:
    """Names and OIDs of the same scheme are equal in a filter."""
    assert same_scheme(scheme) == DCM
    assert Code("CT", scheme).means(Code("CT", DCM))


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM", "srt"])
def test_a_code_of_old_snomed_is_none_of_snomed_ct(scheme: str) -> None:
    """T-D3000 is no number of SNOMED CT; the names of the old SNOMED mean the same (PS3.16 8.1)."""
    old = Code("T-D3000", scheme)

    assert same_scheme(scheme) == SRT
    assert true_scheme(old) == scheme
    assert not old.means(Code("T-D3000", SCT))
    assert old.means(Code("T-D3000", "SRT"))
    assert as_region(old) is None
    assert same_region(old) == (old,)


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM"])
def test_a_number_under_a_name_of_old_snomed_is_snomed_ct(scheme: str) -> None:
    """Some change the value and leave the designator."""
    spine = Code("737561001", scheme)

    assert true_scheme(spine) == SCT
    assert spine.means(Code("737561001", SCT))
    assert as_region(spine) == Code("1141981001", SCT)


def test_the_same_value_of_another_scheme_is_another_code() -> None:
    """A value means nothing without its scheme."""
    assert not Code("CT", SCT).means(Code("CT", DCM))


def test_a_search_without_a_scheme_finds_the_value_in_any() -> None:
    """A FHIR token may leave its system out; what is compared, not searched, never widens so."""
    wanted, held = Code("CT", ""), Code("CT", DCM)

    assert wanted.asks_for(held)
    assert wanted.asks_for(Code("CT", "99X"))
    assert not wanted.asks_for(Code("MR", DCM))
    assert not held.asks_for(wanted)
    assert Code("CT", "dcm").asks_for(held)
    assert not Code("CT", SCT).asks_for(held)
    assert not wanted.means(held)


@pytest.mark.parametrize("value", ["1141981001", "737561001", "421060004"])
def test_the_three_codes_of_the_spine_are_one_region(value: str) -> None:
    """MADO, HL7 Europe and DICOM each use another one."""
    region = as_region(Code(value, "SCT"))
    assert region is not None
    assert region.value == "1141981001"


def test_a_code_that_is_no_region_has_no_other_names() -> None:
    """A hospital's own code, and a region of one name, are asked for as they are."""
    local, head = Code("1141981001", "2.999.1"), Code("774007", SCT)
    assert same_region(local) == (local,)
    assert same_region(head) == (head,)


def test_a_body_part_leads_to_a_region_and_an_unknown_one_to_none() -> None:
    """Spaces, case and underscores do not matter."""
    head, unknown = region_of_body_part(" head "), region_of_body_part("CUBE")
    assert head is not None
    assert head.value == "774007"
    assert unknown is None


def test_numeric_dicom_codes_are_no_modalities() -> None:
    """113000 is a document title of the same scheme."""
    assert is_modality(Code("CT", "DCM"))
    assert not is_modality(Code("113000", "DCM"))


def test_the_format_of_a_fhir_manifest_is_one_in_either_scheme() -> None:
    """MADO prints the OID of the value set; the code system of IHE's formats means the same."""
    registered = Code(FORMAT_FHIR_MANIFEST.value, IHE_FORMAT)

    assert registered != FORMAT_FHIR_MANIFEST
    assert registered.asks_for(FORMAT_FHIR_MANIFEST)
