"""Answers of ITI-78 and ITI-119: patients found, with how well they match where that was asked.

A search and a match answer with the same Bundle; a match adds score and grade to its entries and
puts the best first. Clauses: ITI PDQm 2:3.78.4.2 and 2:3.119.4.2; FHIR R4 patient-operation-match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from gateway.domain import (
    CommunityId,
    Issue,
    Outcome,
    PatientIdentity,
    Refusal,
    Severity,
)
from gateway.wire.fhir.bundles import read_searchset, searchset
from gateway.wire.fhir.patients import read_patient, write_patient
from gateway.wire.fhir.refusals import read_issues
from gateway.wire.fhir.resources import Json, objects_at, text_at
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

MAX_PATIENTS: Final = 500  # nobody chooses among more; a peer that sends them did not filter

MATCH_GRADE: Final = "http://hl7.org/fhir/StructureDefinition/match-grade"
# The least degree of each grade, the best first (ITI PDQm 2:3.119.4.2.2).
_GRADES: Final = ((100, "certain"), (80, "probable"), (1, "possible"), (0, "certainly-not"))
_NO_MATCH: Final = _GRADES[-1][1]
_DEGREES: Final = {grade: degree for degree, grade in _GRADES}


def encode_response(
    outcome: Outcome[PatientIdentity],
    *,
    ids: Callable[[PatientIdentity], str],
    base: str,
    bundle_id: str,
    at: datetime,
    self_url: str,
    scores: bool,
) -> Json:
    """The answer to a search or, with `scores`, to a match: then the best comes first.

    `ids` gives the Patient.id of an identity, `base` is the absolute URL of our FHIR interface.
    """
    items = list(outcome.items)
    if scores:
        items.sort(key=lambda identity: -identity.match_degree)
    patients = [write_patient(identity, patient_id=ids(identity)) for identity in items]
    bundle = searchset(
        [(f"{base.rstrip('/')}/Patient/{patient['id']}", patient) for patient in patients],
        bundle_id=bundle_id,
        at=at,
        self_url=self_url,
        issues=outcome.issues,
    )
    if scores:
        for entry, identity in zip(bundle.get("entry", []), items, strict=False):
            entry["search"] = _search(identity.match_degree)
    return bundle


def _search(degree: int) -> Json:
    degree = min(max(degree, 0), 100)
    grade = next(grade for least, grade in _GRADES if degree >= least)
    return {
        "extension": [{"url": MATCH_GRADE, "valueCode": grade}],
        "mode": "match",
        "score": Decimal(degree) / 100,
    }


def decode_response(resource: Json, community: CommunityId) -> Outcome[PatientIdentity]:
    """The patients of one page of an answer; none when nobody matches.

    Inactive and replaced patients, and those who certainly do not match, are not among them. A
    patient who cannot be read beside one who can is an issue, and so are further pages: whoever
    takes the only patient of a first page for the only patient picks the wrong one. Raises
    `DecodeError` when the answer cannot be used.
    """
    page = read_searchset(resource, "Bundle")
    if len(page.matches) > MAX_PATIENTS:
        raise DecodeError(
            "Bundle.entry", f"{len(page.matches)} patients", f"at most {MAX_PATIENTS}"
        )
    items: list[PatientIdentity] = []
    problems: list[DecodeError] = []
    for i, ((_, patient), search) in enumerate(zip(page.matches, page.searches, strict=True)):
        where = f"Bundle.match[{i}]"
        try:
            degree = _read_degree(search, f"{where}.search")
            identity = read_patient(patient, community, f"{where}.resource")
        except DecodeError as problem:
            problems.append(problem)
            continue
        if identity is not None and degree is not None:
            items.append(replace(identity, match_degree=degree))
    if problems and not items:
        raise problems[0]
    issues = [
        Issue(refusal=Refusal.PEER_MISBEHAVED, text=str(problem), subject=problem.where)
        for problem in problems
    ]
    for i, outcome in enumerate(page.outcomes):
        issues += read_issues(outcome, f"Bundle.outcome[{i}]")
    if page.next_url:
        text = "The answer has further pages, which were not read."
        issues.append(Issue(refusal=Refusal.TOO_MANY_RESULTS, text=text, severity=Severity.WARNING))
    return Outcome(items=tuple(items), issues=tuple(issues))


def _read_degree(search: Json, where: str) -> int | None:
    """The degree of match, 0 to 100: the score, else the least of the grade, else certain.

    None of one who certainly does not match.
    """
    for i, extension in enumerate(objects_at(search, "extension", where)):
        place = f"{where}.extension[{i}]"
        if text_at(extension, "url", place) == MATCH_GRADE:
            grade = text_at(extension, "valueCode", place)
            if grade not in _DEGREES:
                raise DecodeError(place, quoted(grade), "a match grade", "FHIR R4 MatchGrade")
            if grade == _NO_MATCH:
                return None
            if "score" not in search:
                return _DEGREES[grade]
    score = search.get("score", 1)
    if isinstance(score, bool) or not isinstance(score, int | float | Decimal):
        raise DecodeError(f"{where}.score", "no number", "0 to 1", "FHIR R4 Bundle")
    if score != score or not 0 <= score <= 1:
        raise DecodeError(f"{where}.score", quoted(str(score)), "0 to 1", "FHIR R4 Bundle")
    return round(score * 100)
