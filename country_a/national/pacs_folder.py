"""A folder of DICOM files as image store: the files stay files, an index in SQL finds them.

A file is read once, when it is added; what its header says and two digests are kept. What a study
or a series says of itself is what the first of its instances said, completed by the others.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from country_a.national import schema
from country_a.national.entry_rows import patient_key
from country_a.national.pacs_rows import (
    instance_body,
    merged,
    merged_series,
    read_instance,
    read_series,
    read_study,
    series_body,
    stored_from,
    study_body,
)
from country_a.national.ports import (
    LeftOut,
    StoredInstance,
    StoredSeries,
    StoredStudy,
    StoreReport,
)
from country_a.national.registry import in_slices
from gateway.compression.pixel_digest import native_digest
from gateway.domain import InstanceRef, PatientId, Uid
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.problems import DecodeError

_Facts = tuple[StoredStudy, StoredSeries, StoredInstance]


def _in_order(number: int | None, uid: Uid) -> tuple[bool, int, str]:
    return number is None, number or 0, uid


def read_facts(path: Path) -> _Facts:
    """Study, series and instance of one file. Raises `DecodeError` or `OSError`."""
    with path.open("rb") as file:
        header = describe(read_header(file))
        pixels = native_digest(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return stored_from(header, path.resolve(), size_bytes=size, sha256=digest, native_sha256=pixels)


def _read_all(files: Iterable[Path]) -> tuple[list[_Facts], list[LeftOut]]:
    facts, left_out = [], []
    for path in files:
        try:
            facts.append(read_facts(path))
        except DecodeError as error:
            left_out.append(LeftOut(path, str(error)))
        except OSError as error:
            left_out.append(LeftOut(path, f"cannot be read: {error.strerror}"))
    return facts, left_out


class FolderPacs:
    """Fulfils `Pacs`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def study(self, study: Uid) -> StoredStudy | None:
        """One study, or None."""
        statement = select(schema.studies.c.body).where(schema.studies.c.uid == study)
        async with self._engine.connect() as connection:
            body = await connection.scalar(statement)
        return read_study(body) if body is not None else None

    async def studies(self, patient: PatientId) -> tuple[StoredStudy, ...]:
        """The studies of a patient, newest first."""
        table = schema.studies
        statement = (
            select(table.c.body)
            .where(table.c.patient == patient_key(patient))
            .order_by(table.c.study_date.desc(), table.c.uid)
        )
        async with self._engine.connect() as connection:
            bodies = (await connection.execute(statement)).scalars().all()
        return tuple(map(read_study, bodies))

    async def series(self, study: Uid) -> tuple[StoredSeries, ...]:
        """The series of a study, in manifest order."""
        inside = schema.instances
        counts = (select(inside.c.series, func.count()).where(inside.c.study == study)).group_by(
            inside.c.series
        )
        statement = select(schema.series.c.body).where(schema.series.c.study == study)
        async with self._engine.connect() as connection:
            count_of: dict[str, int] = {row[0]: row[1] for row in await connection.execute(counts)}
            bodies = (await connection.execute(statement)).scalars().all()
        found = map(read_series, bodies)
        held = [
            replace(one, instance_count=count_of[one.uid]) for one in found if one.uid in count_of
        ]
        return tuple(sorted(held, key=lambda one: _in_order(one.number, one.uid)))

    async def instances(
        self, study: Uid, *, series: Uid | None = None, instance: Uid | None = None
    ) -> tuple[StoredInstance, ...]:
        """The instances of a study, of a series in it, or the one named; in manifest order."""
        table = schema.instances.c
        statement = select(table.body).where(table.study == study)
        if series is not None:
            statement = statement.where(table.series == series)
        if instance is not None:
            statement = statement.where(table.uid == instance)
        async with self._engine.connect() as connection:
            bodies = (await connection.execute(statement)).scalars().all()
        found = [read_instance(body) for body in bodies]
        if len(found) < 2:
            return tuple(found)
        places = {one.uid: place for place, one in enumerate(await self.series(study))}
        return tuple(
            sorted(
                found,
                key=lambda one: (
                    places[one.ref.series],
                    *_in_order(one.number, one.ref.instance),
                ),
            )
        )

    async def find(self, ref: InstanceRef) -> StoredInstance | None:
        """The instance at exactly this place; None when study or series are not its own."""
        return (await self.find_all((ref,)))[0]

    async def find_all(self, refs: Sequence[InstanceRef]) -> tuple[StoredInstance | None, ...]:
        """As `find`, for many at once, in the order asked for."""
        table, held = schema.instances.c, {}
        async with self._engine.connect() as connection:
            for part in in_slices([str(ref.instance) for ref in refs]):
                statement = select(table.body).where(table.uid.in_(part))
                for body in (await connection.execute(statement)).scalars():
                    one = read_instance(body)
                    held[one.ref] = one
        return tuple(held.get(ref) for ref in refs)

    async def add(self, files: Iterable[Path]) -> StoreReport:
        """Index DICOM files where they lie; an instance already known is replaced."""
        facts, left_out = await asyncio.to_thread(_read_all, files)
        async with self._engine.begin() as connection:
            await _index(connection, facts)
        return StoreReport(tuple(instance for *_, instance in facts), tuple(left_out))

    async def ping(self) -> None:
        """Raise when the database cannot be reached."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


async def _index(connection: AsyncConnection, facts: Sequence[_Facts]) -> None:
    studies: dict[str, StoredStudy] = {}
    series: dict[tuple[str, str], StoredSeries] = {}
    instances: dict[str, StoredInstance] = {}
    for study, one, instance in facts:
        held = studies.get(study.uid)
        studies[study.uid] = merged(held, study) if held else study
        held_series = series.get((one.study, one.uid))
        series[one.study, one.uid] = merged_series(held_series, one) if held_series else one
        instances[instance.ref.instance] = instance
    for uid, study in studies.items():
        await _put_study(connection, uid, study)
    for (study_uid, uid), one in series.items():
        await _put_series(connection, study_uid, uid, one)
    for part in in_slices(list(instances)):
        await connection.execute(delete(schema.instances).where(schema.instances.c.uid.in_(part)))
    rows = [
        {
            "uid": one.ref.instance,
            "study": one.ref.study,
            "series": one.ref.series,
            "body": instance_body(one),
        }
        for one in instances.values()
    ]
    if rows:
        await connection.execute(insert(schema.instances), rows)


async def _put_study(connection: AsyncConnection, uid: str, study: StoredStudy) -> None:
    table = schema.studies
    held = await connection.scalar(select(table.c.body).where(table.c.uid == uid))
    whole = merged(read_study(held), study) if held is not None else study
    values = {
        "patient": patient_key(whole.patient) if whole.patient else None,
        "study_date": f"{whole.study_date:%Y%m%d}" if whole.study_date else "",
        "body": study_body(whole),
    }
    if held is None:
        await connection.execute(insert(table).values(uid=uid, **values))
    else:
        await connection.execute(table.update().where(table.c.uid == uid).values(**values))


async def _put_series(connection: AsyncConnection, study: str, uid: str, one: StoredSeries) -> None:
    table = schema.series
    place = (table.c.study == study, table.c.uid == uid)
    held = await connection.scalar(select(table.c.body).where(*place))
    if held is None:
        values = {"study": study, "uid": uid, "body": series_body(one)}
        await connection.execute(insert(table).values(**values))
    else:
        body = series_body(merged_series(read_series(held), one))
        await connection.execute(table.update().where(*place).values(body=body))
