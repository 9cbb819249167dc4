"""What is measured of a peer's link, and what is not believed to be one."""

from __future__ import annotations

import pytest

from gateway.domain import LinkProfile, LinkSource
from gateway.transport.goodput import Goodput, Sending

MIB = 1024 * 1024


def waited(mbit: float, size: int = MIB) -> Sending:
    """An answer that the link held up."""
    seconds = size * 8 / (mbit * 1e6)
    return Sending(size, seconds, 0.9 * seconds)


def made(mbit: float, size: int = MIB) -> Sending:
    """An answer that was sent as fast as it was made."""
    return Sending(size, size * 8 / (mbit * 1e6), 0.0)


def mbit(link: LinkProfile) -> float:
    return link.bits_per_second / 1e6


def test_a_peer_of_which_nothing_is_known_has_the_usual_link() -> None:
    """What it declares is believed until something is measured."""
    declared = LinkProfile(bits_per_second=2e6, source=LinkSource.DECLARED)

    assert Goodput().link("b") == LinkProfile()
    assert Goodput().link("b", declared) is declared


def test_answers_that_waited_for_the_peer_tell_its_link() -> None:
    """The newest counts most, and the rest is not forgotten."""
    goodput = Goodput()

    goodput.sent("b", waited(10))
    first = mbit(goodput.link("b"))
    goodput.sent("b", waited(5))

    assert first == pytest.approx(10)
    assert mbit(goodput.link("b")) == pytest.approx(8)
    assert goodput.link("b").source is LinkSource.MEASURED
    assert goodput.link("other") == LinkProfile()


def test_what_we_were_too_slow_to_send_lowers_no_estimate() -> None:
    """Or a slow codec would be taken for a slow link, and answered with a slower codec."""
    goodput = Goodput()
    goodput.sent("b", waited(100))

    goodput.sent("b", made(10))
    assert mbit(goodput.link("b")) == pytest.approx(100)

    goodput.sent("b", made(200))
    assert mbit(goodput.link("b")) == pytest.approx(200)


def test_what_fits_into_buffers_says_nothing() -> None:
    """A short answer is gone before the link has had a say."""
    goodput = Goodput()

    goodput.sent("b", waited(1, size=10_000))

    assert goodput.link("b") == LinkProfile()


def test_of_what_is_declared_and_measured_the_slower_holds() -> None:
    """A round trip is the peer's to say."""
    goodput = Goodput()
    goodput.sent("b", waited(8))
    slow = LinkProfile(bits_per_second=2e6, round_trip_seconds=0.6, source=LinkSource.DECLARED)
    fast = LinkProfile(bits_per_second=80e6, round_trip_seconds=0.6, source=LinkSource.DECLARED)

    assert goodput.link("b", slow) is slow
    assert mbit(goodput.link("b", fast)) == pytest.approx(8)
    assert goodput.link("b", fast).round_trip_seconds == 0.6


def test_peers_do_not_add_up_without_end() -> None:
    """The longest silent is forgotten first."""
    goodput = Goodput()

    for number in range(2000):
        goodput.sent(f"peer {number}", waited(10))

    assert goodput.link("peer 0") == LinkProfile()
    assert goodput.link("peer 1999") != LinkProfile()
