"""Plans that were answered, kept for those they were made for, and what came of them.

A plan is named by a random id and given only to the community and for the patient it was made for.
It is kept beside the audit, with what was really sent under it: a promise can be compared with
what became of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.compression.plan_text import plan_view, read_plan
from gateway.domain import (
    CommunityId,
    DeliveryPlan,
    InstanceFidelity,
    NotFound,
    PatientId,
    Refusal,
)
from gateway.wire.problems import DecodeError

# Some hundred kilobytes each for the largest studies.
MAX_PLANS = 2000


class PlanBook:
    """Plans in a folder, the oldest making room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(
        self,
        plan: DeliveryPlan,
        *,
        asking: CommunityId,
        patients: Sequence[PatientId],
        at: datetime,
    ) -> None:
        """Keep a plan for who asked for it, about these patients."""
        body = orjson.dumps(
            {
                "asking": str(asking),
                "patients": [[patient.value, str(patient.authority)] for patient in patients],
                "at": at,
                "plan": plan_view(plan),
            }
        )
        await asyncio.to_thread(self._write, plan.id, body)

    async def get(
        self, id: str, *, asking: CommunityId, patients: Sequence[PatientId]
    ) -> DeliveryPlan:
        """The plan of that id; `NotFound` for one made for somebody else, as for none."""
        missing = NotFound(
            Refusal.UNKNOWN_DOCUMENT, f"no plan {id} is kept here for this caller", subject=id
        )
        try:
            body = await asyncio.to_thread(self._path(id).read_bytes)
        except OSError:
            raise missing from None
        held: dict[str, Any] = orjson.loads(body)
        of = {(value, authority) for value, authority in held["patients"]}
        asked = {(patient.value, str(patient.authority)) for patient in patients}
        if held["asking"] != str(asking) or not asked <= of:
            raise missing
        try:
            return read_plan(held["plan"])
        except DecodeError:
            raise missing from None  # of another version of this gateway

    async def happened(self, id: str, sent: Sequence[InstanceFidelity], *, at: datetime) -> None:
        """Write down what went out under a plan, after what went before."""
        lines = b"".join(
            orjson.dumps([str(one.ref.instance), str(one.syntax), one.sha256, one.sent_bytes, at])
            + b"\n"
            for one in sent
        )
        await asyncio.to_thread(self._append, id, lines)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.json"

    def _write(self, id: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) - MAX_PLANS + 1)]:
            path.unlink(missing_ok=True)
            path.with_suffix(".sent").unlink(missing_ok=True)
        aside = self._path(id).with_suffix(".part")
        aside.write_bytes(body)
        os.replace(aside, self._path(id))

    def _append(self, id: str, lines: bytes) -> None:
        with self._path(id).with_suffix(".sent").open("ab") as out:
            out.write(lines)
