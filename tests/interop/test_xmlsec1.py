"""xmlsec1, an implementation of XML signatures that shares no code with ours, on our assertions.

It verifies them standing alone and where they stand in a request taken from the wire, by the
trust domain's own authorities, and refuses them when a byte is not what was signed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from lxml import etree

from gateway.pki import TrustDomain, mint_trust
from gateway.transport.tap import Role
from gateway.wire.soap.security import attach_context
from tests.builders import make_query
from tests.exchanges import ScriptedExchange
from tests.gateways import pair_of, write_trust
from tests.interop.judges import NS, SAML, Element
from tests.requests import context_for

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed"),
]
# Which assertions each profile shows, in order.
SHOWN = {"ihe": ("XUA",), "ehdsi": ("HCP", "TRC")}
CASES = [
    pytest.param(profile, index, id=name)
    for profile, names in SHOWN.items()
    for index, name in enumerate(names)
]


@dataclass(frozen=True)
class Verifier:
    """The program, and the authorities it is to believe."""

    certs: Path
    folder: Path

    def verifies(self, document: bytes, index: int = 0) -> bool:
        """Whether the signature of the assertion with this number holds in the document."""
        path = self.folder / f"{uuid4()}.xml"
        path.write_bytes(document)
        signature = f"(//*[local-name()='Assertion'])[{index + 1}]/*[local-name()='Signature']"
        done = subprocess.run(
            [
                "xmlsec1",
                "--verify",
                "--enabled-key-data",
                "x509",
                "--trusted-pem",
                self.certs / "ca" / "root.pem",
                "--untrusted-pem",
                self.certs / "ca" / "issuing.pem",
                "--id-attr:ID",
                f"{SAML}:Assertion",
                "--node-xpath",
                signature,
                path,
            ],
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.returncode == 0


@pytest.fixture
def verifier(trust_domain: TrustDomain, tmp_path: Path) -> Verifier:
    """xmlsec1 with our trust domain."""
    return Verifier(write_trust(trust_domain, tmp_path / "certs"), tmp_path)


def _shown(profile: str, domain: TrustDomain) -> list[bytes]:
    """The assertions of a profile, each standing alone, byte for byte as they are embedded."""
    security = attach_context(
        context_for(profile),
        domain.signer("XB"),
        now=datetime.now(UTC),
        new_id=lambda: str(uuid4()),
        country="XB",
    )
    end = b"</saml2:Assertion>"
    pieces = security[security.index(b"<saml2:Assertion") :].split(end)
    assertions = [piece + end for piece in pieces[:-1]]
    assert len(assertions) == len(SHOWN[profile])
    return assertions


async def _request(profile: str, domain: TrustDomain, folder: Path) -> bytes:
    """A request as our client put it on the wire."""
    async with pair_of(ScriptedExchange(), domain, folder, profile=profile) as pair:
        await pair.client.find_documents(make_query(), context_for(profile))
        (summary,) = pair.serving.tap.summaries()
        raw = pair.serving.tap.raw(summary["id"], Role.REQUEST)
        assert raw is not None
        return raw.body.read_bytes()


def _flipped(document: bytes, at: int) -> bytes:
    """The document with the lowest bit of one byte turned round."""
    return document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]


def _places(document: bytes, assertion: Element) -> Sequence[int]:
    """Where to flip: in a value that was signed, in the digest, in the signature."""
    texts = [
        assertion.findtext(f".//{{*}}{name}") or ""
        for name in ("NameID", "DigestValue", "SignatureValue")
    ]
    start = document.index(str(assertion.get("ID")).encode())
    return [document.index(text.strip()[:12].encode(), start) + 2 for text in texts]


@pytest.mark.parametrize(("profile", "index"), CASES)
def test_an_assertion_alone_verifies(
    profile: str, index: int, trust_domain: TrustDomain, verifier: Verifier
) -> None:
    """And is refused with any byte of content, digest or signature changed."""
    assertion = _shown(profile, trust_domain)[index]
    assert verifier.verifies(assertion)
    for at in _places(assertion, etree.fromstring(assertion)):
        assert not verifier.verifies(_flipped(assertion, at)), assertion[at - 10 : at + 10]


@pytest.mark.parametrize(("profile", "index"), CASES)
async def test_an_assertion_verifies_where_it_stands_in_a_request(
    profile: str, index: int, trust_domain: TrustDomain, tmp_path: Path, verifier: Verifier
) -> None:
    """In the envelope as it was sent; and is refused there with a byte changed."""
    request = await _request(profile, trust_domain, tmp_path / "pair")
    found = etree.fromstring(request).findall("soap:Header/wsse:Security/saml:Assertion", NS)
    assert len(found) == len(SHOWN[profile])
    assert verifier.verifies(request, index)
    for at in _places(request, found[index]):
        assert not verifier.verifies(_flipped(request, at), index), request[at - 10 : at + 10]


def test_a_strangers_seal_is_not_believed(verifier: Verifier) -> None:
    """The same assertion under other authorities: sound arithmetic, no trust."""
    stranger = mint_trust(now=datetime.now(UTC))
    for assertion in _shown("ehdsi", stranger):
        assert not verifier.verifies(assertion)
