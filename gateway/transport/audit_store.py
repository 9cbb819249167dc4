"""The audit trail on disk: append-only, one file a day (ITI-20; guideline Art. 15).

A record is three lines: an index line of JSON, the DICOM audit message as one line of XML, and
the FHIR AuditEvent as one line of JSON. Both forms are kept, because neither holds all of the
event: ids of tokens are in one, details of a query in the other. The lines go out in one write, so
that a record is there or it is not. The index names no patient and no professional; those are in
the messages alone. Nothing is ever rewritten: a record cut short by a crash or a full disk stays,
is skipped by readers, and the next one starts on a line of its own. Records of two lines, of before
the second form, are read as having none.

An event that cannot be kept raises `AuditNotKept`, for the caller to decide what becomes of the
transaction: nothing goes unaudited in silence. `append` writes to a local file and waits for
nobody (well under a millisecond for a usual event); it may be called from several threads.
Sending events to a remote repository is `audit_sender`'s.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import orjson

from gateway.domain.audit import AuditEvent
from gateway.domain.refusals import InternalFault, Refusal
from gateway.wire.audit.dicom_xml import encode_audit
from gateway.wire.audit.fhir import render_audit
from gateway.wire.audit.kinds import purpose_of
from gateway.wire.problems import EncodeError

SUFFIX = ".audit"
# The longest line read back: a query of 64 MiB in base64, and room for what stands around it.
MAX_LINE_BYTES = 96 * 1024 * 1024
# How an index line begins, and no other: it tells the lines of a record apart without reading them.
_INDEX = b'{"number": '
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class AuditNotKept(InternalFault):
    """An event could not be written to the audit trail; the cause says why."""

    def __init__(self) -> None:
        super().__init__(Refusal.INTERNAL, "the audit trail cannot be written")


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A record as kept: its number (rising, never reused), its index line, its two messages.

    `fhir` is empty in records of before there were AuditEvents.
    """

    number: int
    index: dict[str, Any]
    xml: bytes
    fhir: bytes = b""


class AuditStore:
    """Keeps audit events in a folder, by UTC day of the event; for one process at a time.

    `source_id` is the AuditSourceID in every message. With `durable` each record is forced to
    the medium before `append` returns; otherwise it survives the process, not a power cut.
    """

    def __init__(self, directory: Path, source_id: str, *, durable: bool = False) -> None:
        self._directory = directory
        self._source_id = source_id
        self._durable = durable
        self._process_id = str(os.getpid())
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        files = self._files()
        self._last = next((last for path in reversed(files) if (last := _last_number(path))), 0)
        self._newest = files[-1].name if files else ""
        # Files that may end in a torn line: those found at start, and any after a failed write.
        self._unsure = {path.name for path in files}

    def append(self, event: AuditEvent) -> int:
        """Keep the event; its record number. Raises `AuditNotKept`, and then it is not kept."""
        try:
            names = {"source_id": self._source_id, "process_id": self._process_id}
            xml = encode_audit(event, **names)
            fhir = orjson.dumps(render_audit(event, **names))
        except EncodeError as error:
            raise AuditNotKept from error
        day = event.at.astimezone(UTC).date().isoformat()
        with self._lock:
            # An event told late joins the newest file, so that numbers rise from file to file.
            self._newest = max(self._newest, day + SUFFIX)
            path = self._directory / self._newest
            number = self._last + 1
            index = json.dumps(_index(number, event, xml, fhir), ensure_ascii=True)
            try:
                self._write(path, b"\n".join((index.encode(), xml, fhir, b"")))
            except OSError as error:
                self._unsure.add(path.name)
                raise AuditNotKept from error
            self._last = number
        return number

    @property
    def last(self) -> int:
        """The number of the last record written, 0 where there is none."""
        return self._last

    def events(self, since: int = 0, limit: int | None = None) -> Iterator[AuditRecord]:
        """Records with a number above `since`, in the order of writing."""
        given = 0
        for path in self._files_after(since):
            if limit is not None and given >= limit:
                return
            for record in _read(path, since):
                if limit is None or given < limit:
                    given += 1
                    yield record

    def find(self, event_id: str) -> AuditRecord | None:
        """The record of one event, newest days first; None if there is none."""
        for path in reversed(self._files()):
            for record in _read(path):
                if record.index["id"] == event_id:
                    return record
        return None

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if path.name in self._unsure and _ends_torn(descriptor):
                data = b"\n" + data
            written = os.write(descriptor, data)
            if written != len(data):
                raise OSError(f"{written} of {len(data)} bytes written to {path.name}")
            self._unsure.discard(path.name)
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _files_after(self, since: int) -> list[Path]:
        """The files that may hold a number above `since`: numbers rise from file to file."""
        files = self._files()
        while len(files) > 1 and 0 < _first_number(files[1]) <= since + 1:
            del files[0]
        return files

    def _files(self) -> list[Path]:
        found = self._directory.glob("*" + SUFFIX)
        return sorted(path for path in found if _DAY.fullmatch(path.stem))


def _first_number(path: Path) -> int:
    """The first number in a file, 0 where there is none."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if index := _index_of(line):
                return int(index["number"])
    return 0


def _last_number(path: Path) -> int:
    """The highest number in a file, torn records included: a number is never used twice."""
    last = 0
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if index := _index_of(line):
                last = max(last, index["number"])
    return last


def _index(number: int, event: AuditEvent, xml: bytes, fhir: bytes) -> dict[str, Any]:
    purpose = purpose_of(event)
    return {
        "number": number,
        "id": event.id,
        "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "transaction": event.transaction.value if event.transaction else "",
        "side": event.side.value,
        "outcome": event.outcome.value,
        "refusal": event.refusal.value if event.refusal else "",
        "emergency": event.emergency,
        "purpose": purpose.value if purpose else "",
        "community": str(event.community),
        "peer": str(event.peer or ""),
        "message_id": event.message_id,
        "correlation_id": event.context.correlation_id if event.context else "",
        "documents": len(event.documents),
        "images": len(event.images),
        "size_bytes": len(xml),
        "sha256": hashlib.sha256(xml).hexdigest(),
        "fhir_size_bytes": len(fhir),
        "fhir_sha256": hashlib.sha256(fhir).hexdigest(),
    }


def _read(path: Path, since: int = 0) -> Iterator[AuditRecord]:
    """The whole records of a file above a number; a torn one is passed over."""
    with path.open("rb") as file:
        line = file.readline(MAX_LINE_BYTES)
        while line:
            index = _index_of(line)
            line = file.readline(MAX_LINE_BYTES)
            if index is None:
                continue
            messages: list[bytes] = []
            while line and len(messages) < 2 and not line.startswith(_INDEX):
                messages.append(line.removesuffix(b"\n"))
                line = file.readline(MAX_LINE_BYTES)
            digests = [index[name] for name in ("sha256", "fhir_sha256") if name in index]
            if index["number"] > since and digests == [
                hashlib.sha256(message).hexdigest() for message in messages
            ]:
                yield AuditRecord(index["number"], index, *messages)


def _index_of(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(_INDEX):
        return None
    try:
        index = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(index, dict) and isinstance(index.get("number"), int)
    return index if whole and {"id", "sha256"} <= index.keys() else None


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
