"""Readable messages: indented, shortened, never failing on what a peer sent."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from scenarios.readable import (
    MAX_SHOWN_CHARACTERS,
    readable_bytes,
    readable_json,
    readable_rate,
    readable_seconds,
    readable_xml,
    signatures,
)

ASSERTION = (
    '<h xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:d="http://www.w3.org/2000/09/xmldsig#">'
    "<s:Assertion><s:Issuer>urn:idp:XB</s:Issuer>{signature}<s:Subject><s:NameID>hcp</s:NameID>"
    '</s:Subject><s:Conditions NotOnOrAfter="2026-11-22T16:00:00Z"/></s:Assertion></h>'
)
SIGNATURE = (
    "<d:Signature><d:KeyInfo><d:X509Data><d:X509Certificate>{}</d:X509Certificate>"
    "</d:X509Data></d:KeyInfo></d:Signature>"
)


def certificate() -> str:
    """A made-up certificate in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seal-b")])
    start = datetime(2026, 11, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def test_xml_is_indented_and_long_texts_shortened() -> None:
    """Structure becomes visible, and base64 does not drown it."""
    shown = readable_xml(f"<a><b>x</b><c>{'Q' * 5000}</c></a>")

    assert shown.text.startswith("<a>\n  <b>x</b>\n  <c>QQQ")
    assert "4920 more characters" in shown.text
    assert shown.cut == "1 long text(s) shortened"


@pytest.mark.parametrize("text", ["plain", "<a><b></a>", "<!DOCTYPE a []><a/>", "", "<a>\x01</a>"])
def test_what_is_not_xml_is_shown_as_it_is(text: str) -> None:
    """Text, broken XML and documents with a type are shown untouched."""
    assert readable_xml(text).text == text


def test_a_huge_message_is_cut_and_says_so() -> None:
    """The beginning is shown, with the true length."""
    shown = readable_json("x" * (MAX_SHOWN_CHARACTERS * 2))

    assert len(shown.text) == MAX_SHOWN_CHARACTERS
    assert str(MAX_SHOWN_CHARACTERS * 2 + 2) in shown.cut


def test_who_signed_is_read_from_the_assertion() -> None:
    """Issuer, subject, the certificate's subject and the end of validity."""
    signed = ASSERTION.format(signature=SIGNATURE.format(certificate()))

    (signature,) = signatures(signed)

    assert (signature.issuer, signature.subject) == ("urn:idp:XB", "hcp")
    assert signature.signer == "CN=seal-b"
    assert signature.until == "2026-11-22T16:00:00Z"


def test_missing_and_broken_signatures_are_told() -> None:
    """An unsigned assertion and an unreadable certificate are words, not failures."""
    (unsigned,) = signatures(ASSERTION.format(signature=""))
    (broken,) = signatures(ASSERTION.format(signature=SIGNATURE.format("AAAA")))

    assert unsigned.signer == "not signed"
    assert broken.signer == "a certificate that cannot be read"
    assert signatures("no xml") == ()


def test_sizes_durations_and_rates_read_well() -> None:
    """Three digits, a unit, and nothing where there is nothing."""
    assert [readable_bytes(n) for n in (0, 999, 1000, 41_000, 999_600, 14_900_000)] == [
        "0 B",
        "999 B",
        "1.00 kB",
        "41.0 kB",
        "1.00 MB",
        "14.9 MB",
    ]
    assert [readable_seconds(s) for s in (0, 0.0123, 0.9999, 59.5, 245)] == [
        "0 ms",
        "12 ms",
        "1.00 s",
        "59.50 s",
        "4 min 05 s",
    ]
    assert readable_rate(1_000_000, 1) == "8.00 Mbit/s"
    assert readable_rate(10_000_000, 1) == "80 Mbit/s"
    assert readable_rate(0, 1) == readable_rate(1, 0) == ""
