"""The plan of one study, asked for in a visit as far as the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios import deliveries
from scenarios.client import Json, Portal
from scenarios.seeds import Patient, SeedError, Seeds
from scenarios.story import Story


async def plan_for(
    portal: Portal, seeds: Seeds, *, study: str, role: str, needs: Mapping[str, Any]
) -> Json:
    """How a study of the seed would come, as `POST …/plan` says it.

    `study` is a UID, or "" for the first study of the patient in `role`. A purpose of emergency is
    the visit's as well. Raises `SeedError` where there is no such study, `Refused` as the portal
    does.
    """
    patient, chosen = find_study(seeds, study, role)
    story = Story(portal, seeds, say=lambda _line: None)
    purpose = "EMERGENCY" if needs.get("purpose") == "emergency" else "TREATMENT"
    visit = await deliveries.visit_of(story, patient, purpose)
    await deliveries.bring_manifest(visit, chosen)
    return await deliveries.plan_of(visit, chosen, **needs)


def find_study(seeds: Seeds, study: str, role: str) -> tuple[Patient, Patient]:
    """A patient and a study of theirs."""
    if not study:
        patient = seeds.role(role)
        if not patient["studies"]:
            raise SeedError(f"the patient in the role {role!r} has no study")
        return patient, patient["studies"][0]
    for patient in (*seeds.roles.values(), *seeds.given()):
        for made in patient["studies"]:
            if made["uid"] == study:
                return patient, made
    raise SeedError(f"no patient of the seed has the study {study!r}")
