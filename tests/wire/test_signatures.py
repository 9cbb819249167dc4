"""Signatures on assertions: what verifies, what is refused, and what may be read afterwards."""

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
    Verified,
    sign,
    verify,
)
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, EC, SAML, Element, parse_xml
from tests.shared import shared

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DK_NOW = datetime(2025, 7, 26, 12, 0, tzinfo=UTC)
ID = "_a0000000-0000-4000-8000-000000000001"
BODY = "".join(
    f'<saml2:Attribute Name="n{i}"><saml2:AttributeValue xsi:type="xsd:string">v{i}'
    "</saml2:AttributeValue></saml2:Attribute>"
    for i in range(12)
)
PLAIN = (
    f'<saml2:Assertion xmlns:saml2="{SAML}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    f'ID="{ID}" Version="2.0"><saml2:Issuer>x</saml2:Issuer>'
    "<saml2:Subject><saml2:NameID>admin.example</saml2:NameID></saml2:Subject>"
    f"<saml2:AttributeStatement>{BODY}</saml2:AttributeStatement></saml2:Assertion>"
).encode()
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW, countries=("XB",))


@pytest.fixture(scope="module")
def signer(domain: TrustDomain) -> Signer:
    return domain.signer("xb")


@pytest.fixture(scope="module")
def signed(signer: Signer) -> bytes:
    return sign(PLAIN, signer, reference_id=ID, inclusive_prefixes=("xsd",))


def accept(assertion: bytes | Element, domain: TrustDomain, **options: bool) -> Verified:
    root = parse_xml(assertion) if isinstance(assertion, bytes) else assertion
    return verify(root, domain.trust_store, now=NOW, **options)


def refused(assertion: bytes | Element, domain: TrustDomain, **options: bool) -> SignatureFlaw:
    with pytest.raises(SignatureProblem) as caught:
        accept(assertion, domain, **options)
    return caught.value.reason


def part(root: Element, name: str) -> Element:
    return next(root.iter(f"{{{DS}}}{name}"))


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


def test_a_comment_in_a_name_does_not_cut_it(signed: bytes, domain: TrustDomain) -> None:
    """Comments are not signed, so a reader that stops at one would read another name."""
    evil = signed.replace(b"admin.example", b"admin<!-- -->.example")

    for root in (parse_xml(evil), etree.fromstring(evil)):
        name = accept(root, domain).element.find(f".//{{{SAML}}}NameID")
        assert name is not None
        assert name.text == "admin.example"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">v3<", b">v4<"),
        (b'Name="n3"', b'Name="n4"'),
        (b"<saml2:Issuer>x", b"<saml2:Issuer>y"),
        (b'Version="2.0"', b'Version="2.1"'),
    ],
)
def test_a_changed_byte_of_content_is_refused(
    signed: bytes, domain: TrustDomain, old: bytes, new: bytes
) -> None:
    """Any change of text, attribute or name breaks the digest."""
    assert refused(signed.replace(old, new, 1), domain) is SignatureFlaw.MISMATCH


@pytest.mark.parametrize("name", ["DigestValue", "SignatureValue"])
def test_a_changed_byte_of_the_signature_is_refused(
    signed: bytes, domain: TrustDomain, name: str
) -> None:
    """A digest or a value that was altered does not verify."""
    root = parse_xml(signed)
    value = bytearray(base64.b64decode(part(root, name).text or ""))
    value[3] ^= 1
    part(root, name).text = base64.b64encode(value).decode()

    assert refused(root, domain) is SignatureFlaw.MISMATCH


@pytest.mark.parametrize("name", ["DigestValue", "SignatureValue", "X509Certificate"])
@pytest.mark.parametrize("text", ["", "§§§", "AAAA" * 10_000])
def test_nonsense_in_place_of_base64_is_refused(
    signed: bytes, domain: TrustDomain, name: str, text: str
) -> None:
    """What is not base64 of a sensible length is refused before anything is computed."""
    root = parse_xml(signed)
    part(root, name).text = text

    assert refused(root, domain) in (SignatureFlaw.STRUCTURE, SignatureFlaw.CERTIFICATE)


def test_an_unsigned_assertion_is_refused(domain: TrustDomain) -> None:
    """Without a signature there is nothing to read."""
    assert refused(PLAIN, domain) is SignatureFlaw.MISSING


def test_a_second_signature_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """Which of two signatures counts is not left to chance."""
    root = parse_xml(signed)
    root.append(parse_xml(etree.tostring(root[1], with_tail=False)))

    assert refused(root, domain) is SignatureFlaw.STRUCTURE


def test_a_signature_deeper_in_the_assertion_does_not_count(
    signed: bytes, domain: TrustDomain
) -> None:
    """Only a direct child signs the assertion."""
    root = parse_xml(signed)
    subject = root.find(f"{{{SAML}}}Subject")
    assert subject is not None
    subject.append(root[1])

    assert refused(root, domain) is SignatureFlaw.MISSING


@pytest.mark.parametrize("attribute", ["ID", "Id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_an_id_that_occurs_twice_in_the_message_is_refused(
    signed: bytes, domain: TrustDomain, attribute: str
) -> None:
    """Also when the double stands far away and under another attribute name."""
    message = parse_xml(b"<m><a/>" + signed + b"</m>")
    message[0].set(attribute, ID)

    assert refused(message[1], domain) is SignatureFlaw.DUPLICATE_ID


def test_a_reference_to_another_element_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """A valid signature over something else is no signature over this."""
    message = parse_xml(b"<m>" + PLAIN.replace(ID.encode(), b"_evil") + signed + b"</m>")
    evil, good = message
    evil.insert(1, good[1])

    assert refused(evil, domain) is SignatureFlaw.REFERENCE


def test_an_empty_reference_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """The whole document is not what an assertion signs."""
    root = parse_xml(signed)
    part(root, "Reference").set("URI", "")

    assert refused(root, domain) is SignatureFlaw.REFERENCE


def test_a_second_reference_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """One signature, one reference."""
    root = parse_xml(signed)
    reference = part(root, "Reference")
    reference.addnext(parse_xml(etree.tostring(reference, with_tail=False)))

    assert refused(root, domain) is SignatureFlaw.STRUCTURE


def test_an_object_in_the_signature_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """Signature wrapping hides the original there; SAML has no use for it."""
    root = parse_xml(signed)
    etree.SubElement(root[1], f"{{{DS}}}Object")

    assert refused(root, domain) is SignatureFlaw.STRUCTURE


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        INCLUSIVE,
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "",
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_other_transforms_are_refused(
    signed: bytes, domain: TrustDomain, algorithm: str, place: int
) -> None:
    """Only enveloped, then exclusive C14N."""
    root = parse_xml(signed)
    list(root.iter(f"{{{DS}}}Transform"))[place].set("Algorithm", algorithm)

    assert refused(root, domain) is SignatureFlaw.ALGORITHM


def test_no_or_further_transforms_are_refused(signed: bytes, domain: TrustDomain) -> None:
    """With fewer a default of inclusive C14N would apply, with more anything may."""
    for change in ("drop", "add"):
        root = parse_xml(signed)
        last = list(root.iter(f"{{{DS}}}Transform"))[-1]
        if change == "drop":
            part(root, "Transforms").remove(last)
        else:
            last.addnext(parse_xml(etree.tostring(last, with_tail=False)))
        assert refused(root, domain) is SignatureFlaw.STRUCTURE


def test_inclusive_canonicalisation_is_refused_before_it_is_run(
    signed: bytes, domain: TrustDomain
) -> None:
    """A kilobyte of namespaces would cost minutes under inclusive C14N; we answer at once."""
    namespaces = " ".join(f'xmlns:n{i}="urn:n{i}"' for i in range(5_000))
    children = "<c/>" * 200
    bomb = signed.replace(
        b"<saml2:Subject>", f"<b {namespaces}>{children}</b><saml2:Subject>".encode(), 1
    ).replace(EXCLUSIVE_C14N.encode(), INCLUSIVE.encode())
    root = etree.fromstring(bomb)

    assert refused(root, domain) is SignatureFlaw.ALGORITHM


def test_forty_thousand_attributes_are_refused_at_once(signed: bytes, domain: TrustDomain) -> None:
    """Exclusive C14N is worse than linear in the attributes of one element."""
    many = " ".join(f'a{i}=""' for i in range(40_000))
    root = etree.fromstring(signed.replace(b"<saml2:Subject>", f"<saml2:Subject {many}>".encode()))

    assert refused(root, domain) is SignatureFlaw.LIMITS


def test_too_many_nodes_are_refused(signed: bytes, domain: TrustDomain) -> None:
    """An assertion is small; one that is not is not canonicalised."""
    root = parse_xml(signed.replace(b"<saml2:Subject>", b"<a/>" * 6_000 + b"<saml2:Subject>"))

    assert refused(root, domain) is SignatureFlaw.LIMITS


def test_a_long_prefix_list_is_refused(signed: bytes, domain: TrustDomain) -> None:
    """Each prefix costs at every element."""
    root = parse_xml(signed)
    next(root.iter(f"{{{EC}}}InclusiveNamespaces")).set("PrefixList", "x " * 400)

    assert refused(root, domain) is SignatureFlaw.LIMITS


def test_processing_instructions_and_document_types_are_refused(
    signed: bytes, domain: TrustDomain
) -> None:
    """SOAP forbids both, and a reader and a canonicaliser may see them differently."""
    with_pi = etree.fromstring(signed.replace(b"admin", b"admin<?x y?>"))
    with_dtd = etree.fromstring(
        b'<!DOCTYPE x [<!ENTITY e "evil">]>' + signed,
        etree.XMLParser(resolve_entities=False),
    )
    with_entity = etree.fromstring(
        b'<!DOCTYPE x [<!ENTITY e "evil">]>' + signed.replace(b"admin", b"&e;"),
        etree.XMLParser(resolve_entities=False),
    )

    for root in (with_pi, with_dtd, with_entity):
        assert refused(root, domain) is SignatureFlaw.CONTENT


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


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "none",
    ],
)
def test_other_signature_methods_are_refused(
    signed: bytes, domain: TrustDomain, algorithm: str
) -> None:
    """An HMAC keyed with the public certificate is anybody's signature."""
    root = parse_xml(signed)
    part(root, "SignatureMethod").set("Algorithm", algorithm)

    assert refused(root, domain, allow_sha1=True) is SignatureFlaw.ALGORITHM


def test_an_rsa_signature_under_an_ecdsa_name_is_refused(
    signed: bytes, domain: TrustDomain
) -> None:
    """The method must suit the key of the certificate."""
    root = parse_xml(signed)
    part(root, "SignatureMethod").set(
        "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    )

    assert refused(root, domain) is SignatureFlaw.MISMATCH


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "revoked", "unknown-ca"])
def test_a_signer_who_is_not_trusted_is_refused(domain: TrustDomain, kind: str) -> None:
    """A flawless signature by the wrong key is worth nothing."""
    forged = sign(PLAIN, domain.broken[kind].signer, reference_id=ID)

    assert refused(forged, domain) is SignatureFlaw.CERTIFICATE


def test_a_certificate_beside_the_one_that_signed_is_refused(
    signed: bytes, domain: TrustDomain
) -> None:
    """Two certificates would leave open which one was trusted."""
    root = parse_xml(signed)
    second = parse_xml(etree.tostring(part(root, "X509Certificate"), with_tail=False))
    part(root, "X509Data").append(second)

    assert refused(root, domain) is SignatureFlaw.STRUCTURE


def test_somebody_elses_certificate_does_not_verify(domain: TrustDomain) -> None:
    """A trusted certificate pasted over a forger's signature does not match its key."""
    root = parse_xml(sign(PLAIN, domain.broken["unknown-ca"].signer, reference_id=ID))
    trusted = domain.broken["no-aki"].certificate.public_bytes(Encoding.DER)
    part(root, "X509Certificate").text = base64.b64encode(trusted).decode()

    assert refused(root, domain) is SignatureFlaw.MISMATCH


def test_a_key_value_beside_the_certificate_is_never_used(
    signed: bytes, domain: TrustDomain
) -> None:
    """The key that counts is the trusted certificate's."""
    root = parse_xml(signed)
    etree.SubElement(part(root, "KeyInfo"), f"{{{DS}}}KeyValue")

    assert accept(root, domain).element.get("ID") == ID


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
