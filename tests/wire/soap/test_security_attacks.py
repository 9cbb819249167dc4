"""Attacks on assertions in a SOAP header: forged, wrapped, tampered with and blown up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from lxml import etree

from gateway.domain import NotAllowed, Refusal
from gateway.pki import TrustDomain
from gateway.wire.problems import DecodeError
from gateway.wire.saml_mint import mint_hcp
from gateway.wire.signatures import Signer
from gateway.wire.xml import DS, SOAP, WSSE, Element, parse_xml
from tests.builders import NOON
from tests.wire.soap.headers import (
    HCP_ID,
    TRC,
    copy,
    envelope,
    find,
    read,
    refused,
    saml,
    security_of,
)


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "revoked", "unknown-ca"])
def test_an_untrusted_signer_is_refused(domain: TrustDomain, trc: bytes, kind: str) -> None:
    """Expired, early, revoked and unknown signers mint flawless assertions in vain."""
    forged = mint_hcp(TRC, domain.broken[kind].signer, assertion_id=HCP_ID, now=NOON, country="XB")

    assert refused(envelope(forged, trc), domain) is Refusal.SIGNATURE_INVALID


def test_an_unsigned_assertion_is_refused(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """Even one that is otherwise perfect, or expired: what it says is not read at all."""
    for text in (hcp, hcp.replace(b"16:00:00.000Z", b"01:00:00.000Z")):
        security = envelope(text, trc)
        identity = security[0]
        identity.remove(find(identity, "Signature", DS))
        assert refused(security, domain) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">hcp-77<", b">hcp-78<"),
        (b"PRD-003", b"PRD-004"),
        (b'code="221"', b'code="2221"'),
        (b"16:00:00.000Z", b"15:00:00.000Z"),
        (b"Hospital", b"Pharmacy"),
    ],
)
def test_a_tampered_assertion_is_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes, old: bytes, new: bytes
) -> None:
    """Any changed value, whichever row would read it."""
    assert refused(envelope(hcp.replace(old, new), trc), domain) is Refusal.SIGNATURE_INVALID


def test_a_forged_relation_is_refused_also_where_none_is_needed(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """What is sent is checked."""
    forged = trc.replace(b"A-0001", b"A-0002")

    refusal = refused(envelope(hcp, forged), domain, patient_specific=False)

    assert refusal is Refusal.SIGNATURE_INVALID


def test_a_comment_in_the_name_does_not_change_who_asks(
    domain: TrustDomain, signer: Signer, trc: bytes
) -> None:
    """`admin<!-- -->.evil` is one name, for the signature and for us."""
    whole = mint_hcp(
        replace(TRC, professional=replace(TRC.professional, id="hcp-77.evil")),
        signer,
        assertion_id=HCP_ID,
        now=NOON,
        country="XB",
    ).replace(b"hcp-77.evil", b"hcp-77<!-- -->.evil")
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + whole + b"</wsse:Security>"
    )

    context = read(security, domain.trust_store, patient_specific=False).context

    assert context.professional.id == "hcp-77.evil"


def evil_of(hcp: bytes) -> Element:
    """The forger's version: another professional, no valid signature."""
    root = parse_xml(hcp.replace(b">hcp-77<", b">evil<"))
    root.remove(find(root, "Signature", DS))
    return root


def wrappings(hcp: bytes, *, own_id: bool) -> Iterator[tuple[str, Element]]:
    """Every published shape of signature wrapping, adapted to a header of assertions.

    `own_id` gives the forged assertion an ID of its own; else it takes that of the original.
    """
    for shape in range(1, 11):
        security = envelope(hcp)
        original = security[0]
        signature = find(original, "Signature", DS)
        evil = evil_of(hcp)
        if own_id:
            evil.set("ID", "_evil")
        if shape == 1:  # evil sibling before the original
            security.insert(0, evil)
        elif shape == 2:  # evil sibling after it
            security.append(evil)
        elif shape == 3:  # evil around the original, signature inside
            security.replace(original, evil)
            evil.append(original)
        elif shape == 4:  # evil has the signature, the original hangs in Advice
            security.replace(original, evil)
            evil.insert(1, signature)
            find(evil, "Conditions").addnext(evil.makeelement(saml("Advice")))
            find(evil, "Advice").append(original)
        elif shape == 5:  # evil has the signature, the original hangs in an Extensions element
            security.replace(original, evil)
            evil.insert(1, signature)
            extensions = evil.makeelement("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
            evil.append(extensions)
            extensions.append(original)
        elif shape == 6:  # evil has the signature, the original hangs in its ds:Object
            security.replace(original, evil)
            evil.insert(1, signature)
            etree.SubElement(signature, f"{{{DS}}}Object").append(original)
        elif shape == 7:  # the original moved inside its own signature, still signed for
            security.replace(original, evil)
            moved = copy(original)
            moved.remove(find(moved, "Signature", DS))
            evil.insert(1, signature)
            signature.append(moved)
        elif shape == 8:  # the original beside the header, evil with the signature in it
            security.replace(original, evil)
            evil.insert(1, signature)
            header = security.getparent()
            assert header is not None
            header.append(original)
        elif shape == 9:  # the original in the body
            security.replace(original, evil)
            evil.insert(1, signature)
            find(security.getroottree().getroot(), "Body", SOAP).append(original)
        else:  # evil root: the header itself is a forged assertion that wraps the original
            evil.append(original)
            header = security.getparent()
            assert header is not None
            header.replace(security, evil)
            security = evil
        yield f"shape {shape}", security


@pytest.mark.parametrize("own_id", [True, False])
def test_signature_wrapping_is_refused_in_every_shape(
    domain: TrustDomain, hcp: bytes, own_id: bool
) -> None:
    """The forged professional is never read; at best the genuine one is."""
    expected = {
        # Two identities side by side are refused before anything is verified.
        "shape 1": Refusal.ASSERTION_MALFORMED,
        "shape 2": Refusal.ASSERTION_MALFORMED,
    }
    for name, security in wrappings(hcp, own_id=own_id):
        if name == "shape 10" and own_id:
            # Only direct children count, and here the one child is the genuine assertion;
            # with a double of its ID in the message not even that.
            found = read(security, domain.trust_store, patient_specific=False)
            assert found.context.professional.id == "hcp-77"
            continue
        refusal = refused(security, domain, patient_specific=False)
        assert refusal is expected.get(name, Refusal.SIGNATURE_INVALID), name


def test_a_wrapped_assertion_of_another_kind_does_not_help(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """A signed relation relabelled as an identity is not one."""
    relabelled = trc.replace(b"assertions:trc", b"assertions:hcp")

    assert refused(envelope(relabelled), domain) is Refusal.SIGNATURE_INVALID


def test_an_id_doubled_in_the_body_is_refused(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """The ID that a signature refers to must mean one element in the whole message."""
    body = f'<r ID="{HCP_ID}"/>'.encode()

    assert refused(envelope(hcp, trc, body=body), domain) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    ],
)
def test_sha1_and_hmac_are_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes, algorithm: str
) -> None:
    """The first is broken, the others would take the public certificate as a secret."""
    old = b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    security = envelope(hcp.replace(old, algorithm.encode()), trc)

    assert refused(security, domain) is Refusal.SIGNATURE_INVALID


def test_an_inclusive_canonicalisation_bomb_is_refused_at_once(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """Five thousand namespaces would keep an inclusive canonicaliser busy for half a minute."""
    namespaces = " ".join(f'xmlns:n{i}="urn:n{i}"' for i in range(5_000))
    bomb = hcp.replace(
        b"<saml2:Subject>", f"<b {namespaces}>".encode() + b"<c/>" * 200 + b"</b><saml2:Subject>"
    ).replace(
        b"http://www.w3.org/2001/10/xml-exc-c14n#",
        b"http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    )
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + bomb + trc + b"</wsse:Security>"
    )

    assert refused(security, domain) is Refusal.SIGNATURE_INVALID
    with pytest.raises(DecodeError):
        envelope(bomb, trc)


def test_forty_thousand_attributes_are_refused_at_once(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """Canonicalising them would take seconds, in whichever place they stand."""
    many = " ".join(f'a{i}=""' for i in range(40_000)).encode()
    flooded = hcp.replace(b"<saml2:Subject>", b"<saml2:Subject " + many + b">")
    security = etree.fromstring(
        f'<wsse:Security xmlns:wsse="{WSSE}">'.encode() + flooded + b"</wsse:Security>"
    )

    assert refused(security, domain) is Refusal.ASSERTION_MALFORMED
    with pytest.raises(DecodeError):
        envelope(flooded, trc)


def test_processing_instructions_and_document_types_are_refused(
    domain: TrustDomain, hcp: bytes, trc: bytes
) -> None:
    """SOAP forbids both; the parser never lets them through, and neither does the reader."""
    opened = f'<wsse:Security xmlns:wsse="{WSSE}">'.encode()
    with_pi = opened + hcp.replace(b">hcp-77<", b">hcp-77<?x y?><") + trc + b"</wsse:Security>"
    with_dtd = b'<!DOCTYPE x [<!ENTITY e "evil">]>' + opened + hcp + trc + b"</wsse:Security>"

    for text in (with_pi, with_dtd):
        parser = etree.XMLParser(resolve_entities=False)
        refusal = refused(etree.fromstring(text, parser), domain)
        assert refusal is Refusal.ASSERTION_MALFORMED
    with pytest.raises(DecodeError):
        parse_xml(with_dtd)


def test_no_change_of_bytes_changes_who_asks(domain: TrustDomain, hcp: bytes, trc: bytes) -> None:
    """Whatever is altered, the answer is the same context or a refusal, never anything else."""
    message = etree.tostring(envelope(hcp, trc).getroottree())
    expected = read(security_of(parse_xml(message)), domain.trust_store)
    pieces = (b"<", b">", b"&", b'"', b"ID", b"saml2:", b"ds:", b"\xff", b"<!-- -->", b"<a/>")
    dice = random.Random(20260301)
    for _ in range(150):
        altered = bytearray(message)
        at = dice.randrange(len(altered))
        cut = dice.choice((0, 0, 1, 20))
        altered[at : at + cut] = dice.choice(pieces)
        try:
            found = read(
                next(parse_xml(bytes(altered)).iter(f"{{{WSSE}}}Security"), None),
                domain.trust_store,
            )
        except (DecodeError, NotAllowed):
            continue
        assert found == expected
