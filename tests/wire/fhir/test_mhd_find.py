"""Answers to document searches: pages of rows, what went wrong beside them, hostile ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain import (
    AssociationKind,
    DocumentEntry,
    Issue,
    Organisation,
    Outcome,
    PatientId,
    Refusal,
    Severity,
)
from gateway.wire.fhir.document_reference_write import Relation
from gateway.wire.fhir.mhd_find import DecodedResponse, decode_response, encode_response
from gateway.wire.fhir.mhd_retrieve import attachment_url, reference_id
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, NOON, PATIENT
from tests.wire.fhir.rows import BASE, REPOSITORY, as_fhir_holds, numbered
from tests.wire.fhir.spoiling import spoilt

ROWS = tuple(numbered(number) for number in range(3))
SELF = f"{BASE}/DocumentReference?patient.identifier=urn:oid:2.999.1.2%7CA-0001"


def answer(outcome: Outcome[DocumentEntry], **options: Any) -> dict[str, Any]:
    """The page that answers with an outcome."""
    return encode_response(
        outcome,
        ids={row.id: reference_id(row.id) for row in outcome.items},
        urls={row.id: attachment_url(BASE, row) for row in outcome.items},
        base=BASE + "/",
        bundle_id="b1",
        at=NOON,
        self_url=SELF,
        **options,
    )


def read(page: Any, patient: PatientId | None = None) -> DecodedResponse:
    """The page as Country B reads it."""
    return decode_response(page, community=COUNTRY_A, repository=REPOSITORY, patient=patient)


def test_rows_issues_and_links_cross_in_both_formats() -> None:
    """What was answered is what is read, and where each document is."""
    warning = Issue(refusal=Refusal.UNSUPPORTED, text="Not applied.", severity=Severity.WARNING)
    page = answer(Outcome(ROWS, (warning,)), total=30, next_url=f"{BASE}?_getpages=2")
    validated(page)

    for format in Format:
        found = read(read_resource(write_resource(page, format), format))

        assert found.outcome.items == tuple(as_fhir_holds(row) for row in ROWS)
        (issue,) = found.outcome.issues
        assert (issue.refusal, issue.severity) == (Refusal.UNSUPPORTED, Severity.WARNING)
        assert found.urls == {row.id: f"{BASE}/Binary/{reference_id(row.id)}" for row in ROWS}
        assert found.full_urls == {
            row.id: f"{BASE}/DocumentReference/{reference_id(row.id)}" for row in ROWS
        }
        assert (found.next_url, found.total) == (f"{BASE}?_getpages=2", 30)


def test_rows_written_as_they_are_made_are_the_same_bytes() -> None:
    """A long answer needs not all be objects before it is bytes."""
    warning = Issue(refusal=Refusal.UNSUPPORTED, text="Not applied.", severity=Severity.WARNING)
    outcome = Outcome(ROWS, (warning,))

    whole, ahead = (
        write_resource(answer(outcome, ahead=ahead), Format.JSON) for ahead in (False, True)
    )

    assert ahead == whole


def test_no_rows_is_an_answer() -> None:
    """Empty, and a success."""
    page = answer(Outcome())

    validated(page)
    assert page["total"] == 0
    assert "entry" not in page
    assert read(page) == DecodedResponse(outcome=Outcome(), full_urls={}, total=0)


def test_twins_custodian_and_patient_are_written_into_each_row() -> None:
    """They are nothing an entry knows of itself."""
    page = answer(
        Outcome(ROWS[:1]),
        relations={ROWS[0].id: (Relation(kind=AssociationKind.TRANSFORMS, reference_id="ref-2"),)},
        custodian=Organisation(name="Ministry", authority="2.999.1"),
        patient_reference=f"{BASE}/Patient/p1",
    )

    validated(page)
    (row,) = read(page).found
    assert row.relations == ((AssociationKind.TRANSFORMS, f"{BASE}/DocumentReference/ref-2"),)
    assert "Ministry" in json.dumps(page)
    assert page["entry"][0]["resource"]["subject"]["reference"] == f"{BASE}/Patient/p1"


def test_a_row_that_cannot_be_used_costs_no_other() -> None:
    """It is an error issue, so that nobody believes the list to be whole."""
    page = answer(Outcome(ROWS))
    page["entry"][1]["resource"]["modifierExtension"] = [{"url": "x"}]

    found = read(page)

    assert [row.ref.document for row in found.outcome.items] == ["2.999.1.4.0", "2.999.1.4.2"]
    (issue,) = found.outcome.errors
    assert issue.refusal is Refusal.PEER_MISBEHAVED
    assert issue.subject == page["entry"][1]["fullUrl"]
    assert "DocumentReference[1].modifierExtension" in issue.text


def test_a_row_that_comes_twice_is_listed_once() -> None:
    """A federation may hear of it from two sides."""
    page = answer(Outcome((ROWS[0], ROWS[0])))

    found = read(page)

    assert len(found.outcome.items) == 1
    assert found.outcome.issues[0].severity is Severity.WARNING


def test_another_resource_among_the_matches_is_passed_over() -> None:
    """A Patient that a peer includes without saying so."""
    page = answer(Outcome(ROWS[:1]))
    page["entry"].append({"fullUrl": "x", "resource": {"resourceType": "Patient"}})

    found = read(page)

    assert len(found.outcome.items) == 1
    assert "Patient" in found.outcome.issues[0].text


def test_an_operation_outcome_in_place_of_a_bundle_has_no_rows() -> None:
    """Seen at a live gateway that found nothing."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "not-found", "diagnostics": "nothing"}],
    }

    found = read(outcome)

    assert found.outcome.items == ()
    assert len(found.outcome.issues) == 1


def test_a_row_of_nobody_belongs_to_who_was_asked_for() -> None:
    """The subject is but a reference; the search was for one patient."""
    page = answer(Outcome(ROWS[:1]))
    page["entry"][0]["resource"]["subject"] = {"reference": "Patient/p1"}

    assert read(page, PATIENT).outcome.items[0].patient == PATIENT
    assert read(page).outcome.items == ()


@pytest.mark.parametrize(
    "page",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "document"},
        {"resourceType": "Bundle", "type": "searchset", "entry": {}},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{}]},
    ],
)
def test_what_is_no_answer_is_refused(page: dict[str, Any]) -> None:
    """Another resource, another Bundle, entries that are none."""
    with pytest.raises(DecodeError):
        read(page)


def test_whatever_stands_in_a_page_only_decode_errors_come_out() -> None:
    """Every value replaced by every other kind of value, or removed."""
    issue = Issue(refusal=Refusal.NO_CONSENT, text="Some rows are kept back.")
    small = replace(ROWS[0], authors=(), references=(), event_codes=(), source_patient_info=())
    for page in spoilt(answer(Outcome((small,), (issue,)))):
        try:
            found = read(page)
        except DecodeError:
            continue
        assert len(found.outcome.items) <= 1
