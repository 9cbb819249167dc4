"""Tokens in an Authorization header: what is accepted, and what is refused row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from gateway.domain import (
    CallContext,
    Caller,
    Code,
    NotAllowed,
    Organisation,
    PatientId,
    PurposeOfUse,
    Refusal,
    TreatmentRelation,
)
from gateway.domain.codes import ISCO
from gateway.domain.ids import Oid
from gateway.wire.fhir.refusals import status_of
from gateway.wire.fhir.security import (
    UNSPECIFIED,
    attach_context,
    read_context,
    write_challenge,
)
from gateway.wire.fhir.tokens import TokenPolicy
from gateway.wire.saml import BEARER, SENDER_VOUCHES, AssertionPolicy
from gateway.wire.soap import security as soap
from tests.builders import COUNTRY_A, NOON, PATIENT, make_context, make_professional
from tests.wire.fhir.minted import (
    BASE,
    CALLER,
    FINGERPRINT,
    NEEDED,
    POLICY,
    SCOPE,
    TRC,
    domain,
    edited,
    minted,
    new_ids,
    policy,
    read,
    refusal,
    refused,
    signer,
    trust,
)
from tests.wire.soap.headers import envelope

RESOURCE = policy(relation=TreatmentRelation.RESOURCE_ID)
NONE = policy(relation=TreatmentRelation.NONE)
IDENTITY = replace(TRC, patient=None)
PLAIN = make_context(relation=TreatmentRelation.RESOURCE_ID)


def attached(context: CallContext = TRC, **changes: Any) -> str:
    options: dict[str, Any] = {
        "now": NOON,
        "new_id": new_ids(),
        "audience": BASE,
        "client_fingerprint": FINGERPRINT,
        "scope": SCOPE,
    }
    return attach_context(context, signer(), **(options | changes))


# --- what is accepted


def test_what_we_attach_is_what_the_receiver_reads() -> None:
    """Round trip: identity and treatment relation, everything in the context."""
    found = read(header=attached())

    context = found.context
    # One text names the person, so the parts of the name are not told apart.
    assert context.professional.name.full == TRC.professional.name.full
    assert replace(context.professional, name=TRC.professional.name) == TRC.professional
    assert replace(context, professional=TRC.professional, caller=Caller(), assertion_ids=()) == TRC
    assert context.caller == CALLER
    assert context.assertion_ids == (
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-4000-8000-000000000002",
    )
    assert (found.token_id, found.subject) == (context.assertion_ids[0], "hcp-77")
    assert found.expires == NOON + timedelta(minutes=5)


def test_before_identification_the_identity_stands_alone() -> None:
    """Without a patient there is no treatment relation to send or to demand."""
    found = read(header=attached(IDENTITY), patient_specific=False)

    assert found.context.patient is None
    assert found.context.relation is TreatmentRelation.NONE
    assert len(found.context.assertion_ids) == 1


def test_a_plain_token_says_both() -> None:
    """Where the peer's relation is the resource, the patient in the token is enough."""
    header = attached(PLAIN)

    found = read(header=header, policy=RESOURCE)

    assert found.context.patient == PATIENT
    assert found.context.relation is TreatmentRelation.RESOURCE_ID
    assert read(header=header, policy=NONE).context.patient == PATIENT
    assert refused(header=header) is Refusal.NO_TREATMENT_RELATION


def test_a_token_of_plain_iua_is_accepted_where_no_identity_assertion_is_demanded() -> None:
    """Facility, locality and permissions are ours; who demands TRC demands them."""
    token = edited(lambda payload: payload["extensions"].pop("ncp"), PLAIN)

    professional = read(token, policy=RESOURCE).context.professional

    assert (professional.facility_type, professional.permissions) == ("", ())
    assert refused(token) is Refusal.ATTRIBUTES_MISSING


@pytest.mark.parametrize(
    "organisation",
    [
        Organisation(name="H", id="7", authority="2.999.4"),
        Organisation(name="H", authority="2.999.4"),
        Organisation(name="H", id="their-own"),
        Organisation(name=""),
    ],
)
def test_an_organisation_survives_the_border(organisation: Organisation) -> None:
    """With an authority, without, by OID alone, not at all."""
    who = replace(TRC.professional, organisation=organisation, speciality="Radiology")

    professional = read(header=attached(replace(TRC, professional=who))).context.professional

    assert professional.organisation == organisation
    assert professional.speciality == "Radiology"


@pytest.mark.parametrize(
    ("code", "system", "purpose"),
    [
        ("TREAT", "http://terminology.hl7.org/CodeSystem/v3-ActReason", PurposeOfUse.TREATMENT),
        ("ETREAT", "urn:oid:2.16.840.1.113883.5.8", PurposeOfUse.EMERGENCY),
        ("BTG", "http://terminology.hl7.org/CodeSystem/v3-ActReason", PurposeOfUse.EMERGENCY),
        ("TREATMENT", "3bc18518-d305-46c2-a8d6-94bd59856e9e", PurposeOfUse.TREATMENT),
        ("EMERGENCY", "urn:oid:2.16.840.1.113883.3.18.7.1", PurposeOfUse.EMERGENCY),
    ],
)
def test_the_purposes_of_all_guides_are_understood(
    code: str, system: str, purpose: PurposeOfUse
) -> None:
    """Those of FHIR and those of the assertions."""
    coding = {"code": code, "system": system}

    token = edited(lambda payload: payload["extensions"]["ihe_iua"].update(purpose_of_use=[coding]))
    bare = edited(lambda payload: payload["extensions"]["ihe_iua"].update(purpose_of_use=coding))

    assert read(token).context.purpose is purpose
    assert read(bare).context.purpose is purpose


def test_a_purpose_that_is_not_agreed_is_not_agreed_in_other_words_either() -> None:
    """A peer that may not ask in an emergency may not break the glass."""
    calm = policy(
        purposes=tuple(
            pair for pair in AssertionPolicy().purposes if pair[1] is PurposeOfUse.TREATMENT
        )
    )

    assert read(minted(), policy=calm).context.purpose is PurposeOfUse.TREATMENT
    emergency = minted(replace(TRC, purpose=PurposeOfUse.EMERGENCY))
    assert refused(emergency, policy=calm) is Refusal.ATTRIBUTES_INVALID


def test_the_country_is_by_default_that_of_the_seal() -> None:
    """As for assertions."""
    assert read(header=attached()).context.issuer == "urn:idp:XB:countryB"


# --- row 2: the header


def test_row_2_without_a_header_nobody_asks() -> None:
    """The answer says how to ask."""
    assert refused() is Refusal.NO_ASSERTION


def test_row_2_of_several_headers_none_counts() -> None:
    """Two servers might each believe another one."""
    assert refused(minted(), minted()) is Refusal.NO_ASSERTION


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "BearerX {0}", "{0}", "Bearer {0} x"]
)
def test_row_2_another_scheme_is_refused(header: str) -> None:
    """One scheme, one value."""
    assert refused(header=header.format(minted())) is Refusal.NO_ASSERTION


@pytest.mark.parametrize("header", ["bearer {0}", "BEARER {0}", "Bearer   {0}", " Bearer {0}\t"])
def test_row_2_the_name_of_the_scheme_is_written_anyhow(header: str) -> None:
    """RFC 9110 section 11.1."""
    assert read(header=header.format(minted())).subject == "hcp-77"


def test_row_2_two_tokens_in_one_header_are_no_token() -> None:
    """What a proxy makes of two headers."""
    token = minted()

    assert refused(header=f"Bearer {token}, Bearer {token}") is Refusal.NO_ASSERTION
    assert refused(header=f"Bearer {token},{token}") is Refusal.ASSERTION_MALFORMED


# --- row 7: what the log of uses must know


def test_row_7_the_log_of_uses_learns_what_it_needs() -> None:
    """Whose token it was, and until when it could be used again."""
    found = read(minted(seconds=600))

    assert (found.token_id, found.subject) == ("token-1", "hcp-77")
    assert found.expires == NOON + timedelta(minutes=10)


# --- row 8: authentication and scope


@pytest.mark.parametrize(
    "changes",
    [
        {"acr": ""},
        {"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
        {"auth_time": int(NOON.timestamp()) + 61},
    ],
)
def test_a_weak_authentication_is_refused(changes: dict[str, Any]) -> None:
    """Not stated, a password, to come."""
    token = edited(lambda payload: payload.update(changes))

    assert refused(token) is Refusal.WEAK_AUTHENTICATION


def test_where_any_means_is_accepted_it_need_not_be_stated() -> None:
    """IUA does not ask for it; then the token was issued when somebody was authenticated."""

    def silent(payload: dict[str, Any]) -> None:
        del payload["acr"], payload["auth_time"]

    found = read(edited(silent), policy=policy(authentication_methods=()))

    assert found.context.authentication.method == UNSPECIFIED
    assert found.context.authentication.at == NOON


@pytest.mark.parametrize("scope", ["ITI-67", "system/DocumentReference.rs", "x system/*.read"])
def test_row_8_a_scope_of_either_vocabulary_is_enough(scope: str) -> None:
    """The transaction or the resource."""
    assert read(minted(scope=scope)).subject == "hcp-77"


def test_row_8_a_missing_scope_is_refused() -> None:
    """And a token without any, and one for an interaction that nobody described."""
    assert refused(minted(scope="ITI-68 ITI-6 ITI-671")) is Refusal.INSUFFICIENT_RIGHTS
    assert refused(edited(lambda payload: payload.pop("scope"))) is Refusal.INSUFFICIENT_RIGHTS
    assert refused(minted(), scopes=frozenset()) is Refusal.INSUFFICIENT_RIGHTS


# --- row 9: claims


@pytest.mark.parametrize(
    ("extension", "name"),
    [
        ("ihe_iua", "home_community_id"),
        ("ihe_iua", "subject_name"),
        ("ihe_iua", "subject_role"),
        ("ihe_iua", "purpose_of_use"),
        ("ncp", "facility_type"),
        ("ncp", "locality"),
        ("ncp", "permissions"),
    ],
)
def test_row_9_a_required_claim_must_be_there(extension: str, name: str) -> None:
    """It is named, so that it can be put right."""
    found = refusal(edited(lambda payload: payload["extensions"][extension].pop(name)))

    assert found.refusal is Refusal.ATTRIBUTES_MISSING
    assert name in found.text


@pytest.mark.parametrize(
    ("extension", "name", "value"),
    [
        ("ihe_iua", "home_community_id", "home"),
        ("ihe_iua", "subject_role", [{"code": "1", "system": ISCO}]),
        ("ihe_iua", "subject_role", [{"code": "221", "system": ISCO}] * 2),
        ("ihe_iua", "purpose_of_use", [{"code": "MARKETING", "system": "x"}]),
        ("ihe_iua", "purpose_of_use", [{"code": "TREAT"}]),
        ("ncp", "facility_type", "Circus"),
    ],
)
def test_row_9_a_claim_must_be_of_its_value_set(extension: str, name: str, value: Any) -> None:
    """And be there once."""
    token = edited(lambda payload: payload["extensions"][extension].update({name: value}))

    assert refused(token) is Refusal.ATTRIBUTES_INVALID


def test_row_9_where_any_role_or_facility_is_agreed_any_is_accepted() -> None:
    """The agreements are the peer's policy."""
    who = make_professional(role=Code("any", "their own"), facility_type="Circus")
    token = minted(replace(TRC, professional=who))

    found = read(token, policy=policy(roles=(), facility_types=()))

    assert found.context.professional.role == Code("any", "their own")


# --- rows 10 and 11: the treatment relation


def test_row_10_without_a_treatment_token_a_patient_is_not_asked_about() -> None:
    """Where the interaction is about one patient and the policy demands a relation."""
    assert refused(minted(IDENTITY)) is Refusal.NO_TREATMENT_RELATION
    assert refused(minted(PLAIN)) is Refusal.NO_TREATMENT_RELATION
    assert refused(minted(IDENTITY), policy=RESOURCE) is Refusal.NO_TREATMENT_RELATION
    assert read(minted(IDENTITY), patient_specific=False).context.patient is None
    assert read(minted(IDENTITY), policy=NONE).context.patient is None


def test_row_11_the_patient_of_the_token_is_what_requests_are_compared_with() -> None:
    """A token for another patient says so."""
    other = PatientId("B-2", Oid("2.999.9"))

    context = read(minted(replace(TRC, patient=other))).context

    assert context.patient == other
    assert context.relation is TreatmentRelation.TRC


@pytest.mark.parametrize(
    ("extension", "name"), [("ihe_iua", "person_id"), ("ihe_bppc", "patient_id")]
)
def test_row_11_a_token_names_one_patient(extension: str, name: str) -> None:
    """Of two patients nobody knows which was meant."""
    edit = {name: "B-2^^^&2.999.9&ISO"}

    def change(payload: dict[str, Any]) -> None:
        payload["extensions"][extension].update(edit)

    assert refused(edited(change)) is Refusal.TREATMENT_RELATION_MISMATCH
    assert refused(edited(change, PLAIN), policy=RESOURCE) is Refusal.TREATMENT_RELATION_MISMATCH


def test_row_11_a_patient_by_address_says_nothing_beside_a_relation() -> None:
    """IUA allows an address; the relation names the patient all the same."""
    url = {"person_id": "https://b.example/fhir/Patient/1"}

    def change(payload: dict[str, Any]) -> None:
        payload["extensions"]["ihe_iua"].update(url)
        payload["extensions"].pop("ihe_bppc")

    assert read(edited(change)).context.patient == PATIENT
    assert read(edited(change, PLAIN), policy=NONE).context.patient is None
    assert refused(edited(change, PLAIN), policy=RESOURCE) is Refusal.ATTRIBUTES_INVALID


@pytest.mark.parametrize(
    "patient",
    [{}, {"value": "A-0001"}, {"system": "x", "value": "A"}, {"system": "2.999.1", "value": "a^b"}],
)
def test_row_11_the_patient_of_a_relation_is_an_identifier(patient: dict[str, str]) -> None:
    """A value under an OID."""
    token = edited(lambda payload: payload["extensions"]["ncp"]["trc"].update(patient=patient))

    assert refused(token) is Refusal.ATTRIBUTES_INVALID


# --- the same decisions on both wires

_WHO = TRC.professional
_CASES: dict[str, CallContext] = {
    "flawless": TRC,
    "emergency": replace(TRC, purpose=PurposeOfUse.EMERGENCY),
    "no treatment relation": IDENTITY,
    "weak authentication": replace(
        TRC, authentication=replace(TRC.authentication, method="password")
    ),
    "authentication to come": replace(
        TRC, authentication=replace(TRC.authentication, at=NOON + timedelta(minutes=2))
    ),
    "unknown role": replace(TRC, professional=replace(_WHO, role=Code("1", ISCO))),
    "unknown facility": replace(TRC, professional=replace(_WHO, facility_type="Circus")),
    "no facility": replace(TRC, professional=replace(_WHO, facility_type="")),
    "no locality": replace(TRC, professional=replace(_WHO, locality="")),
    "no permissions": replace(TRC, professional=replace(_WHO, permissions=())),
    "no subject": replace(TRC, professional=replace(_WHO, id="")),
    "no name": replace(
        TRC, professional=replace(_WHO, name=replace(_WHO.name, family="", given=()))
    ),
}


@pytest.mark.parametrize("case", sorted(_CASES))
def test_a_token_is_judged_as_assertions_are(case: str) -> None:
    """The same call, both wires, the same decision: about a patient or not, by every relation."""
    header = envelope(soap.attach_context(_CASES[case], signer().seal, now=NOON, new_id=new_ids()))
    token = attached(_CASES[case])

    for specific, relation in product((True, False), TreatmentRelation):
        rules = AssertionPolicy(relation=relation)
        options: dict[str, Any] = {
            "now": NOON,
            "caller": CALLER,
            "correlation_id": "corr-1",
            "answering": COUNTRY_A,
            "patient_specific": specific,
        }
        tokens = TokenPolicy(audiences=(BASE,), assertions=rules)

        by_assertion = _judged(soap.read_context, header, domain().trust_store, rules, **options)
        by_token = _judged(read_context, [token], trust(), tokens, scopes=NEEDED, **options)

        assert by_token == by_assertion, (specific, relation)


def _judged(read_it: Callable[..., Any], *given: object, **options: Any) -> CallContext | Refusal:
    try:
        context: CallContext = read_it(*given, **options).context
    except NotAllowed as refused:
        return refused.refusal
    return replace(context, assertion_ids=())


def test_the_confirmation_methods_of_assertions_have_no_part_in_tokens() -> None:
    """A token is bound by its own claim."""
    for methods in ((BEARER,), (SENDER_VOUCHES,), ()):
        assert read(minted(), policy=policy(confirmation_methods=methods)).subject == "hcp-77"


# --- what is answered


def test_who_brings_no_token_is_told_how_to_ask() -> None:
    """RFC 6750 section 3.1: without an error, since none was made."""
    assert write_challenge(Refusal.NO_ASSERTION) == 'Bearer realm="ncp"'


def test_a_challenge_says_what_was_wrong() -> None:
    """The token, or what it may be used for."""
    assert write_challenge(Refusal.SIGNATURE_INVALID, NEEDED) == (
        'Bearer realm="ncp", error="invalid_token"'
    )
    assert write_challenge(Refusal.INSUFFICIENT_RIGHTS, NEEDED) == (
        'Bearer realm="ncp", error="insufficient_scope", scope="ITI-67 system/DocumentReference.s"'
    )


def test_only_what_another_token_would_cure_is_challenged() -> None:
    """A missing relation or consent is not an error of the token."""
    assert write_challenge(Refusal.NO_CONSENT) == ""
    assert write_challenge(Refusal.NO_TREATMENT_RELATION) == ""


@pytest.mark.parametrize("refusal", [one for one in Refusal if status_of(one) == 401])
def test_whatever_is_answered_401_is_challenged(refusal: Refusal) -> None:
    """RFC 9110 section 15.5.2: the answer says how to ask."""
    assert write_challenge(refusal).startswith("Bearer realm=")


def test_the_policy_of_the_tests_is_the_default() -> None:
    """Otherwise the rows above would prove less than they seem to."""
    assert replace(POLICY, audiences=()) == TokenPolicy()
