"""What the patients of other guides must be read as: Patients, matches, questions, outcomes.

Rows are written from the files and their profiles, not from our output. `test_fhir_samples`
demands a row for every file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import pytest

from gateway.domain import (
    CommunityId,
    Gender,
    HumanName,
    PatientTraits,
    Refusal,
    Severity,
)
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.foreign_outcomes import read_issues
from gateway.wire.fhir.patients import read_traits
from gateway.wire.fhir.resources import Format, Json, read_resource, validated
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A
from tests.shared import shared

EXAMPLE_SYSTEM = "http://example.org/exampleSystem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A Patient: the name people are known by, and what else stands in the file.

    The examples identify by a URL and not by an OID, or not at all: as the traits of a question
    that is one criterion less; as an identity it could not be used in a later request, over SOAP
    above all, and so is refused (a departure that `gateway/README.md` names). `identifier` is ""
    where there is none.
    """

    family: str
    given: tuple[str, ...]
    born: date
    gender: Gender
    identifier: str
    country: str = "USA"
    once: str = ""  # the family name of old, if it was another
    maiden: str = ""


JOHN = Person(
    family="Schmidt",
    given=("John",),
    born=date(1923, 7, 25),
    gender=Gender.UNDIFFERENTIATED,  # other
    identifier="8675309",
)
# Of four names the official one comes first; the usual one, the old one and a nickname follow.
OFFICIALLY = Person(
    family="Schmidt",
    given=("John", "Jacob", "Jingleheimer"),
    born=date(1923, 7, 25),
    gender=Gender.UNDIFFERENTIATED,
    identifier="8675309",
    once="Schnidt",
)
PEOPLE: dict[str, Person] = {
    "balp/Patient-ex-patient.json": replace(OFFICIALLY, identifier=""),
    "mhd/Patient-ex-patient.json": replace(OFFICIALLY, identifier=""),
    "pdqm/Patient-ex-patient.json": OFFICIALLY,
    "pdqm/Patient-ex-match-input-patient.json": JOHN,
    "pdqm/Patient-ex-patient-mothers-maiden-name.json": Person(
        family="Schmit",
        given=("John",),
        born=date(1932, 7, 25),
        gender=Gender.MALE,
        identifier="90210",
        maiden="Doe",
    ),
}

# Questions of $match: who is looked for, and whether only a certain match is wanted. `count` is
# for whoever writes the answer.
QUESTIONS: dict[str, tuple[Person, bool]] = {
    "pdqm/Parameters-ex-match-input-count.json": (JOHN, False),
    "pdqm/Parameters-ex-match-input-onlyCertainMatches.json": (JOHN, True),
    "pdqm/Parameters-ex-match-input-patient-only.json": (JOHN, False),
}
# Parameters of operations that are not ours: none has a part `resource`.
OTHER_QUESTIONS = {
    "mhd/Parameters-ex-input-binary.json": "document",
    "mhd/Parameters-ex-input-doc-bundle.json": "document",
    "mhd/Parameters-ex-patchParameters.json": "operation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A match or search: each match's id and score (None: certain), and what was said beside."""

    matches: tuple[tuple[str, int | None], ...] = ()
    total: int | None = None
    said: tuple[Refusal, ...] = ()


ANSWERS: dict[str, Answer] = {
    "pdqm/Bundle-ex-QueryPatientResourceResponseMessage.json": Answer(
        matches=(("ex-patient", None),), total=1
    ),
    "pdqm/Bundle-ex-match-output.json": Answer(matches=(("ex-patient", 90),), total=1),
    "pdqm/Bundle-ex-match-output-multiple.json": Answer(
        matches=(("ex-patient", 90), ("ex-patient-mothers-maiden-name", 50)), total=2
    ),
    "pdqm/Bundle-ex-match-output-empty.json": Answer(total=0),
    "pdqm/Bundle-ex-match-output-error.json": Answer(said=(Refusal.PEER_TIMEOUT,)),
    # Its file is called a warning; the outcome in it is the error of the example of a failure.
    "pdqm/Bundle-ex-match-output-warning.json": Answer(
        matches=(("ex-patient", 90),), total=1, said=(Refusal.PEER_TIMEOUT,)
    ),
}

# Severity and code as written, what it means to us, its words; whether it took something away.
OUTCOMES: dict[str, tuple[str, Refusal, str, Severity]] = {
    "pdqm/OperationOutcome-ex-match-failure.json": (
        "timeout",
        Refusal.PEER_TIMEOUT,
        "The operation timed out waiting for the backend server.",
        Severity.ERROR,
    ),
    # A warning, but one that says that the answer is incomplete.
    "pdqm/OperationOutcome-ex-match-warning.json": (
        "incomplete",
        Refusal.BACK_END_DOWN,
        "The search operation timed out after reaching the limit.",
        Severity.ERROR,
    ),
}


def sample(name: str) -> Json:
    """A sample as our reader of bytes gives it."""
    return read_resource(shared(f"samples/fhir/{name}").read_bytes(), Format.JSON)


def judge(traits: PatientTraits, person: Person) -> None:
    """Everything of a row, and no identifier: none has an OID as its system."""
    assert traits.name == HumanName(family=person.family, given=person.given)
    assert (traits.birth_date, traits.gender) == (person.born, person.gender)
    assert traits.address is not None
    assert traits.address.country == person.country
    assert traits.mothers_maiden_name == person.maiden
    assert traits.ids == ()


@pytest.mark.parametrize("name", PEOPLE)
def test_a_patient_is_read_as_its_row_says(name: str) -> None:
    """As a question; as an identity it is refused, and the refusal says what is wanted."""
    resource, person = sample(name), PEOPLE[name]

    validated(resource)
    traits = read_traits(resource, "Patient")
    judge(traits, person)
    assert pdqm.decode_match(resource) == (traits, False)  # a question without its Parameters
    written = [(each["system"], each["value"]) for each in resource.get("identifier", [])]
    assert written == ([(EXAMPLE_SYSTEM, person.identifier)] if person.identifier else [])
    with pytest.raises(DecodeError) as caught:
        pdqm.read_patient(resource, COUNTRY_A)
    assert caught.value.where == "Patient.identifier"
    assert caught.value.found == "none with an OID as system"


@pytest.mark.parametrize("name", PEOPLE)
def test_with_an_oid_the_patient_can_be_used(name: str) -> None:
    """Nothing else in it stands in the way."""
    resource, person = sample(name), PEOPLE[name]
    value = person.identifier or "1"
    resource["identifier"] = [{"system": "urn:oid:2.999.1.2", "value": value}]

    identity = pdqm.read_patient(resource, COUNTRY_A)

    assert identity is not None
    assert identity.id.cx == f"{value}^^^&2.999.1.2&ISO"
    assert identity.names[0] == HumanName(family=person.family, given=person.given)
    assert identity.names[-1].family == (person.once or person.family)
    assert (identity.birth_date, identity.gender) == (person.born, person.gender)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_read_as_its_row_says(name: str) -> None:
    """Who is looked for, and how certain the answer has to be."""
    resource = sample(name)
    person, only_certain = QUESTIONS[name]

    traits, certain = pdqm.decode_match(resource)

    validated(resource)
    judge(traits, person)
    assert certain is only_certain


@pytest.mark.parametrize("name", OTHER_QUESTIONS)
def test_the_question_of_another_operation_is_refused(name: str) -> None:
    """It has no Patient to look for."""
    resource = sample(name)

    validated(resource)
    assert OTHER_QUESTIONS[name] in [part["name"] for part in resource["parameter"]]
    with pytest.raises(DecodeError) as caught:
        pdqm.decode_match(resource)
    assert (caught.value.found, caught.value.expected) == ("no resource", "a Patient")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_as_its_row_says(name: str) -> None:
    """Once its patients are identified by OIDs; as they are, none of them can be used."""
    resource, row = sample(name), ANSWERS[name]
    validated(resource)
    if row.matches:
        with pytest.raises(DecodeError, match="none with an OID as system"):
            pdqm.decode_response(resource, COUNTRY_A)
    ids = [
        entry["resource"]["id"]
        for entry in resource.get("entry", [])
        if entry["resource"]["resourceType"] == "Patient"
    ]
    for entry in resource.get("entry", []):
        for identifier in entry["resource"].get("identifier", []):
            identifier["system"] = "urn:oid:2.999.1.2"

    outcome = pdqm.decode_response(resource, CommunityId("2.999.1.1"))

    assert resource.get("total") == row.total
    degrees = [identity.match_degree for identity in outcome.items]
    assert list(zip(ids, degrees, strict=True)) == [
        (name, 100 if score is None else score) for name, score in row.matches
    ]
    assert tuple(issue.refusal for issue in outcome.issues) == row.said


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_is_read_as_its_row_says(name: str) -> None:
    """Code, meaning, words, and whether something was lost."""
    resource = sample(name)

    (issue,) = read_issues(resource, "body")

    validated(resource)
    assert (issue.code, issue.refusal, issue.text, issue.severity) == OUTCOMES[name]
