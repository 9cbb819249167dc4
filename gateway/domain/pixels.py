"""What the pixels of an instance are, as far as its header says: what a sender plans with.

Clauses: DICOM PS3.3 C.7.6.3 (image pixel), C.7.6.6 (multi-frame), C.7.6.1.1.5 (lossy past).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFacts:
    """Size, sign and kind of an instance's pixels; an instance without pixels has none of these.

    `image_type` are the values of Image Type. `lossy` is whether a lossy step is on record, or
    the transfer syntax may hold one. `is_float` is for Float and Double Float Pixel Data,
    `quantitative` for values that are measurements (Real World Value Mapping, Quantity
    Definition). `kernel` is the Convolution Kernel, "" unknown; `slice_millimetres` the Slice
    Thickness. `text` is whether pixels may show letters.
    """

    rows: int
    columns: int
    frames: int = 1
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False
    photometric: str = "MONOCHROME2"
    lossy: bool = False
    is_float: bool = False
    quantitative: bool = False
    image_type: tuple[str, ...] = ()
    kernel: str = ""
    slice_millimetres: float | None = None
    text: bool = False

    @property
    def frame_bytes(self) -> int:
        """A frame uncompressed; single bits are rounded up to a byte."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8

    @property
    def raw_bytes(self) -> int:
        """All frames uncompressed."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated * self.frames
        return (bits + 7) // 8
