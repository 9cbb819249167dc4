"""The receiver's check list, row by row, over what signed assertions say.

The signature comes first and is the precondition of all of this: `Claims` are read from signed
content only, so no row ever believes an unsigned word. Then the rows run in the order of the list,
each over all assertions of the call, and the first row that fails names the refusal:

    1  an assertion is there                NO_ASSERTION              soap.security
    2  its structure is SAML's              ASSERTION_MALFORMED       saml_claims
    3  nothing indispensable is missing     ASSERTION_INCOMPLETE
    4  now is within its conditions         ASSERTION_NOT_VALID_NOW
    5  its audience is ours                 WRONG_AUDIENCE
    6  one strong enough authentication     WEAK_AUTHENTICATION
    7  its signature is valid and trusted   SIGNATURE_INVALID         signatures
    8  attributes are there and valid       ATTRIBUTES_MISSING, ATTRIBUTES_INVALID
    9  permissions suffice                  (decided where the request is known)
    10 a treatment relation, tied to it     NO_TREATMENT_RELATION, TREATMENT_RELATION_MISMATCH

So a forged and expired assertion is refused for row 7: what an unsigned tree says about row 4
cannot be believed. Whether the patient is that of the query is decided where the query is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.context import PurposeOfUse, TreatmentRelation
from gateway.domain.ids import CommunityId, InvalidIdentifier, PatientId
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.saml import PREVIOUS_SESSION, AssertionPolicy, Claim, Kind, rules_for
from gateway.wire.saml_claims import Claims, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The assertions of one call: who asks, and the treatment relation if there is one.

    `patient_specific` says that the request is about one patient and needs such a relation.
    """

    identity: Claims
    treatment: Claims | None
    patient_specific: bool

    @property
    def all(self) -> tuple[Claims, ...]:
        """Every assertion, the identity first."""
        return (self.identity,) if self.treatment is None else (self.identity, self.treatment)


def check(evidence: Evidence, policy: AssertionPolicy, now: datetime) -> None:
    """Run the rows over the assertions; NotAllowed with the refusal of the first that fails."""
    for row in ROWS:
        row(evidence, policy, now)


def patient_of(evidence: Evidence, policy: AssertionPolicy) -> PatientId | None:
    """The patient that the assertions vouch for; None when they name none.

    NotAllowed(ATTRIBUTES_INVALID) when the identifier cannot be read. Only where the policy
    demands no relation, an unreadable one counts as none: a resource need not be a patient.
    """
    source = evidence.treatment or evidence.identity
    text = source.first(Claim.PATIENT)
    if not text:
        return None
    try:
        return PatientId.parse_cx(text)
    except InvalidIdentifier as problem:
        if evidence.treatment is None and policy.relation is not TreatmentRelation.RESOURCE_ID:
            return None
        raise _refuse(
            Refusal.ATTRIBUTES_INVALID, source, "the patient is not of the form id^^^&oid&ISO"
        ) from problem


def purpose_of(evidence: Evidence, policy: AssertionPolicy) -> PurposeOfUse:
    """Why the data are wanted; a treatment relation, being the more specific, decides."""
    return _purpose(evidence.treatment or evidence.identity, policy)


def home_of(claims: Claims) -> CommunityId:
    """The community that asks; bare and as `urn:oid:` (peers write both)."""
    try:
        return CommunityId.parse(claims.first(Claim.HOME))
    except InvalidIdentifier as problem:
        raise _refuse(
            Refusal.ATTRIBUTES_INVALID, claims, "the home community is not an OID"
        ) from problem


def _refuse(refusal: Refusal, claims: Claims, text: str) -> NotAllowed:
    return NotAllowed(refusal, f"{claims.kind} assertion: {text}", subject=claims.kind)


def _complete(evidence: Evidence, policy: AssertionPolicy, _: datetime) -> None:
    for claims in evidence.all:
        missing = [
            name
            for name, present in (
                ("Version 2.0", claims.version == "2.0"),
                ("ID", claims.id),
                ("IssueInstant", claims.issued),
                ("Issuer", claims.issuer),
                ("NameID of the subject", claims.subject),
                ("Conditions with NotBefore and NotOnOrAfter", _has_span(claims)),
                ("accepted confirmation method", _confirmed(claims, policy)),
            )
            if not present
        ]
        if missing:
            raise _refuse(Refusal.ASSERTION_INCOMPLETE, claims, f"missing {', '.join(missing)}")


def _has_span(claims: Claims) -> bool:
    return claims.not_before is not None and claims.not_on_or_after is not None


def _confirmed(claims: Claims, policy: AssertionPolicy) -> bool:
    return any(item.method in policy.confirmation_methods for item in claims.confirmations)


def _valid_now(evidence: Evidence, policy: AssertionPolicy, now: datetime) -> None:
    # Always our own time is shifted: a peer's may be the last that a date can hold.
    skew = timedelta(seconds=policy.skew_seconds)
    for claims in evidence.all:
        start, end = claims.not_before, claims.not_on_or_after
        if start is None or end is None or claims.issued is None:
            raise _refuse(Refusal.ASSERTION_INCOMPLETE, claims, "missing times")
        most = timedelta(seconds=policy.max_seconds(claims.kind))
        until = [
            item.until
            for item in claims.confirmations
            if item.method in policy.confirmation_methods
        ]
        problems = (
            (now + skew < start, "not yet valid"),
            (now - skew >= end, "expired"),
            (end <= start, "valid for no time at all"),
            (end - start > most, f"valid for more than {policy.max_seconds(claims.kind)} seconds"),
            (claims.issued > now + skew, "issued in the future"),
            (
                all(moment is not None and now - skew >= moment for moment in until),
                "its subject is no longer confirmed",
            ),
            # SAML 2.0 Core 2.5.1.1: a condition that is not understood makes it indeterminate.
            (bool(claims.unknown_conditions), "under a condition that is not understood"),
        )
        for failed, text in problems:
            if failed:
                raise _refuse(Refusal.ASSERTION_NOT_VALID_NOW, claims, text)


def _audience(evidence: Evidence, policy: AssertionPolicy, _: datetime) -> None:
    for claims in evidence.all:
        if policy.audience_required and not claims.audiences:
            raise _refuse(Refusal.WRONG_AUDIENCE, claims, "names no audience")
        # SAML 2.0 Core 2.5.1.4: each restriction must be met, by any of its audiences.
        for restriction in claims.audiences:
            if not set(restriction) & set(policy.audiences):
                raise _refuse(Refusal.WRONG_AUDIENCE, claims, "is meant for somebody else")


def _authentication(evidence: Evidence, policy: AssertionPolicy, now: datetime) -> None:
    latest = now + timedelta(seconds=policy.skew_seconds)
    for claims in evidence.all:
        allowed = policy.authentication_methods
        if claims.kind is Kind.TRC:
            allowed = (*allowed, PREVIOUS_SESSION)
        statement = claims.authentications[0] if len(claims.authentications) == 1 else None
        if statement is None or statement.contexts != 1 or len(statement.classes) != 1:
            raise _refuse(
                Refusal.WEAK_AUTHENTICATION, claims, "must state exactly one authentication"
            )
        if statement.at is None or statement.at > latest:
            raise _refuse(
                Refusal.WEAK_AUTHENTICATION, claims, "the time of authentication is not valid"
            )
        if statement.classes[0] not in allowed:
            raise _refuse(
                Refusal.WEAK_AUTHENTICATION, claims, "the means of authentication is not accepted"
            )


def _attributes(evidence: Evidence, policy: AssertionPolicy, _: datetime) -> None:
    for claims in evidence.all:
        missing = [
            rule.friendly
            for rule in rules_for(claims.kind)
            if claims.kind in rule.required
            and not any(_says(value) for value in claims.values.get(rule.claim, ()))
        ]
        if missing:
            raise _refuse(
                Refusal.ATTRIBUTES_MISSING, claims, f"missing attribute {', '.join(missing)}"
            )
        for rule in rules_for(claims.kind):
            if not rule.many and len(claims.values.get(rule.claim, ())) > 1:
                raise _refuse(
                    Refusal.ATTRIBUTES_INVALID, claims, f"a second value of {rule.friendly}"
                )
    _check_values(evidence, policy)


def _says(value: Value) -> bool:
    return bool(value.text or (value.code and value.code.value))


def _check_values(evidence: Evidence, policy: AssertionPolicy) -> None:
    identity = evidence.identity
    home_of(identity)
    role = identity.values[Claim.ROLE][0].code
    if policy.roles and (role is None or not any(role.means(known) for known in policy.roles)):
        raise _refuse(Refusal.ATTRIBUTES_INVALID, identity, "the role is not one of those agreed")
    facility = identity.first(Claim.FACILITY)
    if facility and policy.facility_types and facility not in policy.facility_types:
        raise _refuse(
            Refusal.ATTRIBUTES_INVALID, identity, "the facility type is not one of those agreed"
        )
    for claims in evidence.all:
        _purpose(claims, policy)
    patient_of(evidence, policy)


def _purpose(claims: Claims, policy: AssertionPolicy) -> PurposeOfUse:
    code = claims.values[Claim.PURPOSE][0].code
    for known, purpose in policy.purposes:
        if code is not None and code.means(known):
            return purpose
    raise _refuse(
        Refusal.ATTRIBUTES_INVALID, claims, "the purpose of use is not one of those agreed"
    )


def _treatment(evidence: Evidence, policy: AssertionPolicy, _: datetime) -> None:
    identity, treatment = evidence.identity, evidence.treatment
    if treatment is not None:
        # Of several references the first counts, as OpenNCP reads it.
        if not treatment.references or treatment.references[0] != identity.id:
            raise _refuse(
                Refusal.TREATMENT_RELATION_MISMATCH,
                treatment,
                "does not refer to the identity assertion beside it",
            )
        if treatment.subject != identity.subject:
            raise _refuse(
                Refusal.TREATMENT_RELATION_MISMATCH,
                treatment,
                "its subject is not that of the identity assertion",
            )
    if not evidence.patient_specific:
        return
    absent = {
        TreatmentRelation.TRC: treatment is None,
        TreatmentRelation.RESOURCE_ID: patient_of(evidence, policy) is None,
        TreatmentRelation.NONE: False,
    }
    if absent[policy.relation]:
        raise _refuse(
            Refusal.NO_TREATMENT_RELATION, identity, "nothing confirms a treatment relation"
        )


Row = Callable[[Evidence, AssertionPolicy, datetime], None]
ROWS: Sequence[Row] = (_complete, _valid_now, _audience, _authentication, _attributes, _treatment)
