"""What went out, delivery by delivery: written down as it was sent, for those it was sent to.

A record is kept under the community that asked and the id of the delivery: the same id of another
community is another record. Every line is one instance as it was sent, with the patient it was of.
Records lie in files beside the plans, so that they outlive the process; what a delivery under way
has sent so far counts too, as whoever has it whole may ask for its certificate at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import orjson
import structlog

from gateway.domain import (
    Coding,
    CommunityId,
    InstanceFidelity,
    InstanceRef,
    Oid,
    PatientId,
    PixelError,
    RatioCap,
    Uid,
)

# As many as plans are kept; some 500 bytes an instance.
MAX_DELIVERIES = 2000
# A requester may ask for the same again and again under one name; what is beyond is not certified.
MAX_RECORD_BYTES = 64 * 1024 * 1024

_LOG = structlog.get_logger(__name__)


class Sending(Protocol):
    """A delivery under way: what it has sent so far."""

    @property
    def fidelity(self) -> Sequence[InstanceFidelity]:
        """Instances that have been sent whole, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One instance that went out, of whom, and the cap that held where it is lossy."""

    sent: InstanceFidelity
    patient: PatientId
    cap: RatioCap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a delivery is for, and what is known of what it sends.

    `patients` says by study whose it is, `caps` by series which ratio holds.
    """

    delivery: str
    asking: CommunityId
    patients: Mapping[Uid, PatientId]
    caps: Mapping[Uid, RatioCap | None]

    def entries(self, sent: Sequence[InstanceFidelity]) -> list[Entry]:
        """What was sent, as it is written down."""
        return [
            Entry(
                sent=one,
                patient=self.patients[one.ref.study],
                cap=self.caps.get(one.ref.series) if one.error is not None else None,
            )
            for one in sent
            if one.ref.study in self.patients
        ]


class DeliveryBook:
    """Records in a folder, the oldest making room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Path, None] | None = None  # oldest first
        self._writing = threading.Lock()
        # A delivery that is let go without being entered is forgotten with it.
        self._under_way: weakref.WeakKeyDictionary[Sending, Recipient] = weakref.WeakKeyDictionary()

    def begun(self, sending: Sending, recipient: Recipient) -> None:
        """A delivery is under way; to be `ended` when it is left."""
        self._under_way[sending] = recipient

    async def ended(
        self, recipient: Recipient, sent: Sequence[InstanceFidelity], *, at: datetime
    ) -> None:
        """Write down what went out, after what went before under the same id."""
        lines = b"".join(orjson.dumps(_line(one, at)) + b"\n" for one in recipient.entries(sent))
        if lines:
            path = self._path(recipient.asking, recipient.delivery)
            await asyncio.to_thread(self._append, path, lines)

    async def sent(
        self, delivery: str, *, asking: CommunityId, study: Uid, patient: PatientId
    ) -> list[Entry]:
        """What went out of a patient's study to a community under an id; [] where nothing did.

        Of an instance that went out several times, the last; in the order of sending.
        """
        path = self._path(asking, delivery)
        found = await asyncio.to_thread(_read, path, study)
        for sending, recipient in list(self._under_way.items()):
            if (recipient.delivery, recipient.asking) == (delivery, asking):
                found += recipient.entries(sending.fidelity)
        last = {one.sent.ref.instance: one for one in found}
        return [
            one for one in last.values() if one.sent.ref.study == study and one.patient == patient
        ]

    def _path(self, asking: CommunityId, delivery: str) -> Path:
        name = hashlib.sha256(f"{asking}|{delivery}".encode()).hexdigest()
        return self._folder / f"{name}.jsonl"

    def _append(self, path: Path, lines: bytes) -> None:
        with self._writing:
            if self._kept is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                found = sorted(self._folder.glob("*.jsonl"), key=lambda one: one.stat().st_mtime)
                self._kept = dict.fromkeys(found)
            if path.exists() and path.stat().st_size + len(lines) > MAX_RECORD_BYTES:
                _LOG.warning("a delivery is not recorded any more", record=path.name)
                return
            # What was written to last is the youngest.
            self._kept.pop(path, None)
            self._kept[path] = None
            while len(self._kept) > MAX_DELIVERIES:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                oldest.unlink(missing_ok=True)
            with path.open("ab") as out:
                out.write(lines)


def _line(entry: Entry, at: datetime) -> dict[str, Any]:
    one, coding, error, cap = entry.sent, entry.sent.coding, entry.sent.error, entry.cap
    return {
        "ref": [one.ref.study, one.ref.series, one.ref.instance],
        "syntax": one.syntax,
        "sha256": one.sha256,
        "raw_bytes": one.raw_bytes,
        "sent_bytes": one.sent_bytes,
        "coding": coding and [coding.effort, coding.near, coding.step],
        "pixels_sha256": one.pixels_sha256,
        "error": error and [error.max_error, error.rmse, error.ssim],
        "derived": one.derived,
        "cap": cap and [cap.ratio, cap.source],
        "patient": [entry.patient.value, entry.patient.authority],
        "at": at,
    }


def _read(path: Path, study: Uid) -> list[Entry]:
    """The lines about a study; one that a stopped process left half written is told and skipped."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            held: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:
            _LOG.warning("a line of a delivery cannot be read", record=path.name)
            continue
        if held["ref"][0] == study:
            found.append(_entry(held))
    return found


def _entry(held: Mapping[str, Any]) -> Entry:
    syntax = Uid(held["syntax"])
    coding, error, cap, derived = held["coding"], held["error"], held["cap"], held["derived"]
    study, series, instance = map(Uid, held["ref"])
    value, authority = held["patient"]
    return Entry(
        sent=InstanceFidelity(
            ref=InstanceRef(study=study, series=series, instance=instance),
            syntax=syntax,
            sha256=held["sha256"],
            raw_bytes=held["raw_bytes"],
            sent_bytes=held["sent_bytes"],
            coding=coding
            and Coding(syntax=syntax, effort=coding[0], near=coding[1], step=coding[2]),
            pixels_sha256=held["pixels_sha256"],
            error=error and PixelError(max_error=error[0], rmse=error[1], ssim=error[2]),
            derived=derived and Uid(derived),
        ),
        patient=PatientId(value, Oid(authority)),
        cap=cap and RatioCap(ratio=cap[0], source=cap[1]),
    )
