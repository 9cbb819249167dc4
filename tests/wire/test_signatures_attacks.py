"""Attacks on signatures of assertions: altered, wrapped, ambiguous, costly or by the wrong key."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from gateway.pki import TrustDomain, mint_trust
from gateway.wire.signatures import EXCLUSIVE_C14N, SignatureFlaw, sign
from gateway.wire.xml import DS, EC, SAML, parse_xml
from tests.wire.assertion import ID, NOW, PLAIN, accept, part, refused

INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW, countries=("XB",))


@pytest.fixture(scope="module")
def signed(domain: TrustDomain) -> bytes:
    return sign(PLAIN, domain.signer("xb"), reference_id=ID, inclusive_prefixes=("xsd",))


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


def test_a_certificate_of_no_version_there_is_is_refused(
    signed: bytes, domain: TrustDomain
) -> None:
    """X.509 ends at version 3; what a library says of a fourth is not for the peer to see."""
    root = parse_xml(signed)
    certificate = base64.b64decode(part(root, "X509Certificate").text or "")
    fourth = certificate.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)
    assert fourth != certificate
    part(root, "X509Certificate").text = base64.b64encode(fourth).decode()

    assert refused(root, domain) is SignatureFlaw.CERTIFICATE


def test_no_byte_of_a_certificate_makes_it_anything_but_refused(
    signed: bytes, domain: TrustDomain
) -> None:
    """Whatever it is changed into."""
    root = parse_xml(signed)
    certificate = base64.b64decode(part(root, "X509Certificate").text or "")
    for at in range(0, len(certificate), 3):
        changed = bytearray(certificate)
        changed[at] ^= 0x15
        part(root, "X509Certificate").text = base64.b64encode(changed).decode()
        assert refused(root, domain) in (SignatureFlaw.CERTIFICATE, SignatureFlaw.MISMATCH), at


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
