"""Assertions that do not hold are refused over the network: the right code in both profiles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain import (
    Authentication,
    Code,
    Oid,
    PatientId,
    PatientTraits,
    Refusal,
    Transaction,
)
from gateway.domain.codes import ISCO
from gateway.pki import TrustDomain, mint_trust
from gateway.wire.soap import xca_query, xcpd
from gateway.wire.soap.refusals import (
    ErrorStyle,
    registry_error_code,
    security_fault,
    xcpd_codes,
)
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_professional, make_query
from tests.exchanges import ScriptedExchange
from tests.gateways import Pair, pair_of, session_with
from tests.requests import (
    FIND,
    IDENTIFY,
    SMARTCARD,
    audited,
    context_for,
    enveloped,
    find_request,
    kept,
    post,
    security_for,
)

PROFILES = ["ihe", "ehdsi"]
Make = Callable[[Pair, str], bytes]


def _aged(delta: timedelta) -> Make:
    def make(pair: Pair, profile: str) -> bytes:
        now = datetime.now(UTC) + delta
        context = context_for(profile, authentication=Authentication(at=now, method=SMARTCARD))
        return security_for(pair, context, now=now)

    return make


def _with(**changes: object) -> Make:
    return lambda pair, profile: security_for(pair, context_for(profile, **changes))


def _tampered(old: bytes, new: bytes) -> Make:
    def make(pair: Pair, profile: str) -> bytes:
        security = security_for(pair, context_for(profile))
        assert old in security
        return security.replace(old, new)

    return make


def _foreign(pair: Pair, profile: str) -> bytes:
    stranger = mint_trust(now=datetime.now(UTC)).signer("XB")
    return security_for(pair, context_for(profile), signer=stranger)


def _unsigned(pair: Pair, profile: str) -> bytes:
    security = security_for(pair, context_for(profile))
    while b"<ds:Signature" in security:
        start = security.index(b"<ds:Signature")
        end = security.index(b"</ds:Signature>") + len(b"</ds:Signature>")
        security = security[:start] + security[end:]
    return security


CASES: dict[str, tuple[Make, Refusal]] = {
    "none at all": (lambda pair, profile: b"", Refusal.NO_ASSERTION),
    "expired": (_aged(-timedelta(hours=9)), Refusal.ASSERTION_NOT_VALID_NOW),
    "from the future": (_aged(timedelta(hours=9)), Refusal.ASSERTION_NOT_VALID_NOW),
    "for another audience": (
        lambda pair, profile: security_for(pair, context_for(profile), audience="urn:elsewhere"),
        Refusal.WRONG_AUDIENCE,
    ),
    "by password": (
        _with(
            authentication=Authentication(
                at=datetime.now(UTC), method="urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
            )
        ),
        Refusal.WEAK_AUTHENTICATION,
    ),
    "another name written in": (_tampered(b"Lindqvist", b"Lundqvist"), Refusal.SIGNATURE_INVALID),
    "signed by a stranger": (_foreign, Refusal.SIGNATURE_INVALID),
    "not signed": (_unsigned, Refusal.SIGNATURE_INVALID),
    "an unknown role": (
        _with(professional=make_professional(role=Code("9999", ISCO, "Wizards"))),
        Refusal.ATTRIBUTES_INVALID,
    ),
    "too few permissions": (
        _with(professional=make_professional(permissions=("PRD-006",))),
        Refusal.INSUFFICIENT_RIGHTS,
    ),
    "about another patient": (
        _with(patient=PatientId("A-9999", Oid("2.999.1.2"))),
        Refusal.TREATMENT_RELATION_MISMATCH,
    ),
    "about no patient": (_with(patient=None), Refusal.NO_TREATMENT_RELATION),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", CASES)
async def test_a_query_with_an_assertion_that_does_not_hold_is_refused(
    case: str, profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A fault in style `ihe`, an error of the transaction in style `ehdsi`; audited in both."""
    make, refusal = CASES[case]
    exchange = ScriptedExchange()
    style = ErrorStyle(profile)
    async with pair_of(exchange, trust_domain, tmp_path, profile=profile) as pair:
        body = xca_query.encode_request(make_query())
        answer = await post(pair, enveloped(pair, body, FIND, security=make(pair, profile)))

        fault = security_fault(refusal, style)
        if fault is None:
            assert answer.codes == [registry_error_code(refusal, Transaction.FIND, style)]
            assert answer.status == 200
        else:
            assert answer.fault is not None
            assert answer.fault.subcode == fault.subcode
        assert exchange.asked == []
        assert kept(pair)[0]["refusal"] == refusal.value
        assert 'EventOutcomeIndicator="8"' in audited(pair)[0]


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_identification_without_an_assertion_is_refused_in_its_own_words(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """XCPD says AE with a detail code where eHDSI wants it so."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        body = xcpd.encode_request(
            PatientTraits(ids=(PATIENT,)),
            message_id="m-1",
            created=datetime.now(UTC),
            sender=COUNTRY_B,
            receiver=COUNTRY_A,
        )
        answer = await post(pair, enveloped(pair, body, IDENTIFY, security=b""), action=IDENTIFY)
        if profile == "ihe":
            assert answer.fault is not None
            assert answer.fault.subcode == "wsse:SecurityTokenUnavailable"
        else:
            codes = xcpd_codes(Refusal.NO_ASSERTION, ErrorStyle.EHDSI)
            assert codes.detail in answer.codes


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_assertion_may_be_shown_again_by_the_client_that_showed_it_first(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A professional works on through its validity."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        root = find_request(pair, profile=profile)
        for _ in range(2):
            assert (await post(pair, root)).fault is None


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_assertion_shown_by_another_client_is_refused(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A stolen assertion is worth nothing without the TLS key it was first shown with."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        root = find_request(pair, profile=profile)
        await post(pair, root)
        async with session_with(tmp_path / "certs", "xa/tls-client") as thief:
            answer = await post(pair, root, session=thief)
        assert kept(pair)[1]["refusal"] == Refusal.ASSERTION_REUSED.value
        if profile == "ihe":
            assert answer.fault is not None
            assert answer.fault.subcode == "wsse:FailedAuthentication"
        else:
            assert answer.codes == ["ERROR_HPI_GENERIC"]
