"""Fuzzes Country A's REST routes: served over mutual TLS, driven by Schemathesis from outside.

Schemathesis makes requests of `web_routes` and distorts them, with a certificate and a token that
are valid. A status from 500 on is a fault, and so is a request that is not answered in time or not
in HTTP. What was found is kept with the curl command that shows it again, and with what the server
logged meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog
from yarl import URL

from country_a.national.sql import open_systems
from country_a.seed.load import seed_all
from gateway.domain import ImagingManifest
from gateway.pki import mint_trust
from tests.conftest import Seeded
from tests.fhir_requests import EVERY_SCOPE, ask
from tests.fuzz.web_routes import Json, Known, description
from tests.interop.country import OIDS
from tests.interop.visit import SCOPES, Visit, visit

NAME: Final = "web"
ROUND_SECONDS: Final = 240
"""A token is valid for five minutes; each round has one of its own."""
ANSWER_SECONDS: Final = 10
"""Longer than any answer of a small Country A takes on a machine that others use."""
END_SECONDS: Final = 60
"""What Schemathesis may take beyond the time it was given, to shrink and report what it found."""
FIRST_PHASES, PHASES = "examples,coverage,fuzzing", "fuzzing"


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of Schemathesis did: requests made, faults found, and what it printed."""

    requests: int
    faults: int
    said: str


def run(seconds: float, *, seed: int, out: Path) -> tuple[int, int]:
    """Fuzz for so long; how many requests were made and how many faults found."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{NAME}-{seed}.log").open("w", encoding="utf-8") as log:
        before = structlog.get_config()
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.WriteLoggerFactory(file=log),
        )
        noted = logging.StreamHandler(log)  # what aiohttp says of requests that are no HTTP
        logging.getLogger().addHandler(noted)
        try:
            return asyncio.run(_run(seconds, seed, out))
        finally:
            logging.getLogger().removeHandler(noted)
            structlog.configure(**before)


async def _run(seconds: float, seed: int, out: Path) -> tuple[int, int]:
    requests = faults = 0
    with TemporaryDirectory(prefix="ncpeh-fuzz-") as place:
        async with _served(Path(place)) as visited:
            described = description(await _known(visited))
            ends = time.monotonic() + seconds
            for number in range(sys.maxsize):
                left = ends - time.monotonic()
                if number and left < 1:
                    break
                done = await schemathesis(
                    described,
                    str(URL(visited.pair.url).origin()),
                    Path(place) / f"round-{number}",
                    seconds=min(left, ROUND_SECONDS),
                    seed=seed + number,
                    phases=PHASES if number else FIRST_PHASES,
                    options=_shown(visited),
                )
                requests, faults = requests + done.requests, faults + done.faults
                if done.faults:
                    kept = out / f"{NAME}-{seed + number}.txt"
                    kept.write_text(done.said, encoding="utf-8")
                    print(f"{kept}: {done.faults} faults", flush=True)
    return requests, faults


def _shown(visited: Visit) -> Sequence[str]:
    """How Schemathesis is to show who it is, and whom to believe."""
    tls, token = visited.tls, visited.token(f"{EVERY_SCOPE} {SCOPES}")
    return (
        *("--header", f"Authorization: {token}"),
        *("--request-cert", str(tls.client_certificate)),
        *("--request-cert-key", str(tls.client_key)),
        *("--tls-verify", str(tls.trust)),
    )


async def schemathesis(
    described: Json,
    url: str,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    phases: str = FIRST_PHASES,
    options: Sequence[str] = (),
) -> Round:
    """Run it in a process of its own against a served description."""
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(described), encoding="utf-8")
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", url),
        *("--checks", "not_a_server_error", "--phases", phases, "--continue-on-failure"),
        *("--max-time", f"{max(1, round(seconds))}", "--request-timeout", f"{ANSWER_SECONDS}"),
        *("--seed", f"{seed}", "--generation-database", "none"),
        *("--report-json-path", str(report), "--no-color", "--warnings", "off", *options),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=_environment(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds + END_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return Round(0, 1, f"Schemathesis did not end in {seconds + END_SECONDS:.0f} s")
    return read_report(report, process.returncode, said.decode("utf-8", "replace"))


def read_report(report: Path, status: int | None, said: str) -> Round:
    """What a run found, by its report; one that wrote none is a fault itself."""
    if not report.is_file():
        return Round(0, 1, f"Schemathesis ended with {status} and no report\n{said}")
    read: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    faults = len(read["failures"]) + sum(each["count"] for each in read["errors"])
    # What it could not do is no success, whatever it counts.
    return Round(read["test_cases"]["generated"], faults or int(status != 0), said)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would lead elsewhere or name other roots.

    What Hypothesis works out once lies with what it has worked out for the suite.
    """
    roots = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    kept = {
        name: value
        for name, value in own.items()
        if name not in roots and not name.lower().endswith("_proxy")
    }
    return kept | {"HYPOTHESIS_STORAGE_DIRECTORY": str(Path(".hypothesis").resolve())}


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Visit]:
    """A small Country A, visited for its main patient."""
    state = folder / "a"
    state.mkdir()
    opened = await open_systems(state)
    try:
        await seed_all(opened, oids=OIDS, seed_number=1, size="tiny")
    finally:
        await opened.close()
    seeded = Seeded(state, json.loads((state / "seed.json").read_text(encoding="utf-8")))
    async with visit(seeded, mint_trust(now=datetime.now(UTC)), folder / "visit") as visited:
        yield visited


async def _known(visited: Visit) -> Known:
    """What there is to ask for, as the routes themselves tell."""
    patient = visited.context.patient
    if patient is None:
        raise ValueError("the visit is for a patient")
    identifier = f"urn:oid:{patient.authority}%7C{patient.value}"
    token = visited.token(EVERY_SCOPE)
    people = await ask(visited.pair, path=f"/Patient?identifier={identifier}", token=token)
    [person] = [entry["resource"] for entry in people.resource["entry"]]
    documents = await ask(
        visited.pair, path=f"/DocumentReference?patient.identifier={identifier}", token=token
    )
    rows = [
        entry["resource"]
        for entry in documents.resource["entry"]
        if entry["resource"]["resourceType"] == "DocumentReference"
    ]
    urls = [str(row["content"][0]["attachment"]["url"]) for row in rows]
    return Known(
        patient=patient,
        family=person["name"][0]["family"],
        birth_date=person["birthDate"],
        image=_moving(visited.studies).instances()[0],
        ids={
            "Patient": (person["id"],),
            "DocumentReference": tuple(row["id"] for row in rows),
            "Binary": tuple(url.rpartition("/")[2] for url in urls),
        },
    )


def _moving(studies: Sequence[ImagingManifest]) -> ImagingManifest:
    """A study whose images have several frames, compressed."""
    return next(
        study
        for study in studies
        if study.series[0].modality is not None and study.series[0].modality.value == "US"
    )
