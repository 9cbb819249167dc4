"""A token from its text to claims: form, signature, time, addressee, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import RSAKey

from gateway.domain import Caller, Refusal
from gateway.wire.fhir.jwks import read_jwks, write_jwks
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy
from gateway.wire.trust import TrustStore
from tests.builders import COUNTRY_A, NOON
from tests.wire.fhir.minted import (
    BASE,
    CALLER,
    POLICY,
    TRC,
    bad_signer,
    by_hand,
    edited,
    header_of,
    minted,
    payload_of,
    policy,
    read,
    refusal,
    refused,
    signer,
    with_header,
)

ISSUER = "urn:idp:XB:countryB"
LATE = NOON + timedelta(minutes=5)
SKEW = timedelta(seconds=60)


# --- row 3: format and size


@pytest.mark.parametrize(
    "kind", ["IUA-JWT", "iua-jwt", "JWT", "at+jwt", "application/at+jwt"], ids=str
)
def test_row_3_the_types_in_use_are_accepted(kind: str) -> None:
    """IUA's example, the general one, and that of RFC 9068."""
    assert read(with_header(typ=kind)).subject == "hcp-77"


def test_row_3_a_token_without_a_type_is_accepted() -> None:
    """A type is optional in a JWT."""
    header = header_of(minted())
    del header["typ"]

    assert read(by_hand(header, payload_of(minted()))).subject == "hcp-77"


@pytest.mark.parametrize("kind", ["logout+jwt", "", 7, None, ["JWT"]])
def test_row_3_a_token_for_something_else_is_refused(kind: Any) -> None:
    """RFC 8725 section 3.11: kinds of tokens must not be mistaken for one another."""
    assert refused(with_header(typ=kind)) is Refusal.ASSERTION_MALFORMED


def of_size(characters: int) -> str:
    """A token of at most so many characters, and at most three fewer."""
    bare = edited(lambda payload: payload.update(HCP=""))
    filler = "A" * ((characters - len(bare)) // 4 * 3)
    token = edited(lambda payload: payload.update(HCP=filler))
    assert characters - 4 < len(token) <= characters
    return token


def test_row_3_a_token_of_32_kilobytes_is_accepted() -> None:
    """Whole assertions travel inside of tokens."""
    assert read(of_size(32 * 1024)).subject == "hcp-77"


def test_row_3_a_token_of_65_kilobytes_is_refused() -> None:
    """However well it is signed; 64 are the most."""
    assert read(of_size(64 * 1024)).subject == "hcp-77"
    assert refused(of_size(65 * 1024)) is Refusal.ASSERTION_MALFORMED


def test_row_3_padded_base64_is_refused() -> None:
    """A second text for the same token would slip past a log of uses."""
    head, body, signature = minted().split(".")

    assert refused(f"{head}.{body}=.{signature}") is Refusal.ASSERTION_MALFORMED
    assert refused(f"{head}.{body}.{signature}=") is Refusal.ASSERTION_MALFORMED


def test_row_3_base64_with_spare_bits_is_refused() -> None:
    """The last character of a signature of 64 bytes has four bits that mean nothing."""
    token = minted()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]

    assert refused(other) is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize(
    "shape",
    [
        "{0}.{1}.{2}.",
        ".{0}.{1}.{2}",
        "{0}.{1}",
        "{0}",
        "{0}..{2}",
        ".{1}.{2}",
        "..",
        "{0}.{1}.{2}.AAAA.AAAA",
        "{0}.{1}.{2}\u00e9",
        "{0}.{1}+.{2}",
        "{0}.A.{2}",
        "{0}.{1},{2}",
    ],
    ids=[
        "trailing dot",
        "leading dot",
        "two parts",
        "one part",
        "no payload",
        "no header",
        "dots",
        "five parts as of a JWE",
        "another alphabet",
        "standard base64",
        "half a byte",
        "a comma",
    ],
)
def test_row_3_what_is_no_compact_jws_is_refused(shape: str) -> None:
    """Three parts of base64url, and nothing around them."""
    token = shape.format(*minted().split("."))

    assert refused(token) is Refusal.ASSERTION_MALFORMED


def test_row_3_duplicate_keys_in_the_header_are_refused() -> None:
    """Of two algorithms two readers may each believe another."""
    header = json.dumps(header_of(minted())).encode()
    twice = b'{"alg": "none", ' + header[1:]

    assert refused(by_hand(twice, payload_of(minted()))) is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize(
    "twice", [b'{"sub": "x", ', b'{"sub": "hcp-77", ', b'{"x": {"a":1,"a":1}, ']
)
def test_row_3_duplicate_keys_in_the_payload_are_refused(twice: bytes) -> None:
    """However deep, and even where both say the same."""
    token = minted()
    payload = json.dumps(payload_of(token)).encode()

    found = refused(by_hand(header_of(token), twice + payload[1:]))

    assert found is Refusal.ASSERTION_MALFORMED


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"null", b'"x"', b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"exp": NaN}', b"[" * 40_000],
)
def test_row_3_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    """Signed nonsense is nonsense."""
    assert refused(by_hand(header_of(minted()), payload)) is Refusal.ASSERTION_MALFORMED


def not_malformed(names: Sequence[str], values: Sequence[Any]) -> list[tuple[str, Any, object]]:
    """The claims and values with which a token is not malformed, and what became of it."""

    def became(name: str, value: Any) -> object:
        token = edited(lambda payload: payload.update({name: value}))
        try:
            return refused(token)
        except (AssertionError, pytest.fail.Exception) as error:
            return error

    found = [(*case, became(*case)) for case in product(names, values)]
    return [each for each in found if each[-1] is not Refusal.ASSERTION_MALFORMED]


def test_row_3_claims_that_are_no_text_are_refused() -> None:
    """Numbers, lists, and texts that no log could hold."""
    names = ["iss", "sub", "client_id", "jti", "scope", "acr"]
    values = [7, None, True, ["x"], {"x": "y"}, "a\nb", "\ud800"]

    assert not_malformed(names, values) == []


def test_row_3_times_that_are_no_number_of_seconds_are_refused() -> None:
    """Nor such as no calendar can hold."""
    names = ["iat", "nbf", "exp", "auth_time"]
    values = ["1", None, True, [1], -1, 10**15, 1e300, 10**400]

    assert not_malformed(names, values) == []


def test_row_3_containers_that_are_no_object_are_refused() -> None:
    """Where an object belongs."""
    assert not_malformed(["extensions", "cnf"], [7, None, [], "x"]) == []


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "aud", "jti", "exp", "iat", "cnf"])
def test_row_3_without_an_indispensable_claim_a_token_is_refused(name: str) -> None:
    """It is named, so that it can be put right."""
    found = refusal(edited(lambda payload: payload.pop(name)))

    assert found.refusal is Refusal.ASSERTION_INCOMPLETE
    assert name in found.text


@pytest.mark.parametrize("name", ["jti", "asserted_at"])
def test_row_3_a_treatment_relation_is_stated_completely(name: str) -> None:
    """It has an id and a time, as an assertion has."""
    token = edited(lambda payload: payload["extensions"]["ncp"]["trc"].pop(name))

    assert refused(token) is Refusal.ASSERTION_INCOMPLETE


# --- row 4: signature, key, algorithm


@pytest.mark.parametrize("role", ["seal", "rsa", "p384"])
def test_row_4_each_kind_of_key_is_verified(role: str) -> None:
    """ES256, RS256, ES384."""
    assert read(minted(by=signer(role))).subject == "hcp-77"


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "revoked", "unknown-ca"])
def test_row_4_an_untrusted_signer_is_refused(kind: str) -> None:
    """Expired, early, revoked and foreign signers mint flawless tokens in vain."""
    assert refused(minted(by=bad_signer(kind), country="XX")) is Refusal.SIGNATURE_INVALID


def test_row_4_the_reason_quotes_nothing_of_the_certificate() -> None:
    """It came with the token."""
    found = refusal(minted(by=bad_signer("unknown-ca"), country="XX"))

    assert found.text == "the token cannot be believed: the signer is not trusted"


def test_row_4_a_pinned_signer_is_accepted() -> None:
    """As one of an assertion is."""
    pinned = TrustStore(pinned=(signer().seal.certificate,))

    assert read(minted(), trust=TokenTrust(certificates=pinned)).subject == "hcp-77"


def test_row_4_with_no_trust_nobody_is_believed() -> None:
    """What is not configured is not believed."""
    assert refused(minted(), trust=TokenTrust()) is Refusal.SIGNATURE_INVALID


def test_row_4_of_a_chain_the_first_certificate_is_the_signers() -> None:
    """A peer may send the way to its anchor; it is not walked."""
    chain = [signer().certificate, "not looked at"]

    assert read(with_header(x5c=chain)).subject == "hcp-77"
    assert refused(with_header(x5c=chain[::-1])) is Refusal.SIGNATURE_INVALID


# --- row 4 with configured keys


def configured(*roles: str, issuer: str = ISSUER) -> TokenTrust:
    document = json.dumps(write_jwks(*map(signer, roles))).encode()
    return TokenTrust(keys=read_jwks(document, issuer=issuer))


def without_certificate(**members: Any) -> str:
    header = {"typ": "JWT", "alg": "ES256"} | members
    return by_hand(header, payload_of(minted()))


@pytest.mark.parametrize("members", [{"kid": signer().kid}, {}], ids=["by name", "without a name"])
def test_row_4_a_configured_key_of_the_issuer_is_accepted(members: dict[str, str]) -> None:
    """A connectathon peer brings its JWK Set."""
    trust = configured("rsa", "p384", "seal")

    assert read(without_certificate(**members), trust=trust).subject == "hcp-77"


def test_row_4_a_key_that_is_not_configured_is_refused() -> None:
    """By its name, by its kind, by its numbers."""
    token = without_certificate(kid="another")

    assert refused(token, trust=configured("seal")) is Refusal.SIGNATURE_INVALID
    assert refused(without_certificate(), trust=configured("rsa")) is Refusal.SIGNATURE_INVALID
    assert refused(without_certificate(), trust=TokenTrust()) is Refusal.SIGNATURE_INVALID


def test_row_4_rsa_is_verified_with_the_padding_that_its_key_allows() -> None:
    """PS256 where the key set says so, and not where it says RS256."""
    header = {"alg": "PS256", "kid": signer("rsa").kid}
    seal = signer("rsa").seal.key
    assert isinstance(seal, rsa.RSAPrivateKey)
    payload = json.dumps(payload_of(minted()))
    token = jws.serialize_compact(header, payload, RSAKey.import_key(seal), algorithms=["PS256"])
    document = write_jwks(signer("rsa"))
    theirs = {"keys": [{**document["keys"][0], "alg": "PS256"}]}

    padded = TokenTrust(keys=read_jwks(json.dumps(theirs).encode(), issuer=ISSUER))

    assert read(token, trust=padded).subject == "hcp-77"
    assert refused(token, trust=configured("rsa")) is Refusal.SIGNATURE_INVALID


def test_row_4_a_certificate_is_not_excused_by_a_configured_key() -> None:
    """Who sends a certificate is judged by it."""
    assert refused(minted(), trust=configured("seal")) is Refusal.SIGNATURE_INVALID


# --- row 5: times


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        (NOON - SKEW, True),
        (NOON - SKEW - timedelta(seconds=1), False),
        (LATE + SKEW - timedelta(seconds=1), True),
        (LATE + SKEW, False),
    ],
)
def test_row_5_a_minute_of_skew_is_allowed(now: Any, accepted: bool) -> None:
    """On either side, and no second more."""
    if accepted:
        assert read(minted(), now=now).expires == LATE
    else:
        assert refused(minted(), now=now) is Refusal.ASSERTION_NOT_VALID_NOW


def test_row_5_the_lifetime_is_limited() -> None:
    """One hour is the most that IUA allows; a peer's policy may allow less."""
    an_hour = minted(seconds=3_600)
    strict = TokenPolicy(audiences=(BASE,), max_seconds=300)

    assert read(an_hour).expires == NOON + timedelta(hours=1)
    assert refused(minted(seconds=3_601)) is Refusal.ASSERTION_NOT_VALID_NOW
    assert refused(an_hour, policy=strict) is Refusal.ASSERTION_NOT_VALID_NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": int(NOON.timestamp()) + 120},
        {"nbf": int(NOON.timestamp()) + 120},
        {"exp": int(NOON.timestamp())},
        {"iat": 0},
        {"nbf": 0},
        {"exp": 253_402_300_799},
    ],
    ids=["issued in the future", "not yet", "no time at all", "long ago", "since ever", "for ever"],
)
def test_row_5_times_that_do_not_hold_now_are_refused(changes: dict[str, int]) -> None:
    """A token is for the moment."""
    token = edited(lambda payload: payload.update(changes))

    assert refused(token) is Refusal.ASSERTION_NOT_VALID_NOW


@pytest.mark.parametrize("seconds", [120, -2 * 3_600 - 60])
def test_row_5_a_treatment_relation_is_neither_to_come_nor_old(seconds: int) -> None:
    """Two hours, as an assertion of it is valid."""

    def shift(payload: dict[str, Any]) -> None:
        payload["extensions"]["ncp"]["trc"]["asserted_at"] += seconds

    assert refused(edited(shift)) is Refusal.ASSERTION_NOT_VALID_NOW


# --- row 6: audience, issuer, client


@pytest.mark.parametrize(
    "audience", [BASE, f"{BASE}/", ["urn:x", BASE], COUNTRY_A, COUNTRY_A.urn, [COUNTRY_A.urn]]
)
def test_row_6_an_audience_that_is_us_is_accepted(audience: Any) -> None:
    """Our base address or our community, alone or among others."""
    token = edited(lambda payload: payload.update(aud=audience))

    assert read(token).subject == "hcp-77"


@pytest.mark.parametrize(
    "audience", ["https://elsewhere.example", f"{BASE}/x", ["urn:x"], BASE[:-1]]
)
def test_row_6_another_audience_is_refused(audience: Any) -> None:
    """What was minted for another is not ours to use."""
    token = edited(lambda payload: payload.update(aud=audience))

    assert refused(token) is Refusal.WRONG_AUDIENCE


@pytest.mark.parametrize("audience", [7, {"a": 1}, [7], [[BASE]], ["x"] * 100])
def test_row_6_an_audience_of_another_form_is_malformed(audience: Any) -> None:
    """A text or a short list of texts."""
    token = edited(lambda payload: payload.update(aud=audience))

    assert refused(token) is Refusal.ASSERTION_MALFORMED


def test_row_6_the_issuers_can_be_limited() -> None:
    """To those agreed with the peer."""
    agreed = TokenPolicy(audiences=(BASE,), issuers=(ISSUER,))
    others = TokenPolicy(audiences=(BASE,), issuers=("urn:other",))

    assert read(minted(), policy=agreed).context.issuer == ISSUER
    assert refused(minted(), policy=others) is Refusal.SIGNATURE_INVALID


def test_row_6_a_key_speaks_for_its_own_issuer_only() -> None:
    """An issuer that we believe must not mint in the name of another."""
    token = without_certificate(kid=signer().kid)

    assert refused(token, trust=configured("seal", issuer="urn:b")) is Refusal.SIGNATURE_INVALID


def test_row_6_a_seal_speaks_for_its_own_country_only() -> None:
    """The country of the certificate is that of the token."""
    assert refused(minted(country="XC")) is Refusal.SIGNATURE_INVALID


def test_row_6_another_client_certificate_is_refused() -> None:
    """A stolen token is of no use without the key of the client it was given to."""
    for fingerprint in ("cd" * 32, "", "no fingerprint"):
        thief = Caller(subject=CALLER.subject, fingerprint=fingerprint)
        assert refused(minted(), caller=thief) is Refusal.ASSERTION_REUSED


def test_row_6_an_unbound_token_is_a_matter_of_policy() -> None:
    """Some peers cannot bind; a binding that is there counts nevertheless."""
    loose = TokenPolicy(audiences=(BASE,), bound=False)
    unbound = edited(lambda payload: payload.pop("cnf"))

    assert read(unbound, policy=loose).subject == "hcp-77"
    assert refused(unbound) is Refusal.ASSERTION_INCOMPLETE
    assert refused(minted(), policy=loose, caller=Caller()) is Refusal.ASSERTION_REUSED


# --- the order of the rows


def test_a_forged_and_expired_token_is_refused_as_forged() -> None:
    """What is not signed says nothing, not even that it has expired."""
    token = edited(lambda payload: payload.update(exp=1, iat=0, nbf=0, aud="x", sub=7))
    head, body, _ = token.split(".")
    forged = f"{head}.{body}.{minted().split('.')[2]}"

    assert refused(forged) is Refusal.SIGNATURE_INVALID


def test_of_several_flaws_the_first_row_names_the_refusal() -> None:
    """Each repaired flaw uncovers the next."""
    flaws: list[tuple[dict[str, Any], Refusal]] = [
        ({"sub": 7}, Refusal.ASSERTION_MALFORMED),
        ({"sub": ""}, Refusal.ASSERTION_INCOMPLETE),
        ({"exp": 10}, Refusal.ASSERTION_NOT_VALID_NOW),
        ({"aud": "x"}, Refusal.WRONG_AUDIENCE),
        ({"cnf": {"x5t#S256": "x"}}, Refusal.ASSERTION_REUSED),
        ({"acr": "password"}, Refusal.WEAK_AUTHENTICATION),
        ({"scope": "ITI-1"}, Refusal.INSUFFICIENT_RIGHTS),
        ({"extensions": {}}, Refusal.ATTRIBUTES_MISSING),
    ]

    for first, (_, expected) in enumerate(flaws):
        changes = {
            name: value for flaw, _ in reversed(flaws[first:]) for name, value in flaw.items()
        }
        token = edited(lambda payload, changes=changes: payload.update(changes))  # type: ignore[misc]
        assert refused(token) is expected


def test_the_policy_of_the_assertions_says_how_far_clocks_may_be_apart() -> None:
    """One setting for both wires."""
    exact = policy(skew_seconds=0)

    assert refused(minted(), now=LATE, policy=exact) is Refusal.ASSERTION_NOT_VALID_NOW
    assert read(minted(), now=LATE, policy=POLICY).context.patient == TRC.patient
