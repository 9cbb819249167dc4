"""Who may see what: every decision of a patient against every purpose of asking."""

from __future__ import annotations

import pytest

from country_a.consent import require_consent
from country_a.national.ports import ConsentRule
from gateway.domain import NotAllowed, PatientId, PurposeOfUse, Refusal
from tests.builders import PATIENT, make_context

PASSES = {
    (ConsentRule.ALLOW, PurposeOfUse.TREATMENT): True,
    (ConsentRule.ALLOW, PurposeOfUse.EMERGENCY): True,
    (ConsentRule.DENY, PurposeOfUse.TREATMENT): False,
    (ConsentRule.DENY, PurposeOfUse.EMERGENCY): False,
    (ConsentRule.DENY_EXCEPT_EMERGENCY, PurposeOfUse.TREATMENT): False,
    (ConsentRule.DENY_EXCEPT_EMERGENCY, PurposeOfUse.EMERGENCY): True,
}


class Register:
    """A register of one decision."""

    def __init__(self, rule: ConsentRule) -> None:
        self._rule = rule

    async def rule(self, patient: PatientId) -> ConsentRule:
        assert patient == PATIENT
        return self._rule

    async def set_rule(self, patient: PatientId, rule: ConsentRule) -> None:
        raise AssertionError((patient, rule))

    async def ping(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("rule", list(ConsentRule))
@pytest.mark.parametrize("purpose", list(PurposeOfUse))
async def test_a_decision_and_a_purpose_decide(rule: ConsentRule, purpose: PurposeOfUse) -> None:
    """An emergency opens what the patient left open for it, and never a plain denial."""
    asking = require_consent(Register(rule), PATIENT, make_context(purpose=purpose))

    if PASSES[rule, purpose]:
        await asking
        return
    with pytest.raises(NotAllowed) as caught:
        await asking
    assert caught.value.refusal is Refusal.NO_CONSENT
    assert PATIENT.value not in caught.value.text
    assert ("emergencies" in caught.value.text) is (rule is ConsentRule.DENY_EXCEPT_EMERGENCY)
