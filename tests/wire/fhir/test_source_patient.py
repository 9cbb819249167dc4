"""The patient at the source as a contained Patient: PID fields and the id."""

from __future__ import annotations

import pytest

from gateway.domain import Oid, PatientId
from gateway.wire.fhir.resources import validated
from gateway.wire.fhir.source_patient import (
    read_patient_ids,
    read_source_patient,
    write_source_patient,
)
from gateway.wire.problems import DecodeError
from tests.wire.fhir.spoiling import spoilt

LOCAL, NATIONAL = PatientId("L-55", Oid("2.999.1.9")), PatientId("A-1", Oid("2.999.1.2"))
INFO = (
    "PID-5|Specimen^Anna^Maria^Jr^Dr",
    "PID-7|19800203",
    "PID-8|F",
    "PID-11|Long Street 1^^City^State^00-001^PL",
)


@pytest.mark.parametrize(
    ("source", "info"),
    [
        (LOCAL, INFO),
        (LOCAL, ()),
        (None, INFO),
        (LOCAL, ("PID-3|A-1^^^&2.999.1.2&ISO", "PID-5|Specimen")),
        (None, ("PID-5|One^A~Two^B", "PID-11|Street~Other^^City")),
        (None, ("PID-7|1980",)),
        (None, ("PID-7|198002",)),
        (None, ("PID-8|U",)),
        (None, ("PID-8|O",)),
        (None, ("PID-5|O\\T\\Neill \\E\\ \\S\\^A",)),
    ],
)
def test_the_fields_come_back(source: PatientId | None, info: tuple[str, ...]) -> None:
    """Names, dates at their precision, gender, address, further identifiers."""
    patient = write_source_patient(source, info)

    validated(patient)
    assert read_source_patient(patient, "P") == (source, info)


def test_an_identifier_that_repeats_the_source_is_written_once() -> None:
    """PID-3 is required to hold it (ITI TF-3)."""
    patient = write_source_patient(LOCAL, (f"PID-3|{LOCAL.cx}~{NATIONAL.cx}",))

    assert read_patient_ids(patient, "P") == (LOCAL, NATIONAL)


@pytest.mark.parametrize(
    "info",
    [
        (),
        ("PID-5|^^^",),
        ("PID-13|tel",),
        ("nonsense",),
        ("PID-7|born",),
        ("PID-3|x",),
        ("PID-8|",),
    ],
)
def test_what_says_nothing_makes_no_patient(info: tuple[str, ...]) -> None:
    """Other fields have no place here."""
    assert write_source_patient(None, info) == {}


def test_identifiers_of_other_systems_name_nobody_here() -> None:
    """A URL cannot cross to a CX; one that is broken takes no other away."""
    patient = {
        "identifier": [
            {"system": "https://a.example/ids", "value": "1"},
            {"system": "urn:oid:2.999.1", "value": "a^b"},
            {"system": "urn:oid:2.999.1.9", "value": "L-55"},
        ]
    }

    assert read_patient_ids(patient, "P") == (LOCAL,)


def test_whatever_stands_in_a_patient_only_decode_errors_come_out() -> None:
    """Every value replaced by every other kind of value, or removed."""
    for patient in spoilt(write_source_patient(LOCAL, INFO)):
        try:
            _, info = read_source_patient(patient, "P")
        except DecodeError:
            continue
        assert all(text.startswith("PID-") for text in info)
