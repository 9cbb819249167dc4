"""What a question costs the country that answers it: ITI-38 with 25 entries in the answer.

    python -m bench.round_trip

Country A is a process of its own, its registry in SQL; the questions come one after the other on
one connection with mutual TLS, each with an HCP and a TRC assertion that are verified, and each
is kept as a transcript and audited. CPU seconds are those of Country A's process, so that a busy
machine or a slow client count for little.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from bench.ebxml import make_entries
from bench.places import (
    FOLDER,
    Running,
    call_context,
    country_a,
    cpu_seconds,
    fresh_trust,
    settings_a,
    settings_b,
    settle_patient,
)
from bench.timings import SUBJECTS, WARM_UP
from country_a.app import CLOCKWORK, national_systems
from gateway.domain import PatientId
from gateway.transport.compose import exchanges_of, keeper_of, session_of
from tests.builders import COUNTRY_A, PATIENT, make_query

PLACE = FOLDER / "round-trip"
PROFILE = "ehdsi"
ENTRIES, OTHERS = 25, 975
REQUESTS, PROFILED = 200, 100


async def fill(folder: Path) -> None:
    """A registry of 1,000 entries, 25 of them the patient's."""
    national = await national_systems(settings_a(folder, profile=PROFILE))
    try:
        entries = [
            entry
            if number < ENTRIES
            else replace(entry, patient=PatientId(f"A-{number % 40}", PATIENT.authority))
            for number, entry in enumerate(make_entries(ENTRIES + OTHERS))
        ]
        await national.systems.registry.add(entries)
        await settle_patient(national)
    finally:
        await national.close()


async def _ask(server: Running, requests: int) -> tuple[float, float]:
    """CPU seconds of the server and seconds on the wall for so many round trips."""
    settings = settings_b(PLACE, server.ports["service"], profile=PROFILE)
    keeper = keeper_of(settings, CLOCKWORK)
    async with session_of(settings) as session:
        country = exchanges_of(settings, session, keeper, CLOCKWORK)[COUNTRY_A]
        spent, started = 0.0, 0.0
        for number in range(-WARM_UP, requests):
            if number == 0:
                spent, started = cpu_seconds(server.process), time.perf_counter()
            found = await country.find_documents(make_query(), call_context(PROFILE))
            if len(found.items) != ENTRIES or found.issues:
                raise RuntimeError(f"{len(found.items)} entries came, and {found.issues}")
        return cpu_seconds(server.process) - spent, time.perf_counter() - started


def _shares() -> dict[str, float]:
    """Parts of the CPU time, from a run of its own with clocks around the functions named."""
    path = PLACE / "timings.json"
    with country_a(PLACE, profile=PROFILE, timings=path) as server:
        asyncio.run(_ask(server, PROFILED))
    spent = json.loads(path.read_text(encoding="utf-8"))
    whole = spent["main"] + spent["threads"]
    spent["sql"] = spent.get("sql", 0.0) + spent["threads"]
    shares = {subject: spent.get(subject, 0.0) / whole for subject in SUBJECTS}
    return {**shares, "rest": 1.0 - sum(shares.values())}


def rows() -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound, holds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    fresh_trust(PLACE)
    asyncio.run(fill(PLACE))
    with country_a(PLACE, profile=PROFILE) as server:
        cpu, wall = asyncio.run(_ask(server, REQUESTS))
    told = f"ITI-38 with {ENTRIES} entries over mutual TLS kept alive, two assertions verified"
    shown: list[dict[str, Any]] = [
        {
            "name": "round-trip-per-core",
            "what": f"requests a second that one core of Country A answers: {told}, audited and "
            f"kept as a transcript; CPU time of its process over {REQUESTS} requests",
            "value": round(REQUESTS / cpu, 1),
        },
        {
            "name": "round-trip-milliseconds",
            "what": "milliseconds from question to answer, both countries on this machine and "
            "one question at a time, the asker's signing and reading included",
            "value": round(wall / REQUESTS * 1e3, 1),
        },
    ]
    how = {
        "tls": "in OpenSSL (SSLObject read, write, handshake)",
        "signature": "verifying the signatures of both assertions",
        "xml": "reading the envelope and query, writing the answer",
        "sql": "registry, patient index and consent, the database driver's threads included",
        "keeping": "transcript and audit event",
        "rest": "everything else: HTTP, what assertions claim, dispatch",
    }
    shown += [
        {
            "name": f"round-trip-share-{subject}",
            "what": f"share of that CPU time spent {how[subject]}; from a run of its own with "
            "CPU clocks around those functions (bench/timings.py)",
            "value": round(share, 3),
        }
        for subject, share in _shares().items()
    ]
    return [{**row, "baseline": None, "bound": None, "holds": True} for row in shown]


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']}: {row['value']}")
