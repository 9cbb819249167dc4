"""Fidelity certificates that were received, kept with the visit as they were sealed.

One for each image job whose certificate's seal held. What was retrieved follows the law of Country
B, and so does what is said of it: a visit that keeps nothing keeps no certificate.
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from country_b.database import METADATA

KEPT_CERTIFICATES = Table(
    "kept_certificates",
    METADATA,
    Column("job", String(64), primary_key=True),
    Column("session", String(64), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)


class KeptCertificates:
    """Sealed documents by visit and image job."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, session: str, job: str, body: bytes) -> None:
        """Keep the certificate of a job."""
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(KEPT_CERTIFICATES).values(job=job, session=session, body=body)
            )

    async def get(self, session: str, job: str) -> bytes | None:
        """The certificate of a job of a visit, None where there is none."""
        async with self._engine.connect() as connection:
            body = await connection.scalar(
                select(KEPT_CERTIFICATES.c.body).where(
                    KEPT_CERTIFICATES.c.job == job, KEPT_CERTIFICATES.c.session == session
                )
            )
        return None if body is None else bytes(body)

    async def forget(self, session: str) -> None:
        """Remove those of a visit."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(KEPT_CERTIFICATES).where(KEPT_CERTIFICATES.c.session == session)
            )
