"""The database is opened as the rest relies on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from country_a.national.schema import BUSY_MILLISECONDS, create_tables, open_engine
from gateway.config import SettingsError


async def test_sqlite_is_opened_for_readers_beside_a_writer(tmp_path: Path) -> None:
    """Write-ahead log, foreign keys, a waiting time, and LIKE that tells case apart."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'national.db'}")
    await create_tables(engine)
    await create_tables(engine)

    async with engine.connect() as connection:
        found = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
        alike = await connection.scalar(text("SELECT 'a' LIKE 'A'"))
    await engine.dispose()

    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": BUSY_MILLISECONDS,
        "foreign_keys": 1,
    }
    assert alike == 0


async def test_tables_of_an_older_version_are_refused_in_words(tmp_path: Path) -> None:
    """Not by the first query, in the words of the database."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'national.db'}")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE patient (row INTEGER, key TEXT, body BLOB)"))

    with pytest.raises(SettingsError, match="table patient has no column birth_date, gender,"):
        await create_tables(engine)
    await engine.dispose()


async def test_an_error_of_the_database_tells_no_values() -> None:
    """They are about patients, and errors are logged."""
    engine = open_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        with pytest.raises(OperationalError) as caught:
            await connection.execute(text("SELECT 1 FROM none WHERE x = :x"), {"x": "Rossi"})
    await engine.dispose()

    assert "Rossi" not in str(caught.value)
