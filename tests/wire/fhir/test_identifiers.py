"""Identifiers: patients, UIDs and references, in the spellings of guides and peers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Code, Oid, PatientId, ReferenceId, ReferenceKind, Uid
from gateway.domain.codes import DCM
from gateway.wire.fhir.concepts import IDENTIFIER_TYPE
from gateway.wire.fhir.identifiers import (
    ACCESSION,
    PLACER,
    STUDY_UID,
    Identifier,
    as_patient_id,
    as_reference,
    as_uid,
    of_patient_id,
    of_reference,
    of_uid,
    read_identifier,
    write_identifier,
)
from gateway.wire.fhir.resources import Json
from gateway.wire.problems import DecodeError
from tests.shared import shared
from tests.wire.fhir.people import patient_ids
from tests.wire.fhir.spoiling import spoilt

UID = Uid("1.2.250.1.59.40211.12345678.678910")
DCM_URL = "http://dicom.nema.org/resources/ontology/DCM"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


@given(patient_ids)
def test_patient_ids_go_there_and_back(patient: PatientId) -> None:
    """The authority is the system, as a URN."""
    written = write_identifier(of_patient_id(patient))

    assert written == {"system": f"urn:oid:{patient.authority}", "value": patient.value}
    assert as_patient_id(read_identifier(written, "identifier")) == patient


@pytest.mark.parametrize("system", ["2.999.1", "urn:oid:2.999.1", "URN:OID:2.999.1", "oid:2.999.1"])
def test_the_authority_may_be_spelt_as_peers_spell_it(system: str) -> None:
    """Bare, as URN in any case, or with the prefix of older peers."""
    assert as_patient_id(Identifier(value="7", system=system)) == PatientId("7", Oid("2.999.1"))


@pytest.mark.parametrize("system", ["", "http://example.org/ids", "urn:ietf:rfc:3986", "urn:oid:x"])
def test_an_identifier_without_an_oid_is_no_patient_id(system: str) -> None:
    """National URLs are for a table of the settings."""
    assert as_patient_id(Identifier(value="7", system=system)) is None


@pytest.mark.parametrize("value", ["", "7^^^&2.999&ISO", "a\nb", "9" * 257])
def test_a_value_no_patient_has_is_refused_without_being_told(value: str) -> None:
    """Errors are logged, identifiers of patients are not."""
    with pytest.raises(DecodeError) as caught:
        as_patient_id(Identifier(value=value, system="2.999.1"), "Patient.identifier[0]")

    assert caught.value.where == "Patient.identifier[0].value"
    assert caught.value.found == "no identifier"


def test_a_study_uid_is_written_as_mado_has_it() -> None:
    """MadoStudyInstanceUidIdentifier: system, prefix and type."""
    assert write_identifier(of_uid(UID)) == {
        "type": {
            "coding": [{"system": DCM_URL, "code": "110180", "display": "Study Instance UID"}]
        },
        "system": "urn:dicom:uid",
        "value": f"urn:oid:{UID}",
    }


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier(value=f"urn:oid:{UID}", system="urn:dicom:uid"),
        Identifier(value=str(UID), system="urn:dicom:uid"),
        Identifier(value=f"oid:{UID}", system="urn:dicom:uid"),
        Identifier(value=f"urn:oid:{UID}", system="urn:ietf:rfc:3986"),
        Identifier(value=str(UID), types=(STUDY_UID,)),
        Identifier(value=str(UID), system="urn:oid:2.999.5", types=(STUDY_UID,)),
    ],
)
def test_uids_are_read_in_every_form(identifier: Identifier) -> None:
    """With and without prefix, under three systems, or by type alone."""
    assert as_uid(identifier) == UID


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier(value=str(UID)),
        Identifier(value=str(UID), system="urn:ietf:rfc:3986"),
        Identifier(
            value="urn:uuid:0a2d7d0a-3f4e-4c57-9a36-0c2e9d3b5b11", system="urn:ietf:rfc:3986"
        ),
        Identifier(value=str(UID), system="urn:oid:2.999.5", types=(ACCESSION,)),
    ],
)
def test_what_is_not_said_to_be_a_uid_is_none(identifier: Identifier) -> None:
    """Digits and dots alone are an accession number as well."""
    assert as_uid(identifier) is None


@pytest.mark.parametrize("value", ["", "urn:oid:", "1.2.x", "1." * 40])
def test_a_uid_that_is_none_is_refused(value: str) -> None:
    """A broken study UID is not the absence of one."""
    identifier = Identifier(value=value, system="urn:dicom:uid")

    for read in (as_uid, as_reference):
        with pytest.raises(DecodeError, match=r"^related\.value: "):
            read(identifier, "related")


@pytest.mark.parametrize(
    ("reference", "written"),
    [
        (
            ReferenceId("A-1", ReferenceKind.ACCESSION, "2.999.1.5"),
            {
                "type": {
                    "coding": [
                        {"system": V2, "code": "ACSN", "display": "Accession ID"},
                        {"system": DCM_URL, "code": "121022", "display": "Accession Number"},
                    ]
                },
                "system": "urn:oid:2.999.1.5",
                "value": "A-1",
            },
        ),
        (
            ReferenceId("O-1", ReferenceKind.ORDER),
            {
                "type": {
                    "coding": [{"system": V2, "code": "PLAC", "display": "Placer Identifier"}]
                },
                "value": "O-1",
            },
        ),
        (
            ReferenceId("E-1", ReferenceKind.ENCOUNTER, "2.999.1.5"),
            {
                "type": {
                    "coding": [
                        {
                            "system": "urn:ietf:rfc:3986",
                            "code": "urn:ihe:iti:xds:2015:encounterId",
                        }
                    ]
                },
                "system": "urn:oid:2.999.1.5",
                "value": "E-1",
            },
        ),
        (
            ReferenceId("F-1", "FILL", "Lab 5"),
            {
                "type": {"coding": [{"system": V2, "code": "FILL"}]},
                "system": "Lab%205",
                "value": "F-1",
            },
        ),
    ],
)
def test_references_are_written_by_kind_and_read_back(
    reference: ReferenceId, written: Json
) -> None:
    """MADO's types for accession and order, the URN of XDS for others, a bare code from HL7 v2."""
    assert write_identifier(of_reference(reference)) == written
    assert as_reference(read_identifier(written, "related")) == reference


@given(
    st.builds(
        ReferenceId,
        value=st.text(
            st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1
        ).filter(lambda value: "^" not in value),
        kind=st.sampled_from([kind for kind in ReferenceKind if kind != ReferenceKind.STUDY]),
        authority=st.sampled_from(["", "2.999.1", "Lab 5", "100% Röntgen", "http://example.org/a"]),
    )
)
def test_references_go_there_and_back(reference: ReferenceId) -> None:
    """Whatever the kind, and whatever kind of authority."""
    written = write_identifier(of_reference(reference))

    assert as_reference(read_identifier(written, "related")) == reference


def test_a_study_is_a_reference_and_a_uid() -> None:
    """Written as MADO has it; an authority and a home it does not need are left out."""
    study = ReferenceId(str(UID), ReferenceKind.STUDY, "2.999.5", "urn:oid:2.999.1")

    assert of_reference(study) == of_uid(UID)
    assert as_reference(of_uid(UID)) == ReferenceId.of_study(UID)
    assert as_reference(Identifier(value=str(UID), system="urn:dicom:uid")) == ReferenceId.of_study(
        UID
    )


def test_a_study_number_that_is_no_uid_keeps_its_kind() -> None:
    """It came from a peer's XDS and must not be made into a DICOM UID."""
    reference = ReferenceId("STUDY-7", ReferenceKind.STUDY, "2.999.5")

    assert of_reference(reference).system == "urn:oid:2.999.5"
    assert as_reference(of_reference(reference)) == reference


@pytest.mark.parametrize("types", [(), (Code("MR", "http://example.org/types"),)])
def test_an_identifier_without_a_known_type_is_no_reference(types: tuple[Code, ...]) -> None:
    """What it identifies is not guessed."""
    assert as_reference(Identifier(value="1", system="urn:oid:2.999", types=types)) is None


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier(value="1^2", types=(PLACER,)),
        Identifier(value="", types=(PLACER,)),
        Identifier(value="1", system="http://x/^^^&1.2&ISO", types=(PLACER,)),
        Identifier(value="1", types=(Code("A^B", IDENTIFIER_TYPE),)),
    ],
)
def test_separators_of_hl7_v2_do_not_get_into_a_reference(identifier: Identifier) -> None:
    """Written into a referenceIdList they would make another reference of it."""
    with pytest.raises(DecodeError):
        as_reference(identifier)


def test_an_identifier_keeps_use_and_types() -> None:
    """What is read is written again."""
    json = {"use": "usual", "type": {"coding": [{"system": DCM_URL, "code": "110180"}]}}

    identifier = read_identifier(json, "identifier")

    assert identifier == Identifier(value="", use="usual", types=(Code("110180", DCM),))
    assert write_identifier(identifier) == json


TYPED = {
    "110180": ReferenceKind.STUDY,
    "121022": ReferenceKind.ACCESSION,
    "ACSN": ReferenceKind.ACCESSION,
    "PLAC": ReferenceKind.ORDER,
}


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for below in value if isinstance(value, list) else ():
        yield from _objects(below)


@pytest.mark.parametrize(
    "folder", ["constructed", "eu-health-data-api", "hl7eu-imaging-r4", "mado-r4", "mhd"]
)
def test_the_references_of_samples_are_understood(folder: str) -> None:
    """Every identifier that a sample types as a study, accession number or order."""
    wrong, seen = [], 0
    for path in shared(f"samples/fhir/{folder}").glob("*.json"):
        for found in _objects(json.loads(path.read_bytes())):
            if not (isinstance(found.get("type"), dict) and isinstance(found.get("value"), str)):
                continue
            identifier = read_identifier(found, path.name)
            kinds = {TYPED[code.value] for code in identifier.types if code.value in TYPED}
            reference = as_reference(identifier, path.name)
            seen += bool(kinds)
            if kinds and (reference is None or {reference.kind} != kinds):
                wrong.append((path.name, found))

    assert not wrong
    assert seen or folder in ("eu-health-data-api", "mhd")  # these have none


def test_hostile_identifiers_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError`, whatever stands in whichever place."""
    places = []
    for changed in spoilt(
        write_identifier(of_reference(ReferenceId("1", ReferenceKind.ACCESSION)))
    ):
        try:
            identifier = read_identifier(changed, "identifier")
            for read in (as_reference, as_uid, as_patient_id):
                read(identifier, "identifier")
        except DecodeError as error:
            places.append(error.where)

    assert len(places) > 20
    assert all(place.startswith("identifier") for place in places)
