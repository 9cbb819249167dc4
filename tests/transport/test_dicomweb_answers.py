"""Which instances an address means, asked of an Exchange."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import (
    DeliveryWish,
    ExchangeError,
    Issue,
    NotFound,
    Oid,
    Outcome,
    Refusal,
    Uid,
)
from gateway.peers import Peer, PeerBook
from gateway.transport.dicomweb_answers import DicomwebAnswerer
from gateway.wire.dicom.web import ImageScope
from tests.builders import COUNTRY_A, PATIENT, make_context, make_manifest
from tests.exchanges import ScriptedDelivery, ScriptedExchange

MANIFEST = make_manifest()
FIRST = MANIFEST.instances()[0]
PEER: Peer = PeerBook.of_sections((), "ihe").stranger


def answerer(exchange: ScriptedExchange) -> DicomwebAnswerer:
    """Asks this Exchange."""
    return DicomwebAnswerer(
        lambda _: exchange, community=COUNTRY_A, default_location=Oid("2.999.20.1")
    )


HOLDING = ScriptedExchange(studies=Outcome((MANIFEST,)))


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (ImageScope(study=MANIFEST.study), MANIFEST.instance_count),
        (ImageScope(study=MANIFEST.study, series=FIRST.series), 3),
        (ImageScope.of(FIRST), 1),
    ],
)
async def test_an_address_means_what_the_study_is_made_of_now(
    scope: ImageScope, count: int
) -> None:
    """With the patient it belongs to, and what else is known of its series."""
    found = await answerer(HOLDING).locate(scope, PEER, make_context())

    assert len(found.request.instances) == count
    assert found.request.instances[0][0] == FIRST
    assert found.patients == (PATIENT,)
    assert found.request.series[FIRST.series].instances == 3


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (ImageScope(study=Uid("1.2.404")), "no study 1.2.404"),
        (ImageScope(study=MANIFEST.study, series=Uid("1.2.404")), "no series 1.2.404"),
        (
            ImageScope(study=MANIFEST.study, series=FIRST.series, instance=Uid("1.2.404")),
            "no instance 1.2.404",
        ),
        (
            ImageScope(study=MANIFEST.study, series=Uid("1.2.404"), instance=FIRST.instance),
            "no series 1.2.404",
        ),
    ],
)
async def test_what_is_not_there_is_said_by_its_name(scope: ImageScope, said: str) -> None:
    """Which level of the address is wrong."""
    with pytest.raises(NotFound, match=said):
        await answerer(HOLDING).locate(scope, PEER, make_context())


async def test_only_what_lies_at_the_place_named_is_meant() -> None:
    """An address across communities names a Retrieve Location."""
    scope = ImageScope(study=MANIFEST.study)
    place = Oid("2.999.20.2")

    found = await answerer(HOLDING).locate(scope, PEER, make_context(), location=place)

    assert {ref.series for ref, _ in found.request.instances} == {MANIFEST.series[1].uid}
    with pytest.raises(NotFound) as caught:
        await answerer(HOLDING).locate(scope, PEER, make_context(), location=Oid("2.999.404"))
    assert caught.value.refusal is Refusal.UNKNOWN_REPOSITORY


async def test_why_a_study_is_not_told_is_passed_on() -> None:
    """A bridged peer may not be able to say."""
    issue = Issue(refusal=Refusal.PEER_MISBEHAVED, text="a manifest cannot be read")
    exchange = ScriptedExchange(studies=Outcome((), (issue,)))

    with pytest.raises(ExchangeError, match="cannot be read"):
        await answerer(exchange).locate(ImageScope.of(FIRST), PEER, make_context())


async def test_a_delivery_of_nothing_is_the_refusal_of_its_first_issue() -> None:
    """And it is closed."""
    issue = Issue(refusal=Refusal.UNSUPPORTED_SYNTAX, text="not so", subject="1.2")
    delivery = ScriptedDelivery(issues=(issue,))
    exchange = replace(HOLDING, delivery=delivery)
    located = await answerer(exchange).locate(ImageScope.of(FIRST), PEER, make_context())
    wish = DeliveryWish(syntaxes=(Uid("1.2"),))

    with pytest.raises(ExchangeError) as caught:
        await answerer(exchange).deliver(located, wish, PEER, make_context())
    assert (caught.value.refusal, caught.value.text) == (Refusal.UNSUPPORTED_SYNTAX, "not so")
    assert delivery.closed
