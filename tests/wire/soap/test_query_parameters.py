"""What parameters mean, in both directions; messages around them are tested in test_xca_query."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain import (
    Code,
    DocumentId,
    DocumentLookup,
    EntryId,
    EntryKind,
    PatientId,
    ReferenceId,
    TimeRange,
    Uid,
)
from gateway.wire.problems import EncodeError
from gateway.wire.soap import stored_queries
from gateway.wire.soap.query_parameters import unasked, write_slots
from tests.builders import COUNTRY_A, make_query


def test_a_reference_makes_it_another_stored_query() -> None:
    """FindDocuments knows no references; an empty group is no condition."""
    study = ReferenceId.of_study(Uid("2.999.1"))

    assert write_slots(make_query())[0] == stored_queries.FIND_DOCUMENTS
    assert write_slots(make_query(references=((study,),)))[0] == stored_queries.FIND_BY_REFERENCE
    assert write_slots(make_query(references=((),)))[0] == stored_queries.FIND_DOCUMENTS


def test_no_limit_of_status_or_kind_is_written_as_all_of_them() -> None:
    """Status is required, and a Type left out means stable documents only."""
    _, slots = write_slots(make_query(statuses=(), kinds=()))
    text = "".join(slots)

    assert "StatusType:Approved" in text
    assert "StatusType:Deprecated" in text
    assert "34268e47-fdf5-41a6-ba33-82133c465248" in text
    _, default = write_slots(make_query(kinds=(EntryKind.STABLE,)))
    assert not any('"$XDSDocumentEntryType"' in slot for slot in default)


def test_empty_filters_are_not_written() -> None:
    """What does not limit is not said."""
    assert len(write_slots(make_query())[1]) == 2


def test_groups_are_slots_of_their_own() -> None:
    """A slot that comes again is a further condition."""
    _, slots = write_slots(make_query(event_codes=((Code("a", "b"),), (Code("c", "d"),))))

    assert sum("EventCodeList" in slot for slot in slots) == 2


def test_a_range_within_a_second_is_asked_for_to_the_whole_one() -> None:
    """A DTM has no fractions; an entry at 10:00:00 is before 10:00:00.5, and not after it."""
    half = datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    for limits, slot in (
        (TimeRange(end=half), "ServiceStartTimeTo"),
        (TimeRange(start=half), "ServiceStartTimeFrom"),
    ):
        [text] = [each for each in write_slots(make_query(service_start=limits))[1] if slot in each]
        assert "20260301100001" in text
    [last] = write_slots(
        make_query(service_start=TimeRange(start=datetime.max.replace(tzinfo=UTC)))
    )[1][2:]
    assert "99991231235959" in last


def test_a_code_without_scheme_is_not_asked_for_and_named() -> None:
    """XDS has none such: a filter that has one is left out whole, for whoever asks to apply."""
    bare, whole = Code("CT", ""), Code("MR", "1.2.840.10008.2.16.4")
    query = make_query(type_codes=(bare,), class_codes=(whole,), event_codes=((whole, bare),))

    assert unasked(query) == ("type_codes", "event_codes")
    assert unasked(make_query(event_codes=((whole,),))) == ()
    text = "".join(write_slots(query)[1])
    assert "ClassCode" in text
    assert "TypeCode" not in text
    assert "EventCodeList" not in text


def test_a_patient_id_that_fits_no_value_is_refused() -> None:
    """Cutting it would ask for somebody else."""
    with pytest.raises(EncodeError):
        write_slots(make_query(patient=PatientId("x" * 250, COUNTRY_A)))


@pytest.mark.parametrize(
    "lookup",
    [
        DocumentLookup(community=COUNTRY_A),
        DocumentLookup(
            community=COUNTRY_A, entry_ids=(EntryId("a"),), document_ids=(DocumentId("b"),)
        ),
        DocumentLookup(community=COUNTRY_A, entry_ids=(EntryId("a"),), entries=False),
        DocumentLookup(
            community=COUNTRY_A,
            document_ids=(DocumentId("b"),),
            entries=False,
            associations=True,
        ),
    ],
)
def test_lookups_no_stored_query_can_ask_are_refused(lookup: DocumentLookup) -> None:
    """Nothing, both ways of naming at once, or associations by document id."""
    with pytest.raises(EncodeError):
        write_slots(lookup)
