"""What an older version wrote is refused in words, and not found out query by query."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.config import SettingsError
from gateway.stored_tables import make_tables

METADATA = MetaData()
Table("job", METADATA, Column("id", Integer, primary_key=True), Column("state", String))
Table("visit", METADATA, Column("id", Integer, primary_key=True), Column("name", String))


def engine_of(file: Path) -> AsyncEngine:
    """An engine for a file."""
    return create_async_engine(f"sqlite+aiosqlite:///{file}")


async def older(file: Path, *statements: str) -> None:
    """A database as another version wrote it."""
    engine = engine_of(file)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_tables_are_made_and_found_again(tmp_path: Path) -> None:
    """A new file, and one of this version, are used."""
    engine = engine_of(tmp_path / "some.db")
    await make_tables(engine, METADATA)
    await make_tables(engine, METADATA)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()

    assert set(names) == {"job", "visit"}


async def test_a_table_without_a_column_is_told_with_its_file_and_what_to_do(
    tmp_path: Path,
) -> None:
    """Every one of them at once; nothing is made, for who must use it with the older version."""
    file = tmp_path / "some.db"
    await older(file, "CREATE TABLE job (id INTEGER)")
    engine = engine_of(file)
    with pytest.raises(SettingsError) as caught:
        await make_tables(engine, METADATA)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()

    told = str(caught.value)
    assert str(file) in told
    assert "table job has no column state" in told
    assert "remove the state folder" in told
    assert "name another (gateway.state" in told
    assert "\n" not in told
    assert names == ["job"]


async def test_columns_of_several_tables_are_told_together(tmp_path: Path) -> None:
    """Who repairs one is not told of the next only then."""
    file = tmp_path / "some.db"
    await older(file, "CREATE TABLE job (x INTEGER)", "CREATE TABLE visit (id INTEGER)")
    engine = engine_of(file)
    with pytest.raises(SettingsError, match="table job has no column id, state; table visit"):
        await make_tables(engine, METADATA)
    await engine.dispose()


async def test_what_a_newer_version_added_is_no_obstacle(tmp_path: Path) -> None:
    """A column more than there should be is not asked for, and does no harm."""
    file = tmp_path / "some.db"
    await older(file, "CREATE TABLE job (id INTEGER, state VARCHAR, colour VARCHAR)")
    engine = engine_of(file)
    await make_tables(engine, METADATA)
    await engine.dispose()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """By its name, and with what to do."""
    file = tmp_path / "some.db"
    file.write_bytes(b"something else altogether" * 100)
    engine = engine_of(file)
    with pytest.raises(SettingsError, match=r"some\.db: .*not a database.*; who runs "):
        await make_tables(engine, METADATA)
    await engine.dispose()
