"""Country A's own rule of consent: who may see what of whom.

The register holds allow, deny, or deny-except-emergency. An EMERGENCY purpose opens the third
and never overrides a plain denial.
"""

from __future__ import annotations

from country_a.national.ports import ConsentRegister, ConsentRule
from gateway.domain import CallContext, NotAllowed, PatientId, PurposeOfUse, Refusal

_TEXTS = {
    ConsentRule.DENY: "the patient does not consent to the exchange of imaging data",
    ConsentRule.DENY_EXCEPT_EMERGENCY: "the patient consents to the exchange in emergencies alone",
}


async def require_consent(
    register: ConsentRegister, patient: PatientId, context: CallContext
) -> None:
    """Let the call pass, or raise `NotAllowed` (NO_CONSENT) as the patient decided."""
    await require_consent_to(register, patient, emergency=context.purpose is PurposeOfUse.EMERGENCY)


async def require_consent_to(
    register: ConsentRegister, patient: PatientId, *, emergency: bool
) -> None:
    """As `require_consent`, where only the purpose of a call is known."""
    rule = await register.rule(patient)
    if rule is ConsentRule.ALLOW:
        return
    if rule is ConsentRule.DENY_EXCEPT_EMERGENCY and emergency:
        return
    raise NotAllowed(Refusal.NO_CONSENT, _TEXTS[rule])
