"""The consent register in SQL: one decision a patient, the latest."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from country_a.national.entry_rows import patient_key
from country_a.national.ports import ConsentRule
from country_a.national.schema import consents
from gateway.domain import PatientId


class SqlConsentRegister:
    """Fulfils `ConsentRegister`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rule(self, patient: PatientId) -> ConsentRule:
        """The decision in force; ALLOW where none is recorded."""
        statement = select(consents.c.rule).where(consents.c.patient == patient_key(patient))
        async with self._engine.connect() as connection:
            held = await connection.scalar(statement)
        return ConsentRule(held) if held else ConsentRule.ALLOW

    async def set_rule(self, patient: PatientId, rule: ConsentRule) -> None:
        """Record a decision, in place of any earlier one."""
        key = patient_key(patient)
        async with self._engine.begin() as connection:
            await connection.execute(delete(consents).where(consents.c.patient == key))
            await connection.execute(insert(consents).values(patient=key, rule=rule.value))

    async def ping(self) -> None:
        """Raise when the database cannot be reached."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
