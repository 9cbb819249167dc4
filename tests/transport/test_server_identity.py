"""Who answers: what is demanded of a caller is what the settings say of that peer."""

from __future__ import annotations

from pathlib import Path

from gateway.config import PeerSection
from gateway.domain import Caller, TreatmentRelation
from gateway.middleware.authorised import Rights
from gateway.pki import TrustDomain
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import Clockwork
from gateway.transport.compose_servers import Speakers
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.exchanges import ScriptedExchange
from tests.gateways import settings_for, write_trust


def test_every_caller_meets_the_policy_of_its_section(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """A known one by its certificate; one nobody knows, that of the default profile."""
    known = PeerSection(
        name="B",
        community=COUNTRY_B,
        tls_subjects=("CN=b",),
        treatment_relation="none",
        allow_sha1=True,
    )
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for(COUNTRY_A, "XA", certs, tmp_path / "a", peers=(known,))
    speakers = Speakers.of(ScriptedExchange(), settings, Rights())

    identity = speakers.identity(settings, AssertionLog(tmp_path / "log"), clockwork)
    found = [identity.peers.caller(Caller(subject=name)) for name in ("CN=b", "CN=c")]
    policies = [identity.policy(peer) for peer in found]

    assert identity.community == COUNTRY_A
    assert [peer.community for peer in found] == [COUNTRY_B, None]
    assert [policy.allow_sha1 for policy in policies] == [True, False]
    assert [policy.relation for policy in policies] == [
        TreatmentRelation.NONE,
        TreatmentRelation.RESOURCE_ID,
    ]
