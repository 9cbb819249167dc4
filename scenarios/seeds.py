"""Who is in the made-up population: `seed.json`, as Country A's seeding writes it.

{community, roles: {role: patient}, nobody: {id, authority}, folders: [{patients: [...]}],
 many: patient with the number of their entries, or null}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Patient = Mapping[str, Any]


class SeedError(Exception):
    """A seed file that cannot be used, and what to do."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The population by role, and what came from folders of files."""

    community: str
    roles: Mapping[str, Patient]
    nobody: Patient
    folders: tuple[Mapping[str, Any], ...]
    many: Patient | None = None

    def role(self, name: str) -> Patient:
        """The patient who plays a part."""
        if name not in self.roles:
            raise SeedError(f"the seed has no patient in the role {name!r}; seed Country A again")
        return self.roles[name]

    def given(self) -> tuple[Patient, ...]:
        """The patients made for studies from folders of files."""
        return tuple(patient for folder in self.folders for patient in folder.get("patients", ()))


def manifests_of(study: Patient) -> list[str]:
    """The documents that the manifest of a study is published as, a selection before FHIR."""
    return [study[form] for form in ("manifest", "fhir_manifest") if study.get(form)]


def read_seeds(path: Path) -> Seeds:
    """Read `seed.json`; `SeedError` says what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Seeds(
            community=str(data["community"]),
            roles=data["roles"],
            nobody=data["nobody"],
            folders=tuple(data.get("folders", ())),
            many=data.get("many"),
        )
    except OSError as error:
        raise SeedError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SeedError(f"{path}: is not a seed file ({error!r}); seed Country A again") from None


def identify_body(
    community: str, patient: Patient, *, by_name_only: bool = False, way: str = ""
) -> dict[str, Any]:
    """What the portal is told of a patient: identifier and demographics, or the latter alone.

    `way` is how the country is to be asked, "" the usual way.
    """
    body: dict[str, Any] = {"community": community}
    if way:
        body["way"] = way
    if not by_name_only:
        body["ids"] = [{"value": patient["id"], "authority": patient["authority"]}]
    names = patient.get("names") or []
    if names:
        body["family"], body["given"] = names[0]["family"], list(names[0]["given"])
    for key in ("birth_date", "gender"):
        if patient.get(key):
            body[key] = patient[key]
    return body
