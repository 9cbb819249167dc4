"""What the border promises of a viewer, whichever way in."""

from __future__ import annotations

import pytest

from gateway.domain import ExchangeError, NotFound, Refusal, Uid, ViewerLink
from tests.behaviour.conftest import DIALECTS, VIEWER, Way, over

# A fault of the security layer has one code for both.
NOT_TREATED = (Refusal.TREATMENT_RELATION_MISMATCH, Refusal.NO_TREATMENT_RELATION)

# A bridge opens no viewer: the page is the asked country's own.
pytestmark = over(*DIALECTS, "xc-ihe")


async def _opened(way: Way, study: Uid, role: str) -> ViewerLink | Refusal:
    try:
        return await way.exchange.open_viewer(study, way.context(way.seeded.patient(role)))
    except ExchangeError as error:
        return error.refusal


async def test_a_study_of_the_patient_is_opened(way: Way) -> None:
    """By a link to the viewer, which has an end; each time another."""
    manifest, _ = await way.manifest("main")

    links = [await _opened(way, manifest.study, "main") for _ in range(2)]

    for link in links:
        assert isinstance(link, ViewerLink)
        assert link.url.startswith(f"{VIEWER}/view/")
        assert link.expires is not None
    assert links[0] != links[1]


async def test_a_study_of_another_patient_is_not_opened(way: Way) -> None:
    """Nor one of a patient who does not consent, or that is not there."""
    foreign, _ = await way.manifest("greek")

    assert await _opened(way, foreign.study, "main") in NOT_TREATED
    with pytest.raises(NotFound):
        await way.exchange.open_viewer(Uid("1.2.3.404"), way.context(way.seeded.patient("main")))


async def test_a_patient_who_does_not_consent_is_not_shown(way: Way) -> None:
    """Whoever asks, and whichever way."""
    [study] = way.seeded.role("denied")["studies"]

    assert await _opened(way, Uid(study["uid"]), "denied") is Refusal.NO_CONSENT
