"""How fast each peer takes what it is sent: measured on real answers, for planning the next.

Only time spent waiting for the peer counts. An answer that is written as fast as it is made says
that the link is faster than we are, and no more; it can raise an estimate, never lower it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gateway.domain import (
    DEFAULT_ROUND_TRIP_SECONDS,
    MAX_BITS_PER_SECOND,
    MIN_BITS_PER_SECOND,
    LinkProfile,
    LinkSource,
)

# Less than this stays in the buffers of the system and says nothing of a link.
LEAST_BYTES = 256 * 1024
# The link is what an answer waited for if it waited most of the time.
WAITING_SHARE = 0.5
# How much the newest answer counts against all before it.
WEIGHT = 0.4
MAX_PEERS = 1024


@dataclass(slots=True)
class Sending:
    """What one answer has sent so far: bytes, all its seconds, and those spent waiting."""

    size_bytes: int = 0
    seconds: float = 0.0
    waiting_seconds: float = 0.0


class Goodput:
    """What has been measured of each peer, by a name of its own."""

    def __init__(self) -> None:
        self._bits_per_second: OrderedDict[str, float] = OrderedDict()

    def sent(self, peer: str, sending: Sending) -> None:
        """Take an answer into account."""
        if sending.size_bytes < LEAST_BYTES or sending.seconds <= 0:
            return
        rate = sending.size_bytes * 8 / sending.seconds
        rate = min(max(rate, MIN_BITS_PER_SECOND), MAX_BITS_PER_SECOND)
        known = self._bits_per_second.pop(peer, None)
        if sending.waiting_seconds < WAITING_SHARE * sending.seconds:
            rate = max(rate, known or 0.0)
        elif known is not None:
            rate = known + WEIGHT * (rate - known)
        self._bits_per_second[peer] = rate
        while len(self._bits_per_second) > MAX_PEERS:
            self._bits_per_second.popitem(last=False)

    def link(self, peer: str, declared: LinkProfile | None = None) -> LinkProfile:
        """The link to plan with: what the peer declares, unless less was measured.

        Nobody measures a round trip at this end; without a word of the peer it is the usual one.
        """
        measured = self._bits_per_second.get(peer)
        if measured is None:
            return declared or LinkProfile()
        if declared is not None and declared.bits_per_second <= measured:
            return declared
        return LinkProfile(
            bits_per_second=measured,
            round_trip_seconds=(
                DEFAULT_ROUND_TRIP_SECONDS if declared is None else declared.round_trip_seconds
            ),
            source=LinkSource.MEASURED,
        )
