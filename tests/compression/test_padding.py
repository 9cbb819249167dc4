"""Padding that stays apart from the image, or does not."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.compression.guards import GuardBroken
from gateway.compression.padding import PaddingWatch


def test_the_range_grows_to_what_padding_decodes_to() -> None:
    """Over all frames."""
    watch = PaddingWatch(-2000, -2000)
    watch.add(np.array([[-2000, 5]]), np.array([[-2003, 4]]))
    watch.add(np.array([[-2000, -1000]]), np.array([[-1998, -1001]]))
    assert watch.found() == (-2003, -1998)


def test_a_range_of_padding_is_kept_whole() -> None:
    """Even where its pixels come out as they were."""
    watch = PaddingWatch(0, 3)
    watch.add(np.array([[2, 50]]), np.array([[2, 49]]))
    assert watch.found() == (0, 3)


@pytest.mark.parametrize(
    ("original", "decoded"),
    [
        ([[0, 1]], [[0, 0]]),  # an image value became padding
        ([[0, 3]], [[3, 3]]),  # padding came out as an image value
        ([[5, 1]], [[5, 0]]),  # without any padding in the frame
    ],
)
def test_padding_and_image_that_meet_are_a_broken_guard(
    original: list[list[int]], decoded: list[list[int]]
) -> None:
    """Nobody could tell them apart again."""
    with pytest.raises(GuardBroken, match="padding"):
        PaddingWatch(0, 0).add(np.array(original), np.array(decoded))


def test_image_below_the_padding_is_guarded_too() -> None:
    """Padding may lie at the upper end."""
    watch = PaddingWatch(4000, 4095)
    watch.add(np.array([[4090, 3990]]), np.array([[4085, 3994]]))
    with pytest.raises(GuardBroken, match="under the padding"):
        watch.add(np.array([[4000, 3990]]), np.array([[3993, 3994]]))
