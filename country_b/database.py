"""The country's own database: one SQLite file by default, anything SQLAlchemy reaches by URL.

Tables are declared where their subject is (`session`, `kept`, `image_jobs`) on the one `METADATA`
here. A gateway process keeps nothing of its own: what it must know again is in these tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.stored_tables import make_tables

METADATA = MetaData()

BUSY_SECONDS = 10  # another connection may be writing a batch of a thousand instances


def database_url(state: Path) -> str:
    """The URL of the SQLite file in a state folder."""
    return f"sqlite+aiosqlite:///{state / 'country_b.sqlite'}"


def make_engine(url: str) -> AsyncEngine:
    """An engine for a URL; SQLite is set to write ahead, so that readers never wait."""
    # An error is logged with its statement; the values in it are about patients.
    engine = create_async_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.close()


async def create_tables(engine: AsyncEngine) -> None:
    """Make the tables that are not there; `SettingsError` where an older version left others."""
    await make_tables(engine, METADATA)
