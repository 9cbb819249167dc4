"""The vocabulary of assertions: one table, complete, and the forms of ids and codes."""

from __future__ import annotations

import pytest

from gateway.domain.codes import ISCO
from gateway.wire.saml import (
    ATTRIBUTES,
    AssertionPolicy,
    Claim,
    Kind,
    as_assertion_id,
    coded,
    is_ncname,
    rules_for,
)


def test_every_claim_has_a_rule() -> None:
    """No claim is read or written without standing in the table."""
    assert {rule.claim for rule in ATTRIBUTES} == set(Claim)


@pytest.mark.parametrize("kind", [Kind.HCP, Kind.TRC, Kind.XUA])
def test_no_name_means_two_things_in_one_kind(kind: Kind) -> None:
    """Within one kind of assertion a name leads to one claim, and a claim to one rule."""
    names = [name for rule in rules_for(kind) for name in rule.names]
    claims = [rule.claim for rule in rules_for(kind)]

    assert len(names) == len(set(names))
    assert len(claims) == len(set(claims))


def test_what_is_required_is_also_allowed() -> None:
    """A required attribute belongs to the kind that requires it."""
    for rule in ATTRIBUTES:
        assert set(rule.required) <= set(rule.kinds)


@pytest.mark.parametrize(
    ("unique", "expected"),
    [
        ("6f1d6b1e-0000-4000-8000-000000000001", "_6f1d6b1e-0000-4000-8000-000000000001"),
        ("urn:uuid:af1d", "af1d"),
        ("uuid:0f1d", "_0f1d"),
        ("_x", "_x"),
    ],
)
def test_an_id_becomes_an_ncname(unique: str, expected: str) -> None:
    """A digit in front or a URN prefix is not allowed in xs:ID."""
    assert as_assertion_id(unique) == expected
    assert is_ncname(expected)


@pytest.mark.parametrize(
    ("scheme", "name"), [(ISCO, ""), (f"urn:oid:{ISCO}", ""), ("ISCO", ""), ("", "ISCO")]
)
def test_isco_goes_by_oid_and_by_name(scheme: str, name: str) -> None:
    """Peers write the code system of a role in several ways."""
    assert coded(" 221 ", scheme, scheme_name=name).scheme == ISCO
    assert coded(" 221 ", scheme, scheme_name=name).value == "221"


def test_the_default_policy_is_the_ehdsi_profile() -> None:
    """Four hours, two hours, one minute, SHA-1 refused."""
    policy = AssertionPolicy()

    assert policy.max_seconds(Kind.HCP) == policy.max_seconds(Kind.XUA) == 4 * 3600
    assert policy.max_seconds(Kind.TRC) == 2 * 3600
    assert policy.skew_seconds == 60
    assert not policy.allow_sha1
    assert not any("Password" in method for method in policy.authentication_methods)
