"""Addresses that a peer gives are followed within its own host, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import LimitSection, PeerSection
from gateway.domain import PeerMisbehaved
from gateway.peers import peer_of_section
from gateway.transport.fhir_calls import FhirCalls
from tests.builders import COUNTRY_A

BASE = "https://a.example:8443/fhir"


def calls() -> FhirCalls:
    """Calls to a peer that is never called."""
    nothing: Any = None
    return FhirCalls(
        peer_of_section(PeerSection(name="A", community=COUNTRY_A, fhir_url=BASE)),
        identity=nothing,
        session=nothing,
        keeper=nothing,
        limits=LimitSection(),
    )


@pytest.mark.parametrize(
    ("given", "followed"),
    [
        (f"{BASE}/Binary/1", f"{BASE}/Binary/1"),
        ("Binary/1", f"{BASE}/Binary/1"),
        ("/fhir/Binary/1", f"{BASE}/Binary/1"),
        (f"{BASE}//Binary/1", f"{BASE}/Binary/1"),
        ("https://A.example:8443/other", "https://A.example:8443/other"),
        (f"{BASE}?_getpages=a%7Cb", f"{BASE}?_getpages=a%7Cb"),
        (f"{BASE}//x?type=http://loinc.org%7C1#top", f"{BASE}/x?type=http://loinc.org%7C1"),
    ],
)
def test_an_address_of_the_peer_is_followed(given: str, followed: str) -> None:
    """Absolute, relative, or with the slash doubled that came of joining two strings."""
    assert calls().address(given) == followed


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.example/fhir/Binary/1",
        "https://a.example/fhir/Binary/1",
        "http://a.example:8443/fhir/Binary/1",
        "//evil.example/Binary/1",
        "https://a.example:8443@evil.example/",
        "file:///etc/passwd",
        "urn:uuid:6f1d6b1e-0000-4000-8000-000000000001",
        "https://[broken/",
    ],
)
def test_an_address_of_another_host_is_refused(given: str) -> None:
    """Our token would go there."""
    with pytest.raises(PeerMisbehaved, match="not its own host"):
        calls().address(given)
