"""The check list of a receiver, row by row, over what signed assertions say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain import (
    Code,
    NotAllowed,
    PatientId,
    PurposeOfUse,
    Refusal,
    TreatmentRelation,
)
from gateway.domain.codes import ISCO
from gateway.domain.ids import Oid
from gateway.wire.saml import (
    AUDIENCE,
    BEARER,
    CLASS,
    OLD_PURPOSES,
    PREVIOUS_SESSION,
    PURPOSES,
    SENDER_VOUCHES,
    AssertionPolicy,
    Claim,
    Kind,
    rules_for,
)
from gateway.wire.saml_check import Evidence, check, home_of, patient_of, purpose_of
from gateway.wire.saml_claims import Authn, Claims, Confirmation, Value

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATIENT = "A-1^^^&2.999.1.2&ISO"
POLICY = AssertionPolicy()


def coded(value: str, scheme: str) -> tuple[Value, ...]:
    return (Value("", Code(value, scheme)),)


HCP = Claims(
    kind=Kind.HCP,
    id="_hcp",
    version="2.0",
    issued=NOW,
    issuer="urn:idp:XB:countryB",
    subject="doctor",
    confirmations=(Confirmation(method=SENDER_VOUCHES),),
    has_conditions=True,
    not_before=NOW,
    not_on_or_after=NOW + timedelta(hours=4),
    audiences=((AUDIENCE,),),
    single_use=False,
    unknown_conditions=(),
    references=(),
    authentications=(Authn(at=NOW, contexts=1, classes=(CLASS + "SmartcardPKI",)),),
    values={
        Claim.HOME: (Value("urn:oid:2.999.2.1"),),
        Claim.SUBJECT: (Value("Maja Lindqvist"),),
        Claim.ROLE: coded("221", ISCO),
        Claim.FACILITY: (Value("Hospital"),),
        Claim.PURPOSE: coded("TREATMENT", PURPOSES),
        Claim.LOCALITY: (Value("Teaching Hospital"),),
        Claim.PERMISSIONS: (Value("PRD-003"), Value("PRD-006")),
    },
)
TRC = replace(
    HCP,
    kind=Kind.TRC,
    id="_trc",
    not_on_or_after=NOW + timedelta(hours=2),
    references=("_hcp",),
    authentications=(Authn(at=NOW, contexts=1, classes=(PREVIOUS_SESSION,)),),
    values={
        Claim.PATIENT: (Value(PATIENT),),
        Claim.PURPOSE: coded("TREATMENT", PURPOSES),
    },
)


def run(
    identity: Claims = HCP,
    treatment: Claims | None = TRC,
    *,
    policy: AssertionPolicy = POLICY,
    now: datetime = NOW,
    patient_specific: bool = True,
) -> Evidence:
    evidence = Evidence(identity=identity, treatment=treatment, patient_specific=patient_specific)
    check(evidence, policy, now)
    return evidence


def refused(*assertions: Any, **options: Any) -> Refusal:
    with pytest.raises(NotAllowed) as caught:
        run(*assertions, **options)
    return caught.value.refusal


def saying(claims: Claims, claim: Claim, *values: Value) -> Claims:
    return replace(claims, values={**claims.values, claim: values})


def test_good_assertions_pass() -> None:
    """Identity and treatment relation, tied together, in time, for us."""
    evidence = run()

    assert patient_of(evidence, POLICY) == PatientId("A-1", Oid("2.999.1.2"))
    assert purpose_of(evidence, POLICY) is PurposeOfUse.TREATMENT
    assert home_of(HCP) == "2.999.2.1"


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1.1"},
        {"version": ""},
        {"id": ""},
        {"issued": None},
        {"issuer": ""},
        {"subject": ""},
        {"not_before": None},
        {"not_on_or_after": None},
        {"confirmations": ()},
        {"confirmations": (Confirmation(method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),)},
    ],
)
@pytest.mark.parametrize("kind", [Kind.HCP, Kind.TRC])
def test_row_3_what_is_indispensable_must_be_there(kind: Kind, change: dict[str, Any]) -> None:
    """Version, ID, times, issuer, subject, a confirmation we accept."""
    pair = {Kind.HCP: HCP, Kind.TRC: TRC}
    pair[kind] = replace(pair[kind], **change)

    assert refused(*pair.values()) is Refusal.ASSERTION_INCOMPLETE


@pytest.mark.parametrize(
    ("seconds", "passes"),
    [(-61, False), (-60, True), (0, True), (4 * 3600 + 59, True), (4 * 3600 + 60, False)],
)
def test_row_4_now_must_lie_within_the_conditions(seconds: int, passes: bool) -> None:
    """With one minute of difference between clocks, and not one second more."""
    now = NOW + timedelta(seconds=seconds)
    options: dict[str, Any] = {"now": now, "patient_specific": False}
    early = replace(HCP, issued=NOW - timedelta(hours=1), authentications=(_authn(-3600),))

    if passes:
        run(early, None, **options)
    else:
        assert refused(early, None, **options) is Refusal.ASSERTION_NOT_VALID_NOW


def _authn(seconds: int, method: str = CLASS + "SmartcardPKI") -> Authn:
    return Authn(at=NOW + timedelta(seconds=seconds), contexts=1, classes=(method,))


@pytest.mark.parametrize(
    "change",
    [
        {"not_on_or_after": NOW + timedelta(hours=4, seconds=1)},
        {"not_on_or_after": NOW},
        {"not_before": NOW + timedelta(hours=1), "not_on_or_after": NOW},
        {"issued": NOW + timedelta(seconds=61)},
        {"unknown_conditions": ("Condition",)},
        {"confirmations": (Confirmation(method=BEARER, until=NOW - timedelta(seconds=60)),)},
    ],
)
def test_row_4_the_span_and_the_times_must_make_sense(change: dict[str, Any]) -> None:
    """Too long, empty, reversed, issued tomorrow, under an unknown condition, run out."""
    assert refused(replace(HCP, **change)) is Refusal.ASSERTION_NOT_VALID_NOW


@pytest.mark.parametrize(
    "moment", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]
)
@pytest.mark.parametrize("name", ["not_before", "not_on_or_after", "issued"])
def test_row_4_the_ends_of_the_calendar_are_only_times(name: str, moment: datetime) -> None:
    """A peer's time may be the last there is; comparing it must not overflow."""
    until = Confirmation(method=SENDER_VOUCHES, until=moment)
    claims = replace(HCP, **{name: moment, "confirmations": (until,)})

    assert refused(claims) is Refusal.ASSERTION_NOT_VALID_NOW


def test_row_4_a_treatment_relation_lasts_two_hours() -> None:
    """Its limit is half that of the identity."""
    long = replace(TRC, not_on_or_after=NOW + timedelta(hours=2, seconds=1))

    assert refused(HCP, long) is Refusal.ASSERTION_NOT_VALID_NOW


@pytest.mark.parametrize(
    ("audiences", "passes"),
    [
        ((), True),
        (((AUDIENCE, "urn:other"),), True),
        ((("urn:other",),), False),
        (((AUDIENCE,), ("urn:other",)), False),
        (((),), False),
    ],
)
def test_row_5_a_named_audience_must_be_ours(
    audiences: tuple[tuple[str, ...], ...], passes: bool
) -> None:
    """Absent is accepted (a live tool leaves it out); every restriction counts."""
    claims = replace(HCP, audiences=audiences)

    if passes:
        run(claims)
    else:
        assert refused(claims) is Refusal.WRONG_AUDIENCE


def test_row_5_a_peer_may_be_held_to_naming_an_audience() -> None:
    """IHE XUA demands the restriction; the policy of the peer says so."""
    policy = AssertionPolicy(audience_required=True)

    assert refused(replace(HCP, audiences=()), policy=policy) is Refusal.WRONG_AUDIENCE


@pytest.mark.parametrize(
    "authentications",
    [
        (),
        (_authn(0), _authn(0)),
        (Authn(at=NOW, contexts=0, classes=()),),
        (Authn(at=NOW, contexts=2, classes=(CLASS + "X509", CLASS + "X509")),),
        (Authn(at=NOW, contexts=1, classes=(CLASS + "X509", CLASS + "X509")),),
        (Authn(at=NOW, contexts=1, classes=()),),
        (Authn(at=None, contexts=1, classes=(CLASS + "X509",)),),
        (_authn(61),),
        (_authn(0, CLASS + "Password"),),
        (_authn(0, CLASS + "PasswordProtectedTransport"),),
        (_authn(0, CLASS + "unspecified"),),
        (_authn(0, PREVIOUS_SESSION),),
    ],
)
def test_row_6_one_strong_authentication_must_be_stated(
    authentications: tuple[Authn, ...],
) -> None:
    """None, two, a second context, no time, a future time, a password: each is refused."""
    claims = replace(HCP, authentications=authentications)

    assert refused(claims) is Refusal.WEAK_AUTHENTICATION


@pytest.mark.parametrize("kind", [Kind.HCP, Kind.TRC, Kind.XUA])
def test_row_8_each_required_attribute_must_be_there(kind: Kind) -> None:
    """Leaving out any one of them is refused, and so is leaving it empty."""
    policy = AssertionPolicy(relation=TreatmentRelation.NONE)
    claims = TRC if kind is Kind.TRC else replace(HCP, kind=kind)
    required = [rule.claim for rule in rules_for(kind) if kind in rule.required]
    assert len(required) == {Kind.HCP: 7, Kind.TRC: 2, Kind.XUA: 4}[kind]

    for claim in required:
        without = replace(
            claims, values={key: value for key, value in claims.values.items() if key != claim}
        )
        for broken in (without, saying(claims, claim, Value("")), saying(claims, claim)):
            pair = (HCP, broken) if kind is Kind.TRC else (broken, None)
            assert refused(*pair, policy=policy) is Refusal.ATTRIBUTES_MISSING, claim


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        (Claim.ROLE, (*coded("221", ISCO), *coded("2221", ISCO))),
        (Claim.ROLE, (*coded("221", ISCO), *coded("221", ISCO))),
        (Claim.ROLE, coded("999", ISCO)),
        (Claim.ROLE, coded("221", "2.999")),
        (Claim.ROLE, (Value("physician"),)),
        (Claim.PURPOSE, (*coded("TREATMENT", PURPOSES), *coded("EMERGENCY", PURPOSES))),
        (Claim.PURPOSE, coded("MARKETING", PURPOSES)),
        (Claim.PURPOSE, coded("TREATMENT", "2.999")),
        (Claim.PURPOSE, (Value("TREATMENT"),)),
        (Claim.FACILITY, (Value("Spaceship"),)),
        (Claim.FACILITY, (Value("Hospital"), Value("Pharmacy"))),
        (Claim.HOME, (Value("Denmark"),)),
        (Claim.HOME, (Value("2.999.1"), Value("2.999.2"))),
        (Claim.SUBJECT, (Value("Maja"), Value("Somebody Else"))),
        (Claim.LOCALITY, (Value("here"), Value("there"))),
    ],
)
def test_row_8_values_must_be_single_and_of_their_set(
    claim: Claim, values: tuple[Value, ...]
) -> None:
    """A second role, a second purpose, a value nobody agreed on."""
    assert refused(saying(HCP, claim, *values)) is Refusal.ATTRIBUTES_INVALID


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        (Claim.PURPOSE, coded("EMERGENCY", OLD_PURPOSES)),
        (Claim.HOME, (Value("2.999.2.1"),)),
        (Claim.ORGANISATION, (Value("one"), Value("two"))),
        (Claim.PERMISSIONS, (Value("PRD-006"),)),
    ],
)
def test_row_8_variants_of_live_peers_pass(claim: Claim, values: tuple[Value, ...]) -> None:
    """The older code system, a bare OID, several organisations."""
    run(saying(HCP, claim, *values))


def test_row_8_an_empty_value_set_accepts_anything() -> None:
    """A peer outside the eHDSI profile has its own roles."""
    policy = AssertionPolicy(roles=(), facility_types=())

    run(
        saying(saying(HCP, Claim.ROLE, Value("physician")), Claim.FACILITY, Value("Ward")),
        policy=policy,
    )


@pytest.mark.parametrize(
    "patient", ["A-1", "A-1^^^2.999.1.2", "A-1^^^&bad&ISO", "^^^&2.999&ISO", "A-1^^^NS&2.999&ISO"]
)
def test_row_8_a_treatment_relation_to_nobody_readable_is_refused(patient: str) -> None:
    """The patient of a TRC must be an identifier with its authority."""
    assert refused(HCP, saying(TRC, Claim.PATIENT, Value(patient))) is Refusal.ATTRIBUTES_INVALID


def test_row_10_a_treatment_relation_must_be_there_once_a_patient_is_known() -> None:
    """Before identification there is none."""
    assert refused(HCP, None) is Refusal.NO_TREATMENT_RELATION
    run(HCP, None, patient_specific=False)


@pytest.mark.parametrize(
    "change",
    [
        {"references": ()},
        {"references": ("_another",)},
        {"references": ("_another", "_hcp")},
        {"subject": "somebody-else"},
    ],
)
@pytest.mark.parametrize("patient_specific", [True, False])
def test_row_10_a_treatment_relation_must_be_tied_to_the_identity(
    change: dict[str, Any], patient_specific: bool
) -> None:
    """Same subject, first reference to this identity, also where none would be needed."""
    refusal = refused(HCP, replace(TRC, **change), patient_specific=patient_specific)

    assert refusal is Refusal.TREATMENT_RELATION_MISMATCH


def test_row_10_a_resource_id_serves_where_the_peer_is_plain_xua() -> None:
    """One assertion with the patient, and a refusal without."""
    policy = AssertionPolicy(relation=TreatmentRelation.RESOURCE_ID)
    xua = replace(HCP, kind=Kind.XUA)
    named = saying(xua, Claim.PATIENT, Value(f" {PATIENT} ".strip()))

    evidence = run(named, None, policy=policy)

    assert patient_of(evidence, policy) == PatientId("A-1", Oid("2.999.1.2"))
    assert refused(xua, None, policy=policy) is Refusal.NO_TREATMENT_RELATION
    odd = saying(xua, Claim.PATIENT, Value("urn:some:resource"))
    assert refused(odd, None, policy=policy) is Refusal.ATTRIBUTES_INVALID


def test_row_10_nothing_is_demanded_where_the_policy_demands_nothing() -> None:
    """A resource that is not a patient then counts as none."""
    policy = AssertionPolicy(relation=TreatmentRelation.NONE)
    odd = saying(HCP, Claim.PATIENT, Value("urn:some:resource"))

    assert patient_of(run(odd, None, policy=policy), policy) is None


def test_the_lowest_row_names_the_refusal() -> None:
    """Across both assertions: an expired relation outweighs a wrong audience of the identity."""
    stranger = replace(HCP, audiences=(("urn:other",),))
    expired = replace(
        TRC, not_before=NOW - timedelta(hours=3), not_on_or_after=NOW - timedelta(hours=1)
    )
    unlinked = replace(TRC, references=())
    nobody = saying(HCP, Claim.ROLE, Value("x"))

    assert refused(stranger, expired) is Refusal.ASSERTION_NOT_VALID_NOW
    assert refused(stranger, unlinked) is Refusal.WRONG_AUDIENCE
    assert refused(nobody, unlinked) is Refusal.ATTRIBUTES_INVALID
    assert refused(replace(nobody, version="1.1"), unlinked) is Refusal.ASSERTION_INCOMPLETE


def test_the_purpose_of_the_treatment_relation_decides() -> None:
    """An emergency is declared for one patient, not for a working day."""
    emergency = saying(TRC, Claim.PURPOSE, *coded("EMERGENCY", PURPOSES))

    assert purpose_of(run(HCP, emergency), POLICY) is PurposeOfUse.EMERGENCY
    assert purpose_of(run(HCP, None, patient_specific=False), POLICY) is PurposeOfUse.TREATMENT


def test_a_refusal_names_the_assertion_and_no_person() -> None:
    """The text may be logged and sent; it holds no name and no identifier."""
    with pytest.raises(NotAllowed) as caught:
        run(HCP, saying(TRC, Claim.PATIENT, Value("secret-patient")))

    assert caught.value.subject == "trc"
    assert "secret" not in caught.value.text
