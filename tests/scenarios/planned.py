"""A plan as the portal shows it, and lines of a house, for stories told without either."""

from __future__ import annotations

from typing import Any

PLAIN, JPEG_LS, HTJ2K = (f"1.2.840.10008.1.2.{end}" for end in ("1", "4.80", "4.202"))
LOSSY = "1.2.840.10008.1.2.4.203"


def coding(syntax: str, step: float = 0.0) -> dict[str, Any]:
    """How pixels are written."""
    return {"syntax": syntax, "effort": 0, "near": 0, "step": step}


def planned(
    number: int, action: str = "lossless", size: int = 1000, seconds: float = 1.0
) -> dict[str, Any]:
    """One instance of a plan."""
    comes = action not in ("deferred", "refused")
    return {
        "ref": {"study": "1.2", "series": "1.3", "instance": f"1.4.{number}"},
        "action": action,
        "reason": "because",
        "coding": coding(LOSSY, 2.0) if action == "lossy" else coding(JPEG_LS) if comes else None,
        "size_bytes": size if comes else 0,
        "seconds": seconds if comes else 0.0,
        "key_image": False,
        "derived": "2.25.1" if action == "lossy" else None,
    }


def forecast(syntax: str, size: int, seconds: float, *, chosen: bool = False) -> dict[str, Any]:
    """What a series would be in a coding."""
    return {
        "coding": coding(syntax),
        "size_bytes": size,
        "seconds": seconds,
        "cpu_seconds": 0.1,
        "chosen": chosen,
        "reason": "because",
    }


def plan(*instances: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A plan of one series of images beside a note, over 4 Mbit/s."""
    series = {
        "series": "1.3",
        "modality": "MR",
        "instances": 4,
        "raw_bytes": 8_000_000,
        "stored_bytes": 6_000_000,
        "sampled": 2,
        "noise": 3.0,
        "cap": {"ratio": 8.0, "source": "policy"},
        "forecasts": [
            forecast(JPEG_LS, 2_000_000, 4.0, chosen=True),
            forecast(HTJ2K, 2_500_000, 5.0),
            forecast(PLAIN, 6_000_000, 12.0),
        ],
    }
    note = {**series, "series": "1.9", "modality": "KO", "stored_bytes": 2000, "forecasts": []}
    return {
        "id": "p1",
        "link": {"bits_per_second": 4e6, "round_trip_seconds": 0.08, "source": "declared"},
        "instances": list(instances),
        "series": [series, note],
        "stored_seconds": 12.9,
        "notes": [],
    } | changes


class Line:
    """A link that is only spoken to: what it was told, and how often it was cut."""

    def __init__(self, profile: str = "unshaped", rate: float | None = None) -> None:
        self.profile, self.rate = profile, rate
        self.switched: list[str] = []
        self.cuts = 0

    async def show(self) -> dict[str, Any]:
        """As `GET /link`."""
        lane = {"bits_per_second": self.rate, "latency_seconds": 0.04}
        return {"profile": self.profile, "shape": {"up": lane, "down": lane}}

    async def switch(self, profile: str) -> dict[str, Any]:
        """As `PUT /link`."""
        self.switched.append(profile)
        self.profile = profile
        return await self.show()

    async def cut(self) -> int:
        """As `POST /link/cut`, with two connections open."""
        self.cuts += 1
        return 2
