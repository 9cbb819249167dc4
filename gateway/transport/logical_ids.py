"""Logical ids of patients: the same each time, and telling nothing of the identifier.

A FHIR server names a patient by an id of its own. Were it made of the national identifier alone,
whoever has a list of identifiers could find out whose id it is; so a key goes into it that never
leaves the gateway. It lies in the state folder, made at the first need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from gateway.domain import PatientId
from gateway.transport.state_keys import state_key

ID_BYTES = 20
KEY_FILE = "logical-ids.key"


def patient_ids(state: Path) -> Callable[[PatientId], str]:
    """The function that names patients, keyed by the file in a state folder.

    Raises `SettingsError` for a file that is no such key.
    """
    key = state_key(state / KEY_FILE)

    def name(patient: PatientId) -> str:
        text = f"{patient.authority}|{patient.value}".encode()
        return hashlib.blake2b(text, key=key, digest_size=ID_BYTES).hexdigest()

    return name
