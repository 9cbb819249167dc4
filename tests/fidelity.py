"""Fidelity certificates for tests, and what they are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.domain import (
    Coding,
    FidelityCertificate,
    InstanceFidelity,
    InstanceRef,
    PixelError,
    RatioCap,
    SeriesFidelity,
    Uid,
)
from tests.builders import COUNTRY_A

STUDY, SERIES = Uid("1.2.3"), Uid("1.2.3.1")
JPEG_LS, HTJ2K = Uid("1.2.840.10008.1.2.4.80"), Uid("1.2.840.10008.1.2.4.203")
PLAIN = Uid("1.2.840.10008.1.2.1")
ISSUED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CAP = RatioCap(ratio=10.0, source="a policy of this test system")


def ref_of(number: int, *, series: Uid = SERIES) -> InstanceRef:
    """An instance of the study."""
    return InstanceRef(study=STUDY, series=series, instance=Uid(f"1.2.3.9.{number}"))


def stored_one(number: int, **changes: Any) -> InstanceFidelity:
    """An instance that went as it is stored."""
    values: dict[str, Any] = {"raw_bytes": 1000, "sent_bytes": 1100, "sha256": f"{number:064x}"}
    return InstanceFidelity(**({"ref": ref_of(number), "syntax": PLAIN} | values | changes))


def lossless_one(number: int, **changes: Any) -> InstanceFidelity:
    """An instance written without loss."""
    values: dict[str, Any] = {
        "syntax": JPEG_LS,
        "coding": Coding(syntax=JPEG_LS),
        "sent_bytes": 300,
        "pixels_sha256": f"{number + 100:064x}",
    }
    return stored_one(number, **(values | changes))


def lossy_one(number: int, **changes: Any) -> InstanceFidelity:
    """A derived instance."""
    values: dict[str, Any] = {
        "syntax": HTJ2K,
        "coding": Coding(syntax=HTJ2K, step=2.5),
        "sent_bytes": 130,
        "error": PixelError(max_error=7, rmse=1.25, ssim=0.991),
        "derived": Uid(f"2.25.{number + 1}"),
    }
    return lossless_one(number, **(values | changes))


def certificate_of(*instances: InstanceFidelity, **changes: Any) -> FidelityCertificate:
    """A certificate of instances, in their series; those that lost something have a cap."""
    grouped: dict[Uid, list[InstanceFidelity]] = {}
    for one in instances:
        grouped.setdefault(one.ref.series, []).append(one)
    values: dict[str, Any] = {
        "delivery": "d-1",
        "community": COUNTRY_A,
        "issued": ISSUED,
        "series": tuple(
            SeriesFidelity(
                series=uid,
                instances=tuple(ones),
                cap=CAP if any(one.error for one in ones) else None,
            )
            for uid, ones in grouped.items()
        ),
    }
    return FidelityCertificate(**(values | changes))
