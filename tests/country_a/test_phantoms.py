"""Made-up pixels are the same for the same generator, and cost what real ones cost."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from country_a.seed import phantoms


@pytest.mark.parametrize("seed", [1, 20261122])
def test_slices_compress_as_those_of_a_scanner(seed: int) -> None:
    """Lossless HTJ2K makes 16-bit CT slices of 512 × 512 between 3.0 and 4.5 times smaller."""
    slices = list(phantoms.ct_slices(5, 512, np.random.default_rng(seed)))

    ratios = [one.nbytes / len(imagecodecs.htj2k_encode(one, reversible=True)) for one in slices]

    assert {one.dtype for one in slices} == {np.dtype(np.int16)}
    assert min(ratios) > 3.0
    assert max(ratios) < 4.5


def test_the_same_generator_gives_the_same_pictures() -> None:
    """Pictures depend on their generator and on nothing else."""

    def pictures(seed: int) -> list[phantoms.Pixels]:
        rng = np.random.default_rng(seed)
        return [
            *phantoms.ct_slices(2, 32, rng),
            *phantoms.mr_slices(2, 32, rng),
            phantoms.radiograph(20, 30, rng),
            phantoms.mammogram(20, 30, rng, left=True),
            *phantoms.ultrasound_frames(2, 20, 30, rng),
        ]

    one, same, other = pictures(1), pictures(1), pictures(2)

    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(picture.max() > picture.min() for picture in one)
    assert max(int(picture.max()) for picture in one[2:6]) < 4096
