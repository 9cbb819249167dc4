"""Tokens with assertions inside: the same caller as over SOAP, and the same refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.domain import NotAllowed, Refusal, TreatmentRelation
from gateway.wire.fhir.saml_tokens import read_sealed, read_single, weakness_of
from gateway.wire.fhir.tokens import TokenForm, TokenPolicy
from gateway.wire.saml_context import read_assertions
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, NOON, PATIENT, make_context
from tests.wire.fhir.minted import CALLER, TRC, b64, bad_signer, minted, read, refused, trust
from tests.wire.fhir.sealed import (
    HCP_ID,
    OPENNCP,
    SAML_OPTION,
    SECRET,
    TRC_ID,
    assertions,
    payload_of,
    relaxed,
    sealed,
    single,
    xua,
)

RESOURCE = relaxed(SAML_OPTION, relation=TreatmentRelation.RESOURCE_ID)


def test_the_caller_is_the_one_soap_would_read() -> None:
    """Both assertions give the context they give in a SOAP header, to the last field."""
    found = assertions()
    header = read_assertions(
        [parse_xml(content) for content in found.values()],
        trust().certificates,
        OPENNCP.assertions,
        now=NOON,
        caller=CALLER,
        correlation_id="corr-1",
        answering=COUNTRY_A,
        patient_specific=True,
    )

    accepted = read(sealed(found), policy=OPENNCP)

    assert accepted.context == header.context
    assert accepted.context.patient == PATIENT
    assert accepted.context.relation is TreatmentRelation.TRC
    assert (accepted.token_id, [each.id for each in accepted.beside]) == (HCP_ID, [TRC_ID])
    assert accepted.expires == NOON + timedelta(hours=4)


def test_no_scope_is_asked_of_assertions() -> None:
    """They have none; rights are the permissions inside."""
    assert read(sealed(), policy=OPENNCP, scopes=frozenset({"ITI-9999"})).token_id == HCP_ID


def test_a_token_of_before_the_patient_holds_an_identity_alone() -> None:
    """Enough to identify, and not enough for documents."""
    token = sealed(assertions(make_context(patient=None)))

    assert read(token, policy=OPENNCP, patient_specific=False).beside == ()
    assert refused(token, policy=OPENNCP) is Refusal.NO_TREATMENT_RELATION


def test_the_next_of_kin_is_recognised_and_not_believed() -> None:
    """It may stand beside the others, whatever it says."""
    kin = b'<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"><saml2:Issuer '
    kin += b'NameQualifier="urn:ehdsi:assertions:nok"/></saml2:Assertion>'

    accepted = read(sealed(assertions() | {"NOK": kin}), policy=OPENNCP)

    assert accepted.context.assertion_ids == (HCP_ID, TRC_ID)


def test_base64_with_line_breaks_is_read() -> None:
    """As Java's encoder of MIME writes it."""
    broken = {name: base64.encodebytes(content).decode() for name, content in assertions().items()}

    assert read(sealed({}, **broken), policy=OPENNCP).token_id == HCP_ID


SEALS: tuple[tuple[str, Callable[[], str], Refusal], ...] = (
    ("another secret", lambda: sealed(secret=SECRET[::-1]), Refusal.SIGNATURE_INVALID),
    ("HS256 with the secret", lambda: sealed(alg="HS256"), Refusal.SIGNATURE_INVALID),
    (
        "no algorithm",
        lambda: ".".join((b64(b'{"alg": "none"}'), b64(json.dumps(payload_of({})).encode()), "AA")),
        Refusal.SIGNATURE_INVALID,
    ),
    ("our own kind of token", minted, Refusal.SIGNATURE_INVALID),
    ("expired", lambda: sealed(exp=int(NOON.timestamp()) - 61), Refusal.ASSERTION_NOT_VALID_NOW),
    (
        "for a day",
        lambda: sealed(exp=int(NOON.timestamp()) + 86_400),
        Refusal.ASSERTION_NOT_VALID_NOW,
    ),
    ("not yet", lambda: sealed(nbf=int(NOON.timestamp()) + 90), Refusal.ASSERTION_NOT_VALID_NOW),
    ("for ever", lambda: sealed(exp=None), Refusal.ASSERTION_INCOMPLETE),
    ("until some day", lambda: sealed(exp="tomorrow"), Refusal.ASSERTION_MALFORMED),
    ("until the end of time", lambda: sealed(exp=1e300), Refusal.ASSERTION_MALFORMED),
    ("no identity", lambda: sealed({"TRC": assertions()["TRC"]}), Refusal.NO_ASSERTION),
    ("no base64", lambda: sealed(HCP="é!"), Refusal.ASSERTION_MALFORMED),
    ("an empty text", lambda: sealed(HCP=""), Refusal.ASSERTION_MALFORMED),
    ("no XML", lambda: sealed({"HCP": b"hello"}), Refusal.ASSERTION_MALFORMED),
    ("a DTD", lambda: sealed({"HCP": b"<!DOCTYPE a><a/>"}), Refusal.ASSERTION_MALFORMED),
    ("another element", lambda: sealed({"HCP": b"<a/>"}), Refusal.ASSERTION_MALFORMED),
    ("a number", lambda: sealed(HCP=5), Refusal.ASSERTION_MALFORMED),
    ("nonsense", lambda: "a.b", Refusal.ASSERTION_MALFORMED),
    ("too long", lambda: "a.b." + "c" * 70_000, Refusal.ASSERTION_MALFORMED),
)


@pytest.mark.parametrize(("make", "reason"), [row[1:] for row in SEALS], ids=[r[0] for r in SEALS])
def test_a_seal_that_does_not_hold_is_refused(make: Callable[[], str], reason: Refusal) -> None:
    """Before a word inside is believed, and without telling any of it."""
    assert refused(make(), policy=OPENNCP) is reason


def _tampered() -> dict[str, bytes]:
    return {
        name: content.replace(b"Hospital</", b"Pharmacy</")
        for name, content in assertions().items()
    }


def _stripped() -> dict[str, bytes]:
    found = {}
    for name, content in assertions().items():
        root = etree.fromstring(content)
        for signature in root.findall("{http://www.w3.org/2000/09/xmldsig#}Signature"):
            root.remove(signature)
        found[name] = etree.tostring(root)
    return found


INSIDE: tuple[tuple[str, Callable[[], dict[str, bytes]], Refusal], ...] = (
    ("a word changed", _tampered, Refusal.SIGNATURE_INVALID),
    ("unsigned", _stripped, Refusal.SIGNATURE_INVALID),
    (
        "a revoked seal",
        lambda: assertions(seal=bad_signer("revoked").seal),
        Refusal.SIGNATURE_INVALID,
    ),
    (
        "an unknown seal",
        lambda: assertions(seal=bad_signer("unknown-ca").seal),
        Refusal.SIGNATURE_INVALID,
    ),
    ("old", lambda: assertions(now=NOON - timedelta(hours=5)), Refusal.ASSERTION_NOT_VALID_NOW),
    ("for others", lambda: assertions(audience="urn:else"), Refusal.WRONG_AUDIENCE),
    (
        "of two people",
        lambda: assertions() | {"HCP": assertions(_somebody_else())["HCP"]},
        Refusal.TREATMENT_RELATION_MISMATCH,
    ),
    (
        "the same twice",
        lambda: dict.fromkeys(("HCP", "TRC"), assertions()["HCP"]),
        Refusal.ASSERTION_MALFORMED,
    ),
)


def _somebody_else() -> Any:
    return replace(TRC, professional=replace(TRC.professional, id="hcp-78"))


@pytest.mark.parametrize(("make", "reason"), [r[1:] for r in INSIDE], ids=[r[0] for r in INSIDE])
def test_the_seal_of_the_token_vouches_for_nothing_inside(
    make: Callable[[], dict[str, bytes]], reason: Refusal
) -> None:
    """Whoever knows the secret still needs genuine assertions."""
    assert refused(sealed(make()), policy=OPENNCP) is reason


def test_without_an_agreed_secret_no_token_is_believed() -> None:
    """Not even one sealed with nothing at all."""
    none = replace(OPENNCP, secret=b"")

    assert refused(sealed(secret=SECRET), policy=none) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (b"", "0 bytes"),
        (b"short", "5 bytes"),
        (SECRET[:63], "63 bytes"),
        (b"a" * 64, "different"),
        (b"changeme-" * 20, "different"),
        (b"this is the secret of our gateways and nobody knows it but all of us, see", "words"),
        (SECRET, ""),
        (base64.b64encode(SECRET), ""),
        (SECRET.hex().encode(), ""),
    ],
)
def test_a_secret_somebody_could_guess_is_no_secret(secret: bytes, words: str) -> None:
    """Too short, or of too few different bytes."""
    assert words in weakness_of(secret)
    assert bool(weakness_of(secret)) is bool(words)


# --- the SAML token option ------------------------------------------------------------------------


def test_one_assertion_is_a_token() -> None:
    """A plain XUA one where the peer needs no treatment relation beside it."""
    accepted = read(single(xua()), policy=RESOURCE)

    assert accepted.context.relation is TreatmentRelation.RESOURCE_ID
    assert accepted.context.patient == PATIENT
    assert read(single(xua()) + "==", policy=RESOURCE).context == accepted.context


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (single(xua())[:-8], Refusal.ASSERTION_MALFORMED),
        (single(xua() + xua()), Refusal.ASSERTION_MALFORMED),
        (single(b"<a/>"), Refusal.ASSERTION_MALFORMED),
        ("a", Refusal.ASSERTION_MALFORMED),
        ("a.b.c", Refusal.ASSERTION_MALFORMED),
        ("A" * 70_000, Refusal.ASSERTION_MALFORMED),
        (single(xua().replace(b"Lindqvist", b"Lindquist")), Refusal.SIGNATURE_INVALID),
        (single(xua(now=NOON - timedelta(hours=9))), Refusal.ASSERTION_NOT_VALID_NOW),
        (minted(), Refusal.ASSERTION_MALFORMED),
    ],
)
def test_what_is_no_single_genuine_assertion_is_refused(token: str, reason: Refusal) -> None:
    """Two of them, none, or one that was changed."""
    assert refused(token, policy=RESOURCE) is reason


def test_a_peer_sends_its_own_form_and_no_other() -> None:
    """The settings say which, never the token."""
    assert refused(sealed(), policy=TokenPolicy()) is Refusal.SIGNATURE_INVALID
    assert refused(single(xua()), policy=TokenPolicy()) is Refusal.ASSERTION_MALFORMED
    assert refused(single(xua()), policy=OPENNCP) is Refusal.ASSERTION_MALFORMED
    assert refused(sealed(), policy=RESOURCE) is Refusal.ASSERTION_MALFORMED
    assert TokenPolicy().form is TokenForm.IUA


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(text: str) -> None:
    """Whatever stands behind Bearer."""
    for attempt in (
        lambda: read_single(text),
        lambda: read_sealed(text, OPENNCP, now=NOON),
        lambda: read_sealed(f"{b64(text.encode('utf-8', 'replace'))}.e30.AA", OPENNCP, now=NOON),
    ):
        with pytest.raises(NotAllowed):
            attempt()
