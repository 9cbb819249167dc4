"""Sizes of pixels as a header tells them."""

from __future__ import annotations

from gateway.domain import PixelFacts


def test_single_bits_of_all_frames_stand_without_gaps() -> None:
    """Frames of single bits are packed; a frame by itself is rounded up (PS3.5 8.1.1)."""
    facts = PixelFacts(rows=3, columns=3, frames=5, bits_allocated=1, bits_stored=1)

    assert (facts.frame_bytes, facts.raw_bytes) == (2, 6)


def test_colour_has_three_samples_a_pixel() -> None:
    """Every sample counts with the bits that are allocated to it."""
    facts = PixelFacts(rows=2, columns=4, frames=2, samples=3, bits_allocated=8)

    assert (facts.frame_bytes, facts.raw_bytes) == (24, 48)
