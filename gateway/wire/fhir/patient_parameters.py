"""The patient of a search, in every way a search parameter may name one.

For searches about what belongs to a patient; the search for patients themselves is `pdqm`. A token
where a reference is due is a habit of HAPI. Clauses: FHIR R4 search.html 3.1.1.4.12 (reference),
ITI MHD 2:3.67.4.1, NCPeH API 9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.domain import PatientId, Refusal, refuse
from gateway.wire.fhir.identifiers import Identifier, as_patient_id
from gateway.wire.fhir.parameter_values import malformed
from gateway.wire.fhir.search import read_token, unescape

PATIENT_IDENTIFIERS: Final = frozenset(
    f"{name}{chain}"
    for name in ("patient", "subject")
    for chain in (".identifier", ":identifier", ":Patient.identifier")
)
PATIENT_REFERENCES: Final = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})


def read_identified(value: str, name: str) -> PatientId:
    """The patient of a value `system|value`.

    Raises `ExchangeError` for a token without either, and for a system nobody knows patients by.
    """
    token = read_token(value, f"query.{name}")
    if not token.system or not token.code:
        raise malformed(name, "system|value")
    identifier = Identifier(value=token.code, system=token.system)
    patient = as_patient_id(identifier, f"query.{name}")
    if patient is None:
        text = "No patient is known by an identifier of this system."
        raise refuse(Refusal.UNKNOWN_PATIENT, text, subject=name)
    return patient


def read_referenced(
    value: str, name: str, patients: Callable[[str], PatientId | None] | None
) -> PatientId:
    """The patient of a reference, which `patients` resolves where the server has such resources.

    Raises `ExchangeError` as `read_identified`, and for a reference nobody is known by.
    """
    if "|" in value:
        return read_identified(value, name)
    text = unescape(value).strip()
    patient = patients(text) if patients else None
    if patient is None:
        raise refuse(
            Refusal.UNKNOWN_PATIENT, "No patient is known by this reference.", subject=name
        )
    return patient
