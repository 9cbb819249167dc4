"""Who asks, from signed assertions: the same whatever carries them, a SOAP header or a token.

The assertions are told apart by `Issuer/@NameQualifier`; each is verified where it stands, so that
namespaces declared around it count; and from then on only the signed content that the verification
returned is read (`saml_claims`), judged (`saml_check`) and turned into a `CallContext`.

Not here: where the assertions were found (`soap.security`, `fhir.saml_tokens`), and the log
against reuse, which is the servers'. IHE ITI TF-2 3.40; eHDSI SAML profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.codes import Code
from gateway.domain.context import Authentication, CallContext, Caller, TreatmentRelation
from gateway.domain.ids import CommunityId
from gateway.domain.people import HealthProfessional, HumanName
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.saml import (
    PERMISSION,
    QUALIFIERS,
    AssertionPolicy,
    Claim,
    Kind,
    organisation_of,
)
from gateway.wire.saml_check import Evidence, check, home_of, patient_of, purpose_of
from gateway.wire.saml_claims import Claims, read_claims
from gateway.wire.signatures import SignatureFlaw, SignatureProblem, verify
from gateway.wire.trust import TrustStore
from gateway.wire.xml import SAML, Element

# HCP, TRC and next of kin are three; more is not a call but a flood.
MAX_ASSERTIONS = 5

# Flaws of what is around the signature belong to the structure (row 2), the rest to row 7.
_REFUSAL_OF: dict[SignatureFlaw, Refusal] = dict.fromkeys(SignatureFlaw, Refusal.SIGNATURE_INVALID)
_REFUSAL_OF |= {
    SignatureFlaw.CONTENT: Refusal.ASSERTION_MALFORMED,
    SignatureFlaw.LIMITS: Refusal.ASSERTION_MALFORMED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAssertion:
    """What the log against reuse must know of an assertion that was accepted."""

    id: str
    subject: str
    expires: datetime
    single_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """Who asks, and the assertions that say so, the identity first."""

    context: CallContext
    assertions: tuple[AcceptedAssertion, ...]


def read_assertions(
    elements: Sequence[Element],
    trust: TrustStore,
    policy: AssertionPolicy,
    *,
    now: datetime,
    caller: Caller,
    correlation_id: str,
    answering: CommunityId,
    patient_specific: bool,
) -> ReadContext:
    """Who asks, from signed content only; NotAllowed names the lowest row that failed.

    `elements` are the assertions as they stand in what carried them. `patient_specific` is False
    only for transactions that come before a patient is known (ITI-55, ITI-78); a treatment
    relation that is sent nevertheless is checked like any other.
    """
    found = _find(elements, policy)
    signed = {
        kind: read_claims(_verified(element, kind, trust, policy, now), kind)
        for kind, element in found.items()
    }
    evidence = Evidence(
        identity=signed.get(Kind.HCP) or signed[Kind.XUA],
        treatment=signed.get(Kind.TRC),
        patient_specific=patient_specific,
    )
    check(evidence, policy, now)
    context = _context(evidence, policy, caller, correlation_id, answering)
    return ReadContext(
        context=context, assertions=tuple(_accepted(claims) for claims in evidence.all)
    )


def _find(elements: Sequence[Element], policy: AssertionPolicy) -> dict[Kind, Element]:
    """The assertions to read, one of a kind."""
    if len(elements) > MAX_ASSERTIONS:
        raise NotAllowed(
            Refusal.ASSERTION_MALFORMED, f"the header holds more than {MAX_ASSERTIONS} assertions"
        )
    found: dict[Kind, Element] = {}
    for element in elements:
        kind = _kind(element)
        if kind in found:
            raise NotAllowed(
                Refusal.ASSERTION_MALFORMED, f"two {kind} assertions", subject=str(kind)
            )
        if kind is not None:
            found[kind] = element
    # Recognised, not needed, and therefore not believed either.
    found.pop(Kind.NOK, None)
    plain = False
    if Kind.HCP in found or policy.relation is TreatmentRelation.TRC:
        plain = found.pop(Kind.XUA, None) is not None
    if Kind.HCP not in found and Kind.XUA not in found:
        text = "no assertion says who asks"
        if plain:
            text += ": found a plain XUA one, expected a health professional's (hcp) of this peer"
        raise NotAllowed(Refusal.NO_ASSERTION, text)
    return found


def _kind(element: Element) -> Kind | None:
    issuer = element.find(f"{{{SAML}}}Issuer")
    return QUALIFIERS.get("" if issuer is None else issuer.get("NameQualifier", "").strip())


def _verified(
    element: Element, kind: Kind, trust: TrustStore, policy: AssertionPolicy, now: datetime
) -> Element:
    try:
        signed = verify(element, trust, now=now, allow_sha1=policy.allow_sha1).element
    except SignatureProblem as problem:
        raise NotAllowed(
            _REFUSAL_OF[problem.reason], f"{kind} assertion: {problem.text}", subject=kind
        ) from problem
    if _kind(signed) is not kind:
        raise NotAllowed(Refusal.SIGNATURE_INVALID, f"{kind} assertion: signed as another kind")
    return signed


def _accepted(claims: Claims) -> AcceptedAssertion:
    if claims.not_on_or_after is None:
        raise NotAllowed(
            Refusal.ASSERTION_INCOMPLETE, "an assertion without an end of its validity"
        )
    return AcceptedAssertion(
        id=claims.id,
        subject=claims.subject,
        expires=claims.not_on_or_after,
        single_use=claims.single_use,
    )


def _context(
    evidence: Evidence,
    policy: AssertionPolicy,
    caller: Caller,
    correlation_id: str,
    answering: CommunityId,
) -> CallContext:
    identity = evidence.identity
    statement = identity.authentications[0]
    if statement.at is None:
        raise NotAllowed(Refusal.WEAK_AUTHENTICATION, "an authentication without its time")
    patient = patient_of(evidence, policy)
    relation = TreatmentRelation.NONE
    if evidence.treatment is not None:
        relation = TreatmentRelation.TRC
    elif patient is not None:
        relation = TreatmentRelation.RESOURCE_ID
    return CallContext(
        correlation_id=correlation_id,
        asking=home_of(identity),
        answering=answering,
        professional=_professional(identity),
        purpose=purpose_of(evidence, policy),
        authentication=Authentication(at=statement.at, method=statement.classes[0]),
        patient=patient,
        relation=relation,
        caller=caller,
        assertion_ids=tuple(claims.id for claims in evidence.all),
        issuer=identity.issuer,
    )


def _professional(claims: Claims) -> HealthProfessional:
    role = claims.values[Claim.ROLE][0]
    return HealthProfessional(
        id=claims.subject,
        # One text names the person; nobody says where the family name begins.
        name=HumanName(family=claims.first(Claim.SUBJECT)),
        role=role.code or Code(role.text, ""),
        organisation=organisation_of(
            claims.first(Claim.ORGANISATION), claims.first(Claim.ORGANISATION_ID)
        ),
        facility_type=claims.first(Claim.FACILITY),
        locality=claims.first(Claim.LOCALITY),
        permissions=tuple(
            value.text.removeprefix(PERMISSION)
            for value in claims.values.get(Claim.PERMISSIONS, ())
        ),
        speciality=claims.first(Claim.SPECIALITY),
    )
