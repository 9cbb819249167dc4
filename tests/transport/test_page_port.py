"""The port for browsers: its TLS, and the address they call."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from gateway.config import ListenSection, SettingsError, TlsSection
from gateway.pki import TrustDomain
from gateway.transport.page_port import tls_pages, viewer_url
from tests.builders import COUNTRY_A
from tests.gateways import settings_for, write_trust


def test_pages_ask_for_no_certificate(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """Unlike the port for gateways; old protocols are offered by neither."""
    certs = write_trust(trust_domain, tmp_path)

    context = tls_pages(settings_for(COUNTRY_A, "XA", certs, tmp_path / "a").tls)

    assert context.verify_mode is ssl.CERT_NONE
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_is_wrong_with_the_files_is_named(tmp_path: Path) -> None:
    """Not set, not there, and no certificate."""
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    gone = tmp_path / "gone.pem"

    for section, words in (
        (TlsSection(), "server_certificate is not set"),
        (TlsSection(server_certificate=bad), "server_key is not set"),
        (TlsSection(server_certificate=gone, server_key=bad), "there is no file"),
        (TlsSection(server_certificate=bad, server_key=bad), "tls.server_certificate"),
    ):
        with pytest.raises(SettingsError, match=words):
            tls_pages(section)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ({}, "https://localhost:9443"),
        ({"viewer_host": "::1"}, "https://localhost:9443"),
        ({"viewer_host": "192.0.2.7"}, "https://192.0.2.7:9443"),
        ({"viewer_host": "2001:db8::1"}, "https://[2001:db8::1]:9443"),
        ({"viewer_url": "https://images.example/v/"}, "https://images.example/v"),
    ],
)
def test_browsers_call_it_by_its_name(listen: dict[str, str], expected: str) -> None:
    """As the settings say, or by host and port."""
    assert viewer_url(ListenSection(**listen), 9443) == expected
