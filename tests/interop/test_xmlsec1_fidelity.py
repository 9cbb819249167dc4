"""xmlsec1, an implementation of XML signatures that shares no code with ours, on our certificates.

It verifies the seal by the trust domain's own authorities, and refuses it when a value changes.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.pki import TrustDomain
from gateway.wire.fidelity import NAMESPACE, seal_certificate
from tests.fidelity import certificate_of, lossless_one, lossy_one, stored_one
from tests.gateways import write_trust

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed"),
]


def _verifies(document: bytes, certs: Path, folder: Path) -> bool:
    path = folder / "certificate.xml"
    path.write_bytes(document)
    done = subprocess.run(
        [
            "xmlsec1",
            "--verify",
            "--enabled-key-data",
            "x509",
            "--trusted-pem",
            certs / "ca" / "root.pem",
            "--untrusted-pem",
            certs / "ca" / "issuing.pem",
            "--id-attr:ID",
            f"{NAMESPACE}:FidelityCertificate",
            path,
        ],
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode == 0


def test_a_seal_holds_for_somebody_else(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """And not when a digest, an error or the statement is another."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    certificate = certificate_of(
        stored_one(1), lossless_one(2), lossy_one(3), issued=datetime.now(UTC)
    )
    sealed = seal_certificate(certificate, trust_domain.signer("xa"), id="_c-1")

    assert _verifies(sealed, certs, tmp_path)
    for found, put in (
        (b'maxError="7"', b'maxError="1"'),
        (b'sha256="0', b'sha256="1'),
        (b"not fitness", b"and fitness"),
    ):
        assert found in sealed
        assert not _verifies(sealed.replace(found, put, 1), certs, tmp_path)
