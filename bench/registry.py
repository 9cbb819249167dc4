"""How find grows with the registry: 10,000 entries against 1,000,000, one patient with 2,000.

    python -m bench.registry

Both registries hold the same 2,000 entries of one patient, scattered evenly among everybody
else's. They are built once under out/bench and used again.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from country_a.national.registry import SqlRegistry
from country_a.national.schema import create_tables, entries, open_engine
from gateway.domain import (
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    EntryId,
    HumanName,
    Oid,
    Organisation,
    PatientId,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CONFIDENTIALITY,
    DCM,
    FORMAT_KOS,
    REGIONS,
    SCT,
    TYPE_STUDY,
)
from gateway.domain.selection import matches

SMALL, LARGE = 10_000, 1_000_000
WATCHED_ENTRIES = 2_000
BATCH = 10_000
ROUNDS = 200
BOUND = 2.0
FOLDER = Path(__file__).resolve().parents[1] / "out" / "bench"

LAYOUT = 2  # to be raised when what a row holds changes: a database built before is no use then
HOME = CommunityId("2.999.17.1")
AUTHORITY = Oid("2.999.17.1.3")
WATCHED = PatientId("XA-WATCHED", AUTHORITY)
MODALITIES = tuple(Code(value, DCM) for value in ("CT", "MR", "US", "DX", "MG", "NM", "XA", "PT"))
PROCEDURES = tuple(Code(value, SCT) for value in ("77477000", "113091000", "16310003"))
NORMAL = Code("N", CONFIDENTIALITY, "normal")
FACILITY = Code("79491001", SCT, "Hospital-based radiology facility")
SETTING = Code("394914008", SCT, "Radiology")
AUTHOR = Author(
    name=HumanName(family="Nowicka", given=("Zofia",)),
    id="700",
    institutions=(Organisation(name="Szpital Miejski", id="12", authority="2.999.17.1.9"),),
)
EPOCH = datetime(2010, 1, 1, tzinfo=UTC)


def _entry(number: int, patient: PatientId, rng: random.Random) -> DocumentEntry:
    start = Timestamp(EPOCH + timedelta(minutes=rng.randrange(15 * 365 * 24 * 60)))
    return DocumentEntry(
        id=EntryId(f"urn:uuid:{rng.getrandbits(96):024x}-{patient.value}-{number}"),
        ref=DocumentRef(HOME, Oid("2.999.17.1.2"), DocumentId(f"2.999.17.{number}.9")),
        patient=patient,
        mime_type="application/dicom",
        title="Badanie obrazowe",
        class_code=CLASS_IMAGES,
        type_code=TYPE_STUDY,
        format_code=FORMAT_KOS,
        facility_type=FACILITY,
        practice_setting=SETTING,
        confidentiality=(NORMAL,),
        event_codes=(rng.choice(MODALITIES), rng.choice(REGIONS), rng.choice(PROCEDURES)),
        authors=(AUTHOR,),
        created=start,
        service_start=start,
        language="pl-PL",
        sha1="da39a3ee5e6b4b0d3255bfef95601890afd80709",
        size_bytes=rng.randrange(10_000, 200_000),
        references=(
            ReferenceId.of_study(Uid(f"2.999.17.{number}.1")),
            ReferenceId(f"ACC{number}", ReferenceKind.ACCESSION, "2.999.17.1.4"),
            ReferenceId(f"ORD{number}", ReferenceKind.ORDER, "2.999.17.1.5"),
        ),
        source_patient=patient,
    )


def _all_entries(size: int) -> Iterator[DocumentEntry]:
    watched, others = random.Random(1), random.Random(2)
    step, seen = size // WATCHED_ENTRIES, 0
    for number in range(size):
        if number % step == 0 and seen < WATCHED_ENTRIES:
            yield _entry(seen, WATCHED, watched)
            seen += 1
        else:
            crowd = PatientId(f"XA-{others.randrange(size // 10)}", AUTHORITY)
            yield _entry(LARGE + number, crowd, others)


async def _registry(size: int) -> tuple[SqlRegistry, Any]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"registry-{LAYOUT}-{size}.db"
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    await create_tables(engine)
    registry = SqlRegistry(engine)
    async with engine.connect() as connection:
        # Rows are numbered from 1 and never taken away.
        held = await connection.scalar(select(func.max(entries.c.row))) or 0
    if held != size:
        await engine.dispose()
        for part in FOLDER.glob(f"{path.name}*"):
            part.unlink()
        await _build(path, size)
        engine = open_engine(f"sqlite+aiosqlite:///{path}")
        registry = SqlRegistry(engine)
    return registry, engine


async def _build(path: Path, size: int) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    await create_tables(engine)
    registry = SqlRegistry(engine)
    async with engine.connect() as connection:
        # The pool keeps this connection: what is lost in a crash is only built again.
        for pragma in ("synchronous=OFF", "cache_size=-2000000", "wal_autocheckpoint=100000"):
            await connection.execute(text(f"PRAGMA {pragma}"))
    batch = []
    for entry in _all_entries(size):
        batch.append(entry)
        if len(batch) == BATCH:
            await registry.add_many(batch)
            batch = []
    if batch:
        await registry.add_many(batch)
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    await engine.dispose()


def _queries() -> list[DocumentQuery]:
    rng = random.Random(3)
    queries = []
    for _ in range(ROUNDS):
        start = EPOCH + timedelta(days=rng.randrange(10 * 365))
        queries.append(
            DocumentQuery(
                patient=WATCHED,
                event_codes=((rng.choice(MODALITIES),),),
                service_start=TimeRange(start=start, end=start + timedelta(days=5 * 365)),
            )
        )
    return queries


def _p95(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]


async def _measure() -> list[dict[str, Any]]:
    small, small_engine = await _registry(SMALL)
    large, large_engine = await _registry(LARGE)
    queries = _queries()
    wall: dict[str, list[float]] = {"small": [], "large": []}
    cpu: dict[str, list[float]] = {"small": [], "large": []}
    rows: list[int] = []
    for registry in (small, large):
        for query in queries[:20]:
            await registry.find(query)
    for query in queries:
        answers = []
        # Turn by turn, so that a busy machine slows both alike.
        for name, registry in (("small", small), ("large", large)):
            started, spent = time.perf_counter(), time.process_time()
            answers.append(await registry.find(query))
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - spent)
        if {e.id for e in answers[0]} != {e.id for e in answers[1]}:
            raise RuntimeError("the two registries disagree")
        if not all(matches(query, entry) for entry in answers[0]):
            raise RuntimeError("an entry does not satisfy its query")
        rows.append(len(answers[0]))
    await small_engine.dispose()
    await large_engine.dispose()
    found = f"{min(rows)} to {max(rows)} of {WATCHED_ENTRIES} entries found, {ROUNDS} queries"
    report = []
    for clock, samples in (("wall", wall), ("CPU", cpu)):
        value, baseline = _p95(samples["large"]) * 1e3, _p95(samples["small"]) * 1e3
        report.append(
            {
                "name": f"registry-find-p95-{clock.lower()}",
                "what": f"p95 {clock} ms of find by modality and date, 1,000,000 entries "
                f"against 10,000 ({found})",
                "value": round(value, 2),
                "baseline": round(baseline, 2),
                "bound": BOUND,
                "ratio": round(value / baseline, 2),
                "holds": value <= BOUND * baseline,
            }
        )
    return report


def rows() -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound (value / baseline), holds."""
    return asyncio.run(_measure())


if __name__ == "__main__":
    for row in rows():
        print(row)
