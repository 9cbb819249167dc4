"""TLS contexts: both sides show a certificate, old protocols and weak suites are not offered.

What is verified is written out flag by flag, because Python changes its own defaults: since 3.13
`ssl.create_default_context` asks for strict RFC 5280 conformance, under which a leaf without an
authority key identifier is refused, and 3.11 accepts it. Certificates of peers lack that
extension, so the rule here is the lenient one on every version; `strict=True` asks for the other.

Revocation is checked for the leaf whenever a revocation list is given. Sessions are not resumed:
resuming would skip the check of a certificate revoked in the meantime.

IHE ITI TF-2 3.19 (ATNA, TLS 1.2 floor); RFC 9325 section 4.2.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from cryptography import x509

from gateway.domain.context import Caller

# TLS 1.2 suites a connectathon demands (ECDHE or DHE with RSA, AES-GCM), and the same with ECDSA
# keys. OpenSSL offers DHE as a client; as a server it would need parameters and ECDHE serves all.
CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-AES128-GCM-SHA256",
    )
)


def server_context(
    cert: Path, key: Path, trust: Path, crl: Path | None = None, *, strict: bool = False
) -> ssl.SSLContext:
    """The context of a server that accepts only clients with a trusted certificate.

    All files are PEM: `cert` holds the leaf and its issuers, `trust` the authorities that clients
    may come from, `crl` the revocation lists of those that issue client certificates. OSError or
    ssl.SSLError when a file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, cert, key, trust, crl, strict=strict)
    context.num_tickets = 0
    return context


def page_context(cert: Path, key: Path) -> ssl.SSLContext:
    """The context of a server of pages: whoever calls it is asked for no certificate.

    Files as of `server_context`. Who may see what has to be decided by other means.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _protect(context)
    context.load_cert_chain(cert, key)
    context.num_tickets = 0
    return context


def client_context(
    cert: Path,
    key: Path,
    trust: Path,
    crl: Path | None = None,
    *,
    strict: bool = False,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """The context of a client that shows its certificate and verifies the server's.

    `check_hostname=False` is for peers whose certificates name no host, as OpenNCP's may; the
    chain, the times and revocation are verified all the same.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    _harden(context, cert, key, trust, crl, strict=strict)
    return context


def _harden(
    context: ssl.SSLContext,
    cert: Path,
    key: Path,
    trust: Path,
    crl: Path | None,
    *,
    strict: bool,
) -> None:
    _protect(context)
    context.verify_mode = ssl.CERT_REQUIRED
    flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    if strict:
        flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    if crl is not None:
        flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        context.load_verify_locations(cafile=crl)
    context.verify_flags = flags
    context.load_verify_locations(cafile=trust)
    context.load_cert_chain(cert, key)


def _protect(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET


def peer_of(connection: ssl.SSLObject | ssl.SSLSocket | None, address: str = "") -> Caller:
    """Who is at the other end: subject DN (RFC 4514), SHA-256 of the certificate in hex, address.

    `connection` is a transport's `ssl_object` extra; without one, or before the handshake, only
    the address is known. The certificate was verified by the handshake.
    """
    try:
        der = connection.getpeercert(binary_form=True) if connection is not None else None
    except ValueError:  # the handshake is not done
        der = None
    if not der:
        return Caller(address=address)
    return Caller(
        subject=x509.load_der_x509_certificate(der).subject.rfc4514_string(),
        fingerprint=hashlib.sha256(der).hexdigest(),
        address=address,
    )
