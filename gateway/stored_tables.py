"""Tables that an earlier run left: used as they are where they fit, refused in words where not.

Nothing here changes a table. What is kept is made up or a copy, and is made anew sooner than it
is brought from one version to the next; but whoever runs the gateway decides that, and not we.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.config import SettingsError

# The folder is not told by its path: a database that has a name of its own may lie beside others.
REMEDY = (
    "who runs this gateway can remove the state folder, with all that was kept there, or name "
    "another (gateway.state in the settings; national.database where that is set)"
)


async def make_tables(engine: AsyncEngine, metadata: MetaData) -> None:
    """Make the tables that are not there yet.

    Raises `SettingsError`, and makes none, where one that is there lacks a column: it was written
    by an older version, and the first query would fail with the database's own words.
    """
    try:
        async with engine.begin() as connection:
            if lacking := await connection.run_sync(_lacking, metadata):
                raise SettingsError(
                    f"{_name(engine.url)}: found that {'; '.join(lacking)}, expected the tables of "
                    f"this version: an older one wrote them; {REMEDY}"
                )
            await connection.run_sync(metadata.create_all)
    except OperationalError:
        # Of the moment, such as a lock or a full disk: no reason to remove anything.
        raise
    except DatabaseError as error:
        raise SettingsError(
            f"{_name(engine.url)}: cannot be read ({error.orig}); {REMEDY}"
        ) from None


def _lacking(connection: Connection, metadata: MetaData) -> list[str]:
    return list(_lacks(connection, metadata))


def _lacks(connection: Connection, metadata: MetaData) -> Iterator[str]:
    """What each table that is there has not, in words."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there:
            found = {column["name"] for column in inspector.get_columns(table.name)}
            if lacking := [column.name for column in table.columns if column.name not in found]:
                yield f"table {table.name} has no column {', '.join(lacking)}"


def _name(url: URL) -> str:
    """The file a database is, or where a server keeps it."""
    if url.get_backend_name() == "sqlite" and url.database:
        return url.database
    return url.render_as_string(hide_password=True)
