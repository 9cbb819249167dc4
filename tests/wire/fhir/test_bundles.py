"""Bundles of type searchset, ours and those of others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.domain import Issue, Refusal, Severity
from gateway.wire.fhir.bundles import Searchset, read_searchset, searchset
from gateway.wire.fhir.refusals import read_issues
from gateway.wire.fhir.resources import MAX_ENTRIES, Json, validated
from gateway.wire.problems import DecodeError
from tests.shared import shared
from tests.wire.fhir.spoiling import spoilt

AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SELF = "https://a.example/fhir/Patient?family=Doe"
PATIENT: Json = {"resourceType": "Patient", "id": "p1"}
URL = "https://a.example/fhir/Patient/p1"
WARNING = Issue(
    refusal=Refusal.BACK_END_DOWN, text="One register is away.", severity=Severity.WARNING
)


def _bundle(**changes: object) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", **changes}


def test_an_answer_has_what_mhd_demands_and_is_read_back() -> None:
    """Total, self link, absolute URLs, modes; the issues are one more entry and not counted."""
    bundle = searchset(
        [(URL, PATIENT)], bundle_id="b1", at=AT, self_url=SELF, issues=[WARNING], next_url=URL
    )

    validated(bundle)
    assert (bundle["id"], bundle["type"], bundle["total"]) == ("b1", "searchset", 1)
    assert bundle["meta"] == {"lastUpdated": "2026-11-22T12:00:00Z"}
    assert bundle["link"] == [
        {"relation": "self", "url": SELF},
        {"relation": "next", "url": URL},
    ]
    assert bundle["entry"][0] == {
        "fullUrl": URL,
        "resource": PATIENT,
        "search": {"mode": "match"},
    }
    assert bundle["entry"][1]["fullUrl"].startswith("urn:uuid:")
    page = read_searchset(bundle, "Bundle")
    assert page.matches == ((URL, PATIENT),)
    assert page.searches == ({"mode": "match"},)
    assert (page.next_url, page.total) == (URL, 1)
    [issue] = read_issues(page.outcomes[0], "outcome")
    assert (issue.refusal, issue.text) == (WARNING.refusal, WARNING.text)


def test_what_matches_refer_to_may_come_along() -> None:
    """It is no match and not counted, and keeps the URL it is referred to by."""
    endpoint = {"resourceType": "Organization", "name": "Hospital"}

    bundle = searchset(
        [(URL, PATIENT)],
        bundle_id="b1",
        at=AT,
        self_url=SELF,
        issues=[WARNING],
        included=[("urn:uuid:0a2d7d0a-3f4e-4c57-9a36-0c2e9d3b5b11", endpoint)],
    )

    validated(bundle)
    page = read_searchset(bundle, "Bundle")
    assert (page.total, len(page.matches), len(page.outcomes)) == (1, 1, 1)
    assert page.included == (("urn:uuid:0a2d7d0a-3f4e-4c57-9a36-0c2e9d3b5b11", endpoint),)


def test_an_empty_answer_has_no_entries() -> None:
    """FHIR has no empty arrays; the total may be of more pages, the time of another zone."""
    at = AT.astimezone(timezone(timedelta(hours=2)))
    bundle = searchset([], bundle_id="b1", at=at, self_url=SELF, total=7)

    validated(bundle)
    assert "entry" not in bundle
    assert bundle["total"] == 7
    assert bundle["meta"] == {"lastUpdated": "2026-11-22T12:00:00Z"}
    assert read_searchset(bundle, "Bundle") == Searchset(total=7)


def test_a_bare_outcome_is_no_result() -> None:
    """A live gateway answers so when nothing was found."""
    outcome = {"resourceType": "OperationOutcome", "issue": []}

    assert read_searchset(outcome, "body") == Searchset(outcomes=(outcome,))


def test_modes_are_read_as_peers_leave_them() -> None:
    """Without mode it is a match, unless it is an outcome; what is included stands apart."""
    outcome = {"resourceType": "OperationOutcome"}
    bundle = _bundle(
        entry=[
            {"resource": PATIENT},
            {"resource": outcome},
            {"resource": outcome, "search": {"mode": "match"}},
            {"resource": {"resourceType": "Organization"}, "search": {"mode": "include"}},
            {"fullUrl": URL, "resource": PATIENT, "search": {"mode": "match"}},
        ]
    )

    page = read_searchset(bundle, "Bundle")

    assert page.matches == (("", PATIENT), (URL, PATIENT))
    assert page.outcomes == (outcome, outcome)
    assert page.included == (("", {"resourceType": "Organization"}),)
    assert (page.next_url, page.total) == ("", None)


@pytest.mark.parametrize(
    ("bundle", "where"),
    [
        ({"resourceType": "Patient"}, "Bundle.resourceType"),
        ({}, "Bundle.resourceType"),
        (_bundle(type="collection"), "Bundle.type"),
        (_bundle(entry=[{"fullUrl": URL}]), "Bundle.entry[0].resource"),
        (_bundle(entry=[{"resource": {"id": "1"}}]), "Bundle.entry[0].resource"),
        (_bundle(entry=[{}] * (MAX_ENTRIES + 1)), "Bundle.entry"),
        (_bundle(link=[{}] * 51), "Bundle.link"),
        (_bundle(total=-1), "Bundle.total"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_place(bundle: Json, where: str) -> None:
    """Another resource, another Bundle, entries of nothing, and no end."""
    with pytest.raises(DecodeError) as caught:
        read_searchset(bundle, "Bundle")

    assert caught.value.where == where


def test_hostile_answers_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError`, whatever stands in whichever place."""
    places = []
    for changed in spoilt(searchset([(URL, PATIENT)], bundle_id="b", at=AT, self_url=SELF)):
        try:
            read_searchset(changed, "Bundle")
        except DecodeError as error:
            places.append(error.where)

    assert len(places) > 50
    assert all(place.startswith("Bundle") for place in places)


def test_the_searchsets_of_samples_are_read() -> None:
    """Every one of them, with as many matches as its total says."""
    seen = 0
    for path in shared("samples/fhir").glob("*/*.json"):
        bundle = json.loads(path.read_bytes())
        if bundle.get("resourceType") == "Bundle" and bundle.get("type") == "searchset":
            page = read_searchset(bundle, path.name)
            if page.total is not None:
                assert page.total == len(page.matches), path.name
            seen += 1

    assert seen >= 8
