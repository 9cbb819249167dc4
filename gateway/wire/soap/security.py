"""Assertions in and out of the WS-Security header: who asks, the same for every transaction.

Trust comes from the signatures of the assertions and from mutual TLS. There is no message
signature, no timestamp and no binary token; what a peer adds of these is not read.

Reading goes in this order: the assertions are found among the direct children of the header, by
`Issuer/@NameQualifier`; each is verified where it stands, so that namespaces declared around it
count; and from then on only the signed content that the verification returned is read
(`saml_claims`), judged (`saml_check`) and turned into a `CallContext`.

WSS SOAP Message Security 1.0, WSS SAML Token Profile 1.1; IHE ITI TF-2 3.40.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.codes import Code
from gateway.domain.context import Authentication, CallContext, Caller, TreatmentRelation
from gateway.domain.ids import CommunityId
from gateway.domain.people import HealthProfessional, HumanName
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.saml import (
    AUDIENCE,
    PERMISSION,
    QUALIFIERS,
    AssertionPolicy,
    Claim,
    Kind,
    as_assertion_id,
    organisation_of,
)
from gateway.wire.saml_check import Evidence, check, home_of, patient_of, purpose_of
from gateway.wire.saml_claims import Claims, read_claims
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from gateway.wire.signatures import SignatureFlaw, SignatureProblem, Signer, verify
from gateway.wire.trust import TrustStore
from gateway.wire.xml import SAML, WSSE, Element

# HCP, TRC and next of kin are three; more is not a call but a flood.
MAX_ASSERTIONS = 5
UNKNOWN_COUNTRY = "XX"

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


def attach_context(
    context: CallContext,
    signer: Signer,
    *,
    now: datetime,
    new_id: Callable[[], str],
    country: str = "",
    audience: str = AUDIENCE,
) -> bytes:
    """The complete `wsse:Security` element that says who asks, to be embedded byte for byte.

    With the relation RESOURCE_ID one plain XUA assertion; else the identity, followed by the
    treatment relation when the relation is TRC and the patient is known. `new_id` gives a unique
    text for each assertion; `country` is by default that of the signer's certificate.
    """
    country = country or signer.country or UNKNOWN_COUNTRY
    first = as_assertion_id(new_id())
    if context.relation is TreatmentRelation.RESOURCE_ID:
        assertions = [
            mint_xua(
                context, signer, assertion_id=first, now=now, country=country, audience=audience
            )
        ]
    else:
        assertions = [
            mint_hcp(
                context, signer, assertion_id=first, now=now, country=country, audience=audience
            )
        ]
        if context.relation is TreatmentRelation.TRC and context.patient is not None:
            assertions.append(
                mint_trc(
                    context,
                    signer,
                    assertion_id=as_assertion_id(new_id()),
                    hcp_id=first,
                    now=now,
                    country=country,
                    audience=audience,
                )
            )
    return b"".join(
        (f'<wsse:Security xmlns:wsse="{WSSE}">'.encode(), *assertions, b"</wsse:Security>")
    )


def read_context(
    security: Element | None,
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

    `security` is the header in its message, None when there is none. `patient_specific` is False
    only for transactions that come before a patient is known (ITI-55); a treatment relation that
    is sent nevertheless is checked like any other.
    """
    found = _find(security, policy)
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


def _find(security: Element | None, policy: AssertionPolicy) -> dict[Kind, Element]:
    """The assertions to read, one of a kind; what the header holds besides is left alone."""
    # Only direct children: one inside another element is somebody's evidence, not the caller's.
    children = [] if security is None else security.findall(f"{{{SAML}}}Assertion")
    if len(children) > MAX_ASSERTIONS:
        raise NotAllowed(
            Refusal.ASSERTION_MALFORMED, f"the header holds more than {MAX_ASSERTIONS} assertions"
        )
    found: dict[Kind, Element] = {}
    for element in children:
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
    assert claims.not_on_or_after is not None  # row 3
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
    assert statement.at is not None  # row 6
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
