"""The patient as the source knew it: `sourcePatientId` and the PID fields, as a contained Patient.

Fields: PID-3, PID-5, PID-7, PID-8, PID-11 (ITI TF-3 4.2.3.2.23). Every other PID field has no
place here and is left out; so is a PID-3 that only repeats the `sourcePatientId`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from gateway.domain import HumanName, InvalidIdentifier, InvalidTime, PatientId, Timestamp
from gateway.wire.fhir.elements import read_name, write_datetime, write_name
from gateway.wire.fhir.identifiers import (
    as_patient_id,
    read_identifier,
    write_patient_id,
)
from gateway.wire.fhir.person_strings import join, read_xpn, split, write_xpn
from gateway.wire.fhir.resources import Json, objects_at, text_at, texts_at
from gateway.wire.problems import DecodeError

_GENDERS = {"M": "male", "F": "female", "O": "other", "A": "other", "N": "other", "U": "unknown"}
_PID_GENDERS = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


def _repetitions(field: str) -> list[str]:
    return [text for text in field.split("~") if text.strip("^ ")]


def _birth_date(text: str) -> str:
    digits = text.strip()[:8]
    if len(digits) == 8 and digits.isascii() and digits.isdigit():
        return _day(digits)
    try:
        return write_datetime(Timestamp.parse(digits))
    except InvalidTime:
        return ""


def _address(text: str) -> Json:
    street, other, city, state, postal_code, country = split(text, 6)
    address = {
        "line": [line for line in (street, other) if line],
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "country": country,
    }
    return {name: value for name, value in address.items() if value}


def _addresses(field: str) -> list[Json]:
    return [address for text in _repetitions(field) if (address := _address(text))]


def _names(field: str) -> list[Json]:
    people = map(read_xpn, _repetitions(field))
    return [name for person in people if person and (name := write_name(person))]


def _day(digits: str) -> str:
    # Nearly every one is of this form, and this takes a tenth of the time of a timestamp.
    try:
        return date.fromisoformat(digits).isoformat()
    except ValueError:
        return ""


def _patient_ids(source: PatientId | None, field: str) -> list[PatientId]:
    found = [source] if source else []
    if source and field == source.cx:
        return found
    for text in _repetitions(field):
        try:
            found.append(PatientId.parse_cx(text))
        except InvalidIdentifier:
            continue  # of another form: it names nobody to a machine
    return list(dict.fromkeys(found)) if len(found) > 1 else found


_PID_ELEMENTS: tuple[tuple[str, str, Callable[[str], object]], ...] = (
    ("PID-5", "name", _names),
    ("PID-8", "gender", lambda text: _GENDERS.get(text.strip()[:1].upper())),
    ("PID-7", "birthDate", _birth_date),
    ("PID-11", "address", _addresses),
)


def write_source_patient(source: PatientId | None, info: tuple[str, ...]) -> Json:
    """A Patient of the id at the source and the PID fields; {} when they say nothing."""
    fields: dict[str, str] = {}
    for text in info:
        name, _, value = text.partition("|")
        fields.setdefault(name.strip(), value)
    patient: Json = {"resourceType": "Patient"}
    if ids := _patient_ids(source, fields.get("PID-3", "")):
        patient["identifier"] = [write_patient_id(each) for each in ids]
    for field, element, write in _PID_ELEMENTS:
        if field in fields and (written := write(fields[field])):
            patient[element] = written
    return patient if len(patient) > 1 else {}


def read_patient_ids(patient: Json, where: str) -> tuple[PatientId, ...]:
    """The identifiers of a Patient that are assigned by an OID; others name nobody here."""
    found = []
    for i, each in enumerate(objects_at(patient, "identifier", where)):
        place = f"{where}.identifier[{i}]"
        identifier = read_identifier(each, place)
        try:
            found.append(as_patient_id(identifier))
        except (InvalidIdentifier, DecodeError):
            continue  # one identifier that is none does not take the others away
    return tuple(dict.fromkeys(patient_id for patient_id in found if patient_id))


def _xad(address: Json, where: str) -> str:
    lines = texts_at(address, "line", where)
    return join(
        lines[0] if lines else "",
        " ".join(lines[1:]),
        *(text_at(address, key, where) for key in ("city", "state", "postalCode", "country")),
    )


def read_source_patient(patient: Json, where: str) -> tuple[PatientId | None, tuple[str, ...]]:
    """The id at the source and the PID fields of a contained Patient."""
    ids = read_patient_ids(patient, where)
    names: list[HumanName] = []
    for i, each in enumerate(objects_at(patient, "name", where)):
        name = read_name(each, f"{where}.name[{i}]")
        if name is not None:
            names.append(name)
    birth_date = text_at(patient, "birthDate", where)
    addresses = [
        _xad(each, f"{where}.address[{i}]")
        for i, each in enumerate(objects_at(patient, "address", where))
    ]
    fields = {
        "PID-3": "~".join(each.cx for each in ids[1:]),
        "PID-5": "~".join(write_xpn(name) for name in names),
        "PID-7": birth_date.replace("-", "") if _DATE.fullmatch(birth_date) else "",
        "PID-8": _PID_GENDERS.get(text_at(patient, "gender", where), ""),
        "PID-11": "~".join(address for address in addresses if address),
    }
    info = tuple(f"{name}|{value}" for name, value in fields.items() if value)
    return ids[0] if ids else None, info
