"""Patient resources: identities answered, traits asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import Oid, PatientId, PatientIdentity
from gateway.wire.fhir.patients import (
    MAX_REPEATS,
    PDQM_PATIENT,
    read_patient,
    read_traits,
    write_patient,
    write_traits,
)
from gateway.wire.fhir.resources import Format, Json, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError, EncodeError
from tests.discovery import BY_NAME, IDENTITY
from tests.shared import shared
from tests.wire.fhir.people import A, identities
from tests.wire.fhir.spoiling import spoilt

ID = {"system": "urn:oid:2.999.1.2", "value": "A-0001"}


def _patient(**changes: object) -> Json:
    return {"resourceType": "Patient", "identifier": [ID], **changes}


def _read(patient: Json) -> PatientIdentity:
    identity = read_patient(patient, A)
    assert identity is not None
    return identity


# --- written --------------------------------------------------------------------------------------


@settings(deadline=None)  # a model is loaded when its type is first met
@given(identities, st.sampled_from(Format))
def test_identities_go_there_and_back(identity: PatientIdentity, format: Format) -> None:
    """In JSON and in XML; how well it matches is not told by the resource."""
    patient = write_patient(identity, patient_id="p-1")

    read = read_patient(read_resource(write_resource(patient, format), format), A)

    assert read == _without_degree(identity)


def _without_degree(identity: PatientIdentity) -> PatientIdentity:
    return PatientIdentity(
        **{name: getattr(identity, name) for name in identity.__slots__ if name != "match_degree"}
    )


@settings(deadline=None)  # a model is loaded when its type is first met
@given(identities)
def test_every_patient_written_keeps_the_profiles(identity: PatientIdentity) -> None:
    """R4B accepts it, and what both guides demand is there, if only as known to be unknown."""
    patient = write_patient(identity, patient_id="p-1")

    validated(patient)
    assert patient["meta"] == {"profile": [PDQM_PATIENT]}
    assert all(each["system"] and each["value"] for each in patient["identifier"])
    assert patient["gender"] in ("male", "female", "other", "unknown")
    assert ("birthDate" in patient) != ("_birthDate" in patient)
    assert patient["name"]
    for name in patient["name"]:
        assert ("family" in name) != ("_family" in name)
        assert ("given" in name) != ("_given" in name)


def test_the_cardinalities_of_the_profile_are_kept() -> None:
    """Each element that IHE.PDQm.Patient demands or forbids, read off the profile itself."""
    path = shared("samples/fhir/profiles/StructureDefinition-IHE.PDQm.Patient.json")
    profile = json.loads(path.read_bytes())
    patient = write_patient(IDENTITY, patient_id="p-1")

    assert profile["url"] == PDQM_PATIENT
    for rule in profile["differential"]["element"]:
        name = rule["path"].removeprefix("Patient.").partition(".")
        if rule.get("max") == "0":
            assert name[0] not in patient
        elif rule.get("min", 0) > 0 and not name[2]:
            assert patient[name[0]]
        elif rule.get("min", 0) > 0:
            assert all(name[2] in each for each in patient[name[0]])


@pytest.mark.parametrize("patient_id", ["", "a/b", "a_b", "x" * 65, "é", "a\n"])
def test_an_id_no_resource_can_have_is_not_written(patient_id: str) -> None:
    """It would be part of a URL."""
    with pytest.raises(EncodeError, match=r"Patient\.id"):
        write_patient(IDENTITY, patient_id=patient_id)


# --- read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"link": [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]},
    ],
)
def test_inactive_and_replaced_patients_are_nobody(changes: Json) -> None:
    """A search never returns them."""
    assert read_patient(_patient(**changes), A) is None


def test_a_patient_who_replaces_another_is_somebody() -> None:
    """Only `replaced-by` points away."""
    link = [{"other": {"reference": "Patient/2"}, "type": "replaces"}]

    assert _read(_patient(active=True, link=link)).id.value == "A-0001"


def test_the_first_identifier_with_an_oid_is_the_one_to_use() -> None:
    """National URLs, broken values and identifiers out of use do not cost the patient."""
    identity = _read(
        _patient(
            identifier=[
                {"system": "http://example.org/ids", "value": "1"},
                {"use": "old", "system": "urn:oid:2.999.1", "value": "2"},
                {"system": "urn:oid:2.999.1", "value": "3^^^"},
                {"system": "urn:oid:2.999.1"},
                {"system": "2.999.1", "value": "4"},
                {"system": "urn:oid:2.999.1", "value": "4"},
                ID,
            ]
        )
    )

    assert identity.id == PatientId("4", Oid("2.999.1"))
    assert identity.other_ids == (PatientId("A-0001", Oid("2.999.1.2")),)


def test_the_name_people_are_known_by_comes_first() -> None:
    """Official before usual, old names last, names of nothing not at all."""
    names = [("old", "D"), ("nickname", "C"), ("usual", "B"), ("official", "A")]

    identity = _read(_patient(name=[{"use": use, "family": f} for use, f in names] + [{}]))

    assert [name.family for name in identity.names] == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("patient", "where"),
    [
        ({"resourceType": "Person"}, "Patient.resourceType"),
        (_patient(identifier=[]), "Patient.identifier"),
        (
            _patient(identifier=[{"system": "http://example.org", "value": "1"}]),
            "Patient.identifier",
        ),
        (_patient(modifierExtension=[{"url": "x"}]), "Patient.modifierExtension"),
        (_patient(gender="robot"), "Patient.gender"),
        (_patient(birthDate="1980-02-30"), "Patient.birthDate"),
        (_patient(name=[{}] * (MAX_REPEATS + 1)), "Patient.name"),
        (_patient(identifier=[ID] * (MAX_REPEATS + 1)), "Patient.identifier"),
        (_patient(telecom=[{"value": 1}]), "Patient.telecom[0].value"),
    ],
)
def test_a_patient_nobody_could_use_is_refused_with_its_place(patient: Json, where: str) -> None:
    """Without an identifier, with a meaning we do not know, with wrong values."""
    with pytest.raises(DecodeError) as caught:
        read_patient(patient, A)

    assert caught.value.where == where
    assert "1980-02-30" not in str(caught.value)


def test_hostile_patients_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError`, whatever stands in whichever place, asked or answered."""
    places = []
    full = write_patient(IDENTITY, patient_id="p-1") | write_traits(BY_NAME)
    for changed in spoilt(full | {"identifier": [ID], "link": [{"type": "seealso"}]}):
        for read in (lambda p: read_patient(p, A), lambda p: read_traits(p, "Patient")):
            try:
                read(changed)
            except DecodeError as error:
                places.append(error.where)

    assert len(places) > 200
    assert all(place.startswith("Patient") for place in places)


# --- traits ---------------------------------------------------------------------------------------


def test_traits_go_there_and_back() -> None:
    """All of them but the least degree of match, which is no part of a patient."""
    patient = write_traits(BY_NAME)

    validated(patient)
    assert read_traits(patient, "Patient") == BY_NAME
