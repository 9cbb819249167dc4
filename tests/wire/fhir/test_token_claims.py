"""The payload of a token as plain values, and what is no payload."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Code, NotAllowed, Refusal
from gateway.domain.codes import ISCO
from gateway.wire.fhir.token_claims import MAX_VALUES, TokenClaims, TreatmentClaim, read_claims
from gateway.wire.saml import Claim, Kind
from tests.builders import NOON
from tests.wire.fhir.minted import BASE, SCOPE, minted, payload_of


def read(payload: Any) -> TokenClaims:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_claims(raw)


def malformed(payload: Any) -> str:
    with pytest.raises(NotAllowed) as caught:
        read(payload)
    assert caught.value.refusal is Refusal.ASSERTION_MALFORMED
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.text


def ours(**members: Any) -> dict[str, Any]:
    return {"extensions": {"ncp": members}}


def iua(**members: Any) -> dict[str, Any]:
    return {"extensions": {"ihe_iua": members}}


def test_everything_that_we_write_is_read() -> None:
    """One value for each claim of the table, and the rest by name."""
    claims = read(payload_of(minted()))

    assert claims.kind is Kind.HCP
    assert (claims.id, claims.subject, claims.client) == ("token-1", "hcp-77", "urn:oid:2.999.2.1")
    assert (claims.audiences, claims.scope, claims.country) == ((BASE,), SCOPE, "XB")
    assert (claims.issued, claims.not_before) == (NOON, NOON)
    assert claims.expires == NOON + timedelta(minutes=5)
    assert claims.codes[Claim.ROLE] == (Code("221", ISCO),)
    assert claims.first(Claim.HOME) == "urn:oid:2.999.2.1"
    assert claims.treatment == TreatmentClaim(
        id="relation-1", asserted_at=NOON, system="urn:oid:2.999.1.2", value="A-0001"
    )


def test_what_is_absent_stays_absent() -> None:
    """An empty object is a payload that says nothing."""
    claims = read({})

    assert claims.kind is Kind.XUA
    assert (claims.id, claims.audiences, claims.expires) == ("", (), None)
    assert claims.treatment is None
    assert claims.first(Claim.SUBJECT) == ""
    assert claims.codes[Claim.PURPOSE] == ()


def test_times_may_have_fractions() -> None:
    """A NumericDate is any number (RFC 7519 section 2)."""
    assert read({"exp": 1.5}).expires == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)


def test_spaces_around_a_text_do_not_count() -> None:
    """As in assertions, where lines are broken."""
    assert read({"jti": " x "}).id == "x"
    assert read({"aud": ["", " ", "a"]}).audiences == ("a",)


def test_permissions_are_read_with_and_without_their_prefix() -> None:
    """In assertions each is a URN."""
    prefixed = ["urn:oasis:names:tc:xspa:1.0:subject:hl7:permission:PRD-006", "PRD-003"]

    assert read(ours(permissions=prefixed)).texts[Claim.PERMISSIONS] == ("PRD-006", "PRD-003")


def test_an_organisation_may_be_one_of_several() -> None:
    """The assertions allow it; the first counts."""
    claims = read(iua(subject_organization=["A", "B"], subject_organization_id="urn:oid:2.999"))

    assert claims.first(Claim.ORGANISATION) == "A"
    assert claims.first(Claim.ORGANISATION_ID) == "urn:oid:2.999"


def test_a_scheme_goes_by_its_name_and_by_its_oid() -> None:
    """As in assertions."""
    for system in ("ISCO", f"urn:oid:{ISCO}", ISCO):
        codes = read(iua(subject_role={"code": "221", "system": system})).codes
        assert codes[Claim.ROLE] == (Code("221", ISCO),)


@pytest.mark.parametrize(
    "payload",
    [
        {"jti": 1},
        {"sub": None},
        {"aud": {}},
        {"aud": ["x", 1]},
        {"aud": ["x"] * (MAX_VALUES + 1)},
        {"exp": "1"},
        {"exp": True},
        {"exp": -1},
        {"cnf": "x"},
        {"cnf": {"x5t#S256": 1}},
        {"extensions": []},
        {"extensions": {"ncp": None}},
        {"extensions": {"ihe_iua": "x"}},
        {"extensions": {"ihe_bppc": [1]}},
        ours(country=1),
        ours(permissions={"a": 1}),
        ours(permissions=[None]),
        ours(facility_type=["Hospital"]),
        ours(trc=[]),
        ours(trc={"patient": "x"}),
        ours(trc={"jti": 1}),
        ours(trc={"asserted_at": "now"}),
        iua(subject_name=["a", "b"]),
        iua(subject_role="221"),
        iua(subject_role=[1]),
        iua(subject_role=[{}] * (MAX_VALUES + 1)),
        iua(purpose_of_use=[{"code": 1}]),
        iua(purpose_of_use=[{"code": "a\x00b"}]),
    ],
)
def test_values_of_another_kind_are_malformed(payload: Any) -> None:
    """Numbers, lists and nulls where something else belongs."""
    assert "malformed" in malformed(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b"{}{}",
        b"\xff",
        b"{\x00}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a":' * 20_000,
    ],
)
def test_what_is_not_one_object_in_json_is_malformed(payload: bytes) -> None:
    """With every name once, in UTF-8, of bearable depth."""
    assert "the payload" in malformed(payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """With nothing else than a refusal."""
    with suppress(NotAllowed):
        read(payload)
