"""XML signatures on SAML assertions: sign one, verify one, and hand back only what was signed.

What is accepted is one narrow shape, checked before anything is canonicalised, because hostile
input can make inclusive C14N run for minutes and make a generous verifier sign off the wrong
element: one enveloped `ds:Signature`, a direct child of the assertion; one Reference to that
assertion's own ID; the transforms enveloped then exclusive C14N; a digest and a signature method
from a list; one certificate, trusted by pin or by chain. The arithmetic is signxml's.

`Verified.element` is parsed again from the canonical bytes that were digested: it holds no
comments and nothing from outside the assertion. Nothing else of the message may be believed.

Not here: what an assertion says (`saml_check`), where it stands in a message (`soap.security`).

W3C XML Signature Syntax and Processing 1.1; SAML 2.0 Core section 5.4.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, partial
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import SignatureReference, XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from gateway.wire.trust import CertificateProblem, TrustStore
from gateway.wire.xml import DS, EC, MAX_ATTRIBUTES, Element, parse_xml

EXCLUSIVE_C14N = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0.value
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

# Exclusive C14N grows faster than its input; a real HCP assertion has about 80 nodes in 9 KiB.
MAX_NODES = 5_000
# Each prefix of an InclusiveNamespaces list is looked up at every element; peers send one or two.
MAX_PREFIX_LIST = 512
# A certificate with an 8192-bit key and long extensions stays below 8 KiB of DER.
MAX_CERTIFICATE_TEXT = 16_384
MAX_KEYS = 16  # private keys kept loaded; a gateway has two or three

_SHA1_METHODS = frozenset({SignatureMethod.RSA_SHA1, SignatureMethod.ECDSA_SHA1})
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_SHA1_DIGESTS = frozenset({DigestAlgorithm.SHA1})
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})

# xs:ID in every vocabulary a message may hold: SAML ID, ds and wsu Id, xml:id.
_ALL_IDS = etree.XPath(
    "//@*[local-name()='ID' or local-name()='Id' or "
    "(local-name()='id' and namespace-uri()='http://www.w3.org/XML/1998/namespace')]",
    smart_strings=False,
)


class SignatureFlaw(StrEnum):
    """Why a signature is not accepted."""

    MISSING = "missing"
    CONTENT = "content"  # a processing instruction, an entity or a DTD: SOAP forbids them
    LIMITS = "limits"  # too large to be canonicalised safely
    STRUCTURE = "structure"
    ALGORITHM = "algorithm"
    REFERENCE = "reference"
    DUPLICATE_ID = "duplicate-id"
    CERTIFICATE = "certificate"  # unreadable, untrusted, revoked, out of its time
    MISMATCH = "mismatch"  # digest or signature value


class SignatureProblem(Exception):
    """A signature that is not accepted: the flaw, and for people what was found."""

    def __init__(self, reason: SignatureFlaw, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


# A gateway signs several things with one key, and to judge an RSA key takes OpenSSL a twentieth of
# a second.
_load_key = lru_cache(maxsize=MAX_KEYS)(load_pem_private_key)


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and its certificate; the key type decides the signature method."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def from_pem(cls, key: bytes, certificate: bytes, password: bytes | None = None) -> Self:
        """Read both from PEM; of several certificates the first is the signer's own.

        Raises ValueError when either cannot be read, or they do not belong together.
        """
        loaded = _load_key(key, password)
        if not isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError("a signing key must be RSA or elliptic curve")
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        if leaf.public_key() != loaded.public_key():
            raise ValueError("the signing key does not belong to the certificate")
        return cls(loaded, leaf)

    @property
    def method(self) -> SignatureMethod:
        """RSA-SHA256 or ECDSA-SHA256."""
        rsa_key = isinstance(self.key, rsa.RSAPrivateKey)
        return SignatureMethod.RSA_SHA256 if rsa_key else SignatureMethod.ECDSA_SHA256

    @property
    def country(self) -> str:
        """The `C=` part of the certificate's subject, by which OpenNCP tells countries; or ""."""
        names = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)
        return str(names[0].value) if names else ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signature vouches for: `element` is the signed content and nothing besides."""

    element: Element
    certificate: x509.Certificate
    method: str
    digest: str


def sign(
    content: bytes | Element,
    signer: Signer,
    *,
    reference_id: str,
    inclusive_prefixes: tuple[str, ...] = (),
) -> bytes:
    """Sign an element as SAML wants it: enveloped, the signature right after its first child.

    `content` is the whole element, with `reference_id` as its `ID`, declaring every namespace it
    uses; the answer is that element, to be embedded byte for byte. `inclusive_prefixes` are those
    that only occur inside values, such as `xsd` in `xsi:type="xsd:string"`.
    """
    root = parse_xml(content, where="own assertion") if isinstance(content, bytes) else content
    # signxml replaces this element by the signature (SAML 2.0 Core 2.3.3: Issuer, then Signature).
    root.insert(1, root.makeelement(f"{{{DS}}}Signature", {"Id": "placeholder"}, {"ds": DS}))
    reference = SignatureReference(
        URI=f"#{reference_id}", inclusive_ns_prefixes=list(inclusive_prefixes) or None
    )
    engine = XMLSigner(
        signature_algorithm=signer.method,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    engine.signature_annotators.append(partial(_name_prefixes, inclusive_prefixes))
    signed = engine.sign(
        root,
        key=signer.key,
        cert=[signer.certificate],
        reference_uri=[reference],
        id_attribute="ID",
    )
    return etree.tostring(signed, encoding="UTF-8", xml_declaration=False, with_tail=False)


def _name_prefixes(
    prefixes: tuple[str, ...], signature: Element, *, signing_settings: object
) -> None:
    # signxml 5.2 canonicalises an enveloped signature with the prefixes but does not write them.
    del signing_settings
    transform = signature.findall(f".//{{{DS}}}Transform")[-1]
    if prefixes and not len(transform):
        name = f"{{{EC}}}InclusiveNamespaces"
        etree.SubElement(transform, name, {"PrefixList": " ".join(prefixes)}, {"ec": EC})


def verify(
    element: Element,
    trust: TrustStore,
    *,
    now: datetime,
    allow_sha1: bool = False,
    max_nodes: int = MAX_NODES,
) -> Verified:
    """Verify the enveloped signature of one element, where it stands in its message.

    The element stays in its tree: namespaces that an ancestor declares belong to the signed
    content. `max_nodes` may be raised by a caller that has found the tree to be flat and without
    declarations of a stranger's. Raises `SignatureProblem`; the order of checks is cheapest and
    most telling first, and no canonicalisation happens before the shape and the certificate are
    accepted.
    """
    _check_content(element, max_nodes)
    signature = _only_signature(element)
    _check_unique_ids(element)
    method, digest = _check_shape(signature, element.get("ID", ""), allow_sha1=allow_sha1)
    certificate = _certificate(signature)
    try:
        trust.check(certificate, now)
    except CertificateProblem as problem:
        raise SignatureProblem(SignatureFlaw.CERTIFICATE, str(problem)) from problem
    result = _verify_arithmetic(element, certificate, method, digest, now)
    signed = result.signed_xml
    if signed is None or signed.tag != element.tag or signed.get("ID") != element.get("ID"):
        raise SignatureProblem(
            SignatureFlaw.REFERENCE, "the signature covers another element than the one it is in"
        )
    return Verified(signed, certificate, method.value, digest.value)


def _verify_arithmetic(
    element: Element,
    certificate: x509.Certificate,
    method: SignatureMethod,
    digest: DigestAlgorithm,
    now: datetime,
) -> VerifyResult:
    config = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset({method}),
        digest_algorithms=frozenset({digest}),
        # The key comes from the trusted certificate; a KeyValue beside it is never used.
        ignore_ambiguous_key_info=True,
        verification_time=now,
    )
    try:
        result = XMLVerifier().verify(
            element,
            x509_cert=certificate,
            validate_schema=False,  # the shape was checked, more narrowly than the schema does
            id_attribute="ID",
            expect_config=config,
        )
    except (SignXMLException, InvalidSignature) as problem:
        raise SignatureProblem(
            SignatureFlaw.MISMATCH, "the signature does not match the content"
        ) from problem
    except (ValueError, UnsupportedAlgorithm, etree.LxmlError) as problem:
        raise SignatureProblem(
            SignatureFlaw.MISMATCH, "the signature cannot be evaluated"
        ) from problem
    if isinstance(result, list):
        raise SignatureProblem(SignatureFlaw.REFERENCE, "the signature has several references")
    return result


def _check_content(element: Element, max_nodes: int) -> None:
    if element.getroottree().docinfo.doctype:
        raise SignatureProblem(SignatureFlaw.CONTENT, "the message has a document type")
    for count, node in enumerate(element.iter(), start=1):
        if isinstance(node, etree._ProcessingInstruction | etree._Entity):
            raise SignatureProblem(
                SignatureFlaw.CONTENT, "the assertion holds a processing instruction or entity"
            )
        if count > max_nodes:
            raise SignatureProblem(
                SignatureFlaw.LIMITS, f"the assertion has more than {max_nodes} nodes"
            )
        if len(node.attrib) > MAX_ATTRIBUTES:
            raise SignatureProblem(
                SignatureFlaw.LIMITS, f"an element has more than {MAX_ATTRIBUTES} attributes"
            )


def _only_signature(element: Element) -> Element:
    found = element.findall(f"{{{DS}}}Signature")
    if not found:
        raise SignatureProblem(SignatureFlaw.MISSING, "the assertion is not signed")
    if len(found) > 1:
        raise SignatureProblem(SignatureFlaw.STRUCTURE, "the assertion has several signatures")
    return found[0]


def _check_unique_ids(element: Element) -> None:
    # An ID that occurs twice lets the verifier and the reader mean different elements.
    ids = _ALL_IDS(element.getroottree().getroot())
    assert isinstance(ids, list)
    if len(ids) != len(set(ids)):
        twice = Counter(ids).most_common(1)[0][0]
        raise SignatureProblem(
            SignatureFlaw.DUPLICATE_ID, f"the ID {str(twice)[:80]!r} occurs more than once"
        )


def _children(parent: Element, *expected: str) -> list[Element]:
    """The child elements, which must be exactly these of the signature namespace, in order."""
    children = list(parent)
    names = [child.tag for child in children]
    if names != [f"{{{DS}}}{name}" for name in expected]:
        where = etree.QName(parent).localname
        raise SignatureProblem(
            SignatureFlaw.STRUCTURE, f"ds:{where} must hold exactly {', '.join(expected)}"
        )
    return children


def _check_shape(
    signature: Element, own_id: str, *, allow_sha1: bool
) -> tuple[SignatureMethod, DigestAlgorithm]:
    signed_info, value, _ = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    c14n, signature_method, reference = _children(
        signed_info, "CanonicalizationMethod", "SignatureMethod", "Reference"
    )
    transforms, digest_method, digest_value = _children(
        reference, "Transforms", "DigestMethod", "DigestValue"
    )
    enveloped, exclusive = _children(transforms, "Transform", "Transform")
    for element, wanted in ((c14n, EXCLUSIVE_C14N), (enveloped, ENVELOPED)):
        _check_algorithm(element, wanted)
    _check_algorithm(exclusive, EXCLUSIVE_C14N)
    for element in (c14n, exclusive):
        _check_prefix_list(element)
    for element in (enveloped, signature_method, digest_method):
        _children(element)
    for element in (value, digest_value):
        _base64(element, MAX_CERTIFICATE_TEXT)
    if not own_id or reference.get("URI") != f"#{own_id}":
        raise SignatureProblem(
            SignatureFlaw.REFERENCE, "the signature does not refer to the assertion it is in"
        )
    methods = _METHODS | _SHA1_METHODS if allow_sha1 else _METHODS
    digests = _DIGESTS | _SHA1_DIGESTS if allow_sha1 else _DIGESTS
    method_name, digest_name = _algorithm(signature_method), _algorithm(digest_method)
    method = next((item for item in methods if item.value == method_name), None)
    digest = next((item for item in digests if item.value == digest_name), None)
    if method is None or digest is None:
        refused = method_name if method is None else digest_name
        raise SignatureProblem(
            SignatureFlaw.ALGORITHM, f"the algorithm {refused[:80]!r} is not accepted"
        )
    return method, digest


def _algorithm(element: Element) -> str:
    return element.get("Algorithm", "")


def _check_algorithm(element: Element, wanted: str) -> None:
    if _algorithm(element) != wanted:
        where = etree.QName(element).localname
        raise SignatureProblem(
            SignatureFlaw.ALGORITHM,
            f"ds:{where} is {_algorithm(element)[:80]!r}, only {wanted} is accepted",
        )


def _check_prefix_list(element: Element) -> None:
    children = list(element)
    if not children:
        return
    if len(children) > 1 or children[0].tag != f"{{{EC}}}InclusiveNamespaces" or len(children[0]):
        raise SignatureProblem(
            SignatureFlaw.STRUCTURE, "a canonicalisation may hold one InclusiveNamespaces only"
        )
    if len(children[0].get("PrefixList", "")) > MAX_PREFIX_LIST:
        raise SignatureProblem(
            SignatureFlaw.LIMITS, f"a PrefixList is longer than {MAX_PREFIX_LIST} characters"
        )


def _base64(element: Element, limit: int) -> bytes:
    where = etree.QName(element).localname
    text = element.text or ""
    if len(element) or not text or len(text) > limit:
        raise SignatureProblem(SignatureFlaw.STRUCTURE, f"ds:{where} is not a base64 text")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise SignatureProblem(
            SignatureFlaw.STRUCTURE, f"ds:{where} is not a base64 text"
        ) from problem


def _certificate(signature: Element) -> x509.Certificate:
    found = signature.findall(f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    if len(found) != 1:
        raise SignatureProblem(
            SignatureFlaw.STRUCTURE, "ds:KeyInfo must hold exactly one X509Certificate"
        )
    try:
        certificate = x509.load_der_x509_certificate(_base64(found[0], MAX_CERTIFICATE_TEXT))
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as problem:
        raise SignatureProblem(
            SignatureFlaw.CERTIFICATE, "the certificate cannot be read"
        ) from problem
    return certificate
