"""The receiver's check list for tokens, row by row over the wire, in both styles of answer.

The order of the rows and what each must be answered with is that of RFC 6750 section 3 and
IHE ITI IUA 3.72. One base is asked by all.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from gateway.config import FhirSection, PeerSection
from gateway.domain import (
    Caller,
    CommunityId,
    NotAllowed,
    Outcome,
    PatientId,
    PurposeOfUse,
    Refusal,
    TreatmentRelation,
)
from gateway.pki import TrustDomain
from gateway.transport.compose import token_signer_of
from gateway.wire.fhir.jwks import IssuerKey
from gateway.wire.fhir.security import read_context
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy, TokenSigner, algorithms_of
from tests.builders import PATIENT, make_professional
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import BOTH, Got, ask, bearer
from tests.gateways import Pair, pair_of, session_with
from tests.requests import audited, context_for
from tests.transport.test_fhir_documents import ENTRY, NAME, SEARCH, scripted
from tests.wire.fhir.minted import b64, header_of, payload_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN = 'Bearer realm="ncp"'
INVALID = f'{LOGIN}, error="invalid_token"'
TOO_LITTLE = f'{LOGIN}, error="insufficient_scope"'
OTHER = PatientId("A-0666", PATIENT.authority)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """One base for every row."""
    folder = tmp_path_factory.mktemp("rows")
    async with pair_of(scripted(ENTRY, identities=BOTH), trust_domain, folder) as opened:
        yield opened


def _signed(pair: Pair, header: dict[str, Any], payload: Any, key: Any = None) -> str:
    """A Bearer header, whatever it says, signed with our key or another."""
    own = token_signer_of(pair.asking_settings.seal).seal.key
    native = key or (RSAKey if isinstance(own, rsa.RSAPrivateKey) else ECKey).import_key(own)
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return "Bearer " + jws.serialize_compact(header, content, native, algorithms=[header["alg"]])


def _changed(pair: Pair, edit: Callable[[dict[str, Any]], object]) -> str:
    """A flawless token whose payload was changed, and signed by who may sign."""
    token = bearer(pair).removeprefix("Bearer ")
    payload = payload_of(token)
    edit(payload)
    return _signed(pair, header_of(token), payload)


def _headed(pair: Pair, **header: Any) -> str:
    """A flawless token with other members in its header, signed by who may sign."""
    token = bearer(pair).removeprefix("Bearer ")
    members = {k: v for k, v in (header_of(token) | header).items() if v is not None}
    return _signed(pair, members, payload_of(token))


async def _refused(
    pair: Pair, token: str, status: int, reason: Refusal, challenge: str, code: str, **options: Any
) -> Got:
    got = await ask(pair, path=options.pop("path", SEARCH), token=token, **options)
    assert (got.status, got.refusal) == (status, reason)
    assert got.headers.get("WWW-Authenticate", "") == challenge
    assert got.resource["issue"][0]["code"] == code
    event = audited(pair)[-1]
    assert 'EventOutcomeIndicator="8"' in event
    return got


async def _unbelieved(pair: Pair, token: str, reason: Refusal, code: str = "security") -> None:
    await _refused(pair, token, 401, reason, INVALID, code)


# --- row 2: one header, of scheme Bearer, and not in the address ----------------------------------


async def test_no_header(pair: Pair) -> None:
    """401 that asks for a token, without an error: nothing was wrong with any."""
    await _refused(pair, "", 401, Refusal.NO_ASSERTION, LOGIN, "login")


async def test_two_headers(pair: Pair) -> None:
    """Which of them counts would be anybody's guess."""
    token = bearer(pair)
    got = await pair.session.get(
        f"{pair.url.rpartition('/')[0]}/fhir{SEARCH}",
        headers=[("Authorization", token), ("Authorization", token)],
    )

    assert (got.status, got.headers["WWW-Authenticate"]) == (401, LOGIN)
    assert b"several Authorization headers" in await got.read()


async def test_another_scheme(pair: Pair) -> None:
    """Nothing here knows passwords."""
    await _refused(pair, "Basic YTpi", 401, Refusal.NO_ASSERTION, LOGIN, "login")


async def test_in_the_address(pair: Pair) -> None:
    """Refused even beside a good header."""
    path = f"{SEARCH}&access_token=abc"
    await _refused(pair, bearer(pair), 401, Refusal.NO_ASSERTION, LOGIN, "login", path=path)


# --- row 3: format and size -----------------------------------------------------------------------


async def test_a_bad_format(pair: Pair) -> None:
    """Not three parts, not base64url, not JSON, a name twice, something to be understood."""
    for token in (
        "Bearer a.b",
        "Bearer e30.e30.e3",
        f"Bearer {b64(b'[]')}.e30.AAAA",
        _headed(pair, crit=["b64"], b64=True),
        _signed(pair, header_of(bearer(pair)[7:]), b'{"iss": "a", "iss": "b"}'),
    ):
        await _unbelieved(pair, token, Refusal.ASSERTION_MALFORMED)


async def test_too_large(pair: Pair) -> None:
    """Over 64 KiB, which no assertions in a token need."""
    await _unbelieved(pair, "Bearer e30.e30." + "A" * 65_536, Refusal.ASSERTION_MALFORMED)


async def test_a_header_of_32_kB_is_read(pair: Pair) -> None:
    """As large as assertions in a token come."""
    token = _changed(pair, lambda claims: claims.update(padding="x" * 24_000))

    assert len(token) > 32_000
    assert (await ask(pair, path=SEARCH, token=token)).status == 200


# --- row 4: signature, key, algorithm -------------------------------------------------------------


async def test_a_bad_signature(pair: Pair) -> None:
    """A word changed after signing."""
    head, body, signature = bearer(pair).split(".")
    payload = payload_of(f"{head}.{body}.{signature}") | {"sub": "somebody-else"}
    forged = b64(json.dumps(payload).encode())
    await _unbelieved(pair, f"{head}.{forged}.{signature}", Refusal.SIGNATURE_INVALID)


async def test_no_algorithm(pair: Pair) -> None:
    """`none` is a way to sign nothing."""
    token = bearer(pair)[7:]
    header = json.dumps(header_of(token) | {"alg": "none"}).encode()
    for signature in ("", "AAAA"):
        shown = f"Bearer {b64(header)}.{token.split('.')[1]}.{signature}"
        await _unbelieved(pair, shown, Refusal.SIGNATURE_INVALID)


async def test_a_public_key_as_a_shared_secret(pair: Pair) -> None:
    """HMAC with the bytes of our own key and certificate, which anybody has."""
    signer = token_signer_of(pair.asking_settings.seal)
    public = signer.seal.key.public_key()
    token = bearer(pair)[7:]
    for secret, algorithm in (
        (public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "HS256"),
        (public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "HS512"),
        (signer.seal.certificate.public_bytes(Encoding.PEM), "HS256"),
    ):
        header = json.dumps(header_of(token) | {"alg": algorithm}).encode()
        written = f"{b64(header)}.{token.split('.')[1]}"
        seal = hmac.digest(secret, written.encode(), f"sha{algorithm[2:]}")
        await _unbelieved(pair, f"Bearer {written}.{b64(seal)}", Refusal.SIGNATURE_INVALID)


async def test_an_unknown_key(pair: Pair) -> None:
    """A kid nobody published, and a key that the token brings along."""
    stranger = ECKey.generate_key("P-256")
    token = bearer(pair)[7:]
    without = {k: v for k, v in header_of(token).items() if k != "x5c"}
    for header in (
        without | {"kid": "nobody"},
        without | {"jwk": stranger.as_dict(private=False)},
        without | {"jku": "https://elsewhere.example/keys"},
    ):
        content = json.dumps(payload_of(token)).encode()
        signed = _mute(header, content, stranger)
        await _unbelieved(pair, f"Bearer {signed}", Refusal.SIGNATURE_INVALID)


def _mute(header: dict[str, Any], content: bytes, key: ECKey) -> str:
    """Signed whatever the header says, which the library would look into."""
    plain = jws.serialize_compact({"alg": "ES256"}, content, key).split(".")
    return f"{b64(json.dumps(header | {'alg': 'ES256'}).encode())}.{plain[1]}.{plain[2]}"


async def test_an_unknown_algorithm(pair: Pair) -> None:
    """One the key could verify, and that is not agreed."""
    own = token_signer_of(pair.asking_settings.seal)
    assert "RS512" not in algorithms_of(own.seal.key.public_key())
    await _unbelieved(pair, _headed(pair, alg="RS512"), Refusal.SIGNATURE_INVALID)


# --- row 5: times ---------------------------------------------------------------------------------


def _at(pair: Pair, **seconds: float) -> str:
    now = datetime.now(UTC).timestamp()
    return _changed(pair, lambda c: c.update({k: int(now + v) for k, v in seconds.items()}))


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ({"iat": -400, "nbf": -400, "exp": -70}, 401),
        ({"iat": -300, "nbf": -300, "exp": -30}, 200),
        ({"iat": 0, "nbf": 90, "exp": 300}, 401),
        ({"iat": 0, "nbf": 30, "exp": 300}, 200),
        ({"iat": 90, "nbf": 0, "exp": 300}, 401),
        ({"iat": 30, "nbf": 30, "exp": 300}, 200),
        ({"iat": 0, "nbf": 0, "exp": 3601}, 401),
        ({"iat": -10, "nbf": -10, "exp": 3580}, 200),
    ],
    ids=["expired", "skew", "nbf", "nbf-skew", "iat", "iat-skew", "lifetime", "an-hour"],
)
async def test_times(times: dict[str, float], status: int, pair: Pair) -> None:
    """A minute's difference between clocks is forgiven; an hour is the longest life."""
    token = _at(pair, **times)
    if status == 401:
        await _unbelieved(pair, token, Refusal.ASSERTION_NOT_VALID_NOW, "expired")
    else:
        assert (await ask(pair, path=SEARCH, token=token)).status == 200


# --- row 6: addressee, issuer, client -------------------------------------------------------------


async def test_a_wrong_audience(pair: Pair) -> None:
    """Meant for another gateway."""
    token = bearer(pair, audience="https://elsewhere.example/fhir")
    await _unbelieved(pair, token, Refusal.WRONG_AUDIENCE)


async def test_an_issuer_nobody_trusts(trust_domain: TrustDomain, pair: Pair) -> None:
    """Signed by a certificate of an unknown CA; or with a bare key that is another issuer's."""
    foreign = trust_domain.broken["unknown-ca"]
    stranger = TokenSigner(foreign.signer)
    header = {"typ": "JWT", "alg": stranger.algorithm, "x5c": [stranger.certificate]}
    native: Any = (RSAKey if stranger.algorithm.startswith("RS") else ECKey).import_key(
        stranger.seal.key
    )
    token = _signed(pair, header, payload_of(bearer(pair)[7:]), native)
    await _unbelieved(pair, token, Refusal.SIGNATURE_INVALID)

    own = ECKey.generate_key("P-256")
    known = IssuerKey(
        issuer="https://b.example",
        kid="k1",
        key=own.get_op_key("verify"),
        algorithms=("ES256",),
    )
    bare = _signed(pair, {"alg": "ES256", "kid": "k1"}, payload_of(bearer(pair)[7:]), own)
    with pytest.raises(NotAllowed, match="another issuer"):
        read_context(
            [bare],
            TokenTrust(keys=(known,)),
            TokenPolicy(),
            now=datetime.now(UTC),
            caller=Caller(),
            correlation_id="",
            answering=CommunityId("2.999.1.1"),
            patient_specific=False,
            scopes=frozenset({"ITI-67"}),
        )


async def test_bound_to_another_certificate(pair: Pair) -> None:
    """A stolen token is worth nothing to the thief's TLS client; nor one bound to nobody."""
    elsewhere = bearer(pair, client_fingerprint="0" * 64)
    await _unbelieved(pair, elsewhere, Refusal.ASSERTION_REUSED)
    unbound = _changed(pair, lambda claims: claims.pop("cnf"))
    await _unbelieved(pair, unbound, Refusal.ASSERTION_INCOMPLETE)
    folder = pair.asking_settings.gateway.state.parent / "certs"
    async with session_with(folder, "xa/tls-client") as thief:
        got = await ask(pair, path=SEARCH, session=thief)
    assert (got.status, got.refusal) == (401, Refusal.ASSERTION_REUSED)


# --- row 7: replay --------------------------------------------------------------------------------


async def test_replayed_where_once_is_agreed(trust_domain: TrustDomain, tmp_path: Any) -> None:
    """Only where the settings say so; the second time is refused."""
    subject = trust_domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    peer = PeerSection(
        name="B", community="2.999.2.1", tls_subjects=(subject,), assertions="single-use"
    )
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path, callers=(peer,)) as once:
        token = bearer(once)
        assert (await ask(once, path=SEARCH, token=token)).status == 200
        await _unbelieved(once, token, Refusal.ASSERTION_REUSED)


# --- rows 8 to 11: what the token is not enough for -----------------------------------------------


def _unscoped(pair: Pair) -> str:
    return bearer(pair, scope="ITI-78 system/Patient.rs")


def _powerless(pair: Pair) -> str:
    return bearer(
        pair, context_for("ihe", professional=make_professional(permissions=("PRD-006",)))
    )


def _wrong_role(pair: Pair) -> str:
    return _changed(
        pair,
        lambda c: c["extensions"]["ihe_iua"].update(
            subject_role=[{"system": "urn:oid:2.16.840.1.113883.2.9.6.2.7", "code": "9999"}]
        ),
    )


def _wrong_purpose(pair: Pair) -> str:
    return _changed(
        pair,
        lambda c: c["extensions"]["ihe_iua"].update(
            purpose_of_use=[
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT"}
            ]
        ),
    )


def _nobodys(pair: Pair) -> str:
    context = context_for("ihe", patient=None, relation=TreatmentRelation.NONE)
    return bearer(pair, context)


def _of_another(pair: Pair) -> str:
    return bearer(pair, context_for("ihe", patient=OTHER))


SCOPE = f'{TOO_LITTLE}, scope="ITI-67 system/DocumentReference.s"'
ENOUGH: tuple[tuple[str, Callable[[Pair], str], Refusal, str, int, str], ...] = (
    # row, token, refusal, challenge of RFC 6750, status of IUA, challenge of IUA
    ("8 scope", _unscoped, Refusal.INSUFFICIENT_RIGHTS, SCOPE, 401, SCOPE),
    ("9 permissions", _powerless, Refusal.INSUFFICIENT_RIGHTS, SCOPE, 401, SCOPE),
    ("9 role", _wrong_role, Refusal.ATTRIBUTES_INVALID, TOO_LITTLE, 401, TOO_LITTLE),
    ("9 purpose", _wrong_purpose, Refusal.ATTRIBUTES_INVALID, TOO_LITTLE, 401, TOO_LITTLE),
    ("10 no relation", _nobodys, Refusal.NO_TREATMENT_RELATION, "", 403, ""),
    ("11 patient", _of_another, Refusal.TREATMENT_RELATION_MISMATCH, "", 401, TOO_LITTLE),
)


@pytest.mark.parametrize("row", ENOUGH, ids=[row[0] for row in ENOUGH])
async def test_a_token_that_is_not_enough(row: Any, pair: Pair) -> None:
    """403: another token, or another person, might be let in."""
    _, make, reason, challenge, *_ = row
    await _refused(pair, make(pair), 403, reason, challenge, "forbidden")


async def test_a_token_that_is_not_enough_by_iua(trust_domain: TrustDomain, tmp_path: Any) -> None:
    """401 with a challenge for scope, policy and patient."""
    iua = FhirSection(auth_failures="iua")
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path, fhir=iua) as pair:
        for _, make, reason, _, status, challenge in ENOUGH:
            await _refused(pair, make(pair), status, reason, challenge, "forbidden")


async def test_the_patient_is_compared_wherever_one_is_named(pair: Pair) -> None:
    """In a search by the patient, whatever is asked beside."""
    token = _of_another(pair)
    for path in (SEARCH, f"{SEARCH}&type=http://loinc.org|18748-4"):
        got = await ask(pair, path=path, token=token)
        assert (got.status, got.refusal) == (403, Refusal.TREATMENT_RELATION_MISMATCH)
    hidden = await ask(pair, path="/DocumentReference?patient=00ff", token=token)
    assert (hidden.status, hidden.refusal) == (404, Refusal.UNKNOWN_PATIENT)


async def test_an_emergency_needs_the_same_token(pair: Pair) -> None:
    """The purpose opens a denial in Country A, and nothing of the token's check."""
    hurried = context_for("ihe", purpose=PurposeOfUse.EMERGENCY)
    assert (await ask(pair, path=SEARCH, token=bearer(pair, hurried))).status == 200
    nobody = context_for("ihe", purpose=PurposeOfUse.EMERGENCY, patient=None)
    got = await ask(pair, path=SEARCH, token=bearer(pair, nobody))
    assert (got.status, got.refusal) == (403, Refusal.NO_TREATMENT_RELATION)


# --- row 12: consent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denial", "search", "read"),
    [("401", 401, 401), ("404", 404, 404), ("empty", 200, 404)],
)
async def test_no_consent_is_shown_as_the_setting_says(
    denial: Any, search: int, read: int, trust_domain: TrustDomain, tmp_path: Any
) -> None:
    """And audited as what it is, whatever is shown; 403 without any setting."""
    no = NotAllowed(Refusal.NO_CONSENT, "the patient does not consent")
    refusing = ScriptedExchange(entries=no, looked_up=no)
    fhir = FhirSection(denial=denial)
    async with pair_of(refusing, trust_domain, tmp_path, fhir=fhir) as pair:
        searched = await ask(pair, path=SEARCH)
        fetched = await ask(pair, path=f"/Binary/{NAME}")
        refusing.looked_up = Outcome(())
        absent = await ask(pair, path=f"/Binary/{NAME}")
        events = audited(pair)

    assert [searched.status, fetched.status] == [search, read]
    assert all("does not consent" in event for event in events[:2])
    assert all('EventOutcomeIndicator="8"' in event for event in events[:2])
    assert (b"consent" in searched.body + fetched.body) is (denial == "401")
    if denial == "401":
        assert searched.resource["issue"][0]["code"] == "suppressed"
        assert searched.headers["WWW-Authenticate"] == TOO_LITTLE
    else:
        assert _without_id(fetched) == _without_id(absent)
    if denial == "empty":
        assert (searched.resource["total"], "entry" in searched.resource) == (0, False)


def _without_id(got: Got) -> tuple[int, Any]:
    issue = got.resource["issue"][0]
    return got.status, {**issue, "diagnostics": issue["diagnostics"].partition(";")[0]}
