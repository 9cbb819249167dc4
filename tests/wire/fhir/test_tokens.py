"""Tokens as we mint them, read by a library that knows nothing of us."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from gateway.domain import Code, PurposeOfUse, TreatmentRelation
from gateway.wire.fhir.jwks import write_jwks
from gateway.wire.fhir.tokens import (
    REASONS,
    TOKEN_CLAIMS,
    TokenSigner,
    algorithms_of,
    mint_token,
    thumbprint_of,
)
from gateway.wire.problems import EncodeError
from gateway.wire.saml import Claim
from gateway.wire.signatures import Signer
from tests.builders import NOON, make_context
from tests.wire.fhir.minted import (
    BASE,
    FINGERPRINT,
    SCOPE,
    TRC,
    domain,
    header_of,
    minted,
    payload_of,
    signer,
)


@pytest.mark.parametrize(
    ("role", "algorithm"), [("seal", "ES256"), ("rsa", "RS256"), ("p384", "ES384")]
)
def test_a_foreign_library_verifies_our_tokens(role: str, algorithm: str) -> None:
    """With the JWK Set that we publish, by the name of the key, under the key's own algorithm."""
    keys = KeySet.import_key_set(write_jwks(signer("rsa"), signer("p384"), signer("seal")))

    # Its default of 512 bytes has no room for a certificate.
    registry = JWSRegistry(algorithms=[algorithm])
    registry.max_header_length = 8_000

    found = jwt.decode(minted(by=signer(role)), keys, registry=registry)

    assert found.header["alg"] == algorithm
    assert found.header["kid"] == signer(role).kid
    assert found.claims["sub"] == "hcp-77"


def test_a_token_says_what_iua_asks_for() -> None:
    """The registered claims, and the professional in the extension of IUA."""
    claims = payload_of(minted())

    noon = int(NOON.timestamp())
    assert claims["iss"] == "urn:idp:XB:countryB"
    assert claims["client_id"] == "urn:oid:2.999.2.1"
    assert claims["aud"] == BASE
    assert claims["jti"] == "token-1"
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (noon, noon, noon + 300)
    assert claims["scope"] == SCOPE
    assert claims["cnf"] == {"x5t#S256": thumbprint_of(FINGERPRINT)}
    assert claims["extensions"]["ihe_iua"] == {
        "subject_name": "Maja Lindqvist",
        "subject_organization": "Teaching Hospital",
        "subject_organization_id": "urn:hl7ii:2.999.2.3:TH",
        "subject_role": [
            {
                "system": "urn:oid:2.16.840.1.113883.2.9.6.2.7",
                "code": "221",
                "display": "Medical Doctors",
            }
        ],
        "purpose_of_use": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
        ],
        "home_community_id": "urn:oid:2.999.2.1",
        "national_provider_identifier": "hcp-77",
        "person_id": "A-0001^^^&2.999.1.2&ISO",
    }
    assert claims["extensions"]["ihe_bppc"] == {"patient_id": "A-0001^^^&2.999.1.2&ISO"}


def test_what_the_assertions_have_besides_stands_in_our_extension() -> None:
    """Facility, locality, permissions, and the treatment relation."""
    ours = payload_of(minted())["extensions"]["ncp"]

    assert ours == {
        "country": "XB",
        "facility_type": "Hospital",
        "locality": "Teaching Hospital",
        "permissions": ["PRD-003", "PRD-005", "PRD-006", "PRD-010", "PRD-016"],
        "trc": {
            "jti": "relation-1",
            "asserted_at": int(NOON.timestamp()),
            "patient": {"system": "urn:oid:2.999.1.2", "value": "A-0001"},
        },
    }


def test_before_identification_no_patient_is_named() -> None:
    """The token of an identity alone."""
    extensions = payload_of(minted(replace(TRC, patient=None)))["extensions"]

    assert "ihe_bppc" not in extensions
    assert "person_id" not in extensions["ihe_iua"]
    assert "trc" not in extensions["ncp"]


def test_without_a_treatment_relation_only_the_patient_is_named() -> None:
    """What a plain XUA assertion says."""
    extensions = payload_of(minted(make_context(relation=TreatmentRelation.RESOURCE_ID)))[
        "extensions"
    ]

    assert extensions["ihe_bppc"] == {"patient_id": "A-0001^^^&2.999.1.2&ISO"}
    assert "trc" not in extensions["ncp"]


def test_the_header_carries_the_certificate_and_its_name() -> None:
    """So that a receiver can judge it as it judges that of an assertion."""
    header = header_of(minted())

    assert header == {
        "typ": "IUA-JWT",
        "alg": "ES256",
        "kid": signer().kid,
        "x5c": [signer().certificate],
    }
    assert len(signer().kid) == 43


def test_a_token_fits_into_the_header_of_any_server() -> None:
    """Below the 8190 bytes that servers allow a header by default."""
    assert len(minted(by=signer("rsa"))) < 8_000


@pytest.mark.parametrize("purpose", list(PurposeOfUse))
def test_every_purpose_can_be_written(purpose: PurposeOfUse) -> None:
    """The first code of the table for a purpose."""
    coding = payload_of(minted(replace(TRC, purpose=purpose)))["extensions"]["ihe_iua"][
        "purpose_of_use"
    ][0]

    assert (Code(coding["code"], coding["system"]), purpose) in REASONS


def test_every_claim_of_the_assertions_has_its_place() -> None:
    """The table is complete, and no place is used twice."""
    assert sorted(place.claim for place in TOKEN_CLAIMS) == sorted(Claim)
    assert len({(place.extension, place.name) for place in TOKEN_CLAIMS}) == len(TOKEN_CLAIMS)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_id": ""},
        {"audience": " "},
        {"scope": ""},
        {"client_fingerprint": ""},
        {"client_fingerprint": FINGERPRINT.upper()},
        {"client_fingerprint": FINGERPRINT[1:]},
    ],
)
def test_a_token_that_nobody_could_accept_is_not_minted(changes: dict[str, Any]) -> None:
    """A name, an addressee, a scope and a client are indispensable."""
    with pytest.raises(EncodeError):
        minted(**changes)


def test_the_span_of_validity_can_be_chosen() -> None:
    """For a peer whose clock or patience asks for more."""
    claims = payload_of(minted(seconds=3_600))

    assert claims["exp"] - claims["iat"] == timedelta(hours=1).total_seconds()


def test_a_key_of_another_kind_signs_no_token() -> None:
    """A curve that no algorithm here takes."""
    key = ec.generate_private_key(ec.SECP521R1())

    with pytest.raises(ValueError, match="P-256"):
        TokenSigner(Signer(key, domain().root))


def test_a_short_key_verifies_nothing() -> None:
    """RSA below 2048 bits is not a signature."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    assert algorithms_of(key.public_key()) == ()
    assert algorithms_of("secret") == ()


def test_the_relation_is_named_as_the_token_by_default() -> None:
    """One id is enough for both in one token."""
    token = mint_token(
        TRC,
        signer(),
        now=NOON,
        token_id="t",
        audience=BASE,
        client_fingerprint=FINGERPRINT,
        country="XB",
        scope=SCOPE,
    )

    assert payload_of(token)["extensions"]["ncp"]["trc"]["jti"] == "t"
