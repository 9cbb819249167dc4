"""Whose certificates are believed: anchors, intermediates, revocation lists, pins.

A certificate is trusted when it is pinned, or when a chain of at most `MAX_CHAIN` intermediates
leads to an anchor. Either way it must be valid at the given time and allowed to sign. The chain is
built by cryptography's path validator, under a policy that asks for key usage and for marked
certificate authorities, and for nothing that only web servers have: seal certificates carry no
subject alternative name, and those of peers often no key identifiers.

Revocation: with no list configured nothing is checked; with any list configured, every
certificate below the anchor must be covered by a current one. A pin is checked against the list
of its issuer where there is one.

Not here: TLS, which OpenSSL checks (`gateway.transport.tls`). RFC 5280 sections 4.2.1, 5 and 6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

# Root, issuing authority, leaf is the shape of national trust domains; one more for a cross-sign.
MAX_CHAIN = 3
# Signers remembered as chained; a peer has one or two, and only trusted ones are remembered.
MAX_REMEMBERED = 64

_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_CRL_KEYS = (
    dsa.DSAPublicKey,
    rsa.RSAPublicKey,
    ec.EllipticCurvePublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
)


class CertificateProblem(Exception):
    """A certificate that is not believed, and why."""


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What one peer's signatures are checked against. A store that holds nothing trusts nobody.

    `anchors` are believed by themselves, `intermediates` only help to reach them, `crls` are the
    revocation lists, `pinned` are signers believed without a chain. Raises ValueError when a
    list was not issued by one of the authorities: that is a mistake in the configuration.
    """

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    pinned: tuple[x509.Certificate, ...] = ()
    _builder: PolicyBuilder | None = field(init=False, repr=False, compare=False)
    _pins: frozenset[bytes] = field(init=False, repr=False, compare=False)
    # Chains found before: the search is the dear part, and depends on the time only through the
    # validity of the members, which is checked at each use. A memory, not a state.
    _chains: dict[bytes, tuple[x509.Certificate, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for crl in self.crls:
            if not any(_issued(crl, ca) for ca in (*self.anchors, *self.intermediates)):
                raise ValueError(
                    f"no authority of this store issued the revocation list of "
                    f"{crl.issuer.rfc4514_string()}"
                )
        builder = None
        if self.anchors:
            builder = (
                PolicyBuilder()
                .store(Store(list(self.anchors)))
                .max_chain_depth(MAX_CHAIN)
                .extension_policies(ee_policy=_SIGNER_POLICY, ca_policy=_AUTHORITY_POLICY)
            )
        pins = frozenset(pin.fingerprint(hashes.SHA256()) for pin in self.pinned)
        object.__setattr__(self, "_builder", builder)
        object.__setattr__(self, "_pins", pins)

    @classmethod
    def from_pem(cls, authorities: bytes = b"", *, crls: bytes = b"", pinned: bytes = b"") -> Self:
        """Read a store from PEM texts, each holding any number of objects.

        Of the authorities the self-issued are anchors and the others intermediates; where none is
        self-issued all are anchors. Raises ValueError for what cannot be read.
        """
        found = tuple(x509.load_pem_x509_certificates(authorities)) if authorities.strip() else ()
        roots = tuple(ca for ca in found if ca.subject == ca.issuer)
        return cls(
            anchors=roots or found,
            intermediates=tuple(ca for ca in found if ca not in roots) if roots else (),
            crls=tuple(x509.load_pem_x509_crl(pem) for pem in _PEM_CRL.findall(crls)),
            pinned=tuple(x509.load_pem_x509_certificates(pinned)) if pinned.strip() else (),
        )

    def check(self, certificate: x509.Certificate, now: datetime) -> None:
        """Believe a signer's certificate at a moment, or raise `CertificateProblem`."""
        now = now.astimezone(UTC)
        _check_time(certificate, now, "the signer's certificate")
        fingerprint = certificate.fingerprint(hashes.SHA256())
        if fingerprint in self._pins:
            self._check_pin(certificate, now)
            return
        chain = self._chains.get(fingerprint)
        if chain is None:
            chain = self._chain(certificate, now)
            if len(self._chains) < MAX_REMEMBERED:
                self._chains[fingerprint] = chain
        for authority in chain[1:]:
            _check_time(authority, now, "an issuer's certificate")
        if self.crls:
            for subject in chain[:-1]:
                self._check_revocation(subject, now, must_be_covered=True)

    def _check_pin(self, certificate: x509.Certificate, now: datetime) -> None:
        # A pin says who it is; many self-issued seals carry no extensions at all.
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            usage = None
        except ValueError as problem:
            raise CertificateProblem("the signer's certificate cannot be read") from problem
        if usage is not None and not usage.digital_signature:
            raise CertificateProblem("the signer's certificate is not for signatures")
        self._check_revocation(certificate, now, must_be_covered=False)

    def _chain(self, certificate: x509.Certificate, now: datetime) -> tuple[x509.Certificate, ...]:
        if self._builder is None:
            raise CertificateProblem("the signer is not known")
        verifier = self._builder.time(now).build_client_verifier()
        try:
            return tuple(verifier.verify(certificate, list(self.intermediates)).chain)
        except VerificationError as problem:
            raise CertificateProblem(f"the signer is not trusted: {problem}") from problem
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as problem:
            raise CertificateProblem("the signer's certificate cannot be read") from problem

    def _check_revocation(
        self, certificate: x509.Certificate, now: datetime, *, must_be_covered: bool
    ) -> None:
        lists = [crl for crl in self.crls if crl.issuer == certificate.issuer]
        if any(
            crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for crl in lists
        ):
            raise CertificateProblem("the signer's certificate, or its issuer's, is revoked")
        if (lists or must_be_covered) and not any(_is_current(crl, now) for crl in lists):
            raise CertificateProblem("no current revocation list covers the signer's certificate")


def _check_time(certificate: x509.Certificate, now: datetime, whose: str) -> None:
    if now < certificate.not_valid_before_utc:
        raise CertificateProblem(f"{whose} is not yet valid")
    if now > certificate.not_valid_after_utc:
        raise CertificateProblem(f"{whose} has expired")


def _is_current(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    expires = crl.next_update_utc
    return crl.last_update_utc <= now and (expires is None or now <= expires)


def _issued(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if crl.issuer != authority.subject:
        return False
    key = authority.public_key()
    try:
        return isinstance(key, _CRL_KEYS) and crl.is_signature_valid(key)
    except (InvalidSignature, UnsupportedAlgorithm):
        return False


def _require_signature(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("the key usage does not include digitalSignature")


def _require_authority(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("an issuer is not a certificate authority")


def _require_cert_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("an issuer may not sign certificates")


_SIGNER_POLICY = ExtensionPolicy.permit_all().require_present(
    x509.KeyUsage, Criticality.AGNOSTIC, _require_signature
)
_AUTHORITY_POLICY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, _require_authority)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_cert_sign)
)
