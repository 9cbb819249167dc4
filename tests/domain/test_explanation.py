"""A row that is in or out can be explained, filter by filter."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

from gateway.domain import (
    Code,
    DocumentQuery,
    PatientId,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
    Uid,
)
from gateway.domain.codes import CLASS_REPORTS, DCM, FORMAT_PDF, SCT, TYPE_REPORT
from gateway.domain.explanation import explain
from gateway.domain.selection import failing
from tests.builders import PATIENT, make_entry, make_query
from tests.domain.test_selection import FAILS, PASSES


def test_what_is_explained_is_what_is_selected() -> None:
    """A filter is said to keep a row out exactly when it does."""
    for changes in (*PASSES, *(each for _, each in FAILS)):
        query = make_query(**changes)

        said = explain(query, make_entry())

        out = dict.fromkeys(each.field for each in said if not each.passes)
        assert tuple(out) == failing(query, make_entry()), changes


def test_every_filter_has_its_words() -> None:
    """Each field of a query, asked for alone, is explained with what was asked and what is held."""
    asked = dict(FAILS)
    said = {field.name for field in fields(DocumentQuery)} - {"community", "return_type"}

    assert asked.keys() == said
    for name, changes in asked.items():
        [found] = {each for each in explain(make_query(**changes), make_entry())
                   if each.field == name and not each.passes}  # fmt: skip
        assert found.asked
        assert found.held
        assert found.asked != found.held


def test_groups_are_explained_one_by_one_under_their_own_names() -> None:
    """Modality, region and procedure are one field of the query and three filters to people."""
    query = make_query(
        event_codes=(
            (Code("MR", DCM),),
            (Code("67734004", SCT), Code("774007", SCT)),
            (Code("77477000", SCT, "Computed tomography"),),
        ),
        references=(
            (ReferenceId.of_study(Uid("2.999.1.7.1")),),
            (ReferenceId("ACC-9", ReferenceKind.ACCESSION, "%"),),
        ),
    )

    said = {each.filter: each for each in explain(query, make_entry())}

    assert {name: each.passes for name, each in said.items()} == {
        "patient": True,
        "status": True,
        "kind": True,
        "modality": False,
        "region": True,
        "procedure": False,
        "study": True,
        "accession number": False,
    }
    assert said["modality"].asked == f"MR of {DCM}"
    assert said["modality"].held.startswith(f"CT of {DCM} (Computed Tomography), 67734004 of")
    assert said["procedure"].asked == f"77477000 of {SCT} (Computed tomography)"
    assert said["accession number"].asked == "ACC-9 of any authority"
    assert said["accession number"].held == "ACC-1 of 2.999.1.8"


def test_what_is_not_known_is_said_to_exclude_nothing() -> None:
    """But a creation time, which an entry must have."""
    later = TimeRange(start=datetime(2030, 1, 1, tzinfo=UTC))
    entry = replace(make_entry(), service_start=None, created=None, references=())
    query = make_query(service_start=later, created=later)

    said = {each.filter: each for each in explain(query, entry)}

    assert said["performed"].passes
    assert "excludes nothing" in said["performed"].held
    assert (said["created"].passes, said["created"].held) == (False, "nothing")
    assert said["created"].asked == "from 2030-01-01 00:00:00 UTC"


def test_a_time_is_told_as_precisely_as_it_is_known() -> None:
    """A row known to the year is held to begin with it."""
    entry = make_entry(service_start=Timestamp.parse("2026"))
    limits = TimeRange(start=datetime(2026, 3, 1, tzinfo=UTC))

    said = explain(make_query(service_start=limits), entry)[-1]

    assert (said.passes, said.held) == (False, "2026-01-01 00:00:00 UTC, known to the year")


def test_what_does_not_limit_is_not_spoken_of() -> None:
    """The patient always does."""
    query = DocumentQuery(patient=PATIENT, statuses=(), kinds=())
    stranger = DocumentQuery(patient=PatientId("B", PATIENT.authority), statuses=(), kinds=())

    assert [each.filter for each in explain(query, make_entry())] == ["patient"]
    assert [each.passes for each in explain(stranger, make_entry())] == [False]
    codes = {"class_codes": (CLASS_REPORTS,), "type_codes": (TYPE_REPORT,)}
    named = [each.filter for each in explain(replace(query, **codes), make_entry())]
    assert named == ["patient", "document class", "type"]
    assert explain(replace(query, format_codes=(FORMAT_PDF,)), make_entry())[1].filter == "format"
