"""ITI-78 and ITI-119 answered: Bundles of patients, ours and those of IHE."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    ExchangeError,
    Issue,
    Outcome,
    PatientIdentity,
    Refusal,
    Severity,
)
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.pdqm_answers import MATCH_GRADE, MAX_PATIENTS
from gateway.wire.fhir.resources import Format, Json, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError
from tests.discovery import FOUND, IDENTITY, NOBODY, OTHER, SEVERAL
from tests.shared import shared
from tests.wire.fhir.people import A, identities
from tests.wire.fhir.spoiling import spoilt

AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SELF = "https://a.example/fhir/Patient?identifier=x"
ID = {"system": "urn:oid:2.999.1.2", "value": "A-0001"}
AMBIGUOUS = Issue(refusal=Refusal.AMBIGUOUS_PATIENT, text="Several fit.", severity=Severity.WARNING)


def _answer(outcome: Outcome[PatientIdentity], *, scores: bool = True) -> Json:
    numbers = {identity.id: f"p-{i}" for i, identity in enumerate(outcome.items)}
    return pdqm.encode_response(
        outcome,
        ids=lambda identity: numbers[identity.id],
        base="https://a.example/fhir/",
        bundle_id="b-1",
        at=AT,
        self_url=SELF,
        scores=scores,
    )


def _sample(name: str) -> Json:
    path = shared(f"samples/fhir/pdqm/Bundle-ex-{name}.json")
    return read_resource(path.read_bytes(), Format.JSON)


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("outcome", [FOUND, SEVERAL, NOBODY])
def test_answers_go_there_and_back(outcome: Outcome[PatientIdentity], format: Format) -> None:
    """One, several and nobody, with their degrees, in both formats."""
    bundle = _answer(outcome)

    validated(bundle)
    read = read_resource(write_resource(bundle, format), format)
    assert pdqm.decode_response(read, A) == outcome
    assert bundle["total"] == len(outcome.items)


@settings(deadline=None)  # a model is loaded when its type is first met
@given(st.lists(identities, max_size=4, unique_by=lambda identity: identity.id))
def test_any_answer_goes_there_and_back(found: list[PatientIdentity]) -> None:
    """The best first; who certainly does not match is left out by the reader."""
    bundle = _answer(Outcome(tuple(found)))

    expected = sorted(found, key=lambda identity: -identity.match_degree)
    assert pdqm.decode_response(bundle, A).items == tuple(i for i in expected if i.match_degree)


def test_a_search_tells_no_scores() -> None:
    """And keeps the order it was given; every entry has its absolute URL."""
    bundle = _answer(Outcome((OTHER, IDENTITY)), scores=False)

    assert [entry["fullUrl"] for entry in bundle["entry"]] == [
        "https://a.example/fhir/Patient/p-0",
        "https://a.example/fhir/Patient/p-1",
    ]
    assert all(entry["search"] == {"mode": "match"} for entry in bundle["entry"])
    assert [i.match_degree for i in pdqm.decode_response(bundle, A).items] == [100, 100]


@pytest.mark.parametrize(
    ("degree", "score", "grade"),
    [
        (100, "1", "certain"),
        (99, "0.99", "probable"),
        (80, "0.8", "probable"),
        (79, "0.79", "possible"),
        (1, "0.01", "possible"),
        (0, "0", "certainly-not"),
        (250, "1", "certain"),
        (-1, "0", "certainly-not"),
    ],
)
def test_a_match_tells_score_and_grade(degree: int, score: str, grade: str) -> None:
    """The degree as a share of one, and as a word."""
    bundle = _answer(Outcome((replace(IDENTITY, match_degree=degree),)))

    assert bundle["entry"][0]["search"] == {
        "extension": [{"url": MATCH_GRADE, "valueCode": grade}],
        "mode": "match",
        "score": Decimal(score),
    }


def test_issues_travel_beside_nobody() -> None:
    """An ambiguous match answers with nobody and says why."""
    bundle = _answer(Outcome(issues=(AMBIGUOUS,)))

    validated(bundle)
    assert bundle["total"] == 0
    [issue] = pdqm.decode_response(bundle, A).issues
    assert (issue.refusal, issue.text) == (AMBIGUOUS.refusal, AMBIGUOUS.text)


def test_a_bare_outcome_is_nobody_and_a_reason() -> None:
    """As a live gateway answers a search that found nothing."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "not-found", "diagnostics": "No patient"}],
    }

    read = pdqm.decode_response(outcome, A)

    assert read.items == ()
    assert len(read.issues) == 1


# --- answers of others ----------------------------------------------------------------------------


def test_patients_without_a_usable_identifier_are_told() -> None:
    """Alone they are an answer that cannot be used; beside others they are an issue."""
    bundle = _sample("match-output-multiple")
    with pytest.raises(DecodeError, match=r"^Bundle\.match\[0\]\.resource\.identifier"):
        pdqm.decode_response(bundle, A)
    bundle["entry"][1]["resource"]["identifier"] = [ID]

    outcome = pdqm.decode_response(bundle, A)

    assert [identity.id.value for identity in outcome.items] == ["A-0001"]
    assert outcome.issues[0].refusal is Refusal.PEER_MISBEHAVED
    assert outcome.issues[0].subject == "Bundle.match[0].resource.identifier"


def test_those_who_are_not_meant_are_left_out() -> None:
    """Inactive, replaced, and certainly another."""
    bundle = _answer(Outcome((IDENTITY,)))
    [entry] = bundle["entry"]
    certainly_not = {"extension": [{"url": MATCH_GRADE, "valueCode": "certainly-not"}]}
    bundle["entry"] = [
        {**entry, "search": {**certainly_not, "score": 0.9}},
        {**entry, "resource": {**entry["resource"], "active": False}},
    ]

    assert pdqm.decode_response(bundle, A) == Outcome()


def test_a_first_page_says_that_it_is_one() -> None:
    """The only patient on it need not be the only one."""
    bundle = _answer(FOUND)
    bundle["link"].append({"relation": "next", "url": "https://a.example/fhir?_getpages=1"})

    outcome = pdqm.decode_response(bundle, A)

    assert outcome.items == FOUND.items
    assert [(i.refusal, i.severity) for i in outcome.issues] == [
        (Refusal.TOO_MANY_RESULTS, Severity.WARNING)
    ]


@pytest.mark.parametrize(
    ("search", "degree"),
    [
        ({}, 100),
        ({"score": 1}, 100),
        ({"score": 0.4}, 40),
        ({"score": Decimal("0.975")}, 98),
        ({"score": 0}, 0),
        ({"extension": [{"url": MATCH_GRADE, "valueCode": "possible"}]}, 1),
        ({"extension": [{"url": MATCH_GRADE, "valueCode": "possible"}], "score": 0.5}, 50),
        ({"extension": [{"url": "http://example.org/x"}], "score": 0.5}, 50),
    ],
)
def test_degrees_are_read_from_score_or_grade(search: Json, degree: int) -> None:
    """The score says more; without either the patient is a match."""
    bundle = _answer(FOUND)
    bundle["entry"][0]["search"] = search

    assert pdqm.decode_response(bundle, A).items[0].match_degree == degree


@pytest.mark.parametrize(
    "search",
    [
        {"score": "0.5"},
        {"score": True},
        {"score": 1.5},
        {"score": -1},
        {"score": 10**400},
        {"score": float("nan")},
        {"score": Decimal("NaN")},
        {"extension": [{"url": MATCH_GRADE, "valueCode": "perhaps"}]},
        {"extension": {}},
    ],
)
def test_a_degree_that_is_none_costs_the_patient(search: Json) -> None:
    """How well somebody matches is not guessed."""
    bundle = _answer(FOUND)
    bundle["entry"][0]["search"] = search

    with pytest.raises(DecodeError, match=r"^Bundle\.match\[0\]\.search"):
        pdqm.decode_response(bundle, A)


def test_too_many_patients_are_refused() -> None:
    """A peer that sends them did not filter."""
    bundle = _answer(FOUND)
    bundle["entry"] *= MAX_PATIENTS + 1

    with pytest.raises(DecodeError, match=rf"at most {MAX_PATIENTS}"):
        pdqm.decode_response(bundle, A)


def test_hostile_answers_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError` and refusals, whatever stands in whichever place."""
    places = []
    for changed in spoilt(_answer(Outcome((IDENTITY,), (AMBIGUOUS,)))):
        try:
            pdqm.decode_response(changed, A)
        except DecodeError as error:
            places.append(error.where)
        except ExchangeError:
            continue

    assert len(places) > 200
    assert all(place.startswith("Bundle") for place in places)


def test_answers_are_json_as_they_are_sent() -> None:
    """A score is a number, not a text."""
    sent = json.loads(write_resource(_answer(FOUND), Format.JSON))

    assert sent["entry"][0]["search"]["score"] == 0.97
