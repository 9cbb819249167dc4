"""Signatures on assertions: what we sign, what verifies, and what may be read afterwards."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.signer import XMLSigner

from gateway.pki import TrustDomain, mint_trust
from gateway.wire.signatures import (
    EXCLUSIVE_C14N,
    SignatureFlaw,
    SignatureProblem,
    Signer,
    sign,
    verify,
)
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, SAML, Element, parse_xml
from tests.shared import shared
from tests.wire.assertion import ID, NOW, PLAIN, accept, part, refused

DK_NOW = datetime(2025, 7, 26, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW, countries=("XB",))


@pytest.fixture(scope="module")
def signed(domain: TrustDomain) -> bytes:
    return sign(PLAIN, domain.signer("xb"), reference_id=ID, inclusive_prefixes=("xsd",))


class LegacySigner(XMLSigner):
    """Signs with what a modern signer refuses to use."""

    def check_deprecated_methods(self) -> None:
        pass


def signed_with(domain: TrustDomain, **algorithms: str) -> bytes:
    root = parse_xml(PLAIN)
    root.insert(1, root.makeelement(f"{{{DS}}}Signature", {"Id": "placeholder"}, {"ds": DS}))
    signer = domain.signer("xb")
    settings = {"c14n_algorithm": EXCLUSIVE_C14N, "signature_algorithm": "rsa-sha256"} | algorithms
    tree = LegacySigner(**settings).sign(  # type: ignore[arg-type]
        root, key=signer.key, cert=[signer.certificate], reference_uri=ID, id_attribute="ID"
    )
    return etree.tostring(tree)


def test_what_we_sign_has_the_shape_that_peers_expect(signed: bytes) -> None:
    """Signature after Issuer, exclusive C14N, SHA-256, one Reference, one certificate."""
    root = parse_xml(signed)

    assert [etree.QName(child).localname for child in root][:2] == ["Issuer", "Signature"]
    assert part(root, "CanonicalizationMethod").get("Algorithm") == EXCLUSIVE_C14N
    assert str(part(root, "SignatureMethod").get("Algorithm")).endswith("#rsa-sha256")
    assert str(part(root, "DigestMethod").get("Algorithm")).endswith("#sha256")
    assert [r.get("URI") for r in root.iter(f"{{{DS}}}Reference")] == [f"#{ID}"]
    assert len(list(root.iter(f"{{{DS}}}X509Certificate"))) == 1
    assert not list(root.iter(f"{{{DS}}}KeyValue"))


def test_what_we_sign_verifies_wherever_it_is_embedded(signed: bytes, domain: TrustDomain) -> None:
    """Other declarations and prefixes around the assertion do not disturb the signature."""
    message = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns="urn:other" '
        b'xmlns:xsd="urn:not-the-schema" xmlns:ds="urn:not-a-signature"><e:Header>\n'
        + signed
        + b"\n</e:Header><e:Body/></e:Envelope>"
    )

    verified = verify(
        next(parse_xml(message).iter(f"{{{SAML}}}Assertion")), domain.trust_store, now=NOW
    )

    assert verified.element.get("ID") == ID
    assert verified.digest.endswith("#sha256")
    assert verified.certificate == domain.signer("xb").certificate


def test_an_elliptic_curve_key_signs_with_ecdsa(domain: TrustDomain) -> None:
    """The key type decides the method, and both verify."""
    signer = domain.broken["no-aki"].signer

    verified = accept(sign(PLAIN, signer, reference_id=ID), domain)

    assert verified.method.endswith("#ecdsa-sha256")


def test_only_the_signed_element_is_returned(signed: bytes, domain: TrustDomain) -> None:
    """The result is a tree of its own, without the signature, comments or surroundings."""
    root = parse_xml(b"<x>" + signed + b"</x>")

    verified = accept(root[0], domain)

    assert verified.element.getparent() is None
    assert verified.element.getroottree().getroot() is verified.element
    assert verified.element.find(f"{{{DS}}}Signature") is None


def test_a_prefix_declared_outside_and_used_in_values_survives(domain: TrustDomain) -> None:
    """A PrefixList may name a prefix that only an ancestor declares (a live peer does this)."""
    inner = (
        f'<saml2:Assertion ID="{ID}"><saml2:Issuer>x</saml2:Issuer>'
        '<saml2:V xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">v'
        "</saml2:V></saml2:Assertion>"
    )
    outer = (
        f'<h xmlns:saml2="{SAML}" xmlns:xs="http://www.w3.org/2001/XMLSchema">{inner}</h>'
    ).encode()
    alone = parse_xml(outer)[0]
    signed = sign(alone, domain.signer("xb"), reference_id=ID, inclusive_prefixes=("xs",))
    assert b'xmlns:xs="' in signed
    # As the peer sends it: the declaration stands on the ancestor and nowhere else.
    cut = signed.replace(b' xmlns:xs="http://www.w3.org/2001/XMLSchema"', b"")
    message = outer.replace(inner.encode(), cut)

    assert accept(parse_xml(message)[0], domain).element.get("ID") == ID
    assert refused(cut, domain) is SignatureFlaw.MISMATCH


@pytest.mark.parametrize(
    "algorithms",
    [
        {"signature_algorithm": "rsa-sha1"},
        {"digest_algorithm": "sha1"},
        {"signature_algorithm": "rsa-sha1", "digest_algorithm": "sha1"},
    ],
)
def test_sha1_is_refused_unless_the_policy_allows_it(
    domain: TrustDomain, algorithms: dict[str, str]
) -> None:
    """Legacy peers are served only where somebody decided so."""
    old = signed_with(domain, **algorithms)

    assert refused(old, domain) is SignatureFlaw.ALGORITHM
    assert accept(old, domain, allow_sha1=True).element.get("ID") == ID


@pytest.mark.parametrize("algorithm", ["rsa-sha384", "rsa-sha512"])
def test_longer_digests_are_accepted(domain: TrustDomain, algorithm: str) -> None:
    """Peers may sign with more than they need."""
    longer = signed_with(domain, signature_algorithm=algorithm, digest_algorithm="sha512")

    assert accept(longer, domain).method.endswith(algorithm)


def test_a_signer_needs_a_key_and_certificate_that_belong_together(domain: TrustDomain) -> None:
    """A mistake in the configuration shows at the start, not at the first call."""
    seal, other = domain.leaves["xb", "seal"], domain.leaves["xb", "tls-client"]

    assert Signer.from_pem(seal.key_pem, seal.certificate_pem).country == "XB"
    with pytest.raises(ValueError, match="does not belong"):
        Signer.from_pem(other.key_pem, seal.certificate_pem)


def sample(name: str) -> tuple[list[Element], TrustStore]:
    """The assertions of a captured header, and a store that pins their signer."""
    root = etree.parse(shared(f"samples/soap/saml/{name}")).getroot()
    certificates = {
        "".join((element.text or "").split()) for element in root.iter(f"{{{DS}}}X509Certificate")
    }
    pinned = tuple(
        x509.load_der_x509_certificate(base64.b64decode(text)) for text in sorted(certificates)
    )
    return list(root.iter(f"{{{SAML}}}Assertion")), TrustStore(pinned=pinned)


def test_a_captured_header_of_a_live_peer_verifies() -> None:
    """Both assertions of a real OpenNCP header, with its signer pinned."""
    assertions, trust = sample("dk-openncp_soap_header.signature-restored.xml")

    verified = [verify(assertion, trust, now=DK_NOW) for assertion in assertions]

    assert [item.element.get("ID") for item in verified] == [a.get("ID") for a in assertions]
    assert len(verified) == 2


def test_the_same_header_pretty_printed_is_refused() -> None:
    """Reformatting breaks a signature, and nothing is read then."""
    assertions, trust = sample("dk-openncp_soap_header_bad.xml")

    for assertion in assertions:
        with pytest.raises(SignatureProblem) as caught:
            verify(assertion, trust, now=DK_NOW)
        assert caught.value.reason is SignatureFlaw.MISMATCH


def test_an_unsigned_time_zone_makes_no_difference(signed: bytes, domain: TrustDomain) -> None:
    """`now` may be in any zone."""
    local = NOW.astimezone(tz=None)

    assert verify(parse_xml(signed), domain.trust_store, now=local).element.get("ID") == ID


@pytest.mark.interop
def test_xmlsec1_verifies_what_we_sign(signed: bytes, domain: TrustDomain, tmp_path: Path) -> None:
    """An independent implementation agrees, for an embedded assertion too."""
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("needs the program xmlsec1")
    message, root, issuing = (tmp_path / name for name in ("m.xml", "root.pem", "issuing.pem"))
    message.write_bytes(b'<h xmlns:xsd="urn:x">' + signed + b"</h>")
    root.write_bytes(domain.root.public_bytes(Encoding.PEM))
    issuing.write_bytes(domain.issuing.public_bytes(Encoding.PEM))

    def run() -> int:
        done = subprocess.run(
            [
                *(program, "--verify", "--enabled-key-data", "x509"),
                *("--id-attr:ID", f"{SAML}:Assertion"),
                *("--trusted-pem", root, "--untrusted-pem", issuing),
                *("--verification-time", f"{NOW + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}"),
                message,
            ],
            capture_output=True,
            check=False,
        )
        return done.returncode

    assert run() == 0
    message.write_bytes(message.read_bytes().replace(b">v3<", b">v4<"))
    assert run() != 0
