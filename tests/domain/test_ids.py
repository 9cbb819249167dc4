"""Identifiers are parsed and rejected in one place."""

from __future__ import annotations

import pytest

from gateway.domain import (
    CommunityId,
    DocumentId,
    InvalidIdentifier,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Uid,
)


@pytest.mark.parametrize("text", ["2.999.1", "0.2.216.1", "1.2.276.0.76.4.291", "1." + "1" * 62])
def test_an_oid_of_the_right_form_is_accepted(text: str) -> None:
    """First arcs 0 to 2, no leading zeros, at most 64 characters."""
    assert Oid(text) == text
    assert Oid.parse(f" urn:oid:{text}\n") == text


@pytest.mark.parametrize(
    "text", ["", "2", "3.1", "2.01", "2..1", "2.999.", "a.1", "1." + "1" * 63, "2.999.1 "]
)
def test_what_is_no_oid_is_rejected_with_what_was_found(text: str) -> None:
    """The error names the text and the form expected."""
    with pytest.raises(InvalidIdentifier) as caught:
        Oid(text)
    assert caught.value.found == text[:80]
    assert "OID" in caught.value.expected


def test_a_community_is_written_as_a_urn_where_xds_wants_it() -> None:
    """Bare inside, `urn:oid:` outside."""
    assert CommunityId("2.999.1.1").urn == "urn:oid:2.999.1.1"


def test_a_dicom_uid_may_be_padded_and_have_leading_zeros() -> None:
    """Both occur in files from the field."""
    assert Uid.parse("1.2.003.4\0") == "1.2.003.4"
    with pytest.raises(InvalidIdentifier):
        Uid("1.2.x")


def test_a_document_id_carries_no_control_characters() -> None:
    """A document id ends up in logs, paths and answers."""
    assert DocumentId("2.999.1^LOCAL.XML") == "2.999.1^LOCAL.XML"
    for text in ("", "a\nb", "x" * 257):
        with pytest.raises(InvalidIdentifier):
            DocumentId(text)


def test_a_patient_id_is_read_and_written_as_cx() -> None:
    """`value^^^&oid&ISO`, both ways."""
    patient = PatientId.parse_cx(" XA-1001^^^&2.999.1.1.1&ISO ")
    assert patient == PatientId("XA-1001", Oid("2.999.1.1.1"))
    assert patient.cx == "XA-1001^^^&2.999.1.1.1&ISO"


@pytest.mark.parametrize(
    "text",
    [
        "XA-1001",
        "XA-1001^^^NAME&2.999.1&ISO",
        "XA-1001^^^&2.999.1&DNS",
        "XA-1001^x^^&2.999.1&ISO",
        "^^^&2.999.1&ISO",
        "XA-1001^^^&not-an-oid&ISO",
        "XA-1001^^^&2.999.1&ISO^extra",
    ],
)
def test_a_patient_id_of_another_form_is_rejected(text: str) -> None:
    """XDS allows no namespace name and no other type than ISO."""
    with pytest.raises(InvalidIdentifier):
        PatientId.parse_cx(text)


def test_two_spellings_never_make_one_patient() -> None:
    """A component separator inside a value would let one patient pose as another."""
    with pytest.raises(InvalidIdentifier):
        PatientId("A^^^&1.2&ISO", Oid("2.999.1"))


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("1.2.3.4^^^^urn:ihe:iti:xds:2016:studyInstanceUID", ""),
        ("A123^^^&2.999.9&ISO^urn:ihe:iti:xds:2013:accession", "2.999.9"),
        ("A123^^^HOSPITAL^urn:ihe:iti:xds:2013:accession", "HOSPITAL"),
        ("A123^^^%^urn:ihe:iti:xds:2013:accession", "%"),
        ("O-1^^^&2.999.9&ISO^urn:ihe:iti:xds:2013:order^urn:oid:2.999.1", "2.999.9"),
    ],
)
def test_a_reference_survives_its_written_form(text: str, authority: str) -> None:
    """CXi is read and written without loss, whatever names the authority."""
    reference = ReferenceId.parse_cxi(text)
    assert reference.authority == authority
    assert reference.cxi == text


def test_a_study_reference_needs_no_authority() -> None:
    """A Study Instance UID is unique by itself."""
    reference = ReferenceId.of_study(Uid("1.2.3"))
    assert reference.kind == ReferenceKind.STUDY
    assert reference.cxi == "1.2.3^^^^urn:ihe:iti:xds:2016:studyInstanceUID"
