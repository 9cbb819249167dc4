"""Key images first as a story."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios import deliveries, uc1_key_images_first
from scenarios.deliveries import Delivery
from scenarios.result import Verdict
from scenarios.story import CheckFailed
from tests.scenarios.told import population, seeds_of, told


async def test_without_a_line_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """Countries that meet directly have nothing to tell."""
    country, info = population()

    story, _ = await told(uc1_key_images_first.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert story.steps[0].note == deliveries.NO_LINK


def test_key_images_and_their_notes_must_be_first() -> None:
    """In whichever order among themselves."""
    study = {"key_images": ["b"], "notes": ["n"]}

    def came(*names: str) -> Delivery:
        kept = tuple({"instance": name} for name in names)
        return Delivery(job={}, timeline=(), kept=kept)

    uc1_key_images_first._check_first(came("n", "b", "a"), study)
    with pytest.raises(CheckFailed, match="did not come first"):
        uc1_key_images_first._check_first(came("n", "a", "b"), study)
