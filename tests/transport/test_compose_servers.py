"""An Exchange on the network as the settings say, and what they say in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.config import PeerSection, SettingsError
from gateway.domain import TreatmentRelation
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.compose_servers import apology, policy_of, token_app_of
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.gateways import settings_for, write_trust


@pytest.mark.parametrize(
    ("changes", "relation", "sha1"),
    [
        ({}, TreatmentRelation.RESOURCE_ID, False),
        ({"profile": "ehdsi"}, TreatmentRelation.TRC, False),
        ({"treatment_relation": "none"}, TreatmentRelation.NONE, False),
        ({"allow_sha1": True}, TreatmentRelation.RESOURCE_ID, True),
    ],
)
def test_what_is_demanded_of_assertions_is_as_the_peer_entry_says(
    changes: dict[str, Any], relation: TreatmentRelation, sha1: bool
) -> None:
    """The profile decides where the entry is silent."""
    peer = peer_of_section(PeerSection(name="A", community=COUNTRY_A, **changes))

    policy = policy_of(peer)

    assert policy.relation is relation
    assert policy.allow_sha1 is sha1
    assert policy.audiences == (peer.profile.audience,)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/fhir", "application/fhir+json"),
        ("/fhir/Patient", "application/fhir+json"),
        ("/fhirs", "application/soap+xml"),
        ("/RespondingGateway", "application/soap+xml"),
    ],
)
def test_a_fault_of_ours_is_told_in_the_tongue_of_the_path(path: str, media_type: str) -> None:
    """With the number under which the log has it."""
    answer = apology(make_mocked_request("GET", path), "corr-7")

    assert answer.content_type == media_type
    assert isinstance(answer.body, bytes)
    assert b"corr-7" in answer.body


def test_a_token_endpoint_without_its_address_is_refused(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """The address is what its tokens name as their issuer."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for(COUNTRY_B, "XB", certs, tmp_path / "b")

    with pytest.raises(SettingsError, match=r"token\.public_url"):
        token_app_of(settings, keeper_of(settings, clockwork), clockwork)
