"""What becomes of pixel padding in a lossy form: the values it decodes to, apart from the image's.

Padding marks pixels that are no image by a value, or a range, that no image pixel has. A lossy
coder moves both; the marking holds as long as the range, widened to what padding decodes to, has
no image pixel in it. Clause: DICOM PS3.3 C.7.5.1.1.2.
"""

from __future__ import annotations

from gateway.compression.guards import GuardBroken
from gateway.wire.dicom.frames import Samples


class PaddingWatch:
    """The padding of an instance whose stored values from `low` to `high` are padding."""

    def __init__(self, low: int, high: int) -> None:
        self._original = (low, high)
        self._low, self._high = low, high
        self._below: int | None = None  # the highest image value under the range
        self._above: int | None = None  # the lowest one over it

    def add(self, original: Samples, decoded: Samples) -> None:
        """Look at one frame. Raises `GuardBroken` when image and padding cannot be told apart."""
        low, high = self._original
        mask = (original >= low) & (original <= high)
        if mask.any():
            padded = decoded[mask]
            self._low = min(self._low, int(padded.min()))
            self._high = max(self._high, int(padded.max()))
        image = decoded[~mask]
        below, above = image[image <= high], image[image > high]
        if below.size:
            highest = int(below.max())
            self._below = highest if self._below is None else max(self._below, highest)
        if above.size:
            lowest = int(above.min())
            self._above = lowest if self._above is None else min(self._above, lowest)
        if self._below is not None and self._below >= self._low:
            raise GuardBroken("image value under the padding", self._below, self._low - 1)
        if self._above is not None and self._above <= self._high:
            raise GuardBroken("padding value under the image", self._high, self._above - 1)

    def found(self) -> tuple[int, int]:
        """The range that padding decodes to, the original one included."""
        return self._low, self._high
