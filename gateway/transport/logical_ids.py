"""Logical ids of patients: the same each time, and telling nothing of the identifier.

A FHIR server names a patient by an id of its own. Were it made of the national identifier alone,
whoever has a list of identifiers could find out whose id it is; so a key goes into it that never
leaves the gateway. It lies in the state folder, made at the first need.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from gateway.config import SettingsError
from gateway.domain import PatientId

KEY_BYTES = 32
ID_BYTES = 20
KEY_FILE = "logical-ids.key"


def patient_ids(state: Path) -> Callable[[PatientId], str]:
    """The function that names patients, keyed by the file in a state folder.

    Raises `SettingsError` for a file that is no such key.
    """
    key = _key(state / KEY_FILE)

    def name(patient: PatientId) -> str:
        text = f"{patient.authority}|{patient.value}".encode()
        return hashlib.blake2b(text, key=key, digest_size=ID_BYTES).hexdigest()

    return name


def _key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(fresh, path)  # of two that start at once, one makes it and the other finds it
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path}: found {len(key)} bytes, expected {KEY_BYTES}; remove it")
    return key
