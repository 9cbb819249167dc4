"""A made-up trust domain: root, issuing authority, good leaves, and deliberately bad ones.

For tests and demonstrations only. `mint_trust` makes one in memory from a profile, `init_trust`
writes one to a folder, and `python -m gateway.pki certs/` does so from the command line. What is
made is data: names, roles, key types and flaws come from a profile (`gateway.pki_profile`).

The private keys of the authorities are never written: nobody can issue more under this root, and
a new leaf means a new domain. Revocation lists therefore last as long as the leaves.

Leaves carry keyUsage digitalSignature; authorities critical basicConstraints, keyCertSign and
cRLSign; all key identifiers, except where a missing one is the flaw. RFC 5280 section 4.2.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.pki_profile import Flaw, PkiError, TrustProfile, read_profile
from gateway.wire.signatures import Signer
from gateway.wire.trust import TrustStore

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_KEY_MODE = 0o600
_PUBLIC_MODE = 0o644
_COUNTRY_LETTERS = 2  # X.520 countryName is exactly two letters
_REVOKED_BEFORE = timedelta(minutes=30)
_PURPOSES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "email": ExtendedKeyUsageOID.EMAIL_PROTECTION,
}
_RSA_BITS = {"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}
_CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1]] = {
    "ec-p256": ec.SECP256R1,
    "ec-p384": ec.SECP384R1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A private key, its certificate, and the certificates that lead to the root without it."""

    key: PrivateKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and its issuers, as a TLS server presents them."""
        return b"".join(_pem(item) for item in (self.certificate, *self.issuers))

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS#8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def signer(self) -> Signer:
        """The same pair as a signer of assertions."""
        return Signer(self.key, self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDomain:
    """A whole trust domain in memory.

    `leaves` are keyed by country and role in lower case, such as ("xa", "seal"); `broken` by kind.
    """

    root: x509.Certificate
    issuing: x509.Certificate
    crls: tuple[x509.CertificateRevocationList, ...]
    leaves: Mapping[tuple[str, str], Credential]
    broken: Mapping[str, Credential]

    @property
    def chain_pem(self) -> bytes:
        """Issuing authority and root: what peers put into their trust store."""
        return _pem(self.issuing) + _pem(self.root)

    @property
    def crl_pem(self) -> bytes:
        """The revocation lists of both authorities."""
        return b"".join(crl.public_bytes(Encoding.PEM) for crl in self.crls)

    def signer(self, country: str) -> Signer:
        """The signer of a country's assertions."""
        return self.leaves[country.lower(), "seal"].signer

    @property
    def trust_store(self) -> TrustStore:
        """What a receiver of this domain's assertions trusts."""
        return TrustStore(anchors=(self.root,), intermediates=(self.issuing,), crls=self.crls)

    def files(self) -> dict[str, bytes]:
        """Every file of the domain by its path below `certs/`."""
        found = {
            "ca/root.pem": _pem(self.root),
            "ca/issuing.pem": _pem(self.issuing),
            "ca/chain.pem": self.chain_pem,
            "ca/crl.pem": self.crl_pem,
        }
        credentials = {f"{country}/{role}": leaf for (country, role), leaf in self.leaves.items()}
        credentials |= {f"broken/{kind}": leaf for kind, leaf in self.broken.items()}
        for path, credential in credentials.items():
            found[f"{path}.pem"] = credential.certificate_pem
            found[f"{path}.key"] = credential.key_pem
        return found


def mint_trust(
    *,
    now: datetime,
    countries: Sequence[str] = ("XA", "XB"),
    profile: TrustProfile | None = None,
) -> TrustDomain:
    """Make a whole trust domain in memory. `countries` are two-letter codes, `now` is aware."""
    mint = _Mint(profile or TrustProfile(), now.astimezone(UTC))
    return mint.domain(countries)


def init_trust(
    directory: Path,
    *,
    now: datetime,
    countries: Sequence[str] = ("XA", "XB"),
    profile: TrustProfile | None = None,
    force: bool = False,
) -> TrustDomain:
    """Make a trust domain and write it below a folder.

    Without a profile, `trust.toml` in the folder is read, and without that the built-in one.
    Refuses with `PkiError` to overwrite a domain unless `force` is set, because certificates
    that peers have imported would silently stop to work.
    """
    settings = directory / "trust.toml"
    if profile is None and settings.exists():
        profile = read_profile(settings)
    existing = directory / "ca" / "root.pem"
    if existing.exists() and not force:
        raise PkiError(
            f"{existing} exists: a trust domain is already there. "
            "Remove it, or ask for a new one with --force; peers must then import it again."
        )
    domain = mint_trust(now=now, countries=countries, profile=profile)
    for relative, content in domain.files().items():
        path = directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content, _KEY_MODE if path.suffix == ".key" else _PUBLIC_MODE)
    return domain


def _write(path: Path, content: bytes, mode: int) -> None:
    # Created with its mode, so that a key is never readable by others, not even for a moment.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


@dataclass(frozen=True, slots=True)
class _Authority:
    key: PrivateKey
    certificate: x509.Certificate


class _Mint:
    """Makes the certificates of one domain: holds the profile, the moment and the authorities."""

    def __init__(self, profile: TrustProfile, now: datetime) -> None:
        self.profile = profile
        self.now = now.replace(microsecond=0)
        self.start = self.now - timedelta(minutes=profile.backdate_minutes)
        self.end = self.now + timedelta(days=profile.leaf_days)

    def domain(self, countries: Sequence[str]) -> TrustDomain:
        for country in countries:
            if len(country) != _COUNTRY_LETTERS or not country.isalpha() or not country.isascii():
                raise PkiError(f"{country!r} is not a country: two letters are needed, such as XA")
        root = self._root("root authority")
        issuing = self._issuing(root)
        leaves = {
            (country.lower(), name): self._leaf(
                issuing,
                country=country.upper(),
                label=name,
                key=role.key,
                purposes=role.purposes,
                hosts=self.profile.hosts if role.hosts else (),
            )
            for country in countries
            for name, role in self.profile.roles.items()
        }
        broken = {name: self._broken(name, flaw, issuing) for name, flaw in self._flaws()}
        revoked = [broken[name].certificate for name, flaw in self._flaws() if flaw.revoked]
        return TrustDomain(
            root=root.certificate,
            issuing=issuing.certificate,
            crls=(self._crl(issuing, revoked), self._crl(root, [])),
            leaves=leaves,
            broken=broken,
        )

    def _flaws(self) -> list[tuple[str, Flaw]]:
        return list(self.profile.broken.items())

    def _broken(self, name: str, flaw: Flaw, issuing: _Authority) -> Credential:
        authority = issuing
        if flaw.foreign_authority:
            authority = self._issuing(self._root("unknown root authority"))
        return self._leaf(
            authority,
            country="XX",
            label=name,
            key=self.profile.broken_key,
            purposes=flaw.purposes,
            hosts=flaw.hosts or self.profile.hosts,
            start=self._from_now(flaw.valid_from_days),
            end=self._from_now(flaw.valid_to_days),
            authority_key_identifier=flaw.authority_key_identifier,
        )

    def _from_now(self, days: int | None) -> datetime | None:
        return None if days is None else self.now + timedelta(days=days)

    def _root(self, label: str) -> _Authority:
        key = _new_key(self.profile.authority_key)
        name = self._name(label)
        return _Authority(key, self._authority(name, key, name, key, path_length=1))

    def _issuing(self, root: _Authority) -> _Authority:
        key = _new_key(self.profile.authority_key)
        issuer = root.certificate.subject
        name = self._name("issuing authority")
        return _Authority(key, self._authority(name, key, issuer, root.key, path_length=0))

    def _name(self, label: str, country: str = "") -> x509.Name:
        parts = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.profile.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{country} {label}".strip()),
        ]
        if country:
            parts.insert(0, x509.NameAttribute(NameOID.COUNTRY_NAME, country))
        return x509.Name(parts)

    def _builder(
        self, subject: x509.Name, key: PrivateKey, issuer: x509.Name
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )

    def _authority(
        self,
        subject: x509.Name,
        key: PrivateKey,
        issuer: x509.Name,
        issuer_key: PrivateKey,
        *,
        path_length: int,
    ) -> x509.Certificate:
        return (
            self._builder(subject, key, issuer)
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), True)
            .add_extension(_key_usage(authority=True), True)
            .add_extension(_issuer_identifier(issuer_key), False)
            .sign(issuer_key, hashes.SHA256())
        )

    def _leaf(
        self,
        authority: _Authority,
        *,
        country: str,
        label: str,
        key: str,
        purposes: Sequence[str],
        hosts: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
        authority_key_identifier: bool = True,
    ) -> Credential:
        private = _new_key(key)
        builder = (
            self._builder(self._name(label, country), private, authority.certificate.subject)
            .not_valid_before(start or self.start)
            .not_valid_after(end or self.end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_key_usage(authority=False), True)
        )
        if authority_key_identifier:
            builder = builder.add_extension(_issuer_identifier(authority.key), False)
        if purposes:
            builder = builder.add_extension(_extended_usage(purposes), False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, False)
        return Credential(
            key=private,
            certificate=builder.sign(authority.key, hashes.SHA256()),
            issuers=(authority.certificate,),
        )

    def _crl(
        self, authority: _Authority, revoked: Sequence[x509.Certificate]
    ) -> x509.CertificateRevocationList:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(self.start)
            .next_update(self.end)
            .add_extension(x509.CRLNumber(1), False)
            .add_extension(_issuer_identifier(authority.key), False)
        )
        for certificate in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(self.now - _REVOKED_BEFORE)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False)
                .build()
            )
        return builder.sign(authority.key, hashes.SHA256())


def _new_key(kind: str) -> PrivateKey:
    if kind in _RSA_BITS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[kind])
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    known = ", ".join((*_CURVES, *_RSA_BITS))
    raise PkiError(f"unknown key type {kind!r}; known are {known}")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _issuer_identifier(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _extended_usage(purposes: Sequence[str]) -> x509.ExtendedKeyUsage:
    unknown = [purpose for purpose in purposes if purpose not in _PURPOSES]
    if unknown:
        raise PkiError(f"unknown purpose {unknown[0]!r}; known are {', '.join(_PURPOSES)}")
    return x509.ExtendedKeyUsage([_PURPOSES[purpose] for purpose in purposes])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a trust domain from the command line; 0 when it was written."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.pki",
        description="Make a trust domain for tests: authorities, leaves, deliberately bad leaves.",
    )
    parser.add_argument("directory", type=Path, help="folder to write to, such as certs/")
    parser.add_argument("--country", action="append", default=[], help="two letters; repeatable")
    parser.add_argument("--host", action="append", default=[], help="further server name or IP")
    parser.add_argument("--force", action="store_true", help="replace a domain that is there")
    wanted = parser.parse_args(arguments)
    now = datetime.now(UTC)
    try:
        settings = wanted.directory / "trust.toml"
        profile = read_profile(settings) if settings.exists() else TrustProfile()
        profile = replace(profile, hosts=(*profile.hosts, *wanted.host))
        domain = init_trust(
            wanted.directory,
            now=now,
            countries=tuple(wanted.country) or ("XA", "XB"),
            profile=profile,
            force=wanted.force,
        )
    except (PkiError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(
        f"{len(domain.files())} files in {wanted.directory}, "
        f"valid until {domain.root.not_valid_after_utc:%Y-%m-%d}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
