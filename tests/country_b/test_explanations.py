"""Refusals in words for a health professional."""

from country_b.explanations import EXPLANATIONS
from gateway.domain import Refusal


def test_every_refusal_has_a_status_and_somebody_who_can_fix_it() -> None:
    """The table is complete, and no refusal looks like a success."""
    assert set(EXPLANATIONS) == set(Refusal)
    assert all(400 <= how.status < 600 and how.who_can_fix for how in EXPLANATIONS.values())
