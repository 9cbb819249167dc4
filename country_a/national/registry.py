"""The document registry in SQL: every version of every entry, and how entries relate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Column, Table, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from country_a.national.entry_filters import entries_asked_for
from country_a.national.entry_rows import (
    Row,
    author_rows,
    code_rows,
    entry_body,
    entry_row,
    read_entry,
    reference_rows,
)
from country_a.national.ports import RegistryAnswer
from country_a.national.schema import (
    MAX_VARIABLES,
    associations,
    entries,
    entry_authors,
    entry_bodies,
    entry_codes,
    entry_references,
)
from gateway.domain import (
    Association,
    AssociationKind,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryId,
    EntryStatus,
)

_REPLACING = frozenset({AssociationKind.REPLACES, AssociationKind.TRANSFORMS_AND_REPLACES})


def in_slices(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in slices that fit one statement."""
    for start in range(0, len(values), MAX_VARIABLES):
        yield values[start : start + MAX_VARIABLES]


class SqlRegistry:
    """Fulfils `Registry`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, query: DocumentQuery) -> tuple[DocumentEntry, ...]:
        """The same entries in the same order as `gateway.domain.selection.select`."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(entries_asked_for(query))).all()
        return tuple(read_entry(body, status) for body, status in rows)

    async def look_up(self, lookup: DocumentLookup) -> RegistryAnswer:
        """Entries by entry id or unique id in the order asked for, and their associations."""
        async with self._engine.connect() as connection:
            if lookup.entry_ids:
                held = await _read(connection, entries.c.id, lookup.entry_ids)
                asked: dict[str, list[DocumentEntry]] = {entry.id: [entry] for entry in held}
                wanted: tuple[str, ...] = lookup.entry_ids
            else:
                held = await _read(connection, entries.c.document, lookup.document_ids)
                asked = {}
                for entry in held:
                    asked.setdefault(entry.ref.document, []).append(entry)
                wanted = lookup.document_ids
            found = [entry for key in dict.fromkeys(wanted) for entry in asked.get(key, ())]
            related: tuple[Association, ...] = ()
            if lookup.associations or not lookup.entries:
                # Associations are asked for by entry id even where we do not hold the entry.
                ends = dict.fromkeys([*lookup.entry_ids, *(entry.id for entry in found)])
                related = await _associations(connection, list(ends))
        return RegistryAnswer(tuple(found) if lookup.entries else (), related)

    async def documents(self, ids: Sequence[DocumentId]) -> dict[DocumentId, DocumentEntry]:
        """The entries of documents by unique id; unknown ones are missing from the answer."""
        async with self._engine.connect() as connection:
            held = await _read(connection, entries.c.document, ids)
        return {entry.ref.document: entry for entry in held}

    async def add(
        self, entries: Sequence[DocumentEntry], associations: Sequence[Association] = ()
    ) -> None:
        """Register together; the target of a replacing association becomes deprecated."""
        try:
            async with self._engine.begin() as connection:
                for entry in entries:
                    await _insert_entry(connection, entry)
                for association in associations:
                    await _insert_association(connection, association)
        except IntegrityError as error:
            raise ValueError(f"an id is already registered: {error.orig}") from error

    async def add_many(self, batch: Sequence[DocumentEntry]) -> None:
        """Register many new entries at once, rows numbered here: for loading, by one writer."""
        async with self._engine.begin() as connection:
            last = await connection.scalar(
                select(entries.c.row).order_by(entries.c.row.desc()).limit(1)
            )
            numbered = list(enumerate(batch, start=(last or 0) + 1))
            rows: list[tuple[Table, list[Row]]] = [
                (entries, [{"row": row, **entry_row(entry)} for row, entry in numbered]),
                (entry_bodies, [{"row": row, "body": entry_body(e)} for row, e in numbered]),
                (entry_codes, [r for row, entry in numbered for r in code_rows(entry, row)]),
                (entry_references, [r for row, e in numbered for r in reference_rows(e, row)]),
                (entry_authors, [r for row, entry in numbered for r in author_rows(entry, row)]),
            ]
            for table, values in rows:
                if values:
                    await connection.execute(insert(table), values)

    async def set_status(self, entry: EntryId, status: EntryStatus) -> bool:
        """Change the status of an entry; False when there is no such entry."""
        async with self._engine.begin() as connection:
            return await _set_status(connection, entry, status)

    async def ping(self) -> None:
        """Raise when the database cannot be reached."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


async def _read(
    connection: AsyncConnection, column: Column[str], keys: Sequence[str]
) -> list[DocumentEntry]:
    statement = (
        select(entry_bodies.c.body, entries.c.status)
        .join(entries, entries.c.row == entry_bodies.c.row)
        .order_by(entries.c.row)
    )
    found = []
    for part in in_slices([str(key) for key in dict.fromkeys(keys)]):
        rows = (await connection.execute(statement.where(column.in_(part)))).all()
        found += [read_entry(body, status) for body, status in rows]
    return found


async def _insert_entry(connection: AsyncConnection, entry: DocumentEntry) -> None:
    result = await connection.execute(insert(entries).values(entry_row(entry)))
    row = int((result.inserted_primary_key or (0,))[0])
    await connection.execute(insert(entry_bodies).values(row=row, body=entry_body(entry)))
    for table, values in (
        (entry_codes, code_rows(entry, row)),
        (entry_references, reference_rows(entry, row)),
        (entry_authors, author_rows(entry, row)),
    ):
        if values:
            await connection.execute(insert(table), values)


async def _insert_association(connection: AsyncConnection, association: Association) -> None:
    await connection.execute(
        insert(associations).values(
            id=association.id,
            kind=association.kind.value,
            source=association.source,
            target=association.target,
            community=association.community,
            status=association.status.value,
        )
    )
    if association.kind in _REPLACING:
        await _set_status(connection, association.target, EntryStatus.DEPRECATED)


async def _set_status(connection: AsyncConnection, entry: EntryId, status: EntryStatus) -> bool:
    result = await connection.execute(
        update(entries).where(entries.c.id == entry).values(status=status.value)
    )
    return result.rowcount > 0


async def _associations(
    connection: AsyncConnection, ends: Sequence[str]
) -> tuple[Association, ...]:
    table = associations.c
    found: dict[int, Association] = {}
    for part in in_slices(ends):
        condition = or_(table.source.in_(part), table.target.in_(part))
        for row in await connection.execute(select(associations).where(condition)):
            found[row.row] = Association(
                id=EntryId(row.id),
                kind=AssociationKind(row.kind),
                source=EntryId(row.source),
                target=EntryId(row.target),
                community=CommunityId(row.community),
                status=EntryStatus(row.status),
            )
    return tuple(found[row] for row in sorted(found))
