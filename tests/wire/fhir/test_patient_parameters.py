"""The patient of a search, however a parameter names one."""

from __future__ import annotations

import pytest

from gateway.domain import ExchangeError, Refusal
from gateway.wire.fhir.patient_parameters import (
    PATIENT_IDENTIFIERS,
    PATIENT_REFERENCES,
    malformed,
    read_identified,
    read_referenced,
)
from tests.builders import PATIENT


def test_every_name_means_the_patient() -> None:
    """Chains and references, typed or not, of the older and the newer name."""
    assert len(PATIENT_IDENTIFIERS | PATIENT_REFERENCES) == 10
    assert PATIENT_IDENTIFIERS.isdisjoint(PATIENT_REFERENCES)


@pytest.mark.parametrize("system", ["urn:oid:2.999.1.2", "2.999.1.2"])
def test_an_identifier_names_a_patient(system: str) -> None:
    """With its system, as URN or bare; where a reference is due too."""
    assert read_identified(f"{system}|A-0001", "patient.identifier") == PATIENT
    assert read_referenced(f"{system}|A-0001", "patient", None) == PATIENT


def test_a_reference_names_whom_the_server_knows() -> None:
    """And nobody where it has no patients."""
    patients = {"Patient/p1": PATIENT}.get

    assert read_referenced(" Patient/p1 ", "patient", patients) == PATIENT
    for known in (patients, None):
        with pytest.raises(ExchangeError) as caught:
            read_referenced("Patient/p2", "patient", known)
        assert caught.value.refusal is Refusal.UNKNOWN_PATIENT


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("A-0001", Refusal.MALFORMED_REQUEST),
        ("|A-0001", Refusal.MALFORMED_REQUEST),
        ("2.999.1.2|", Refusal.MALFORMED_REQUEST),
        ("https://ncez.example/rid|1", Refusal.UNKNOWN_PATIENT),
    ],
)
def test_half_an_identifier_names_nobody(value: str, refusal: Refusal) -> None:
    """Nor does a number of a system that has no OID."""
    with pytest.raises(ExchangeError) as caught:
        read_identified(value, "patient.identifier")

    assert caught.value.refusal is refusal
    assert "A-0001" not in caught.value.text


def test_a_refusal_says_what_was_expected_and_not_what_was_found() -> None:
    """It may identify a patient."""
    error = malformed("identifier", "a UID")

    assert (error.refusal, error.subject) == (Refusal.MALFORMED_REQUEST, "identifier")
    assert "expected a UID" in error.text
