"""What patients decided is kept, the latest decision in force."""

from __future__ import annotations

from country_a.national.consent_register import SqlConsentRegister
from country_a.national.ports import ConsentRule
from country_a.national.schema import create_tables, open_engine
from gateway.domain import Oid, PatientId


async def test_the_latest_decision_is_in_force_and_silence_allows() -> None:
    """A patient nobody recorded allows; a new decision replaces the old."""
    engine = open_engine("sqlite+aiosqlite://")
    await create_tables(engine)
    register = SqlConsentRegister(engine)
    patient = PatientId("XA-1", Oid("2.999.1.1"))

    rules = [await register.rule(patient)]
    for rule in (ConsentRule.DENY, ConsentRule.DENY_EXCEPT_EMERGENCY):
        await register.set_rule(patient, rule)
        rules.append(await register.rule(patient))

    assert rules == [ConsentRule.ALLOW, ConsentRule.DENY, ConsentRule.DENY_EXCEPT_EMERGENCY]
    assert await register.rule(PatientId("XA-1", Oid("2.999.2"))) is ConsentRule.ALLOW
    await engine.dispose()
