"""Who answers: what every server of a gateway knows of itself and of those it trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.domain import CommunityId
from gateway.peers import Peer, PeerBook
from gateway.transport.assertion_log import AssertionLog
from gateway.wire.saml import AssertionPolicy
from gateway.wire.trust import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """Who answers, whom it trusts, and where clock and ids come from.

    `policy` gives what is demanded of a peer's assertions and tokens.
    """

    community: CommunityId
    peers: PeerBook
    trust: TrustStore
    policy: Callable[[Peer], AssertionPolicy]
    assertions: AssertionLog
    now: Callable[[], datetime]
    new_id: Callable[[], str]
