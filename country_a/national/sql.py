"""Opens Country A's national systems: one database, one store of documents, one image folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from country_a.national.blobs import BlobRepository, open_store
from country_a.national.consent_register import SqlConsentRegister
from country_a.national.pacs_folder import FolderPacs
from country_a.national.patient_index import SqlPatientIndex
from country_a.national.ports import NationalSystems
from country_a.national.registry import SqlRegistry
from country_a.national.schema import create_tables, metadata, open_engine


@dataclass(frozen=True, slots=True)
class OpenSystems:
    """National systems with what they hold open."""

    systems: NationalSystems
    engine: AsyncEngine
    documents: BlobRepository
    directory: Path
    image_folder: Path

    async def clear(self) -> None:
        """Forget everything: every table and every document. Image files stay where they are."""
        async with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
        await self.documents.clear()

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


async def open_systems(
    directory: Path,
    *,
    database_url: str = "",
    documents_url: str = "",
    image_folder: Path | None = None,
) -> OpenSystems:
    """Open the systems that live under a directory, making what is missing.

    `database_url` names another database than `national.db` there, `documents_url` another
    object store than the folder `documents`, `image_folder` another folder of DICOM files than
    `images`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    images = image_folder or directory / "images"
    images.mkdir(parents=True, exist_ok=True)
    database = (directory / "national.db").resolve()
    engine = open_engine(database_url or f"sqlite+aiosqlite:///{database}")
    try:
        await create_tables(engine)
    except BaseException:
        await engine.dispose()
        raise
    documents = BlobRepository(open_store(documents_url or directory))
    systems = NationalSystems(
        patients=SqlPatientIndex(engine),
        registry=SqlRegistry(engine),
        repository=documents,
        pacs=FolderPacs(engine),
        consent=SqlConsentRegister(engine),
    )
    return OpenSystems(
        systems=systems,
        engine=engine,
        documents=documents,
        directory=directory,
        image_folder=images,
    )
