"""ITI-78 and ITI-119 asked: queries in every dialect, matches, and what is not offered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings

from gateway.domain import (
    Address,
    BadRequest,
    ExchangeError,
    Gender,
    HumanName,
    NotFound,
    Oid,
    PatientId,
    PatientTraits,
    Refusal,
)
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.resources import Json, validated
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError, EncodeError
from tests.discovery import BY_ID, BY_NAME
from tests.shared import shared
from tests.wire.fhir.people import traits as all_traits
from tests.wire.fhir.spoiling import spoilt

ID = PatientId("456", Oid("2.999.1.2"))
BY = "identifier=urn:oid:2.999.1.2|456"


def _decode(raw: str) -> PatientTraits:
    return pdqm.decode_request(parse_query(raw))


# --- search ---------------------------------------------------------------------------------------


@given(all_traits)
def test_traits_go_there_and_back(traits: PatientTraits) -> None:
    """Through the query string, whatever it has to escape."""
    assert _decode(pdqm.encode_request(traits)) == traits


def test_a_query_is_written_without_modifiers() -> None:
    """One form for all dialects; what a search cannot say is left out."""
    name = replace(BY_NAME, address=None, mothers_maiden_name="", telecom=("fax:1", "tel:+32"))

    assert pdqm.encode_request(replace(BY_ID, minimum_match=90)) == (
        "identifier=urn:oid:2.999.1.2%7CA-0001&address-country=XA"
    )
    assert pdqm.encode_request(name) == (
        "family=N%C3%B5mme%20%26%20S%C3%B6hne&given=Zo%C3%AB&given=%C3%85sa"
        "&birthdate=1980-01-02&gender=female&telecom=fax%7C1&telecom=%2B32"
    )


@pytest.mark.parametrize("traits", [PatientTraits(), PatientTraits(minimum_match=50)])
def test_nothing_to_ask_is_not_asked(traits: PatientTraits) -> None:
    """It would ask for everybody."""
    with pytest.raises(EncodeError):
        pdqm.encode_request(traits)
    with pytest.raises(EncodeError):
        pdqm.encode_match(traits)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (BY, PatientTraits(ids=(ID,))),
        ("identifier=2.999.1.2%7C456", PatientTraits(ids=(ID,))),
        (f"{BY}&{BY}", PatientTraits(ids=(ID,))),
        (
            f"{BY}&identifier=urn:oid:2.999.3|7",
            PatientTraits(ids=(ID, PatientId("7", Oid("2.999.3")))),
        ),
        # The NCPeH guide's own example: `sex`, and a second identifier that is none.
        (
            f"{BY}&sex=male&identifier=456&_elements=identifier,name",
            PatientTraits(ids=(ID,), gender=Gender.MALE),
        ),
        (f"{BY}&name=", PatientTraits(ids=(ID,))),
        (f"{BY}&gender=unknown&active=true&_lastUpdated=ge2024", PatientTraits(ids=(ID,))),
        (f"{BY}&favourite-colour=red", PatientTraits(ids=(ID,))),
        (
            "family:exact=Doe&given=Dana&given=Kim",
            PatientTraits(name=HumanName(family="Doe", given=("Dana", "Kim"))),
        ),
        ("family=van&family=Dam", PatientTraits(name=HumanName(family="van Dam"))),
        ("name=Dana+Doe", PatientTraits(name=HumanName(family="Doe", given=("Dana",)))),
        ("name=Doe", PatientTraits(name=HumanName(family="Doe"))),
        (
            "name=Dana&family=Doe&name=Doe",
            PatientTraits(name=HumanName(family="Doe", given=("Dana",))),
        ),
        ("birthdate=1980-01-02", PatientTraits(birth_date=date(1980, 1, 2))),
        ("birthdate=eq1980-01-02", PatientTraits(birth_date=date(1980, 1, 2))),
        (
            "birthdate=ge1980-01-02&birthdate=le1980-01-02",
            PatientTraits(birth_date=date(1980, 1, 2)),
        ),
        ("birthdate=1980&birthdate=1980-01-02", PatientTraits(birth_date=date(1980, 1, 2))),
        (
            "family=Doe&gender=http://hl7.org/fhir/administrative-gender|other&sex=other",
            PatientTraits(name=HumanName(family="Doe"), gender=Gender.UNDIFFERENTIATED),
        ),
        (
            "telecom=+32912&telecom=email|a@example.org",
            PatientTraits(telecom=("tel:+32912", "mailto:a@example.org")),
        ),
        (
            "address=Hof+1&address-city=Wien&address-postalcode=1010&address-country=AT",
            PatientTraits(
                address=Address(street="Hof 1", city="Wien", postal_code="1010", country="AT")
            ),
        ),
        ("mothersMaidenName=Petrova", PatientTraits(mothers_maiden_name="Petrova")),
    ],
)
def test_queries_of_every_dialect_are_understood(raw: str, expected: PatientTraits) -> None:
    """The union of NCPeH API, PDQm, EU Health Data API and OpenNCP."""
    assert _decode(raw) == expected


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        ("identifier=urn:oid:2.999.1|", "identifier"),
        (f"{BY}&identifier=urn:oid:2.999.1|,urn:oid:2.999.3|", "identifier"),
        (f"{BY},urn:oid:2.999.3|7", "identifier"),
        ("identifier:of-type=s|MR|7", "identifier"),
        ("family=Doe,Smith", "family"),
        ("family:contains=Doe", "family"),
        ("gender:not=male&family=Doe", "gender"),
        ("gender=male,female&family=Doe", "gender"),
        (f"{BY}&active=false", "active"),
        (f"{BY}&_id=7", "_id"),
        (f"{BY}&address-state=WI", "address-state"),
        ("birthdate=1980", "birthdate"),
        ("birthdate=ge1980-01-02", "birthdate"),
        ("birthdate=ne1980-01-02", "birthdate"),
        ("birthdate=1980-01-02,1980-01-03", "birthdate"),
        ("birthdate=1980-01-02&birthdate=1980-01-03", "birthdate"),
        ("birthdate=ge1980-01-02T10:00&birthdate=lt1980-01-03T10:00", "birthdate"),
    ],
)
def test_what_is_not_offered_is_refused(raw: str, subject: str) -> None:
    """A criterion left out would find other patients than were meant."""
    with pytest.raises(BadRequest) as caught:
        _decode(raw)

    assert (caught.value.refusal, caught.value.subject) == (Refusal.UNSUPPORTED, subject)


@pytest.mark.parametrize(
    "raw", ["", "gender=female", "given=Dana", "gender=unknown", "_count=5", "name=,", "colour=red"]
)
def test_too_little_is_refused_naming_what_is_missing(raw: str) -> None:
    """By a gender alone one finds half a country."""
    with pytest.raises(BadRequest) as caught:
        _decode(raw)

    assert caught.value.refusal is Refusal.MISSING_PARAMETER
    assert caught.value.subject == "identifier,family,birthdate"


def test_a_domain_without_oid_is_not_known_here() -> None:
    """As PDQm has it: not found, in these words."""
    with pytest.raises(NotFound) as caught:
        _decode("identifier=https://ncez.mzcr.cz/standards/fhir/sid/rid|456789123")

    assert (caught.value.refusal, caught.value.subject) == (Refusal.UNKNOWN_PATIENT, "identifier")
    assert caught.value.text == "targetSystem not found"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ("identifier=456", "query.identifier"),
        ("identifier=|456", "query.identifier"),
        ("identifier=a|b|c", "query.identifier"),
        ("identifier=urn:oid:2.999|4^5", "query.identifier.value"),
        ("birthdate=1980-02-30", "query.birthdate"),
        ("gender=robot", "query.gender"),
        ("telecom=a|b|c", "query.telecom"),
        ("&".join(f"identifier=2.999|{i}" for i in range(51)), "query.identifier"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(raw: str, where: str) -> None:
    """And without the identifier or the date of birth, for errors are logged."""
    with pytest.raises(DecodeError) as caught:
        _decode(raw)

    assert caught.value.where == where
    assert "1980" not in str(caught.value)
    assert "4^5" not in str(caught.value)


def test_contradicting_genders_are_refused() -> None:
    """Nobody has both."""
    with pytest.raises(BadRequest) as caught:
        _decode("family=Doe&gender=male&sex=female")

    assert caught.value.refusal is Refusal.MALFORMED_REQUEST


def test_every_parameter_of_the_profile_is_answered_for() -> None:
    """Each search parameter of IHE's capability statement is read or refused, but for results."""
    path = shared("samples/fhir/pdqm/CapabilityStatement-IHE.PDQm.PatientDemographicsSupplier.json")
    [rest] = json.loads(path.read_bytes())["rest"]
    names = {p["name"] for r in rest["resource"] for p in r.get("searchParam", [])}
    names = {name.partition(":")[0] for name in names}

    others = names - pdqm.TRAIT_PARAMETERS

    assert {"family", "given", "identifier", "birthdate"} <= names
    assert others == {"_id", "address-state", "_lastUpdated"}
    for name in others - {"_lastUpdated"}:  # a parameter of results, the server's to apply
        with pytest.raises(BadRequest):
            _decode(f"{BY}&{name}=1")


# --- match ----------------------------------------------------------------------------------------


@settings(deadline=None)  # a model is loaded when its type is first met
@given(all_traits)
def test_matches_go_there_and_back(traits: PatientTraits) -> None:
    """The traits and the wish for certainty."""
    parameters = pdqm.encode_match(traits, only_certain=True)

    validated(parameters)
    assert pdqm.decode_match(parameters) == (traits, True)
    assert pdqm.decode_match(parameters["parameter"][0]["resource"]) == (traits, False)


@pytest.mark.parametrize(
    ("patient", "refusal"),
    [
        ({}, Refusal.MISSING_PARAMETER),
        ({"gender": "male"}, Refusal.MISSING_PARAMETER),
        ({"name": [{"given": ["Dana"]}]}, Refusal.MISSING_PARAMETER),
        (
            {"gender": "male", "identifier": [{"system": "http://example.org", "value": "1"}]},
            Refusal.UNKNOWN_PATIENT,
        ),
    ],
)
def test_a_match_of_too_little_is_refused(patient: Json, refusal: Refusal) -> None:
    """As a search of too little is."""
    with pytest.raises(ExchangeError) as caught:
        pdqm.decode_match({"resourceType": "Patient", **patient})

    assert caught.value.refusal is refusal


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Bundle"},
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": [{"name": "count", "valueInteger": 1}]},
        {"resourceType": "Parameters", "parameter": [{"name": "resource"}]},
        {"resourceType": "Parameters", "parameter": [{}] * 21},
    ],
)
def test_a_match_of_nothing_is_refused(resource: Json) -> None:
    """Another resource, or no patient in it."""
    with pytest.raises(DecodeError):
        pdqm.decode_match(resource)


def test_hostile_matches_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError` and refusals, whatever stands in whichever place."""
    places = []
    for changed in spoilt(pdqm.encode_match(BY_NAME)):
        try:
            pdqm.decode_match(changed)
        except DecodeError as error:
            places.append(error.where)
        except ExchangeError:
            continue

    assert len(places) > 100
    assert all(place.startswith(("Parameters", "body")) for place in places)
