"""The CapabilityStatement: complete, valid, and in no word more than is offered."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import Any

import pytest

from gateway.wire.fhir.capability import (
    OTHER_SPELLINGS,
    PARAMETERS,
    READ,
    STATEMENTS,
    Offer,
    write_capability,
)
from gateway.wire.fhir.resources import Format, Json, read_resource, validated, write_resource
from gateway.wire.problems import EncodeError
from tests.builders import NOON
from tests.shared import shared

BASE = "https://a.example/fhir"
OFFERS = (
    Offer("DocumentReference", "read"),
    Offer("DocumentReference", "search-type"),
    Offer("Binary", "read"),
    Offer("Patient", "search-type"),
    Offer("Patient", "match"),
)
SAMPLES = {
    "mhd/CapabilityStatement-IHE.MHD.DocumentResponder.json",
    "pdqm/CapabilityStatement-IHE.PDQm.PatientDemographicsSupplier.json",
    "eu-health-data-api/CapabilityStatement-EEHRxF-DocumentAccessProvider.json",
}


def _statement(*offers: Offer, **changes: Any) -> Json:
    options: dict[str, Any] = {"base": BASE, "name": "Country A", "at": NOON} | changes
    return write_capability(offers or OFFERS, **options)


@pytest.mark.parametrize("format", Format)
def test_the_statement_is_a_valid_one_in_either_format(format: Format) -> None:
    """With all that R4 demands of one, the date included that IHE's own leave out."""
    statement = _statement(version="0.1.0")

    validated(statement)
    assert read_resource(write_resource(statement, format), format) == statement
    for name in ("status", "date", "kind", "fhirVersion", "format", "software", "implementation"):
        assert statement[name]
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"] == {"description": "Country A", "url": BASE}


def test_the_date_is_of_one_zone() -> None:
    """Whatever zone the clock has."""
    elsewhere = _statement(at=NOON.astimezone(timezone(timedelta(hours=2))))

    assert elsewhere["date"] == _statement()["date"] == "2026-11-22T12:00:00Z"


def test_every_offer_is_claimed_and_nothing_else() -> None:
    """Interactions by their code, operations by their definition."""
    [rest] = _statement()["rest"]
    claimed = {
        (resource["type"], each["code"])
        for resource in rest["resource"]
        for each in resource.get("interaction", [])
    }
    operations = {
        (resource["type"], each["name"])
        for resource in rest["resource"]
        for each in resource.get("operation", [])
    }

    assert claimed | operations == {(each.resource, each.interaction) for each in OFFERS}
    assert operations == {("Patient", "match")}
    assert [each for each in rest["resource"] if each["type"] == "Binary"] == [
        {"type": "Binary", "interaction": [{"code": "read"}]}
    ]


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_parameter_that_is_read_is_published_or_another_spelling(kind: str) -> None:
    """The tables of reading and publishing name the same, and no name is in two of them."""
    published = [name for name, *_ in PARAMETERS[kind]]

    assert len(published) == len(set(published))
    assert set(published) | OTHER_SPELLINGS[kind] == READ[kind]
    assert not set(published) & OTHER_SPELLINGS[kind]


def test_only_who_is_searched_has_parameters() -> None:
    """A resource that is read alone publishes none."""
    [rest] = _statement(Offer("DocumentReference", "read"))["rest"]

    assert "searchParam" not in rest["resource"][0]


def test_an_operation_nobody_defined_cannot_be_published() -> None:
    """A peer could not know what it does."""
    with pytest.raises(EncodeError, match="everything"):
        _statement(Offer("Patient", "everything"))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_guide_is_claimed_only_with_all_it_asks_for(statement: str) -> None:
    """One interaction short, and its statement is not instantiated."""
    demands = sorted(STATEMENTS[statement], key=lambda each: (each.resource, each.interaction))

    assert statement in _statement(*demands)["instantiates"]
    assert statement not in _statement(*demands[1:]).get("instantiates", [])


@pytest.mark.parametrize("sample", sorted(SAMPLES))
def test_what_a_guide_asks_for_is_what_it_published(sample: str) -> None:
    """Its own statement lists the interactions that ours is held to."""
    published = json.loads(shared(f"samples/fhir/{sample}").read_text("utf-8"))
    asked = {
        Offer(resource["type"], each["code"])
        for rest in published["rest"]
        for resource in rest["resource"]
        for each in resource.get("interaction", [])
    }

    assert STATEMENTS[published["url"]] == asked


@pytest.mark.parametrize(
    "sample",
    [*sorted(SAMPLES), "mado-r4/CapabilityStatement-IHE.RAD.MADO.DocumentResponder.json"],
)
def test_parameters_are_defined_as_the_guides_define_them(sample: str) -> None:
    """The same canonical and type for every name that a guide and we publish."""
    published = json.loads(shared(f"samples/fhir/{sample}").read_text("utf-8"))
    ours = {
        (kind, name): (type_, definition)
        for kind, rows in PARAMETERS.items()
        for name, type_, definition in rows
    }
    compared = 0
    for rest in published["rest"]:
        for resource in rest["resource"]:
            for each in resource.get("searchParam", []):
                type_, definition = ours.get((resource["type"], each["name"]), ("", ""))
                if not type_:
                    continue
                compared += 1
                assert type_ == each["type"]
                # The EU's statement defines `date` by a parameter DocumentReference does not have.
                if "definition" in each and each["definition"] != _CLINICAL_DATE:
                    assert definition == each["definition"]
    assert compared >= 4


_CLINICAL_DATE = "http://hl7.org/fhir/SearchParameter/clinical-date"
