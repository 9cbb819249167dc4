"""Logical ids of patients: lasting, of this gateway alone, and silent about the identifier."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from gateway.config import SettingsError
from gateway.domain import Oid, PatientId
from gateway.transport.logical_ids import KEY_FILE, patient_ids
from tests.builders import PATIENT

# FHIR R4 datatypes.html#id
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def test_a_patient_has_the_same_id_each_time(tmp_path: Path) -> None:
    """After a restart too: the key lies in the state folder, which is made at need."""
    state = tmp_path / "not" / "yet"

    names = [patient_ids(state)(PATIENT) for _ in range(3)]

    assert len(set(names)) == 1
    assert FHIR_ID.fullmatch(names[0])


def test_patients_are_told_apart(tmp_path: Path) -> None:
    """By the number and by who assigned it."""
    name = patient_ids(tmp_path)
    patients = [
        PATIENT,
        PatientId("A-0002", PATIENT.authority),
        PatientId(PATIENT.value, Oid("2.999.1.3")),
        PatientId(f"3|{PATIENT.value}", Oid("2.999.1")),
    ]

    assert len({name(patient) for patient in patients}) == len(patients)


def test_another_gateway_names_the_same_patient_otherwise(tmp_path: Path) -> None:
    """So a list of identifiers does not tell whose id it is."""
    ours, theirs = (patient_ids(tmp_path / state)(PATIENT) for state in ("a", "b"))

    assert ours != theirs


def test_an_id_holds_nothing_of_the_identifier(tmp_path: Path) -> None:
    """Neither of the number nor of its authority."""
    patient = PatientId("ABCDEF0123", Oid("2.999.1234567"))

    name = patient_ids(tmp_path)(patient)

    assert not [part for part in ("abcdef", "0123", "1234567") if part in name.lower()]


def test_the_key_is_private_and_alone(tmp_path: Path) -> None:
    """Nothing is left of how it was made."""
    patient_ids(tmp_path)

    [key] = tmp_path.iterdir()
    assert key.name == KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_key_made_by_another_at_the_same_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that start at once one makes it, and the other finds it."""
    first = patient_ids(tmp_path)(PATIENT)
    monkeypatch.setattr(Path, "exists", lambda _: False)

    assert patient_ids(tmp_path)(PATIENT) == first
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_file_that_is_no_key_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    """Ids made with it would change the day it is repaired."""
    (tmp_path / KEY_FILE).write_bytes(content)

    with pytest.raises(SettingsError, match=rf"{KEY_FILE}: found {len(content)} bytes"):
        patient_ids(tmp_path)
