"""Tables of Country A's national systems, and how their database is opened.

SQLite in a file by default, PostgreSQL by URL: queries use SQLAlchemy Core only. Text that is
sorted or compared for order uses the collation that compares code points, as Python does, so
that an answer is in the same order whoever sorted it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    event,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator, TypeEngine

from gateway.stored_tables import make_tables

BUSY_MILLISECONDS = 5000  # one writer at a time; a reader never waits under WAL
MAX_VARIABLES = 500  # per statement: far below the limits of SQLite (32 766) and PostgreSQL


class ExactText(TypeDecorator[str]):
    """Text compared code point by code point in every database."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL follows the locale unless told; SQLite compares bytes by itself."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(collation=collation))


metadata = MetaData()
_ROW = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone

patients = Table(
    "patient",
    metadata,
    Column("row", _ROW, primary_key=True),
    Column("key", ExactText, nullable=False, unique=True),
    Column("birth_date", Date),
    Column("gender", String(2)),
    Column("body", LargeBinary, nullable=False),
)

patient_ids = Table(
    "patient_id",
    metadata,
    Column("key", ExactText, primary_key=True),
    Column("patient", ForeignKey("patient.row", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("patient_id_by_patient", patient_ids.c.patient)

patient_names = Table(
    "patient_name",
    metadata,
    Column("family", ExactText, primary_key=True),
    Column("birth_date", Date, primary_key=True),
    Column("patient", ForeignKey("patient.row", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("patient_name_by_patient", patient_names.c.patient)

# The filters of a query stand in a narrow table of their own, so that walking a patient's
# entries touches few pages; the whole entry is read for those that pass.
entries = Table(
    "entry",
    metadata,
    Column("row", _ROW, primary_key=True),
    Column("id", ExactText, nullable=False, unique=True),
    Column("document", ExactText, nullable=False),
    Column("patient", ExactText, nullable=False),
    Column("status", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("class_code", ExactText, nullable=False),
    Column("type_code", ExactText, nullable=False),
    Column("format_code", ExactText, nullable=False),
    Column("practice_setting", ExactText, nullable=False),
    Column("facility_type", ExactText, nullable=False),
    Column("start_key", ExactText, nullable=False),
    Column("service_start", BigInteger),
    Column("service_stop", BigInteger),
    Column("created", BigInteger),
    Column("size_bytes", BigInteger),
)
Index("entry_by_patient", entries.c.patient, entries.c.start_key.desc(), entries.c.id)
Index("entry_by_document", entries.c.document)

entry_bodies = Table(
    "entry_body",
    metadata,
    Column("row", ForeignKey("entry.row", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# Each of these begins with the patient: a filter reads one stretch of one index.
entry_codes = Table(
    "entry_code",
    metadata,
    Column("patient", ExactText, primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("code", ExactText, primary_key=True),
    Column("entry", ForeignKey("entry.row", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("entry_code_by_entry", entry_codes.c.entry)

entry_references = Table(
    "entry_reference",
    metadata,
    Column("patient", ExactText, primary_key=True),
    Column("kind", ExactText, primary_key=True),
    Column("value", ExactText, primary_key=True),
    Column("authority", ExactText, primary_key=True),
    Column("entry", ForeignKey("entry.row", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("entry_reference_by_entry", entry_references.c.entry)

entry_authors = Table(
    "entry_author",
    metadata,
    Column("patient", ExactText, primary_key=True),
    Column("author", ExactText, primary_key=True),
    Column("entry", ForeignKey("entry.row", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("entry_author_by_entry", entry_authors.c.entry)

associations = Table(
    "association",
    metadata,
    Column("row", _ROW, primary_key=True),
    Column("id", ExactText, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("source", ExactText, nullable=False, index=True),
    Column("target", ExactText, nullable=False, index=True),
    Column("community", String(64), nullable=False),
    Column("status", String(16), nullable=False),
)

consents = Table(
    "consent",
    metadata,
    Column("patient", ExactText, primary_key=True),
    Column("rule", String(32), nullable=False),
)

studies = Table(
    "study",
    metadata,
    Column("uid", ExactText, primary_key=True),
    Column("patient", ExactText, index=True),
    Column("study_date", String(8), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("study", ForeignKey("study.uid", ondelete="CASCADE"), primary_key=True),
    Column("uid", ExactText, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

instances = Table(
    "instance",
    metadata,
    Column("uid", ExactText, primary_key=True),
    Column("study", ExactText, nullable=False, index=True),
    Column("series", ExactText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(["study", "series"], ["series.study", "series.uid"], ondelete="CASCADE"),
)


def open_engine(url: str) -> AsyncEngine:
    """An engine for a database URL such as `sqlite+aiosqlite:///…/national.db`."""
    # An error is logged with its statement; the values in it are about patients.
    engine = create_async_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={BUSY_MILLISECONDS}",
        "foreign_keys=ON",
        # LIKE distinguishes case in the stored queries and in PostgreSQL.
        "case_sensitive_like=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def create_tables(engine: AsyncEngine) -> None:
    """Create the tables that are not there; `SettingsError` where an older version left others."""
    await make_tables(engine, metadata)
