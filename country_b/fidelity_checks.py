"""What a certificate says of an image, held against the image that is kept.

The file must be the one that is named. What was coded on the way is decoded as a viewer would and
its pixels must be those that the sender measured. What lost something must be agreed to, be an
instance of its own, say of itself that it is lossy, and keep to the cap that the sender names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from country_b.kept import KeptInstance
from gateway.compression.choices import name_of
from gateway.compression.pixel_digest import ReceivedPixels, received_pixels
from gateway.domain import InstanceFidelity, RatioCap, SeriesFidelity
from gateway.wire.problems import DecodeError

# Ratios are written with three digits in a header, and with all in a certificate.
RATIO_SLACK = 1.005
# What is said of an image whose pixels nobody coded on the way.
AS_STORED = "as stored"


def departure(
    said: InstanceFidelity,
    kept: KeptInstance,
    path: Path,
    *,
    cap: RatioCap | None,
    lossy_consent: bool,
) -> str:
    """How a kept image departs from its certificate; "" where it does not.

    Decodes it where it was coded, frame by frame: to be called in a thread.
    """
    if said.sha256 != kept.sha256:
        return "its file is not the one that its certificate names"
    if str(said.syntax) != kept.transfer_syntax:
        return f"its certificate names transfer syntax {said.syntax}, it has {kept.transfer_syntax}"
    if str(said.derived or "") != kept.derived:
        return "its certificate and its delivery do not agree on what it was derived as"
    if said.error is not None and not lossy_consent:
        return "its pixels have changed, by its certificate, which was not agreed to"
    if said.coding is None:
        return ""
    try:
        with path.open("rb") as file:
            found = received_pixels(file)
    except DecodeError as error:
        return f"its pixels cannot be decoded: {error}"
    if found.pixels_sha256 != said.pixels_sha256:
        return "it does not decode to the pixels that its certificate names"
    return _lossy_departure(said, found, cap) if said.error is not None else ""


def _lossy_departure(said: InstanceFidelity, found: ReceivedPixels, cap: RatioCap | None) -> str:
    """How a lossy image departs from what one has to say of itself (PS3.3 C.7.6.1.1.5)."""
    if found.instance != said.derived:
        return f"its file is instance {found.instance}, its certificate derived {said.derived}"
    if not found.is_lossy or not found.ratios or not found.methods:
        return "it has lost something and does not say so (0028,2110), (0028,2112), (0028,2114)"
    if cap is None:
        return "it has lost something, and its certificate names no cap that held"
    most = max(said.ratio, found.ratios[-1])
    if not most <= cap.ratio * RATIO_SLACK:
        return f"its ratio is {most:.1f}, over the cap of {cap.ratio:g} that is said to have held"
    return ""


def series_view(series: SeriesFidelity, checked: Sequence[InstanceFidelity]) -> dict[str, Any]:
    """What is true of the checked instances of a series, as the API shows it.

    `ratio` is raw bytes of pixels to those sent; the errors are the greatest of any instance, the
    structural similarity the least, null where nothing was lost.
    """
    errors = [one.error for one in checked if one.error is not None]
    similar = [error.ssim for error in errors if error.ssim is not None]
    raw, sent = (sum(sizes) for sizes in zip(*(_sizes(one) for one in checked), strict=True))
    return {
        "series": str(series.series),
        "instances": len(checked),
        "lossy": len(errors),
        "syntaxes": sorted({str(one.syntax) for one in checked}),
        "codecs": sorted({name_of(one.coding) if one.coding else AS_STORED for one in checked}),
        "raw_bytes": raw,
        "sent_bytes": sent,
        "ratio": round(raw / sent, 2) if sent else 1.0,
        "max_error": max((error.max_error for error in errors), default=None),
        "rmse": max((error.rmse for error in errors), default=None),
        "ssim": min(similar, default=None),
        "cap": (
            {"ratio": series.cap.ratio, "source": series.cap.source}
            if series.cap is not None and errors
            else None
        ),
    }


def _sizes(one: InstanceFidelity) -> tuple[int, int]:
    return one.raw_bytes, one.sent_bytes
