"""The tokens that say who asks on HTTP: vocabulary, policy, and minting from a `CallContext`.

A token is an IUA JSON Web Token: registered claims, the professional in `extensions.ihe_iua`, the
patient in `extensions.ihe_bppc`, and in `extensions.ncp`, which others may ignore, what the
eHDSI assertions have and IUA lacks. There are two uses of it, as there are two assertions: without
a patient it is the identity (HCP), with `ncp.trc` it is identity and treatment relation in one.
`cnf` binds it to the TLS client that may present it (RFC 8705).

`TOKEN_CLAIMS` is the one table of claim names for writing (here) and reading (`token_claims`).
What a receiver accepts is a `TokenPolicy`, one for each peer. The signer's certificate travels in
the header (`x5c`), so that it is judged by the same trust store as that of an assertion.

Not here: reading (`token_check`), the Authorization header (`security`).

IHE ITI IUA 3.71; RFC 7515, 7519, 8705, 9068.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from gateway.domain.codes import Code, same_scheme, true_scheme
from gateway.domain.context import CallContext, PurposeOfUse, TreatmentRelation
from gateway.domain.ids import InvalidIdentifier, Oid
from gateway.domain.people import Organisation
from gateway.wire.problems import EncodeError
from gateway.wire.saml import ORGANISATION_URN, AssertionPolicy, Claim
from gateway.wire.signatures import Signer

TOKEN_TYPE = "IUA-JWT"
# The example value of IUA, the general one, and that of RFC 9068; compared in lower case.
TOKEN_TYPES = ("iua-jwt", "jwt", "at+jwt", "application/at+jwt")
ISSUER = "urn:idp:{}:countryB"

IHE_IUA = "ihe_iua"
IHE_BPPC = "ihe_bppc"
NCP = "ncp"
THUMBPRINT = "x5t#S256"

# Ours last no longer than IUA recommends; nobody's may last longer than it allows.
TOKEN_SECONDS = 5 * 60
MAX_TOKEN_SECONDS = 60 * 60
# Assertions inside tokens take 32 KiB; the server reads no header longer than twice that.
MAX_TOKEN = 64 * 1024
MIN_RSA_BITS = 2048

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT_REASON_OID = "2.16.840.1.113883.5.8"
# The first code of each purpose is the one that is written.
_REASONS: tuple[tuple[str, PurposeOfUse], ...] = (
    ("TREAT", PurposeOfUse.TREATMENT),
    ("ETREAT", PurposeOfUse.EMERGENCY),
    ("BTG", PurposeOfUse.EMERGENCY),
    ("TREATMENT", PurposeOfUse.TREATMENT),
    ("EMERGENCY", PurposeOfUse.EMERGENCY),
)
REASONS: tuple[tuple[Code, PurposeOfUse], ...] = tuple(
    (Code(value, scheme), purpose)
    for scheme in (ACT_REASON, ACT_REASON_OID)
    for value, purpose in _REASONS
)

# By the key alone, never by the token: the first is the one that is written.
RSA_ALGORITHMS = ("RS256", "PS256")
EC_ALGORITHMS = {"secp256r1": ("ES256",), "secp384r1": ("ES384",)}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class TokenForm(StrEnum):
    """What a peer's tokens are: ours by IUA, OpenNCP's JWT around assertions, or one assertion."""

    IUA = "iua"
    OPENNCP = "openncp"
    SAML = "saml"


class Form(StrEnum):
    """How a claim stands in JSON."""

    TEXT = "text"
    TEXTS = "texts"
    CODINGS = "codings"


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """Where a claim stands: the extension, its name in it, its form."""

    claim: Claim
    extension: str
    name: str
    form: Form = Form.TEXT


TOKEN_CLAIMS: tuple[TokenClaim, ...] = (
    TokenClaim(Claim.SUBJECT, IHE_IUA, "subject_name"),
    TokenClaim(Claim.ORGANISATION, IHE_IUA, "subject_organization"),
    TokenClaim(Claim.ORGANISATION_ID, IHE_IUA, "subject_organization_id"),
    TokenClaim(Claim.ROLE, IHE_IUA, "subject_role", Form.CODINGS),
    TokenClaim(Claim.PURPOSE, IHE_IUA, "purpose_of_use", Form.CODINGS),
    TokenClaim(Claim.HOME, IHE_IUA, "home_community_id"),
    TokenClaim(Claim.NPI, IHE_IUA, "national_provider_identifier"),
    TokenClaim(Claim.PATIENT, IHE_IUA, "person_id"),
    TokenClaim(Claim.FACILITY, NCP, "facility_type"),
    TokenClaim(Claim.LOCALITY, NCP, "locality"),
    TokenClaim(Claim.PERMISSIONS, NCP, "permissions", Form.TEXTS),
    TokenClaim(Claim.SPECIALITY, NCP, "speciality"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """What the tokens of one peer must be like.

    `audiences` are the base addresses we answer at; the answering community counts besides. An
    empty `issuers` accepts any issuer that the trust vouches for. `bound` demands `cnf`; one that
    is there is always compared. Of `assertions` count: `relation`, `skew_seconds`,
    `trc_max_seconds` (the age of a treatment relation), `roles`, `facility_types`, `purposes`, and
    `authentication_methods`, of which none accepts any, and a token that names none.

    Of a `form` that carries assertions only `assertions` count, as they do in SOAP, and `secret`,
    which seals tokens of OpenNCP.
    """

    form: TokenForm = TokenForm.IUA
    secret: bytes = field(default=b"", repr=False)
    audiences: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    bound: bool = True
    max_seconds: int = MAX_TOKEN_SECONDS
    assertions: AssertionPolicy = AssertionPolicy()


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """The seal that signs tokens; its key type decides the algorithm.

    Raises ValueError for a key that no algorithm here takes.
    """

    seal: Signer
    _key: ECKey | RSAKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = self.seal.key
        if not algorithms_of(key.public_key()):
            raise ValueError("a token is signed with RSA of 2048 bits or more, P-256 or P-384")
        native: ECKey | RSAKey = (
            RSAKey.import_key(key) if isinstance(key, rsa.RSAPrivateKey) else ECKey.import_key(key)
        )
        object.__setattr__(self, "_key", native)

    @property
    def algorithm(self) -> str:
        """ES256, ES384 or RS256."""
        return algorithms_of(self.seal.key.public_key())[0]

    @property
    def kid(self) -> str:
        """The name of the key: `x5t#S256` of its certificate (RFC 7515 section 4.1.8)."""
        return base64url(self.seal.certificate.fingerprint(hashes.SHA256()))

    @property
    def certificate(self) -> str:
        """The certificate as `x5c` holds it: base64 of its DER, with padding."""
        return base64.b64encode(self.seal.certificate.public_bytes(Encoding.DER)).decode()

    @property
    def country(self) -> str:
        """The `C=` part of the certificate's subject, or ""."""
        return self.seal.country

    def sign(self, payload: bytes) -> str:
        """A compact JWS of a payload (RFC 7515 section 7.1)."""
        header = {
            "typ": TOKEN_TYPE,
            "alg": self.algorithm,
            "kid": self.kid,
            "x5c": [self.certificate],
        }
        return jws.serialize_compact(header, payload, self._key, algorithms=[self.algorithm])


def algorithms_of(key: object) -> tuple[str, ...]:
    """The algorithms that a public key may verify; none for a key that is not accepted."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA_ALGORITHMS if key.key_size >= MIN_RSA_BITS else ()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return EC_ALGORITHMS.get(key.curve.name, ())
    return ()


def base64url(content: bytes) -> str:
    """Base64 as JOSE writes it: two other characters, no padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def thumbprint_of(client_fingerprint: str) -> str:
    """The `x5t#S256` of a certificate from its SHA-256 in hex; EncodeError when it is none."""
    if _FINGERPRINT.fullmatch(client_fingerprint) is None:
        raise EncodeError("a client certificate is named by its SHA-256, 64 lower-case hex digits")
    return base64url(bytes.fromhex(client_fingerprint))


def mint_token(
    context: CallContext,
    signer: TokenSigner,
    *,
    now: datetime,
    token_id: str,
    audience: str,
    client_fingerprint: str,
    country: str,
    scope: str,
    relation_id: str = "",
    issuer: str = "",
    client_id: str = "",
    seconds: int = TOKEN_SECONDS,
) -> str:
    """The token of a call, signed: the identity, and the treatment relation where there is one.

    `audience` is the base address of the peer, `client_fingerprint` the SHA-256 of the TLS client
    certificate that will present the token, in lower-case hex; `country` stands in the issuer's
    name, unless `issuer` is another; `client_id` is the asking community by default; `scope`
    holds names with spaces between them; `relation_id` names the treatment relation and is
    `token_id` by default; `seconds` is the span of validity from `now`. EncodeError when a value
    cannot be written.
    """
    for name, value in (("id", token_id), ("audience", audience), ("scope", scope)):
        if not value.strip():
            raise EncodeError(f"a token needs its {name}")
    issued = _seconds(now)
    claims: dict[str, Any] = {
        "iss": issuer or ISSUER.format(country),
        "sub": context.professional.id,
        "client_id": client_id or context.asking.urn,
        "aud": audience,
        "jti": token_id,
        "iat": issued,
        "nbf": issued,
        "exp": issued + seconds,
        "scope": scope,
        "auth_time": _seconds(context.authentication.at),
        "acr": context.authentication.method,
        "cnf": {THUMBPRINT: thumbprint_of(client_fingerprint)},
        "extensions": _extensions(context, country, relation_id or token_id, issued),
    }
    return signer.sign(orjson.dumps(claims))


def _seconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


def _extensions(
    context: CallContext, country: str, relation_id: str, issued: int
) -> dict[str, dict[str, Any]]:
    extensions: dict[str, dict[str, Any]] = {IHE_IUA: {}}
    if context.patient is not None:
        extensions[IHE_BPPC] = {"patient_id": context.patient.cx}
    extensions[NCP] = {"country": country}
    values = _values(context)
    for place in TOKEN_CLAIMS:
        value = values.get(place.claim)
        if value:
            extensions[place.extension][place.name] = value
    if context.relation is TreatmentRelation.TRC and context.patient is not None:
        extensions[NCP]["trc"] = {
            "jti": relation_id,
            "asserted_at": issued,
            "patient": {
                "system": context.patient.authority.urn,
                "value": context.patient.value,
            },
        }
    return extensions


def _values(context: CallContext) -> dict[Claim, Any]:
    who = context.professional
    reason = next(code for code, purpose in REASONS if purpose is context.purpose)
    return {
        Claim.SUBJECT: who.name.full,
        Claim.ORGANISATION: who.organisation.name,
        Claim.ORGANISATION_ID: _organisation_id(who.organisation),
        Claim.ROLE: [_coding(who.role)],
        Claim.PURPOSE: [_coding(reason)],
        Claim.HOME: context.asking.urn,
        Claim.NPI: who.id,
        Claim.PATIENT: "" if context.patient is None else context.patient.cx,
        Claim.FACILITY: who.facility_type,
        Claim.LOCALITY: who.locality,
        Claim.PERMISSIONS: list(who.permissions),
        Claim.SPECIALITY: who.speciality,
    }


def _coding(code: Code) -> dict[str, str]:
    scheme = same_scheme(true_scheme(code))
    try:
        scheme = Oid(scheme).urn
    except InvalidIdentifier:
        scheme = code.scheme
    coding = {"system": scheme, "code": code.value, "display": code.display}
    return {name: value for name, value in coding.items() if value}


def _organisation_id(organisation: Organisation) -> str:
    if organisation.id and organisation.authority:
        return f"{ORGANISATION_URN}{organisation.authority}:{organisation.id}"
    return organisation.id or (
        f"urn:oid:{organisation.authority}" if organisation.authority else ""
    )
