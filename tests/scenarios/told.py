"""Stories told in one process: the portal over a fake exchange, and a population to match."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from gateway.domain import (
    CallContext,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    HumanName,
    NotAllowed,
    Outcome,
    PatientId,
    PurposeOfUse,
    Refusal,
)
from scenarios.client import Portal
from scenarios.seeds import Seeds
from scenarios.story import Story, StoryEnds
from tests.country_b.portal import portal
from tests.fakes import (
    AUTHORITY,
    COUNTRY_A,
    FakeExchange,
    files_of,
    make_entry,
    make_identity,
    make_study,
    manifest_bytes,
)

ROLES = (
    "main",
    "namesake-one",
    "namesake-two",
    "denied",
    "emergency-only",
    "corrected-report",
    "preliminary-only",
    "grown-study",
    "no-documents",
)


@dataclass
class Country(FakeExchange):
    """A fake exchange that knows consent."""

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        emergency = context.purpose is PurposeOfUse.EMERGENCY
        if query.patient.value == "denied" or (
            query.patient.value == "emergency-only" and not emergency
        ):
            raise NotAllowed(Refusal.NO_CONSENT, "no consent", code="4701")
        return await super().find_documents(query, context)


def population(*, report_of_preliminary: bool = False) -> tuple[Country, dict[str, Any]]:
    """A country and its `seed.json`: a patient a role, most with one study and its report."""
    country = Country()
    roles: dict[str, Any] = {}
    for number, role in enumerate(ROLES, 1):
        patient = PatientId(role, AUTHORITY)
        family = "Twin" if role.startswith("namesake") else role.title()
        identity = replace(
            make_identity(), id=patient, names=(HumanName(family=family, given=("Ann",)),)
        )
        country.patients += (identity,)
        notes = {"113000": (1,)} if role == "main" else None
        manifest = make_study(number, notes=notes)
        kos = manifest_bytes(replace(manifest, patient=replace(manifest.patient, ids=(patient,))))
        report = f"2.999.8.{number}"
        study = str(manifest.study)
        entries = [make_entry(str(manifest.uid), kos, study=study, patient=patient)]
        if role != "preliminary-only" or report_of_preliminary:
            data = b"%PDF-1.7 " + role.encode()
            entries.append(make_entry(report, data, study=study, patient=patient, manifest=False))
            country.documents[DocumentId(report)] = data
        if role == "no-documents":
            entries = []
        country.entries += tuple(entries)
        country.documents[DocumentId(str(manifest.uid))] = kos
        country.instances |= files_of(manifest, notes)
        roles[role] = {
            "id": role,
            "authority": str(AUTHORITY),
            "names": [{"family": family, "given": ["Ann"]}],
            "birth_date": "1980-01-02",
            "gender": "M",
            "expect": {"manifests": 1, "reports": 1},
            "studies": [
                {
                    "uid": study,
                    "modality": "CT",
                    "series": len(manifest.series),
                    "instances": manifest.instance_count,
                    "manifest": str(manifest.uid),
                    "replaced_manifests": ["2.999.8.999"],
                    "key_images": [f"{study}.1.2"] if notes else [],
                    "notes": [f"{study}.99.1"] if notes else [],
                }
            ],
            "reports": [{"status": "corrected", "pdf": report, "replaced": ["2.999.8.998"]}],
        }
    info = {
        "community": str(COUNTRY_A),
        "roles": roles,
        "nobody": {"id": "nobody", "authority": str(AUTHORITY)},
        "folders": [],
    }
    return country, info


def seeds_of(info: dict[str, Any]) -> Seeds:
    """The population as scenarios see it."""
    return Seeds(
        community=info["community"],
        roles=info["roles"],
        nobody=info["nobody"],
        folders=tuple(info["folders"]),
    )


async def told(
    tell: Callable[[Story], Awaitable[None]],
    country: FakeExchange,
    seeds: Seeds,
    state: Path,
    **settings: Any,
) -> tuple[Story, list[str]]:
    """A story, told to its end, and what was printed; `settings` are those of the portal."""
    lines: list[str] = []
    async with portal(country, state, **settings) as client, aiohttp.ClientSession() as session:
        story = Story(Portal(session, str(client.make_url("/"))), seeds, say=lines.append)
        with suppress(StoryEnds):
            await tell(story)
    return story, lines
