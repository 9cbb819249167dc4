"""The country's own database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from country_b.database import METADATA, create_tables, database_url, make_engine
from gateway.config import SettingsError


async def test_tables_are_made_once_and_readers_need_not_wait(tmp_path: Path) -> None:
    """Making tables twice changes nothing; SQLite writes ahead."""
    engine = make_engine(database_url(tmp_path))
    await create_tables(engine)
    await create_tables(engine)

    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        mode = await connection.scalar(text("PRAGMA journal_mode"))
    await engine.dispose()

    assert set(names) == set(METADATA.tables)
    assert mode == "wal"


async def test_tables_of_an_older_version_are_refused_in_words(tmp_path: Path) -> None:
    """Not by the first query, in the words of the database."""
    engine = make_engine(database_url(tmp_path))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE image_jobs (id TEXT, state TEXT)"))

    with pytest.raises(SettingsError, match="image_jobs has no column session, study, body, time"):
        await create_tables(engine)
    await engine.dispose()


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    """Whatever is asked of a connection before the tables are looked at."""
    (tmp_path / "country_b.sqlite").write_bytes(b"something else altogether" * 100)
    engine = make_engine(database_url(tmp_path))

    with pytest.raises(SettingsError, match=r"country_b\.sqlite: cannot be read"):
        await create_tables(engine)
    await engine.dispose()


async def test_an_error_of_the_database_tells_no_values() -> None:
    """They are about patients, and errors are logged."""
    engine = make_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        with pytest.raises(OperationalError) as caught:
            await connection.execute(text("SELECT 1 FROM none WHERE x = :x"), {"x": "Rossi"})
    await engine.dispose()

    assert "Rossi" not in str(caught.value)
