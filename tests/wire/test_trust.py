"""Whose certificates are believed: pins, chains, revocation, and mistakes in the configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki import TrustDomain, mint_trust
from gateway.wire.trust import CertificateProblem, TrustStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=4_000)


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW, countries=("XB",))


@pytest.fixture(scope="module")
def seal(domain: TrustDomain) -> x509.Certificate:
    return domain.leaves["xb", "seal"].certificate


def self_issued(usage: x509.KeyUsage | None) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old peer")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    if usage is not None:
        builder = builder.add_extension(usage, True)
    return builder.sign(key, hashes.SHA256())


def issued(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name("authority"))
        .public_key(key.public_key())
        .serial_number(9)
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=9))
        .sign(issuer_key, hashes.SHA256())
    )


def crl_of(
    authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, until: datetime
) -> x509.CertificateRevocationList:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(NOW - timedelta(days=8))
        .next_update(until)
        .sign(key, hashes.SHA256())
    )


def usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(signs, False, not signs, False, False, False, False, False, False)


def test_a_chain_to_an_anchor_is_believed(domain: TrustDomain, seal: x509.Certificate) -> None:
    """Root, issuing authority, leaf, all in their time."""
    domain.trust_store.check(seal, NOW)


def test_a_signer_believed_before_is_still_checked_for_time_and_revocation() -> None:
    """What was found out once is the chain, not that it holds for ever."""
    domain = mint_trust(now=NOW, countries=("XB",))
    store, seal = domain.trust_store, domain.leaves["xb", "seal"].certificate
    store.check(seal, NOW)

    with pytest.raises(CertificateProblem, match="expired"):
        store.check(seal, LATER)
    with pytest.raises(CertificateProblem, match="not yet valid"):
        store.check(seal, NOW - timedelta(days=1))
    store.check(seal, NOW)


def test_a_store_is_read_from_pem(domain: TrustDomain, seal: x509.Certificate) -> None:
    """Of the authorities the self-issued are anchors, the others only help to reach them."""
    store = TrustStore.from_pem(domain.chain_pem, crls=domain.crl_pem)

    assert store.anchors == (domain.root,)
    assert store.intermediates == (domain.issuing,)
    assert len(store.crls) == 2
    store.check(seal, NOW)


def test_an_issuing_authority_alone_may_be_the_anchor(
    domain: TrustDomain, seal: x509.Certificate
) -> None:
    """A country may trust its partner's issuing authority and nobody above it."""
    store = TrustStore.from_pem(domain.issuing.public_bytes(Encoding.PEM))

    assert store.anchors == (domain.issuing,)
    store.check(seal, NOW)


def test_an_empty_store_trusts_nobody(seal: x509.Certificate) -> None:
    """What is not configured is not believed."""
    with pytest.raises(CertificateProblem, match="not known"):
        TrustStore.from_pem().check(seal, NOW)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "expired"),
        ("not-yet-valid", "not yet valid"),
        ("revoked", "revoked"),
        ("unknown-ca", "not trusted"),
    ],
)
def test_a_bad_certificate_is_refused_with_the_reason(
    domain: TrustDomain, kind: str, said: str
) -> None:
    """Each flaw is said so that somebody can put it right."""
    with pytest.raises(CertificateProblem, match=said):
        domain.trust_store.check(domain.broken[kind].certificate, NOW)


def test_an_authority_does_not_sign_assertions(domain: TrustDomain) -> None:
    """Key usage without digitalSignature is refused in a chain."""
    with pytest.raises(CertificateProblem):
        domain.trust_store.check(domain.issuing, NOW)


def test_a_leaf_is_no_authority(domain: TrustDomain, seal: x509.Certificate) -> None:
    """Who holds a good leaf cannot issue more."""
    leaf = domain.leaves["xb", "tls-client"]
    key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(seal.subject)
        .issuer_name(leaf.certificate.subject)
        .public_key(key.public_key())
        .serial_number(8)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(usage(signs=True), True)
        .sign(leaf.key, hashes.SHA256())
    )
    store = TrustStore(anchors=(domain.root,), intermediates=(domain.issuing, leaf.certificate))

    with pytest.raises(CertificateProblem, match="not trusted"):
        store.check(forged, NOW)


def test_a_pin_is_believed_without_a_chain() -> None:
    """Seals of older peers are self-issued and carry no extensions."""
    pin = self_issued(None)

    TrustStore(pinned=(pin,)).check(pin, NOW)
    with pytest.raises(CertificateProblem, match="expired"):
        TrustStore(pinned=(pin,)).check(pin, LATER)


def test_a_pin_is_one_certificate_not_a_name(domain: TrustDomain) -> None:
    """Another certificate of the same subject is not the pinned one."""
    pin, other = self_issued(None), self_issued(None)

    with pytest.raises(CertificateProblem):
        TrustStore(pinned=(pin,)).check(other, NOW)


def test_a_pin_that_may_not_sign_is_refused() -> None:
    """Where a key usage is there it counts."""
    pin = self_issued(usage(signs=False))

    with pytest.raises(CertificateProblem, match="not for signatures"):
        TrustStore(pinned=(pin,)).check(pin, NOW)


def test_a_revoked_pin_is_refused(domain: TrustDomain) -> None:
    """Pinning does not outlive revocation where the issuer's list is known."""
    revoked = domain.broken["revoked"].certificate
    store = TrustStore(
        anchors=(domain.root,),
        intermediates=(domain.issuing,),
        crls=domain.crls,
        pinned=(revoked,),
    )

    with pytest.raises(CertificateProblem, match="revoked"):
        store.check(revoked, NOW)


def test_without_lists_revocation_is_not_checked(domain: TrustDomain) -> None:
    """A store without lists says so by accepting; that is a choice of the configuration."""
    store = TrustStore(anchors=(domain.root,), intermediates=(domain.issuing,))

    store.check(domain.broken["revoked"].certificate, NOW)


def test_with_any_list_everything_must_be_covered(
    domain: TrustDomain, seal: x509.Certificate
) -> None:
    """The list of one authority does not excuse the missing list of the other."""
    for only in domain.crls:
        store = TrustStore(anchors=(domain.root,), intermediates=(domain.issuing,), crls=(only,))
        with pytest.raises(CertificateProblem, match="no current revocation list"):
            store.check(seal, NOW)


def test_a_stale_list_does_not_count() -> None:
    """An attacker who holds back new lists gains nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = issued("authority", key, key)
    stale = crl_of(authority, key, until=NOW - timedelta(days=2))
    fresh = crl_of(authority, key, until=NOW + timedelta(days=2))
    pin = issued("pin", ec.generate_private_key(ec.SECP256R1()), key)

    TrustStore(anchors=(authority,), crls=(fresh,), pinned=(pin,)).check(pin, NOW)
    with pytest.raises(CertificateProblem, match="no current revocation list"):
        TrustStore(anchors=(authority,), crls=(stale,), pinned=(pin,)).check(pin, NOW)


def test_a_list_by_a_stranger_is_a_mistake_in_the_configuration(domain: TrustDomain) -> None:
    """It would otherwise either deny service or be silently ignored."""
    stranger = mint_trust(now=NOW, countries=())

    with pytest.raises(ValueError, match="revocation list"):
        TrustStore(anchors=(domain.root,), crls=stranger.crls)


def test_what_is_not_pem_is_refused() -> None:
    """A wrong file is noticed when the configuration is read."""
    with pytest.raises(ValueError):
        TrustStore.from_pem(b"not a certificate")
