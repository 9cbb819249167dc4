"""Tokens in and out of the Authorization header: who asks, the same for every interaction.

The rows of the check list run in this order, and the first that fails names the refusal. The
refusals are those of the assertions (`saml_check`), so that a call is refused for the same reason
on either wire; the last column is the row there:

    2  one header, scheme Bearer            NO_ASSERTION                          1
    3  a compact JWS of bearable size       ASSERTION_MALFORMED                   2  token_check
    4  signed, trusted, algorithm allowed   SIGNATURE_INVALID                     7  token_check
       nothing indispensable is missing     ASSERTION_INCOMPLETE                  3  token_check
    5  now is within its times              ASSERTION_NOT_VALID_NOW               4  token_check
    6  its audience is ours                 WRONG_AUDIENCE                        5  token_check
       its issuer is that of the key        SIGNATURE_INVALID                     7  token_check
       its client is the one calling        ASSERTION_REUSED                      -  token_check
    7  not used before                      ASSERTION_REUSED (the log of uses)    -
       one strong enough authentication     WEAK_AUTHENTICATION                   6
    8  its scope covers the interaction     INSUFFICIENT_RIGHTS                   9
    9  claims are there and valid           ATTRIBUTES_MISSING, _INVALID          8
    10 a treatment relation                 NO_TREATMENT_RELATION                 10
    11 about one patient                    TREATMENT_RELATION_MISMATCH           10

Whether permissions suffice, and whether the patient is that of the request, is decided where the
request is known. Which relation is demanded is the peer's policy, as for assertions: with TRC a
token must have what an identity assertion has, else a plain IUA token is enough.

A peer whose tokens carry assertions (`TokenPolicy.form`) is judged by the assertions, with the
rows and the order of `saml_check`; there is no scope in them, and row 8 is passed over.

RFC 6750 sections 2.1 and 3; RFC 9470; IHE ITI IUA 3.72.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.codes import Code
from gateway.domain.context import (
    Authentication,
    CallContext,
    Caller,
    PurposeOfUse,
    TreatmentRelation,
)
from gateway.domain.ids import CommunityId, InvalidIdentifier, Oid, PatientId
from gateway.domain.people import HealthProfessional, HumanName
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.fhir.saml_tokens import read_sealed, read_single
from gateway.wire.fhir.scopes import covers
from gateway.wire.fhir.token_check import TokenTrust, read_token
from gateway.wire.fhir.token_claims import TokenClaims
from gateway.wire.fhir.tokens import (
    REASONS,
    TOKEN_CLAIMS,
    TokenForm,
    TokenPolicy,
    TokenSigner,
    mint_token,
)
from gateway.wire.saml import CLASS, Claim, Kind, organisation_of, rules_for
from gateway.wire.saml_context import AcceptedAssertion, read_assertions

SCHEME = "Bearer"
REALM = "ncp"
UNAUTHORISED = 401
UNKNOWN_COUNTRY = "XX"
UNSPECIFIED = CLASS + "unspecified"

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)
_NAMES = {place.claim: place.name for place in TOKEN_CLAIMS}

# The error of the WWW-Authenticate header; a refusal that is not here is answered without a
# header unless its status is 401, which demands one (RFC 9110 15.5.2).
CHALLENGES: dict[Refusal, str] = {
    Refusal.NO_ASSERTION: "",
    Refusal.ASSERTION_MALFORMED: "invalid_token",
    Refusal.ASSERTION_INCOMPLETE: "invalid_token",
    Refusal.ASSERTION_NOT_VALID_NOW: "invalid_token",
    Refusal.WRONG_AUDIENCE: "invalid_token",
    Refusal.SIGNATURE_INVALID: "invalid_token",
    Refusal.ASSERTION_REUSED: "invalid_token",
    Refusal.ATTRIBUTES_MISSING: "insufficient_scope",
    Refusal.ATTRIBUTES_INVALID: "insufficient_scope",
    Refusal.WEAK_AUTHENTICATION: "insufficient_user_authentication",
    Refusal.INSUFFICIENT_RIGHTS: "insufficient_scope",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedToken:
    """Who asks, and what the log against reuse must know of the token that says so.

    `beside` are further assertions of the same token, each of which is a use of its own;
    `single_use` is what the token itself says of that.
    """

    context: CallContext
    token_id: str
    subject: str
    expires: datetime
    single_use: bool = False
    beside: tuple[AcceptedAssertion, ...] = ()


def attach_context(
    context: CallContext,
    signer: TokenSigner,
    *,
    now: datetime,
    new_id: Callable[[], str],
    country: str = "",
    audience: str,
    client_fingerprint: str,
    scope: str,
) -> str:
    """The value of the Authorization header that says who asks.

    `new_id` gives a unique text for the token, and one for the treatment relation where the call
    has one; `country` is by default that of the signer's certificate. The rest as `mint_token`.
    """
    related = context.relation is TreatmentRelation.TRC and context.patient is not None
    token = mint_token(
        context,
        signer,
        now=now,
        token_id=new_id(),
        relation_id=new_id() if related else "",
        audience=audience,
        client_fingerprint=client_fingerprint,
        country=country or signer.country or UNKNOWN_COUNTRY,
        scope=scope,
    )
    return f"{SCHEME} {token}"


def read_context(
    header_values: Sequence[str],
    trust: TokenTrust,
    policy: TokenPolicy,
    *,
    now: datetime,
    caller: Caller,
    correlation_id: str,
    answering: CommunityId,
    patient_specific: bool,
    scopes: frozenset[str],
) -> AcceptedToken:
    """Who asks, from a verified token only; NotAllowed names the first row that failed.

    `header_values` are all Authorization headers of the request; `scopes` are those of which one
    is enough for the interaction (`scopes.covers`). `patient_specific` is False only for
    interactions that come before a patient is known; a treatment relation that is sent
    nevertheless is checked like any other.
    """
    text = _bearer(header_values)
    if policy.form is not TokenForm.IUA:
        return _of_assertions(
            text,
            trust,
            policy,
            now=now,
            caller=caller,
            correlation_id=correlation_id,
            answering=answering,
            patient_specific=patient_specific,
        )
    claims = read_token(
        text,
        trust,
        now=now,
        policy=policy,
        answering=answering,
        fingerprint=caller.fingerprint,
    )
    authentication = _authentication(claims, policy, now)
    if not covers(claims.scope, scopes):
        raise NotAllowed(
            Refusal.INSUFFICIENT_RIGHTS,
            f"the scope of the token covers none of {', '.join(sorted(scopes))}",
        )
    _check_attributes(claims, policy)
    asking, purpose = _home(claims), _purpose(claims, policy)
    patient = _patient(claims, policy)
    _check_relation(claims, policy, patient, patient_specific=patient_specific)
    relation = TreatmentRelation.NONE
    if claims.treatment is not None:
        relation = TreatmentRelation.TRC
    elif patient is not None:
        relation = TreatmentRelation.RESOURCE_ID
    if claims.expires is None:
        raise _refuse(Refusal.ASSERTION_INCOMPLETE, "it lacks exp")
    return AcceptedToken(
        context=CallContext(
            correlation_id=correlation_id,
            asking=asking,
            answering=answering,
            professional=_professional(claims),
            purpose=purpose,
            authentication=authentication,
            patient=patient,
            relation=relation,
            caller=caller,
            assertion_ids=_ids(claims),
            issuer=claims.issuer,
        ),
        token_id=claims.id,
        subject=claims.subject,
        expires=claims.expires,
    )


def _of_assertions(
    text: str,
    trust: TokenTrust,
    policy: TokenPolicy,
    *,
    now: datetime,
    caller: Caller,
    correlation_id: str,
    answering: CommunityId,
    patient_specific: bool,
) -> AcceptedToken:
    """Who asks, from the assertions a token carries."""
    elements = (
        read_sealed(text, policy, now=now)
        if policy.form is TokenForm.OPENNCP
        else read_single(text)
    )
    refused: NotAllowed | None = None
    try:
        read = read_assertions(
            elements,
            trust.certificates,
            policy.assertions,
            now=now,
            caller=caller,
            correlation_id=correlation_id,
            answering=answering,
            patient_specific=patient_specific,
        )
    except NotAllowed as error:
        # Its causes quote what was sent; of a token nothing is told.
        refused = NotAllowed(error.refusal, error.text, subject=error.subject)
    if refused is not None:
        raise refused
    first, *others = read.assertions
    return AcceptedToken(
        context=read.context,
        token_id=first.id,
        subject=first.subject,
        expires=first.expires,
        single_use=first.single_use,
        beside=tuple(others),
    )


def write_challenge(
    refusal: Refusal, scopes: frozenset[str] = frozenset(), *, status: int = 0
) -> str:
    """The WWW-Authenticate header of a refusal, "" where none is due (RFC 6750 section 3).

    `status` is what the refusal is answered with: no 401 goes without.
    """
    if refusal not in CHALLENGES and status != UNAUTHORISED:
        return ""
    error = CHALLENGES.get(refusal, "insufficient_scope")
    parameters = [f'realm="{REALM}"']
    if error:
        parameters.append(f'error="{error}"')
    if refusal is Refusal.INSUFFICIENT_RIGHTS and scopes:
        parameters.append(f'scope="{" ".join(sorted(scopes))}"')
    return f"{SCHEME} {', '.join(parameters)}"


def _bearer(header_values: Sequence[str]) -> str:
    if not header_values:
        raise NotAllowed(Refusal.NO_ASSERTION, "no token says who asks")
    if len(header_values) > 1:
        raise NotAllowed(Refusal.NO_ASSERTION, "several Authorization headers say who asks")
    match = _BEARER.fullmatch(header_values[0].strip(" \t"))
    if match is None:
        raise NotAllowed(
            Refusal.NO_ASSERTION, "the Authorization header is not of the form Bearer, token"
        )
    return match[1]


def _refuse(refusal: Refusal, text: str) -> NotAllowed:
    return NotAllowed(refusal, f"the token: {text}")


def _authentication(claims: TokenClaims, policy: TokenPolicy, now: datetime) -> Authentication:
    latest = now + timedelta(seconds=policy.assertions.skew_seconds)
    allowed = policy.assertions.authentication_methods
    at = claims.authenticated_at
    if at is not None and at > latest:
        raise _refuse(Refusal.WEAK_AUTHENTICATION, "the time of authentication is not valid")
    if allowed and (at is None or not claims.authentication):
        raise _refuse(Refusal.WEAK_AUTHENTICATION, "auth_time and acr must state how it was proved")
    if allowed and claims.authentication not in allowed:
        raise _refuse(Refusal.WEAK_AUTHENTICATION, "the means of authentication is not accepted")
    at = at or claims.issued
    if at is None:
        raise _refuse(Refusal.ASSERTION_INCOMPLETE, "it lacks iat")
    return Authentication(at=at, method=claims.authentication or UNSPECIFIED)


def _check_attributes(claims: TokenClaims, policy: TokenPolicy) -> None:
    demanded = policy.assertions.relation is TreatmentRelation.TRC
    kind = Kind.HCP if demanded else claims.kind
    missing = [
        _NAMES[rule.claim]
        for rule in rules_for(kind)
        if kind in rule.required
        and not claims.first(rule.claim)
        and not any(code.value for code in claims.codes.get(rule.claim, ()))
    ]
    if missing:
        raise _refuse(Refusal.ATTRIBUTES_MISSING, f"missing claim {', '.join(missing)}")
    for claim, codes in claims.codes.items():
        if len(codes) > 1:
            raise _refuse(Refusal.ATTRIBUTES_INVALID, f"a second value of {_NAMES[claim]}")
    role, roles = claims.codes[Claim.ROLE][0], policy.assertions.roles
    if roles and not any(role.means(known) for known in roles):
        raise _refuse(Refusal.ATTRIBUTES_INVALID, "the role is not one of those agreed")
    facility, types = claims.first(Claim.FACILITY), policy.assertions.facility_types
    if facility and types and facility not in types:
        raise _refuse(Refusal.ATTRIBUTES_INVALID, "the facility type is not one of those agreed")


def _home(claims: TokenClaims) -> CommunityId:
    home: CommunityId | None = None
    try:
        home = CommunityId.parse(claims.first(Claim.HOME))
    except InvalidIdentifier:
        home = None
    if home is None:
        raise _refuse(Refusal.ATTRIBUTES_INVALID, "the home community is not an OID")
    return home


def _purpose(claims: TokenClaims, policy: TokenPolicy) -> PurposeOfUse:
    code: Code = claims.codes[Claim.PURPOSE][0]
    accepted = policy.assertions.purposes
    agreed = {purpose for _, purpose in accepted}
    for known, purpose in (*accepted, *REASONS):
        if code.means(known) and purpose in agreed:
            return purpose
    raise _refuse(Refusal.ATTRIBUTES_INVALID, "the purpose of use is not one of those agreed")


def _patient(claims: TokenClaims, policy: TokenPolicy) -> PatientId | None:
    """The patient the token vouches for; its places must not name different ones."""
    treatment = claims.treatment
    plain = [
        _patient_id(text) for text in (claims.first(Claim.PATIENT), claims.consent_patient) if text
    ]
    if treatment is None:
        resource = policy.assertions.relation is TreatmentRelation.RESOURCE_ID
        # Only where a relation is demanded by the resource must the resource be a patient.
        if resource and None in plain:
            raise _refuse(
                Refusal.ATTRIBUTES_INVALID, "the patient is not of the form id^^^&oid&ISO"
            )
        named = {patient for patient in plain if patient is not None}
    else:
        related = _related(treatment.value, treatment.system)
        if related is None:
            raise _refuse(
                Refusal.ATTRIBUTES_INVALID,
                "the patient of the treatment relation is not an identifier under an OID",
            )
        named = {related, *(patient for patient in plain if patient is not None)}
    if len(named) > 1:
        raise _refuse(Refusal.TREATMENT_RELATION_MISMATCH, "it names several patients")
    return named.pop() if named else None


def _patient_id(text: str) -> PatientId | None:
    # A patient may also be named by an address, which says nothing to us.
    try:
        return PatientId.parse_cx(text)
    except InvalidIdentifier:
        return None


def _related(value: str, system: str) -> PatientId | None:
    try:
        return PatientId(value, Oid.parse(system))
    except InvalidIdentifier:
        return None


def _check_relation(
    claims: TokenClaims,
    policy: TokenPolicy,
    patient: PatientId | None,
    *,
    patient_specific: bool,
) -> None:
    absent = {
        TreatmentRelation.TRC: claims.treatment is None,
        TreatmentRelation.RESOURCE_ID: patient is None,
        TreatmentRelation.NONE: False,
    }
    if patient_specific and absent[policy.assertions.relation]:
        raise _refuse(Refusal.NO_TREATMENT_RELATION, "nothing confirms a treatment relation")


def _ids(claims: TokenClaims) -> tuple[str, ...]:
    if claims.treatment is None or claims.treatment.id == claims.id:
        return (claims.id,)
    return (claims.id, claims.treatment.id)


def _professional(claims: TokenClaims) -> HealthProfessional:
    return HealthProfessional(
        id=claims.subject,
        # One text names the person; nobody says where the family name begins.
        name=HumanName(family=claims.first(Claim.SUBJECT)),
        role=claims.codes[Claim.ROLE][0],
        organisation=organisation_of(
            claims.first(Claim.ORGANISATION), claims.first(Claim.ORGANISATION_ID)
        ),
        facility_type=claims.first(Claim.FACILITY),
        locality=claims.first(Claim.LOCALITY),
        permissions=claims.texts[Claim.PERMISSIONS],
        speciality=claims.first(Claim.SPECIALITY),
    )
