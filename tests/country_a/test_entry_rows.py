"""An entry as rows keeps all of it, and its codes compare as codes do."""

from __future__ import annotations

import pytest

from country_a.national.entry_rows import (
    author_rows,
    code_key,
    code_rows,
    entry_body,
    entry_row,
    patient_key,
    read_entry,
    reference_rows,
)
from gateway.domain import Code, EntryStatus, Oid, PatientId
from gateway.domain.codes import DCM, SCT
from tests.builders import make_entry


def test_an_entry_comes_back_whole_with_the_status_it_has_now() -> None:
    """The body holds everything but the status."""
    entry = make_entry()

    read = read_entry(entry_body(entry), EntryStatus.DEPRECATED.value)

    assert read.status is EntryStatus.DEPRECATED
    assert read_entry(entry_body(entry), entry.status.value) == entry


def test_every_value_to_filter_by_has_a_row() -> None:
    """Codes, references and authors appear once each, with patient and entry."""
    entry = make_entry()
    codes = {*entry.event_codes, *entry.confidentiality}

    assert {row["code"] for row in code_rows(entry, 3)} == {code_key(code) for code in codes}
    assert len(reference_rows(entry, 3)) == len(set(entry.references))
    rows = [*code_rows(entry, 3), *reference_rows(entry, 3), *author_rows(entry, 3)]
    assert {(row["entry"], row["patient"]) for row in rows} == {(3, patient_key(entry.patient))}
    assert entry_row(entry)["patient"] == patient_key(entry.patient)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Code("CT", DCM), Code("CT", "DCM"), True),
        (Code("1", SCT), Code("1", "urn:oid:" + SCT), True),
        (Code("CT", DCM), Code("CT", "99X"), False),
        (Code("774007", SCT), Code("774007", "SRT"), True),
        (Code("T-D3000", SCT), Code("T-D3000", "SRT"), False),
        (Code("T-D3000", "SNM3"), Code("T-D3000", "SRT"), True),
        (Code("b:c", "a"), Code("c", "a:b"), False),
    ],
)
def test_keys_are_equal_exactly_where_codes_mean_the_same(
    one: Code, other: Code, same: bool
) -> None:
    """The key of a code stands for `Code.means`."""
    assert one.means(other) is same
    assert (code_key(one) == code_key(other)) is same


def test_patients_of_different_authorities_are_different() -> None:
    """A value may hold dots, an authority is an OID: the two cannot run into each other."""
    one, other = PatientId("1.2", Oid("2.999.3")), PatientId("1", Oid("2.999.3"))

    assert patient_key(one) != patient_key(other)
