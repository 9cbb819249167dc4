"""The patient, the orders and the organisation of a manifest as resources, and back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.domain import (
    Code,
    HumanName,
    ImagingRequest,
    ManifestPatient,
    Oid,
    Organisation,
    PatientId,
)
from gateway.domain.codes import SCT
from gateway.domain.people import Gender
from gateway.wire.fhir.contained_people import read_organisation
from gateway.wire.fhir.departures import Departures
from gateway.wire.fhir.manifest_people import (
    read_accession,
    read_patient,
    read_request,
    write_creator_organisation,
    write_patient,
    write_request,
)
from gateway.wire.fhir.resources import validated
from tests.builders import make_manifest

SUBJECT = {"reference": "Patient/1"}


def read(patient: dict[str, Any]) -> tuple[ManifestPatient, list[str]]:
    """A patient, and what was odd."""
    departures = Departures()
    found = read_patient(patient, "Patient", departures)
    return found, [issue.text for issue in departures.issues]


@pytest.mark.parametrize(
    "patient",
    [
        make_manifest().patient,
        ManifestPatient(),
        ManifestPatient(bare_id="174", birth_date=date(1950, 1, 1), gender=Gender.UNDIFFERENTIATED),
        ManifestPatient(
            ids=(PatientId("A", Oid("2.999.1")),), bare_id="B", name=HumanName(family="Doe")
        ),
    ],
)
def test_a_patient_goes_there_and_back(patient: ManifestPatient) -> None:
    """With authorities and without; what nobody knows is said to be unknown."""
    resource = write_patient(patient)

    validated(resource)
    assert read(resource) == (patient, [])
    assert ("birthDate" in resource) != ("_birthDate" in resource)


def test_identifiers_of_peers_are_kept_where_they_can_be() -> None:
    """A domain that is a URL has no OID; an old identifier and an empty one are passed over."""
    found, said = read(
        {
            "identifier": [
                {"use": "old", "system": "urn:oid:2.999.1", "value": "OLD"},
                {"system": "http://a.example/mrn", "value": "MRN-1"},
                {"system": "urn:oid:2.999.1", "value": "X^Y"},
                {"system": "2.999.1", "value": "A-1"},
                {"system": "urn:oid:2.999.1"},
            ],
            "name": [{"use": "old", "family": "Before"}, {"family": "Now"}],
        }
    )

    assert found.ids == (PatientId("A-1", Oid("2.999.1")),)
    assert found.bare_id == "MRN-1"
    assert found.name == HumanName(family="Now")
    assert said == [
        "an identifier of the patient is of a domain without an OID",
        "an identifier of the patient is none",
    ]


@pytest.mark.parametrize(
    "request_",
    [
        make_manifest().requests[0],
        ImagingRequest(),
        ImagingRequest(accession="1", accession_authority="https://a.example/ris"),
        ImagingRequest(placer_order="P", placer_authority="2.999.1", filler_order="F"),
        ImagingRequest(description="by hand", procedure_id="RP-1", filler_order="F"),
        ImagingRequest(filler_order="F", filler_authority="2.999.3", code=Code("1", SCT)),
    ],
)
def test_an_order_goes_there_and_back(request_: ImagingRequest) -> None:
    """Each number under its own type, words beside the code."""
    resource = write_request(request_, SUBJECT)

    validated(resource)
    assert read_request(resource, "ServiceRequest") == request_


def test_an_accession_number_is_known_by_either_of_its_types() -> None:
    """HL7's or DICOM's; an identifier of another kind is none."""
    hl7 = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
    dicom = {"coding": [{"system": "DCM", "code": "121022"}]}

    for kind in (hl7, dicom):
        number = {"type": kind, "system": "urn:oid:2.999.1", "value": "1"}
        assert read_accession([{"value": "x"}, number], "x") == ("1", "2.999.1")
    assert read_accession([{"value": "x"}, {"type": hl7}], "x") == ("", "")


@pytest.mark.parametrize(
    "organisation",
    [
        Organisation(name="Hospital", id="H1", authority="2.999.1.6"),
        Organisation(name="Hospital", id="H1", authority="https://a.example/ids"),
        Organisation(name="Hospital", authority="2.999.1.6"),
        Organisation(name="Hospital"),
    ],
)
def test_the_organisation_that_made_a_manifest_goes_there_and_back(
    organisation: Organisation,
) -> None:
    """In a domain of any kind."""
    resource = write_creator_organisation(organisation)

    validated(resource)
    assert read_organisation(resource, "Organization") == organisation


def test_an_organisation_nobody_knows_is_written_as_unknown() -> None:
    """The document needs an author; base FHIR needs a name or an identifier."""
    resource = write_creator_organisation(None)

    validated(resource)
    assert resource["_name"]["extension"][0]["valueCode"] == "unknown"
    assert read_organisation(resource, "Organization") == Organisation(name="")
